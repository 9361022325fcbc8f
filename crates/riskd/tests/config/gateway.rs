//! `gateway.yaml`, where the API key is kept, and `accounts.yaml`.

use std::os::unix::fs::PermissionsExt;

use riskd::config::{ApiKeySource, ConfigError, ConfigFolder, GatewayConfig, Surroundings, load_accounts};
use riskd_core::model::AccountId;
use secrecy::ExposeSecret;

use crate::{refusals, written};

pub(crate) fn load(folder: &ConfigFolder) -> Result<GatewayConfig, ConfigError> {
    GatewayConfig::load(folder).map(|config| config.expect("the file is there"))
}

#[test]
fn a_firm_stands_for_two_addresses_and_each_can_be_replaced() {
    let written_firm = written("gateway.yaml", "gateway: { firm: TopstepX, user_name: ann }");
    let config = load(&written_firm.folder).unwrap();
    assert_eq!(config.api_url, "https://api.topstepx.com");
    assert_eq!(config.hub_url, "wss://rtc.topstepx.com");
    assert_eq!((config.user_name.as_str(), config.api_key), ("ann", ApiKeySource::Default));

    let text = "gateway:
  firm: alphaticks
  user_name: 007
  api_url: http://127.0.0.1:8900/
  hub_url: ws://localhost:8900/
  api_key_file: secrets/key
";
    let spelled = written("gateway.yaml", text);
    let config = load(&spelled.folder).unwrap();
    assert_eq!(config.api_url, "http://127.0.0.1:8900");
    assert_eq!(config.hub_url, "ws://localhost:8900");
    assert_eq!(config.user_name, "007", "a name stays as it is spelled");
    assert_eq!(config.api_key, ApiKeySource::File(spelled.base.path().join("secrets/key")));

    let empty = tempfile::tempdir().unwrap();
    assert_eq!(GatewayConfig::load(&ConfigFolder::open(Some(empty.path())).unwrap()).unwrap(), None);
}

#[test]
fn what_the_gateway_file_gets_wrong_is_named_exactly() {
    refusals(
        "gateway.yaml",
        load,
        &[
            ("gateway: { firm: topstepx }\n", "gateway.yaml:1: gateway: the key user_name is required here"),
            ("", "gateway.yaml:1: the key gateway is required here"),
            (
                "gateway:\n  firm: topstep\n  user_name: ann\n",
                "gateway.yaml:2: gateway.firm: \"topstep\" is not a firm this program knows; did you mean topstepx?; \
                 any other firm is spelled out with api_url and hub_url",
            ),
            (
                "gateway:\n  user_name: ann\n",
                "gateway.yaml:1: gateway.api_url: is required where no firm is named; name one, such as \
                 firm: topstepx, or spell out api_url and hub_url",
            ),
            (
                "gateway:\n  firm: topstepx\n  user_name: ann\n  api_url: http://api.example.com\n",
                "gateway.yaml:4: gateway.api_url: \"http://api.example.com\" is not encrypted: it must begin with https://",
            ),
            (
                "gateway:\n  firm: topstepx\n  user_name: ann\n  hub_url: https://rtc.example.com\n",
                "gateway.yaml:4: gateway.hub_url: \"https://rtc.example.com\" must begin with wss://",
            ),
            (
                "gateway:\n  firm: topstepx\n  user_name: ann\n  hub_url: wss://rtc.example.com/?access_token=x\n",
                "gateway.yaml:4: gateway.hub_url: must not carry a user, a password, a query or a fragment",
            ),
            (
                "gateway:\n  firm: topstepx\n  user_name: ann\n  api_url: nonsense\n",
                "gateway.yaml:4: gateway.api_url: \"nonsense\" is not an address: relative URL without a base",
            ),
            (
                "gateway:\n  firm: topstepx\n  user_name: ann\n  api_key: abc\n",
                "gateway.yaml:4: gateway.api_key: a secret must not stand in a config file; put it alone into a file, \
                 chmod 600 it, and name that file with api_key_file",
            ),
            (
                "gateway:\n  firm: topstepx\n  user_name: ann\n  api_key_file: a\n  api_key_env: B\n",
                "gateway.yaml:5: gateway.api_key_env: api_key_file and api_key_env are both there: \
                 which of them holds the key?",
            ),
            (
                "gateway:\n  firm: topstepx\n  username: ann\n",
                "gateway.yaml:3: gateway.username: unknown key; did you mean user_name?",
            ),
        ],
    );
}

#[test]
fn a_key_file_must_be_its_owners_alone() {
    let written = written("gateway.yaml", "gateway: { firm: topstepx, user_name: ann, api_key_file: key }");
    let config = load(&written.folder).unwrap();
    let key = written.base.path().join("key");
    let read = || config.read_api_key(&Surroundings::default());
    assert!(read().unwrap_err().to_string().contains("the API key file cannot be read"));
    std::fs::write(&key, "abc123=\n").unwrap();
    for (mode, accepted) in
        [(0o600, true), (0o400, true), (0o640, false), (0o604, false), (0o644, false), (0o620, false)]
    {
        std::fs::set_permissions(&key, PermissionsExt::from_mode(mode)).unwrap();
        match read() {
            Ok(secret) => {
                assert!(accepted, "{mode:o}");
                assert_eq!(secret.expose_secret(), "abc123=");
                assert!(!format!("{secret:?}").contains("abc123"));
            }
            Err(error) => {
                assert!(!accepted, "{mode:o}: {error}");
                let expected = format!(
                    "{0}: the API key file can be read or changed by others (mode {mode:04o}); run: chmod 600 '{0}'",
                    key.display()
                );
                assert_eq!(error.to_string(), expected);
            }
        }
    }
    std::fs::set_permissions(&key, PermissionsExt::from_mode(0o600)).unwrap();
    for (text, problem) in [
        ("", "must hold the API key alone, on one line"),
        ("two words", "must hold the API key alone, on one line"),
        ("a\nb\n", "must hold the API key alone, on one line"),
        (&"x".repeat(5000), "is too long to be a secret: 4096 bytes at most"),
    ] {
        std::fs::write(&key, text).unwrap();
        let error = read().unwrap_err().to_string();
        assert!(error.ends_with(problem), "{error}");
        assert!(text.is_empty() || !error.contains(text), "the error shows what the file holds");
    }
}

