//! An issuer with a status feed and status lists, played on the loopback.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll};
use std::time::Duration;

use countersign_protocol::Timestamp;
use countersign_protocol::jose::{SigningKey, sign_jwt};
use countersign_protocol::status::{ChainDigest, Contents, Position, Record, Snapshot, SnapshotList, StatusList, StatusListClaims};
use countersign_verify::Algorithm;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use hyper::body::{Body, Bytes, Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use crate::support::{NOW, new_key};

/// The time to live of a list, and its lifetime, in seconds.
pub(crate) const TTL: i64 = 60;
pub(crate) const LIST_LIFE: i64 = 900;
const PLACES: u32 = 1 << 10;

/// A request as the server saw it.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

pub(crate) struct State {
    pub(crate) asked: Vec<Asked>,
    /// The status of every answer, if it is not to be the right one.
    pub(crate) fails_with: Option<u16>,
    /// The key that lists are signed with.
    pub(crate) list_key: SigningKey,
    /// What else is in a list than should be.
    pub(crate) list_forged: Option<Forged>,
    pub(crate) now: Timestamp,
    list: StatusList,
    position: Position,
    head: ChainDigest,
    log: Vec<(Position, String)>,
    streams: Vec<mpsc::UnboundedSender<Bytes>>,
}

#[derive(Clone)]
pub(crate) struct StatusServer {
    pub(crate) base: String,
    state: Arc<Mutex<State>>,
    feed_key: Arc<SigningKey>,
}

/// How a list that is rightly signed is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Forged {
    Type,
    Url,
    Bits,
    NoZlib,
    /// Much more than a list may be, in a few kilobytes.
    Bomb,
    NoTtl,
}

/// A body that is whole, or comes as it is written.
enum Answer {
    Whole(Option<Bytes>),
    Events(mpsc::UnboundedReceiver<Bytes>),
}

impl Body for Answer {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match &mut *self {
            Self::Whole(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Self::Events(events) => events.poll_recv(context).map(|event| event.map(|event| Ok(Frame::data(event)))),
        }
    }
}

