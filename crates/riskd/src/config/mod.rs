//! The config files: read, checked whole, and every error with its file, line, key and the nearest known key.
//!
//! Architecture invariant: nothing outside this module knows YAML. What comes out of it is checked and resolved.

mod accounts;
mod alerts;
mod api;
mod calendars;
mod checks;
mod commitment;
mod database;
mod document;
mod error;
mod folder;
mod gateway;
mod logging;
mod reader;
mod rules;
mod secret;

pub use accounts::{AccountConfig, load_accounts};
pub use alerts::load_alerts;
pub use api::{ApiConfig, TlsFiles};
pub use calendars::{load_holidays, load_news};
pub use commitment::restore_account;
pub use database::{
    BackupConfig, DatabaseConfig, EnforcementConfig, IndexesConfig, MigrationConfig, RetentionConfig, SCHEMA_VERSION,
    SchemaConfig,
};
pub use error::ConfigError;
pub use folder::ConfigFolder;
pub use gateway::{ApiKeySource, GatewayConfig, known_firms};
pub use logging::{LogFilesConfig, LoggingConfig};
pub use rules::{ArmedRules, LoggingLevel, RiskConfig, load_risk_config, load_rules};
pub use secret::{API_KEY_CREDENTIAL, API_KEY_VARIABLE, Surroundings, read_token_file, refuse_what_others_can_read};
