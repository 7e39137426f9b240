//! Serving https: who may connect, what they get, and how the certificate is replaced.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::StatusCode;
use rustls::pki_types::CertificateDer;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::acme_server::AcmeServer;
use crate::support::http::{FORM, basic, form, get};
use crate::support::tls::{Authority, Issued, secure};
use crate::support::{AUDIENCE, BINARY, Client, Dev, Instance, Process, command, eventually, free_port, run, until};

const FILES: [&str; 2] = ["tls.certificate_file=server.pem", "tls.private_key_file=server.key"];

/// A server with a plain and a TLS listener.
struct Secure {
    process: Process,
    plain: u16,
    port: u16,
}

impl Secure {
    async fn start(instance: &Instance, settings: &[&str]) -> Self {
        let (plain, port) = (free_port(), free_port());
        let own = [
            format!("server.listen=127.0.0.1:{plain}"),
            format!("server.base_urls=http://localhost:{plain}"),
            format!("tls.listen=127.0.0.1:{port}"),
            format!("tls.base_urls=https://localhost:{port},https://other.test"),
        ];
        let settings: Vec<&str> = own.iter().map(String::as_str).chain(FILES).chain(settings.iter().copied()).collect();
        let mut process = instance.start(&settings);
        process.prints("\"message\":\"ready\"").await;
        Self { process, plain, port }
    }
}

async fn instance(certificate: &Issued) -> Instance {
    let instance = Instance::sqlite().init().await;
    certificate.write(instance.folder());
    instance
}

#[tokio::test(flavor = "multi_thread")]
async fn each_listener_has_its_own_bases_and_the_host_chooses_among_those_only() {
    let authority = Authority::new();
    let instance = instance(&authority.issue(&["localhost"])).await;
    let client = instance.client("secure-client").await;
    let mut server = Secure::start(&instance, &[]).await;
    let Secure { plain, port, .. } = server;
    let issuer = async |host: &str| {
        let mut connection = authority.open(port, host).await.unwrap();
        connection.send("GET", "/.well-known/openid-configuration", &[], "").await.unwrap().json()["issuer"].clone()
    };
    assert_eq!(issuer(&format!("localhost:{port}")).await, format!("https://localhost:{port}/"));
    assert_eq!(issuer("other.test").await, "https://other.test/");
    for host in ["evil.test".to_owned(), format!("localhost:{plain}")] {
        assert_eq!(issuer(&host).await, format!("https://localhost:{port}/"), "{host}");
    }
    let mut over_plain =
        crate::support::http::Connection::over(TcpStream::connect(("127.0.0.1", plain)).await.unwrap(), "other.test".to_owned())
            .await
            .unwrap();
    let metadata = over_plain.send("GET", "/.well-known/openid-configuration", &[], "").await.unwrap().json();
    assert_eq!(metadata["issuer"], format!("http://localhost:{plain}/"));
    let token = authority.open(port, &format!("localhost:{port}")).await.unwrap().token(&client.id, &client.secret, AUDIENCE).await;
    assert!(!token.token().is_empty());
    server.process.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_1_2_and_1_3_are_spoken_with_http_2_or_1_1() {
    let authority = Authority::new();
    let instance = instance(&authority.issue(&["localhost"])).await;
    let mut server = Secure::start(&instance, &[]).await;
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        for (offered, chosen) in [(&["h2", "http/1.1"][..], Some(&b"h2"[..])), (&["http/1.1"], Some(b"http/1.1")), (&[], None)] {
            let stream = authority.connect(server.port, offered, &[version]).await.unwrap();
            let (_, session) = stream.get_ref();
            assert_eq!((session.alpn_protocol(), session.protocol_version()), (chosen, Some(version.version)));
        }
    }
    assert!(authority.connect(server.port, &["smtp"], rustls::ALL_VERSIONS).await.is_err());
    // HTTP/2, for real.
    let stream = authority.connect(server.port, &["h2"], rustls::ALL_VERSIONS).await.unwrap();
    let executor = hyper_util::rt::TokioExecutor::new();
    let io = hyper_util::rt::TokioIo::new(stream);
    let (mut sender, connection) = hyper::client::conn::http2::handshake(executor, io).await.unwrap();
    tokio::spawn(connection);
    let uri = format!("https://localhost:{}/health/live", server.port);
    let request = http::Request::get(uri).body(http_body_util::Empty::<bytes::Bytes>::new()).unwrap();
    assert_eq!(sender.send_request(request).await.unwrap().status(), StatusCode::OK);
    server.process.stop().await;
}