#[test]
fn without_a_file_the_key_comes_from_the_environment_or_from_systemd() {
    let plain = load(&written("gateway.yaml", "gateway: { firm: topstepx, user_name: ann }").folder).unwrap();
    let credentials = tempfile::tempdir().unwrap();
    std::fs::write(credentials.path().join("riskd-api-key"), "from-systemd\n").unwrap();
    let folder = credentials.path().to_str().unwrap();
    let key = |variables: &[(&str, &str)]| {
        plain.read_api_key(&Surroundings::of(variables)).map(|secret| secret.expose_secret().to_owned())
    };
    assert_eq!(key(&[("RISKD_API_KEY", " from-env ")]).unwrap(), "from-env");
    assert_eq!(key(&[("CREDENTIALS_DIRECTORY", folder)]).unwrap(), "from-systemd");
    assert_eq!(key(&[("RISKD_API_KEY", "from-env"), ("CREDENTIALS_DIRECTORY", folder)]).unwrap(), "from-env");
    assert_eq!(key(&[("RISKD_API_KEY", ""), ("CREDENTIALS_DIRECTORY", folder)]).unwrap(), "from-systemd");
    assert_eq!(
        key(&[]).unwrap_err().to_string(),
        "gateway.yaml: no API key was found; name a file with gateway.api_key_file, set RISKD_API_KEY, \
         or give the service the systemd credential riskd-api-key"
    );

    let text = "gateway: { firm: topstepx, user_name: ann, api_key_env: MY_KEY }";
    let named = load(&written("gateway.yaml", text).folder).unwrap();
    let secret = named.read_api_key(&Surroundings::of(&[("MY_KEY", "mine"), ("RISKD_API_KEY", "other")])).unwrap();
    assert_eq!(secret.expose_secret(), "mine");
    assert!(named.read_api_key(&Surroundings::of(&[("RISKD_API_KEY", "other")])).is_err());
    let surroundings = Surroundings::of(&[("MY_KEY", "mine")]);
    assert_eq!(format!("{surroundings:?}"), "{\"MY_KEY\"}", "values are not shown");
}

#[test]
fn accounts_have_a_day_of_their_own() {
    let text = "accounts:
  - { id: 42 }
  - { id: 43, name: 50, reset_time: \"16:30\", timezone: America/Chicago, risk_config: config/calm.yaml }
";
    let written = written("accounts.yaml", text);
    let accounts = load_accounts(&written.folder).unwrap();
    assert_eq!((accounts[0].id, accounts[0].name.as_str()), (AccountId(42), "42"));
    assert_eq!(accounts[0].trading_day_under(None).reset_time().to_string(), "17:00:00");
    assert_eq!(accounts[0].trading_day_under(None).timezone_name(), "America/New_York");
    assert_eq!((accounts[1].id, accounts[1].name.as_str()), (AccountId(43), "50"));
    assert_eq!(accounts[1].trading_day_under(None).reset_time().to_string(), "16:30:00");
    assert_eq!(accounts[1].trading_day_under(None).timezone_name(), "America/Chicago");
    assert_eq!(accounts[1].risk_config, Some(written.base.path().join("config/calm.yaml")));
    std::fs::remove_file(&written.file).unwrap();
    assert_eq!(load_accounts(&written.folder).unwrap(), []);
}

#[test]
fn what_the_accounts_file_gets_wrong_is_named_exactly() {
    refusals(
        "accounts.yaml",
        load_accounts,
        &[
            (
                "accounts:\n  - id: 1\n  - id: 0\n",
                "accounts.yaml:3: accounts[1].id: must be a whole number from 1 to 9223372036854775807, not 0",
            ),
            ("accounts:\n  - id: 1\n  - id: 1\n", "accounts.yaml:3: accounts[1].id: account 1 is listed twice"),
            ("accounts:\n  - name: x\n", "accounts.yaml:2: accounts[0]: the key id is required here"),
            (
                "accounts:\n  - id: 1\n    reset_time: \"25:00\"\n",
                "accounts.yaml:3: accounts[0].reset_time: \"25:00\" is not a time of day: HH:MM, from 00:00 to 23:59",
            ),
            (
                "accounts:\n  - id: 1\n    timezone: America/New_Yrok\n",
                "accounts.yaml:3: accounts[0].timezone: \"America/New_Yrok\" is not the name of a time zone; \
                 did you mean America/New_York?",
            ),
            (
                "accounts:\n  - id: 1\n    timezone: nowhere at all in the world\n",
                "accounts.yaml:3: accounts[0].timezone: \"nowhere at all in the world\" is not the name of a time zone; \
                 such as America/New_York",
            ),
            (
                "accounts:\n  - id: 1\n    time_zone: UTC\n",
                "accounts.yaml:3: accounts[0].time_zone: unknown key; did you mean timezone?",
            ),
            ("accounts: 5\n", "accounts.yaml:1: accounts: must be a sequence, not 5"),
        ],
    );
}