impl StatusServer {
    /// `list_key` signs the lists, as `k1`.
    pub(crate) async fn start(list_key: SigningKey) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let state = State {
            asked: Vec::new(),
            fails_with: None,
            list_key,
            list_forged: None,
            now: Timestamp::from_seconds(NOW),
            list: StatusList::new(PLACES),
            position: Position { epoch: 1, seq: 0 },
            head: ChainDigest::default(),
            log: Vec::new(),
            streams: Vec::new(),
        };
        let base = format!("http://{}", listener.local_addr().unwrap());
        let server = Self { base, state: Arc::new(Mutex::new(state)), feed_key: Arc::new(new_key(Algorithm::EdDSA)) };
        let accepting = server.clone();
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let server = accepting.clone();
                let service = service_fn(move |request| server.clone().answer(request));
                tokio::spawn(async move {
                    let connection = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
                    let _ = connection.serve_connection(TokioIo::new(stream), service).await;
                });
            }
        });
        server
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    pub(crate) fn issuer(&self) -> String {
        format!("{}/oauth2/default", self.base)
    }

    /// The URL of the only list.
    pub(crate) fn list_url(&self) -> String {
        format!("{}/v1/status/3f", self.issuer())
    }

    /// The requests for a path below `/oauth2/default/v1/status`.
    pub(crate) fn asked(&self, path: &str) -> Vec<Asked> {
        let path = format!("/oauth2/default/v1/status{path}");
        self.lock().asked.iter().filter(|asked| asked.path == path).cloned().collect()
    }

    pub(crate) fn revoke_in_list(&self, place: u64) {
        assert!(self.lock().list.revoke(place));
    }

    /// Sends a record, in two pieces and after a comment.
    pub(crate) fn tell(&self, contents: Contents) {
        let state = &mut *self.lock();
        for place in contents.revoked.get("3f").into_iter().flatten() {
            assert!(state.list.revoke(*place));
        }
        state.position.seq += 1;
        let record = Record {
            authorization_server: "default".to_owned(),
            as_of: state.now,
            position: state.position,
            previous: state.head,
            contents,
        };
        let token = record.sign(&self.feed_key, "f1").unwrap();
        state.head = ChainDigest::of(&token);
        let event = event_of(state.position, &token);
        state.log.push((state.position, token));
        let (first, second) = event.split_at(event.len() / 2);
        state.streams.retain(|stream| {
            [": a comment\n\n", first, second].iter().all(|piece| stream.send(Bytes::copy_from_slice(piece.as_bytes())).is_ok())
        });
    }

    pub(crate) fn revoke(&self, place: u64) {
        self.tell(Contents { revoked: BTreeMap::from([("3f".to_owned(), vec![place])]), ..Contents::default() });
    }

    /// Another process takes over: it has a feed of its own.
    pub(crate) fn restart(&self) {
        let state = &mut *self.lock();
        state.position = Position { epoch: state.position.epoch + 1, seq: 0 };
        state.head = ChainDigest::default();
        state.log.clear();
        state.streams.clear();
    }

    async fn answer(self, request: Request<Incoming>) -> Result<Response<Answer>, Infallible> {
        let (head, body) = request.into_parts();
        let asked =
            Asked { path: head.uri.path().to_owned(), headers: head.headers, body: body.collect().await.unwrap().to_bytes() };
        let state = &mut *self.lock();
        state.asked.push(asked.clone());
        let (status, body) = match state.fails_with {
            Some(status) => (status, Answer::Whole(None)),
            None => self.respond(&asked, state),
        };
        let mut response = Response::new(body);
        *response.status_mut() = StatusCode::from_u16(status).unwrap();
        Ok(response)
    }

    fn respond(&self, asked: &Asked, state: &mut State) -> (u16, Answer) {
        let whole = |text: String| (200, Answer::Whole(Some(text.into())));
        match asked.path.trim_start_matches("/oauth2/default/v1/status") {
            "/oauth/token" => whole(json!({ "access_token": "own", "token_type": "Bearer", "expires_in": 600 }).to_string()),
            "/keys" => whole(json!({ "keys": [self.feed_key.public_jwk("f1")] }).to_string()),
            "/3f" => {
                let url = self.list_url();
                whole(signed_list(state, &url))
            }
            _ if asked.headers["authorization"] != "Bearer own" => (401, Answer::Whole(None)),
            "/snapshot" => whole(self.snapshot(state)),
            "/stream" => {
                let after: Position = asked.headers["last-event-id"].to_str().unwrap().parse().unwrap();
                if after.epoch != state.position.epoch || after.seq > state.position.seq {
                    return (409, Answer::Whole(None));
                }
                let (events, body) = mpsc::unbounded_channel();
                for (position, token) in state.log.iter().filter(|(own, _)| own.seq > after.seq) {
                    events.send(event_of(*position, token).into()).unwrap();
                }
                state.streams.push(events);
                (200, Answer::Events(body))
            }
            "/applied" => (204, Answer::Whole(None)),
            _ => (404, Answer::Whole(None)),
        }
    }

    fn snapshot(&self, state: &State) -> String {
        let list = SnapshotList { expires_at: Timestamp::from_seconds(NOW + 100_000), list: state.list.clone() };
        let snapshot = Snapshot {
            authorization_server: "default".to_owned(),
            as_of: state.now,
            position: state.position,
            head: state.head,
            lists: BTreeMap::from([("3f".to_owned(), list)]),
            ..Snapshot::default()
        };
        snapshot.sign(&self.feed_key, "f1").unwrap()
    }
}

fn signed_list(state: &State, url: &str) -> String {
    let claims = StatusListClaims::new(&state.list, url, "https://as.test", state.now, TTL, LIST_LIFE);
    let mut claims = serde_json::to_value(claims).unwrap();
    let list = &mut claims["status_list"];
    match state.list_forged {
        Some(Forged::Url) => claims["sub"] = json!(format!("{url}1")),
        Some(Forged::Bits) => list["bits"] = json!(3),
        Some(Forged::NoZlib) => list["lst"] = json!("AAAA"),
        Some(Forged::Bomb) => list["lst"] = json!(StatusList::new(8 * 16 * 1024 * 1024).to_lst()),
        Some(Forged::NoTtl) => claims["ttl"] = json!(0),
        Some(Forged::Type) | None => {}
    }
    let kind = if state.list_forged == Some(Forged::Type) { "at+jwt" } else { "statuslist+jwt" };
    sign_jwt(&state.list_key, "k1", kind, &claims).unwrap()
}

fn event_of(position: Position, token: &str) -> String {
    format!("id: {position}\ndata: {token}\n\n")
}

/// Waits until something is so, for at most ten seconds.
pub(crate) async fn until(is_so: impl AsyncFn() -> bool) {
    let waiting = async {
        while !is_so().await {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), waiting).await.unwrap();
}