/// The first flight of a client of this version with these suites and no extensions.
fn client_hello(version: [u8; 2], suites: &[u16]) -> Vec<u8> {
    let suites: Vec<u8> = suites.iter().flat_map(|suite| suite.to_be_bytes()).collect();
    let length = |bytes: &[u8]| u16::try_from(bytes.len()).unwrap().to_be_bytes();
    // Version, random, no session, the suites, no compression.
    let hello = [&version[..], &[7; 32], &[0], &length(&suites), &suites, &[1, 0]].concat();
    let message = [&[1, 0][..], &length(&hello), &hello].concat();
    [&[22, 3, 1][..], &length(&message), &message].concat()
}

#[tokio::test(flavor = "multi_thread")]
async fn l174_old_versions_and_old_suites_are_refused_with_an_alert() {
    let authority = Authority::new();
    let instance = instance(&authority.issue(&["localhost"])).await;
    let mut server = Secure::start(&instance, &[]).await;
    const CBC: [u16; 2] = [0x002f, 0xc013];
    const RC4: [u16; 2] = [0x0005, 0xc011];
    const GCM: [u16; 2] = [0xc02b, 0xc02f];
    for (version, suites) in [([3, 0], GCM), ([3, 1], GCM), ([3, 2], GCM), ([3, 1], CBC), ([3, 3], CBC), ([3, 3], RC4)] {
        let mut stream = TcpStream::connect(("127.0.0.1", server.port)).await.unwrap();
        stream.write_all(&client_hello(version, &suites)).await.unwrap();
        let mut answer = Vec::new();
        let _ = until("the end of a refused handshake", stream.read_to_end(&mut answer)).await;
        // One fatal alert: no hello, no certificate.
        assert!(matches!(answer[..], [21, 3, _, 0, 2, 2, _]), "{version:?} {suites:x?}: {answer:?}");
    }
    authority.connect(server.port, &[], rustls::ALL_VERSIONS).await.unwrap();
    server.process.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn l175_a_connection_that_does_not_shake_hands_is_closed() {
    let authority = Authority::new();
    let instance = instance(&authority.issue(&["localhost"])).await;
    let mut server = Secure::start(&instance, &["tls.handshake_timeout_seconds=1"]).await;
    for said in [&b""[..], b"\x16\x03\x01", b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"] {
        let mut silent = TcpStream::connect(("127.0.0.1", server.port)).await.unwrap();
        silent.write_all(said).await.unwrap();
        let mut answer = Vec::new();
        // An alert at most.
        let _ = until("the end of a silent connection", silent.read_to_end(&mut answer)).await;
        assert!(answer.len() < 16, "{answer:?}");
    }
    server.process.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_in_flight_over_tls_is_answered_before_the_end_and_the_rest_is_closed() {
    let authority = Authority::new();
    let instance = instance(&authority.issue(&["localhost"])).await;
    let client = instance.client("patient-client").await;
    let mut server = Secure::start(&instance, &["server.drain_timeout_seconds=600", "tls.handshake_timeout_seconds=60"]).await;
    let mut idle = authority.open(server.port, "localhost").await.unwrap();
    assert_eq!(idle.send("GET", "/health/live", &[], "").await.unwrap().status, StatusCode::OK);
    let mut shaking = TcpStream::connect(("127.0.0.1", server.port)).await.unwrap();
    shaking.write_all(b"\x16").await.unwrap();
    let (mut stream, rest) = half_a_token_request(&authority, server.port, &client).await;
    server.process.signal("TERM").await;
    assert_eq!(until("the end of a handshake", shaking.read(&mut [0])).await.unwrap_or(0), 0);
    eventually("no new connections", async || TcpStream::connect(("127.0.0.1", server.port)).await.is_err().then_some(())).await;
    assert!(server.process.runs());
    stream.write_all(rest.as_bytes()).await.unwrap();
    let mut response = Vec::new();
    let _ = until("the response", stream.read_to_end(&mut response)).await;
    let response = String::from_utf8(response).unwrap();
    assert!(response.starts_with("HTTP/1.1 200 OK\r\n") && response.contains("\"access_token\""), "{response}");
    assert_eq!(server.process.ends().await.code(), Some(0));
    assert!(!server.process.printed().contains("in flight"), "{}", server.process.printed());
    assert!(idle.send("GET", "/health/live", &[], "").await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_certificate_is_served_to_new_connections_while_old_ones_live_on() {
    let authority = Authority::new();
    let (first, second) = (authority.issue(&["localhost"]), authority.issue(&["localhost"]));
    let instance = instance(&first).await;
    let mut server = Secure::start(&instance, &["tls.reload_interval_seconds=1"]).await;
    assert_eq!(authority.served(server.port).await, first.der);
    let mut old = authority.open(server.port, "localhost").await.unwrap();
    assert_eq!(old.send("GET", "/health/live", &[], "").await.unwrap().status, StatusCode::OK);
    second.write(instance.folder());
    eventually("the new certificate", async || (authority.served(server.port).await == second.der).then_some(())).await;
    assert_eq!(old.send("GET", "/health/live", &[], "").await.unwrap().status, StatusCode::OK);
    server.process.stop().await;
}

/// The interval is a day: what is taken up at once is taken up by the signal.
#[tokio::test(flavor = "multi_thread")]
async fn a_hang_up_reloads_at_once_and_a_broken_file_keeps_the_old_certificate() {
    let authority = Authority::new();
    let (first, second) = (authority.issue(&["localhost"]), authority.issue(&["localhost"]));
    let instance = instance(&first).await;
    let mut server = Secure::start(&instance, &["tls.reload_interval_seconds=86400"]).await;
    let file = instance.folder().join("server.pem");
    let expired = authority.issue_for_days(&["localhost"], -10, -1);
    for (chain, key, problem) in [
        ("", &first.key, "`server.pem` holds no certificate in PEM form"),
        (&second.chain, &first.key, "`server.key` holds the key of another certificate"),
        (&expired.chain, &expired.key, "`server.pem` expired at "),
    ] {
        Issued { chain: chain.to_owned(), key: key.clone(), der: first.der.clone() }.write(instance.folder());
        server.process.signal("HUP").await;
        server.process.prints(problem).await;
        assert_eq!(authority.served(server.port).await, first.der);
    }
    fs::remove_file(&file).unwrap();
    server.process.signal("HUP").await;
    server.process.prints("`server.pem` does not exist").await;
    assert_eq!(authority.served(server.port).await, first.der);
    second.write(instance.folder());
    server.process.signal("HUP").await;
    server.process.prints("a new TLS certificate is served").await;
    assert_eq!(authority.served(server.port).await, second.der);
    let log = String::from_utf8(server.process.stderr()).unwrap();
    assert_eq!(log.lines().filter(|line| line.contains("the old one is served on")).count(), 4, "{log}");
    assert!(!log.contains(&first.key[40..80]));
    server.process.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_expires_soon_or_has_other_names_is_warned_of() {
    let authority = Authority::new();
    let instance = instance(&authority.issue_for_days(&["localhost"], -80, 10)).await;
    let metrics = free_port();
    let mut server = Secure::start(&instance, &[&format!("metrics.listen=127.0.0.1:{metrics}")]).await;
    server.process.prints("the TLS certificate expires soon").await;
    let counted = ["1d\"} 0\n", "7d\"} 0\n", "30d\"} 1\n"]
        .map(|line| format!("countersign_expiring{{kind=\"server_certificate\",within=\"{line}"));
    eventually("the certificate in the metrics", async || {
        let scrape = String::from_utf8(get(metrics, "/metrics").await.body.to_vec()).unwrap();
        counted.iter().all(|line| scrape.contains(line)).then_some(())
    })
    .await;
    server.process.prints("the TLS certificate is not for this name").await;
    let printed = server.process.printed();
    assert!(
        printed.contains("\"base_url\":\"https://other.test\"") && !printed.contains("\"base_url\":\"https://localhost"),
        "{printed}"
    );
    server.process.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_mistake_is_refused_at_the_start_with_its_place_and_a_fix() {
    let authority = Authority::new();
    let good = authority.issue(&["localhost"]);
    let instance = instance(&good).await;
    let listen = ["tls.listen=127.0.0.1:0", "tls.base_urls=https://localhost:1"];
    let refusal = async |settings: &[&str]| {
        let flags = settings.iter().flat_map(|setting| ["--set", *setting]);
        run(instance.command(&["serve", "--set", "server.listen=127.0.0.1:0"]).args(flags)).await.refusal()
    };
    let acme = ["acme.domains=as.test", "acme.directory_url=https://ca.test/directory", "acme.terms_agreed=true"];
    for (settings, texts) in [
        (&["tls.base_urls=https://a.test"][..], &["tls.base_urls is set although nothing listens with TLS", "set tls.listen"][..]),
        (&[FILES[0]], &["tls.certificate_file is set although nothing listens with TLS"]),
        (&[listen[0]], &["tls.base_urls is required with tls.listen", "tls.certificate_file is required with tls.listen"]),
        (&[listen[0], "tls.base_urls=http://a.test", FILES[0], FILES[1]], &["`http://a.test` is not an https URL"]),
        (&[listen[0], listen[1], FILES[0]], &["tls.private_key_file is required with tls.certificate_file"]),
        (&[listen[0], listen[1], FILES[1]], &["tls.certificate_file is required with tls.private_key_file"]),
        (&[listen[0], listen[1], FILES[0], FILES[1], acme[0], acme[1], acme[2]], &["and acme.domains are both set"]),
        (&[listen[0], listen[1], acme[0], acme[1]], &["acme.terms_agreed is required with acme.domains"]),
        (&[listen[0], listen[1], acme[0], acme[2]], &["acme.directory_url is required with acme.domains"]),
        (&[listen[0], listen[1], "acme.domains=*.test"], &["`*.test` is a wildcard"]),
        (&[listen[0], listen[1], "acme.domains=192.0.2.1"], &["is not a domain name"]),
        (&[acme[1]], &["acme.directory_url is set although acme.domains is not"]),
    ] {
        let refusal = refusal(settings).await;
        for text in texts {
            assert!(refusal.contains(text), "no `{text}` in: {refusal}");
        }
    }
    for setting in ["outbound.ca_file=none.pem", "tls.certificate_file=none.pem"] {
        let settings: Vec<&str> = [listen[0], listen[1], FILES[1]].into_iter().chain([setting]).collect();
        let settings = if setting.starts_with("tls") { settings } else { vec![setting] };
        let flags = settings.iter().flat_map(|setting| ["--set", *setting]);
        let said = run(instance.command(&["config", "check"]).args(flags)).await.refusal();
        assert!(said.contains("`none.pem` does not exist"), "{said}");
    }
    let with_files = [listen[0], listen[1], FILES[0], FILES[1]];
    let key = instance.folder().join("server.key");
    fs::set_permissions(&key, Permissions::from_mode(0o644)).unwrap();
    let said = refusal(&with_files).await;
    assert!(said.contains("tls.private_key_file: `server.key` is open to other users (mode 0644)"), "{said}");
    assert!(said.contains("run chmod 600 server.key"), "{said}");
    for (chain, key, text) in [
        (
            good.chain.clone(),
            authority.issue(&["localhost"]).key,
            "tls.private_key_file: `server.key` holds the key of another certificate",
        ),
        (String::new(), good.key.clone(), "tls.certificate_file: `server.pem` holds no certificate in PEM form"),
        (good.chain.clone(), String::new(), "tls.private_key_file: `server.key` holds no private key"),
    ] {
        Issued { chain, key, der: good.der.clone() }.write(instance.folder());
        let said = refusal(&with_files).await;
        assert!(said.contains(text), "{said}");
    }
    authority.issue_for_days(&["localhost"], -10, -1).write(instance.folder());
    assert!(refusal(&with_files).await.contains("`server.pem` expired at "));
    fs::remove_file(&key).unwrap();
    assert!(refusal(&with_files).await.contains("tls.private_key_file: `server.key` does not exist"));
}

#[tokio::test(flavor = "multi_thread")]
async fn dev_with_tls_serves_every_mount_under_both_bases() {
    let folder = tempfile::tempdir().unwrap();
    let mut dev = Dev::start(folder.path(), &["--tls", "--port", "0"]).await;
    let (https, ca_file) = (dev.env["HTTPS_URL"].clone(), dev.env["CA_FILE"].clone());
    let port: u16 = https.strip_prefix("https://localhost:").unwrap().parse().unwrap();
    let mode = |name: &str| Dev::data(folder.path()).join(name).metadata().unwrap().permissions().mode() & 0o7777;
    assert_eq!((mode("tls-ca.key"), mode("tls.key")), (0o600, 0o600));
    let trusted = async || {
        let ca = fs::read(&ca_file).unwrap();
        let mut roots = rustls::RootCertStore::empty();
        use rustls::pki_types::pem::PemObject as _;
        roots.add(rustls::pki_types::CertificateDer::from_pem_slice(&ca).unwrap()).unwrap();
        let stream = secure(roots, port, &[], rustls::ALL_VERSIONS).await.unwrap();
        crate::support::http::Connection::over(stream, format!("localhost:{port}")).await.unwrap()
    };
    for (path, issuer) in [("/", ""), ("/oauth2/default/", "/oauth2/default")] {
        let path = format!("{path}.well-known/openid-configuration");
        let secure = trusted().await.send("GET", &path, &[], "").await.unwrap().json();
        let plain = get(dev.port, &path).await.json();
        let suffix = if issuer.is_empty() { "/" } else { issuer };
        assert_eq!(
            (secure["issuer"].clone(), plain["issuer"].clone()),
            (format!("{https}{suffix}").into(), format!("http://localhost:{}{suffix}", dev.port).into())
        );
    }
    // The program itself trusts the authority that the env file names.
    for arguments in [&[][..], &["--token-url", &format!("{https}/oauth/token")]] {
        run(command(BINARY, folder.path()).args(["token", "get", "--scope", "list:users"]).args(arguments)).await.success();
    }
    let printed = dev.process.printed();
    assert!(printed.contains(&format!("curl -s --cacert {ca_file} {https}/.well-known/oauth-authorization-server")), "{printed}");
    let ca = fs::read(&ca_file).unwrap();
    dev.process.stop().await;
    let mut again = Dev::start(folder.path(), &["--tls", "--port", "0"]).await;
    assert_eq!(fs::read(&ca_file).unwrap(), ca);
    again.process.stop().await;
    let mut without = Dev::start(folder.path(), &["--port", "0"]).await;
    let more: Vec<&str> = dev.env.keys().filter(|name| !without.env.contains_key(*name)).map(String::as_str).collect();
    assert_eq!(more, ["CA_FILE", "HTTPS_URL"]);
    without.process.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_comes_from_an_authority_and_survives_a_restart() {
    use countersign_protocol::{Clock as _, ManualClock};

    let clock = std::sync::Arc::new(ManualClock::new(countersign_verify::SystemClock.now()));
    let authority = AcmeServer::start(clock).await;
    let instance = Instance::sqlite().init().await;
    let root = CertificateDer::from(authority.root.to_vec());
    let pem = format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", STANDARD.encode(&authority.root));
    fs::write(instance.folder().join("directory-ca.pem"), pem).unwrap();
    let (plain, port, challenges) = (free_port(), free_port(), free_port());
    authority.state.port_80.store(challenges, std::sync::atomic::Ordering::SeqCst);
    let settings = [
        format!("server.listen=127.0.0.1:{plain}"),
        format!("tls.listen=127.0.0.1:{port}"),
        format!("tls.base_urls=https://localhost:{port}"),
        "acme.domains=localhost".to_owned(),
        format!("acme.directory_url={}", authority.directory_url),
        "acme.directory_ca_file=directory-ca.pem".to_owned(),
        "acme.terms_agreed=true".to_owned(),
        "acme.contact=operator@as.test".to_owned(),
        format!("acme.http_listen=127.0.0.1:{challenges}"),
    ];
    let settings: Vec<&str> = settings.iter().map(String::as_str).collect();
    let served = async || {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(root.clone()).unwrap();
        secure(roots, port, &[], rustls::ALL_VERSIONS).await.ok()
    };
    let mut process = instance.start(&settings);
    process.prints("\"message\":\"ready\"").await;
    let stream = eventually("a certificate", served).await;
    let first = stream.get_ref().1.peer_certificates().unwrap()[0].to_vec();
    // Nothing but challenges is answered there; they are answered everywhere.
    assert_eq!(get(challenges, "/health/live").await.status, StatusCode::NOT_FOUND);
    for port in [challenges, plain] {
        assert_eq!(get(port, "/.well-known/acme-challenge/token-0_0").await.status, StatusCode::OK);
        assert_eq!(get(port, "/.well-known/acme-challenge/other").await.status, StatusCode::NOT_FOUND);
    }
    assert_eq!(get(plain, "/health/ready").await.status, StatusCode::OK);
    process.stop().await;
    let mut process = instance.start(&settings);
    process.prints("\"message\":\"ready\"").await;
    let stream = eventually("the same certificate", served).await;
    assert_eq!(stream.get_ref().1.peer_certificates().unwrap()[0].to_vec(), first);
    assert_eq!((authority.accounts(), authority.orders()), (1, 1));
    assert_eq!(authority.contact()[0], "mailto:operator@as.test");
    process.stop().await;
}

/// Sends the head and half of the body, and returns once the server asked for the
/// body: the request is in its hands then.
async fn half_a_token_request(
    authority: &Authority,
    port: u16,
    client: &Client,
) -> (tokio_rustls::client::TlsStream<TcpStream>, String) {
    let body = form(&[("grant_type", "client_credentials"), ("audience", AUDIENCE)]);
    let head = format!(
        "POST /oauth/token HTTP/1.1\r\nHost: localhost:{port}\r\nAuthorization: {}\r\n{}: {}\r\nContent-Length: {}\r\n\
         Expect: 100-continue\r\n\r\n",
        basic(&client.id, &client.secret),
        FORM.0,
        FORM.1,
        body.len()
    );
    let (first, rest) = body.split_at(body.len() / 2);
    let mut stream = authority.connect(port, &["http/1.1"], rustls::ALL_VERSIONS).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    const CONTINUE: &str = "HTTP/1.1 100 Continue\r\n\r\n";
    let mut interim = [0; CONTINUE.len()];
    until("100 Continue", stream.read_exact(&mut interim)).await.unwrap();
    assert_eq!(String::from_utf8_lossy(&interim), CONTINUE);
    stream.write_all(first.as_bytes()).await.unwrap();
    (stream, rest.to_owned())
}
