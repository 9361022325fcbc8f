//! The program `riskd`. Everything is in the library beside it.

fn main() -> std::process::ExitCode {
    riskd::cli::main()
}
