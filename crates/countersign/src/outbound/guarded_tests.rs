use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::super::{Outbound, OutboundOptions};
use super::*;

const NAME: &str = "keys.test";
const ALL: &[&str] = &[NAME, "127.0.0.1"];

/// A server that answers each connection with `answer` and counts them.
struct TestServer {
    port: u16,
    certificate: CertificateDer<'static>,
    connections: Arc<AtomicUsize>,
}

impl TestServer {
    async fn start(names: &[&str], answer: impl Into<Vec<u8>>) -> Self {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let CertifiedKey { cert, signing_key } = generate_simple_self_signed(names).unwrap();
        let key = PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![cert.der().clone()], key)
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let connections = Arc::new(AtomicUsize::new(0));
        let (answer, counted) = (answer.into(), Arc::clone(&connections));
        tokio::spawn(async move {
            loop {
                let (tcp, _) = listener.accept().await.unwrap();
                counted.fetch_add(1, Ordering::SeqCst);
                let (acceptor, answer) = (acceptor.clone(), answer.clone());
                tokio::spawn(async move {
                    let Ok(mut stream) = acceptor.accept(tcp).await else { return };
                    let _ = stream.read(&mut [0; 4096]).await;
                    let _ = stream.write_all(&answer).await;
                    let _ = stream.shutdown().await;
                });
            }
        });
        Self { port, certificate: cert.der().clone(), connections }
    }

    fn fetch(&self, allow_private_addresses: bool) -> GuardedFetch {
        let options = OutboundOptions { extra_roots: vec![self.certificate.clone()], allow_private_addresses };
        Outbound::new(&options).unwrap().guarded()
    }

    fn url(&self, host: &str) -> String {
        format!("https://{host}:{}/keys?a=b", self.port)
    }

    fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

