//! Setting riskd up and looking after it: config init, accounts, service, support bundle, completions, manual.
#![allow(clippy::unwrap_used)]

mod accounts;
mod bundle;
mod init;
mod printed;
mod scene;
mod service;
