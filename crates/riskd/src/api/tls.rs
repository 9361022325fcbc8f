//! The encrypted listener's certificate and key.

use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

use super::ApiError;
use crate::config::TlsFiles;

/// Reads certificate and key. A key that others can read is refused.
pub(super) fn acceptor(files: &TlsFiles) -> Result<TlsAcceptor, ApiError> {
    let failed = |path: &std::path::Path, problem: &dyn std::fmt::Display| ApiError::Tls {
        path: path.to_owned(),
        problem: problem.to_string(),
    };
    let certificates = CertificateDer::pem_file_iter(&files.certificate)
        .and_then(|certificates| certificates.collect::<Result<Vec<_>, _>>())
        .map_err(|error| failed(&files.certificate, &error))?;
    if certificates.is_empty() {
        return Err(failed(&files.certificate, &"holds no certificate"));
    }
    let metadata = std::fs::metadata(&files.key).map_err(|error| failed(&files.key, &error))?;
    let mode = metadata.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        let problem = format!("can be read or changed by others (mode {mode:04o}): run chmod 600 on it");
        return Err(failed(&files.key, &problem));
    }
    let key = PrivateKeyDer::from_pem_file(&files.key).map_err(|error| failed(&files.key, &error))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(certificates, key))
        .map_err(|error| failed(&files.certificate, &error))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}
