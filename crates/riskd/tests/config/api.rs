//! `api.yaml`: what is open to all is refused, and a token must be a secret.

use std::os::unix::fs::PermissionsExt;

use riskd::config::{ApiConfig, ConfigFolder};
use secrecy::ExposeSecret;

const TOKEN: &str = "0123456789abcdef0123456789abcdef";

/// Loads these lines from a folder with a token of that mode.
fn load(text: &str, mode: u32) -> Result<ApiConfig, String> {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("config");
    std::fs::create_dir(&config).unwrap();
    std::fs::write(config.join("api.yaml"), text).unwrap();
    for (name, content) in [("token", format!("{TOKEN}\n")), ("short", "abc\n".to_owned())] {
        let file = folder.path().join(name);
        std::fs::write(&file, content).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
    }
    ApiConfig::load(&ConfigFolder::at(&config).unwrap()).map_err(|error| {
        format!("{}{}: {}", error.line.map(|line| format!("{line} ")).unwrap_or_default(), error.key, error.problem)
    })
}

#[test]
fn without_a_file_it_is_on_loopback_and_free_to_read() {
    let folder = tempfile::tempdir().unwrap();
    let config = ApiConfig::load(&ConfigFolder::at(folder.path()).unwrap()).unwrap();
    assert!(config.enabled && config.token.is_none() && config.is_on_loopback());
    assert_eq!(config.listen.to_string(), "127.0.0.1:8765");
    let example = ApiConfig::load(
        &ConfigFolder::at(&std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config")).unwrap(),
    );
    assert_eq!(example.unwrap().listen, config.listen);
}

#[test]
fn what_is_open_to_all_is_refused() {
    let tls = "tls: {certificate: c.pem, key: k.pem}";
    for (text, expected) in [
        (
            "{listen: \"0.0.0.0:8765\"}",
            Some("api.listen: 0.0.0.0 can be reached from other machines, and nothing is encrypted"),
        ),
        (
            "{listen: \"192.0.2.1:80\", token_file: token}",
            Some("api.listen: 192.0.2.1 can be reached from other machines, and nothing is encrypted"),
        ),
        (
            &format!("{{listen: \"0.0.0.0:8765\", {tls}}}"),
            Some("api.listen: 0.0.0.0 can be reached from other machines, and anybody could read"),
        ),
        (
            "{listen: \"[::]:8765\", allow_plain: true}",
            Some("api.listen: :: can be reached from other machines, and anybody could read"),
        ),
        (&format!("{{listen: \"0.0.0.0:8765\", token_file: token, {tls}}}"), None),
        ("{listen: \"0.0.0.0:8765\", token_file: token, allow_plain: true}", None),
        ("{listen: \"0.0.0.0:8765\", enabled: false}", None),
        ("{listen: \"[::1]:9000\"}", None),
        ("{listen: \"localhost:9000\"}", None),
        (
            "{listen: \"desk:9000\"}",
            Some("api.listen: \"desk:9000\" is not an address and a port, such as \"127.0.0.1:8765\""),
        ),
        ("{port: 9000}", Some("api.port: unknown key")),
        (
            "{allowed_hosts: [\"https://desk.example\"]}",
            Some(
                "api.allowed_hosts: \"https://desk.example\" is not the name of a host: no scheme, no port, such as desk.example.com",
            ),
        ),
        ("{requests_per_second: 0}", Some("api.requests_per_second: must be a whole number from 1 to 1000000, not 0")),
    ] {
        let loaded = load(&format!("api: {text}\n"), 0o600);
        let expected = expected.map(|problem| format!("1 {problem}"));
        assert_eq!(loaded.err(), expected, "{text}");
    }
}

#[test]
fn a_token_must_be_long_and_its_owners_alone() {
    let config = load("api: {token_file: token}\n", 0o600).unwrap();
    assert_eq!(config.token.unwrap().expose_secret(), TOKEN);
    let exposed = load("api: {token_file: token}\n", 0o644).unwrap_err();
    assert!(exposed.contains("can be read or changed by others (mode 0644)"), "{exposed}");
    let short = load("api: {token_file: short}\n", 0o600).unwrap_err();
    assert!(short.contains("at least 24"), "{short}");
    assert!(load("api: {token_file: missing}\n", 0o600).unwrap_err().contains("cannot be read"));
}
