//! `[server]`: where it listens and under which names it is reached.

use std::net::SocketAddr;
use std::time::Duration;

use super::base_url::BaseUrl;
use super::error::{ConfigError, Refusal};
use super::place::Place;
use super::reader::Reader;
use super::setting::{Fallback, Kind, Section, Setting};
use super::trusted_proxies::{self, TrustedProxies};

/// Listeners of the server and the limits on its connections.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerConfig {
    /// Addresses to listen on; never empty.
    pub listen: Vec<SocketAddr>,
    /// Public base URLs; never empty, the first is the default.
    pub base_urls: Vec<BaseUrl>,
    /// Whether an address beyond loopback may be served without TLS.
    pub allow_plaintext: bool,
    /// Proxies that are believed when they name the address they were asked from.
    pub trusted_proxies: TrustedProxies,
    /// How long a shutdown waits for running requests.
    pub drain_timeout: Duration,
    /// How long a shutdown waits for another request on a connection without one.
    pub drain_idle: Duration,
    /// How long a request may take.
    pub request_timeout: Duration,
    /// How long the head of a request may take to arrive.
    pub header_timeout: Duration,
    /// Whether the decoder page is served.
    pub decoder: bool,
}

pub(super) static SECTION: Section = Section {
    name: "server",
    doc: "Where the server listens and under which names it is reached.",
    settings: &[
        &LISTEN,
        &BASE_URLS,
        &ALLOW_PLAINTEXT,
        &trusted_proxies::NETWORKS,
        &trusted_proxies::DEPTH,
        &DRAIN_TIMEOUT,
        &DRAIN_IDLE,
        &REQUEST_TIMEOUT,
        &HEADER_TIMEOUT,
        &DECODER,
    ],
};

static LISTEN: Setting = Setting {
    key: "server.listen",
    kind: Kind::List { of: "socket addresses, such as `127.0.0.1:8787` or `[::1]:8787`" },
    default: Fallback::List(&["127.0.0.1:8787", "[::1]:8787"]),
    doc: "Addresses to listen on. Port 0 takes a free port. An address beyond loopback needs `server.allow_plaintext`.",
};

static BASE_URLS: Setting = Setting {
    key: "server.base_urls",
    kind: Kind::List { of: "base URLs, such as `https://auth.example.com`: scheme, host and port only" },
    default: Fallback::List(&["http://localhost:8787"]),
    doc: "The URLs under which callers reach the server, without a trailing slash. Issuers and endpoints are built from them. \
          The `Host` of a request selects one of them by exact match; no match selects the first.",
};

static ALLOW_PLAINTEXT: Setting = Setting {
    key: "server.allow_plaintext",
    kind: Kind::Bool,
    default: Fallback::Value("false"),
    doc: "Allows addresses beyond loopback although the server speaks plain HTTP. Set it when a proxy in front of the server \
          terminates TLS and the network between the two is trusted: secrets and tokens cross it unencrypted.",
};

static DRAIN_TIMEOUT: Setting = Setting {
    key: "server.drain_timeout_seconds",
    kind: Kind::Integer { min: 0, max: 600, unit: "seconds" },
    default: Fallback::Value("30"),
    doc: "How long a shutdown waits for requests that are being served.",
};

static DRAIN_IDLE: Setting = Setting {
    key: "server.drain_idle_seconds",
    kind: Kind::Integer { min: 0, max: 600, unit: "seconds" },
    default: Fallback::Value("2"),
    doc: "How long a shutdown waits for another request on a connection that has none, within `server.drain_timeout_seconds`. \
          The answer to it says that the connection ends (`Connection: close`), so that a caller who asks more often than this \
          loses no request to a connection that closes as the request arrives. 0 closes such connections at once.",
};

static REQUEST_TIMEOUT: Setting = Setting {
    key: "server.request_timeout_seconds",
    kind: Kind::Integer { min: 1, max: 300, unit: "seconds" },
    default: Fallback::Value("30"),
    doc: "How long one request may take.",
};

static HEADER_TIMEOUT: Setting = Setting {
    key: "server.header_timeout_seconds",
    kind: Kind::Integer { min: 1, max: 300, unit: "seconds" },
    default: Fallback::Value("10"),
    doc: "How long a connection may take to send the head of a request, and how long it may take nothing of an answer.",
};

