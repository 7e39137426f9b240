//! Certificates of the tests' own authority, and connections that trust it.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;

use countersign_protocol::{Clock as _, Timestamp};
use countersign_verify::SystemClock;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, IsCa, KeyPair, KeyUsagePurpose, date_time_ymd,
};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::http::Connection;

const DAY: i64 = 24 * 60 * 60;

/// A certificate authority.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A chain and its key, in PEM.
pub(crate) struct Issued {
    pub(crate) chain: String,
    pub(crate) key: String,
    pub(crate) der: CertificateDer<'static>,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, "Test CA");
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    pub(crate) fn pem(&self) -> String {
        self.0.pem()
    }

    pub(crate) fn der(&self) -> CertificateDer<'static> {
        self.0.der().clone()
    }

    /// A certificate for these names, valid from some days from now until some days from now.
    pub(crate) fn issue_for_days(&self, names: &[&str], from: i64, until: i64) -> Issued {
        let key = KeyPair::generate().unwrap();
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        let date = |days: i64| {
            let time: Timestamp = SystemClock.now().plus_seconds(days * DAY);
            let date = jiff::Timestamp::from_second(time.as_seconds()).unwrap().to_zoned(jiff::tz::TimeZone::UTC).date();
            date_time_ymd(date.year().into(), date.month().unsigned_abs(), date.day().unsigned_abs())
        };
        (params.not_before, params.not_after) = (date(from), date(until));
        let certificate = params.signed_by(&key, &self.0).unwrap();
        Issued { chain: certificate.pem(), key: key.serialize_pem(), der: certificate.der().clone() }
    }

    pub(crate) fn issue(&self, names: &[&str]) -> Issued {
        self.issue_for_days(names, -1, 90)
    }

    /// Connects with TLS to `localhost` at this port.
    pub(crate) async fn connect(
        &self,
        port: u16,
        alpn: &[&str],
        versions: &[&'static SupportedProtocolVersion],
    ) -> std::io::Result<TlsStream<TcpStream>> {
        let mut roots = RootCertStore::empty();
        roots.add(self.der()).unwrap();
        secure(roots, port, alpn, versions).await
    }

    /// A connection for HTTP/1.1, whose requests name this authority.
    pub(crate) async fn open(&self, port: u16, host: &str) -> std::io::Result<Connection> {
        let stream = self.connect(port, &["http/1.1"], rustls::ALL_VERSIONS).await?;
        Connection::over(stream, host.to_owned()).await
    }

    /// The certificate that a new connection gets.
    pub(crate) async fn served(&self, port: u16) -> CertificateDer<'static> {
        let stream = self.connect(port, &[], rustls::ALL_VERSIONS).await.unwrap();
        stream.get_ref().1.peer_certificates().unwrap()[0].clone().into_owned()
    }
}

/// Connects with TLS to `localhost` at this port.
pub(crate) async fn secure(
    roots: RootCertStore,
    port: u16,
    alpn: &[&str],
    versions: &[&'static SupportedProtocolVersion],
) -> std::io::Result<TlsStream<TcpStream>> {
    let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
    let mut config = builder.with_protocol_versions(versions).unwrap().with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
    let tcp = TcpStream::connect(("127.0.0.1", port)).await?;
    TlsConnector::from(Arc::new(config)).connect(ServerName::try_from("localhost").unwrap(), tcp).await
}

impl Issued {
    /// Writes both files, the key for its owner only; each all at once.
    pub(crate) fn write(&self, folder: &Path) {
        for (name, text) in [("server.pem", &self.chain), ("server.key", &self.key)] {
            let unfinished = folder.join(format!("{name}.new"));
            std::fs::write(&unfinished, text).unwrap();
            std::fs::set_permissions(&unfinished, std::fs::Permissions::from_mode(0o600)).unwrap();
            std::fs::rename(unfinished, folder.join(name)).unwrap();
        }
    }
}
