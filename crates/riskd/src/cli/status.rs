//! x
use super::*;
use crate::failure::*;
/// x riskd
#[derive(Debug, clap::Args)]
pub struct Args {}
/// x
pub fn run(_args: Args, _context: &Context) -> Result<Exit, Failure> { Ok(Exit::DONE) }
