//! The way to the API of a running daemon, on this machine or another, for programs of ours that ask it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Error as SocketError;
use tokio_tungstenite::tungstenite::handshake::client::Request;
use tokio_tungstenite::{Connector, MaybeTlsStream, WebSocketStream, client_async_tls_with_config, connect_async};
use url::{Host, Url};

use crate::config::ApiConfig;

/// Where a daemon is asked, and whose word is taken for it being the right one.
#[derive(Debug, Clone)]
pub struct Reach {
    base: Url,
    /// Where it listens, when that is known better than by its name.
    at: Option<SocketAddr>,
    /// The only certificates that are trusted; absent for those that the machine trusts.
    trusted: Option<Vec<CertificateDer<'static>>>,
}

impl Reach {
    /// The way to the daemon at this address, `http://127.0.0.1:8765`.
    ///
    /// # Errors
    ///
    /// When the address cannot be used, in words.
    pub fn to(address: &str) -> Result<Self, String> {
        let base = Url::parse(address).map_err(|error| format!("{address:?} is not an address: {error}"))?;
        if !["http", "https"].contains(&base.scheme()) || base.host().is_none() {
            return Err(format!("{address:?} must begin with http:// or https://"));
        }
        if !base.username().is_empty() || base.password().is_some() || base.query().is_some() {
            return Err("the address must not carry a user, a password or a query: secrets come from files".to_owned());
        }
        Ok(Self { base, at: None, trusted: None })
    }

    /// The way to the daemon with this config, from its own machine: where it is encrypted, by the name it may be called
    /// by, trusting its certificate.
    ///
    /// # Errors
    ///
    /// When the certificate cannot be read, in words.
    pub fn of(config: &ApiConfig) -> Result<Self, String> {
        let mut at = config.listen;
        if at.ip().is_unspecified() {
            // It listens everywhere, so here too.
            at.set_ip(if at.is_ipv4() { IpAddr::from(Ipv4Addr::LOCALHOST) } else { IpAddr::from(Ipv6Addr::LOCALHOST) });
        }
        let Some(tls) = &config.tls else { return Self::to(&format!("http://{at}")) };
        let name = config.allowed_hosts.first();
        let base = name.map_or_else(|| format!("https://{at}"), |name| format!("https://{name}:{}", at.port()));
        let reach = Self::to(&base)?.trusting(&tls.certificate)?;
        Ok(Self { at: name.map(|_| at), ..reach })
    }

    /// The same way, trusting the certificates of this PEM file and no others.
    ///
    /// # Errors
    ///
    /// When the file cannot be read or holds none, in words.
    pub fn trusting(self, file: &Path) -> Result<Self, String> {
        let certificates = CertificateDer::pem_file_iter(file)
            .and_then(|certificates| certificates.collect::<Result<Vec<_>, _>>())
            .map_err(|error| format!("{} cannot be read as certificates: {error}", file.display()))?;
        if certificates.is_empty() {
            return Err(format!("{} holds no certificate", file.display()));
        }
        Ok(Self { trusted: Some(certificates), ..self })
    }

    /// The address, without a slash at its end.
    pub fn address(&self) -> String {
        self.base.as_str().trim_end_matches('/').to_owned()
    }

    /// Whether nobody between here and there could read along.
    pub fn is_private(&self) -> bool {
        let is_here = match self.base.host() {
            Some(Host::Domain(name)) => name == "localhost",
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            None => false,
        };
        self.base.scheme() == "https" || is_here
    }

    /// A client for it that follows nobody elsewhere and asks no proxy.
    ///
    /// # Errors
    ///
    /// When a certificate is of no use, in words.
    pub fn http(&self) -> Result<reqwest::ClientBuilder, String> {
        let mut builder = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy();
        if let (Some(at), Some(host)) = (self.at, self.base.host_str()) {
            builder = builder.resolve(host, at);
        }
        if let Some(trusted) = &self.trusted {
            let certificates = trusted.iter().map(|certificate| reqwest::Certificate::from_der(certificate));
            let certificates = certificates.collect::<Result<Vec<_>, _>>().map_err(|error| error.to_string())?;
            builder = builder.tls_certs_only(certificates);
        }
        Ok(builder)
    }

    /// Opens a stream to it.
    pub(crate) async fn stream(
        &self,
        request: Request,
    ) -> Result<WebSocketStream<MaybeTlsStream<TcpStream>>, SocketError> {
        let Some(trusted) = &self.trusted else {
            return connect_async(request).await.map(|(socket, _)| socket);
        };
        let mut roots = RootCertStore::empty();
        // Those that are of no use are told of when none of the others will do.
        let _added = roots.add_parsable_certificates(trusted.iter().cloned());
        let config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        let socket = match self.at {
            Some(at) => TcpStream::connect(at).await?,
            None => {
                let host = self.base.host_str().unwrap_or_default().trim_matches(['[', ']']).to_owned();
                TcpStream::connect((host, self.base.port_or_known_default().unwrap_or(443))).await?
            }
        };
        let connector = Connector::Rustls(Arc::new(config));
        client_async_tls_with_config(request, socket, None, Some(connector)).await.map(|(socket, _)| socket)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn only_plain_addresses_are_taken() {
        assert_eq!(Reach::to("http://127.0.0.1:8765/").unwrap().address(), "http://127.0.0.1:8765");
        for address in ["", "127.0.0.1:8765", "ftp://h", "http://u:p@h", "http://h/?token=x", "unix:/x"] {
            assert!(Reach::to(address).is_err(), "{address}");
        }
    }

    #[test]
    fn what_travels_in_the_open_is_known() {
        for (address, is_private) in [
            ("http://127.0.0.1:8765", true),
            ("http://[::1]:8765", true),
            ("http://localhost:8765", true),
            ("https://desk.example", true),
            ("http://desk.example", false),
            ("http://localhost.example", false),
            ("http://10.0.0.7:8765", false),
        ] {
            assert_eq!(Reach::to(address).unwrap().is_private(), is_private, "{address}");
        }
    }

    #[test]
    fn a_daemon_is_found_where_its_config_says() {
        let listen = |text: &str| ApiConfig { listen: text.parse().unwrap(), ..ApiConfig::default() };
        for (listens, address) in [
            ("127.0.0.1:8765", "http://127.0.0.1:8765"),
            ("0.0.0.0:1234", "http://127.0.0.1:1234"),
            ("[::]:1234", "http://[::1]:1234"),
            ("10.0.0.7:80", "http://10.0.0.7"),
        ] {
            assert_eq!(Reach::of(&listen(listens)).unwrap().address(), address);
        }
    }

    #[test]
    fn a_file_without_certificates_is_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("empty.pem");
        std::fs::write(&file, "").unwrap();
        for file in [file, folder.path().join("absent.pem")] {
            let error = Reach::to("https://desk.example").unwrap().trusting(&file).unwrap_err();
            assert!(error.contains(&file.display().to_string()), "{error}");
        }
    }
}