static DECODER: Setting = Setting {
    key: "server.decoder",
    kind: Kind::Bool,
    default: Fallback::Value("false"),
    doc: "Serves `/decoder`, a page that shows what a token says and why it is accepted or refused, on the listeners of `server` \
          and `tls`. Whoever reaches the server may use it; it tells of a genuine token whether it was revoked. \
          `countersign dev` serves it.",
};

impl ServerConfig {
    pub(super) fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let listen = reader.list(&LISTEN, parse_address);
        let base_urls = reader.list(&BASE_URLS, BaseUrl::parse);
        let allow_plaintext = reader.boolean(&ALLOW_PLAINTEXT);
        let trusted_proxies = TrustedProxies::read(reader);
        let drain_timeout = reader.integer(&DRAIN_TIMEOUT).map(Duration::from_secs);
        let drain_idle = reader.integer(&DRAIN_IDLE).map(Duration::from_secs);
        let request_timeout = reader.integer(&REQUEST_TIMEOUT).map(Duration::from_secs);
        let header_timeout = reader.integer(&HEADER_TIMEOUT).map(Duration::from_secs);
        let decoder = reader.boolean(&DECODER);
        if let Some(listen) = &listen {
            // Port 0 may repeat: each time it is another port.
            refuse_repeated(reader, &LISTEN, listen, |address| address.port() != 0);
            if allow_plaintext == Some(false) {
                refuse_plaintext(reader, listen);
            }
        }
        if let Some(listen) = &listen
            && reader.item_places(&BASE_URLS).iter().all(|place| *place == Place::Default)
        {
            refuse_local_base_url(reader, listen);
        }
        if let Some(base_urls) = &base_urls {
            refuse_repeated(reader, &BASE_URLS, base_urls, |_| true);
        }
        Some(Self {
            listen: listen?,
            base_urls: base_urls?,
            allow_plaintext: allow_plaintext?,
            trusted_proxies: trusted_proxies?,
            drain_timeout: drain_timeout?,
            drain_idle: drain_idle?,
            request_timeout: request_timeout?,
            header_timeout: header_timeout?,
            decoder: decoder?,
        })
    }
}

pub(super) fn parse_address(text: &str) -> Result<SocketAddr, Refusal> {
    text.parse().map_err(|_| {
        let refusal = Refusal::new("is not a socket address");
        let port = text.strip_prefix("localhost:").map(|port| ("127.0.0.1", "[::1]", port));
        let any = text.strip_prefix("*:").or_else(|| text.strip_prefix(':')).map(|port| ("0.0.0.0", "[::]", port));
        match port.or(any) {
            Some((v4, v6, port)) => refusal.with_fix(format!("write {v4}:{port} and {v6}:{port}")),
            None => refusal,
        }
    })
}

pub(super) fn refuse_repeated<T: PartialEq + ToString>(
    reader: &mut Reader<'_>,
    setting: &'static Setting,
    values: &[T],
    is_unique: impl Fn(&T) -> bool,
) {
    let places = reader.item_places(setting);
    for (position, (value, place)) in values.iter().zip(places).enumerate() {
        if is_unique(value) && values.iter().take(position).any(|other| other == value) {
            reader.refuse(ConfigError::refused(setting, &place, &value.to_string(), Refusal::new("is listed twice")));
        }
    }
}

/// Callers elsewhere cannot reach `localhost`, and every token would name it as its issuer.
fn refuse_local_base_url(reader: &mut Reader<'_>, listen: &[SocketAddr]) {
    if let Some(address) = listen.iter().find(|address| !address.ip().to_canonical().is_loopback()) {
        let refusal = Refusal::new(format!("is the default although {address} is reachable from other machines"))
            .with_fix("set server.base_urls to the URLs that callers use, such as https://auth.example.com");
        reader.refuse(ConfigError::refused(&BASE_URLS, &Place::Default, "http://localhost:8787", refusal));
    }
}

fn refuse_plaintext(reader: &mut Reader<'_>, listen: &[SocketAddr]) {
    let places = reader.item_places(&LISTEN);
    for (address, place) in listen.iter().zip(places) {
        if !address.ip().to_canonical().is_loopback() {
            let refusal = Refusal::new("is reachable from other machines, and the server speaks plain HTTP here").with_fix(
                "use tls.listen, or listen on loopback behind a proxy that terminates TLS, or set server.allow_plaintext = true if such a proxy \
                 reaches this address over a trusted network",
            );
            let error = ConfigError::refused(&LISTEN, &place, &address.to_string(), refusal);
            reader.refuse(ConfigError { accepted: None, ..error });
        }
    }
}