/// Answers each lookup with the next list; counts them by what is left.
struct Scripted(std::sync::Mutex<Vec<Vec<&'static str>>>);

impl Scripted {
    fn new(answers: &[&[&'static str]]) -> Arc<Self> {
        Arc::new(Self(std::sync::Mutex::new(answers.iter().rev().map(|answer| answer.to_vec()).collect())))
    }

    fn left(&self) -> usize {
        self.0.lock().unwrap().len()
    }
}

impl Resolve for Scripted {
    fn resolve<'a>(&'a self, name: &'a str) -> Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send + 'a>> {
        assert_eq!(name, NAME);
        let answer = self.0.lock().unwrap().pop().unwrap();
        Box::pin(async move { Ok(answer.iter().map(|address| address.parse().unwrap()).collect()) })
    }
}

fn ok(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nETag: \"1\"\r\nCache-Control: max-age=60\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

#[tokio::test]
async fn a_document_is_fetched_over_verified_tls() {
    let server = TestServer::start(ALL, ok("{\"keys\":[]}")).await;
    let fetched = server.fetch(true).get(&server.url("127.0.0.1"), None).await.unwrap();
    let Fetched::Document { body, etag, cache_control } = fetched else { panic!("{fetched:?}") };
    assert_eq!(
        (body.as_slice(), etag.as_deref(), cache_control.as_deref()),
        (&b"{\"keys\":[]}"[..], Some("\"1\""), Some("max-age=60"))
    );
}

#[tokio::test]
async fn a_certificate_of_another_name_or_authority_is_refused() {
    let server = TestServer::start(&["other.test"], ok("{}")).await;
    let error = server.fetch(true).get(&server.url("127.0.0.1"), None).await.unwrap_err();
    assert!(matches!(error, GuardedFetchError::Transport(_)), "{error:?}");
    let server = TestServer::start(ALL, ok("{}")).await;
    let stranger = Outbound::new(&OutboundOptions { allow_private_addresses: true, ..OutboundOptions::default() }).unwrap();
    let error = stranger.guarded().get(&server.url("127.0.0.1"), None).await.unwrap_err();
    assert!(matches!(error, GuardedFetchError::Transport(_)), "{error:?}");
}

#[tokio::test]
async fn ssrf_no_form_of_a_private_address_is_connected_to() {
    let server = TestServer::start(ALL, ok("{}")).await;
    let fetch = server.fetch(false);
    for host in [
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0x7f.1",
        "0x7f000001",
        "0177.0.0.1",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[64:ff9b::7f00:1]",
        "localhost",
        "127.0.0.1.",
        "0.0.0.0",
        "[::]",
        "10.0.0.1",
        "169.254.169.254",
        "[fd00:ec2::254]",
    ] {
        let error = fetch.get(&server.url(host), None).await.unwrap_err();
        assert!(matches!(error, GuardedFetchError::ForbiddenAddress), "{host}: {error:?}");
    }
    assert_eq!(server.connections(), 0);
}

#[tokio::test]
async fn ssrf_one_private_address_among_public_ones_is_enough_to_refuse() {
    let server = TestServer::start(ALL, ok("{}")).await;
    let mut fetch = server.fetch(false);
    for answer in [&["127.0.0.1"][..], &["192.0.2.7", "8.8.8.8"], &["8.8.8.8", "::1"], &["169.254.169.254"]] {
        fetch.resolver = Scripted::new(&[answer]);
        let error = fetch.get(&server.url(NAME), None).await.unwrap_err();
        assert!(matches!(error, GuardedFetchError::ForbiddenAddress), "{answer:?}: {error:?}");
    }
    fetch.resolver = Scripted::new(&[&[]]);
    assert!(matches!(fetch.get(&server.url(NAME), None).await.unwrap_err(), GuardedFetchError::Transport(_)));
    assert_eq!(server.connections(), 0);
}

/// The second answer would be another address: nobody asks for it.
#[tokio::test]
async fn dns_rebinding_a_name_is_resolved_once_and_the_checked_address_connected_to() {
    let server = TestServer::start(ALL, ok("{}")).await;
    let resolver = Scripted::new(&[&["127.0.0.1"], &["169.254.169.254"]]);
    let fetch = GuardedFetch { resolver: resolver.clone(), ..server.fetch(true) };
    fetch.get(&server.url(NAME), None).await.unwrap();
    assert_eq!((resolver.left(), server.connections()), (1, 1));
}

#[tokio::test]
async fn ssrf_redirects_are_not_followed() {
    for status in ["301 Moved Permanently", "302 Found", "303 See Other", "307 Temporary Redirect", "308 Permanent Redirect"] {
        let target = TestServer::start(ALL, ok("{}")).await;
        let location = target.url("127.0.0.1");
        let server =
            TestServer::start(ALL, format!("HTTP/1.1 {status}\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n")).await;
        let error = server.fetch(true).get(&server.url("127.0.0.1"), None).await.unwrap_err();
        assert!(matches!(error, GuardedFetchError::Status(code) if code.is_redirection()), "{error:?}");
        assert_eq!(target.connections(), 0);
    }
}

#[tokio::test]
async fn a_response_that_is_too_large_or_never_ends_is_given_up() {
    let limits = Limits { max_body_bytes: 1_000, timeout: Duration::from_secs(20) };
    let server = TestServer::start(ALL, ok(&"x".repeat(1_001))).await;
    let error = server.fetch(true).limits(limits).get(&server.url("127.0.0.1"), None).await.unwrap_err();
    assert!(matches!(error, GuardedFetchError::TooLarge), "{error:?}");
    let server = TestServer::start(ALL, ok(&"x".repeat(1_000))).await;
    server.fetch(true).limits(limits).get(&server.url("127.0.0.1"), None).await.unwrap();
    // A listener that accepts and says nothing.
    let silent = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let url = format!("https://{}/", silent.local_addr().unwrap());
    let limits = Limits { timeout: Duration::from_millis(50), ..limits };
    let error = server.fetch(true).limits(limits).get(&url, None).await.unwrap_err();
    assert!(matches!(error, GuardedFetchError::Timeout), "{error:?}");
}

#[tokio::test]
async fn a_version_at_hand_is_named_and_may_be_current() {
    let server = TestServer::start(ALL, "HTTP/1.1 304 Not Modified\r\nCache-Control: max-age=9\r\n\r\n").await;
    let fetched = server.fetch(true).get(&server.url("127.0.0.1"), Some("\"1\"")).await.unwrap();
    assert!(
        matches!(&fetched, Fetched::NotModified { cache_control } if cache_control.as_deref() == Some("max-age=9")),
        "{fetched:?}"
    );
}

#[test]
fn only_https_urls_of_one_reading_are_tried() {
    let fetch = |allow_private_addresses| {
        Outbound::new(&OutboundOptions { allow_private_addresses, ..OutboundOptions::default() }).unwrap().guarded()
    };
    for url in ["https://keys.test/jwks", "https://keys.test:8443/?x=y", "https://8.8.8.8/"] {
        fetch(false).check_url(url).unwrap();
    }
    for url in [
        "",
        "keys.test",
        "/keys",
        "http://keys.test/",
        "HTTP://keys.test/",
        "http://127.0.0.1/",
        "ftp://keys.test/",
        "file:///etc/passwd",
        "gopher://127.0.0.1:6379/_x",
        "data:application/json,{}",
        "https://",
        "https://user@keys.test/",
        "https://user:password@keys.test/",
        "https://keys.test/#fragment",
        "https://keys.test\\@127.0.0.1/",
        "https://keys.test/a b",
        "https://keys.test/\r\nHost: x",
        "https://keys.test:99999/",
        &format!("https://keys.test/{}", "x".repeat(2_000)),
    ] {
        assert!(matches!(fetch(false).check_url(url), Err(GuardedFetchError::Url)), "{url}");
    }
    for url in ["https://127.0.0.1/", "https://2130706433/", "https://[::ffff:10.0.0.1]/"] {
        assert!(matches!(fetch(false).check_url(url), Err(GuardedFetchError::ForbiddenAddress)), "{url}");
        fetch(true).check_url(url).unwrap();
    }
    // Plain http to the loopback, and to nobody else.
    fetch(true).check_url("http://127.0.0.1:8080/jwks").unwrap();
    fetch(true).check_url("http://localhost:8080/jwks").unwrap();
    for url in ["http://10.0.0.1/", "http://8.8.8.8/", "http://169.254.169.254/"] {
        assert!(matches!(fetch(true).check_url(url), Err(GuardedFetchError::ForbiddenAddress)), "{url}");
    }
}

#[tokio::test]
async fn plain_http_goes_to_addresses_of_the_loopback_only() {
    let outbound = Outbound::new(&OutboundOptions { allow_private_addresses: true, ..OutboundOptions::default() }).unwrap();
    let fetch = GuardedFetch { resolver: Scripted::new(&[&["10.0.0.1"]]), ..outbound.guarded() };
    let error = fetch.get("http://keys.test/", None).await.unwrap_err();
    assert!(matches!(error, GuardedFetchError::ForbiddenAddress), "{error:?}");
}
