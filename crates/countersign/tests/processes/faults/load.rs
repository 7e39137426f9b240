//! Clients that ask for tokens while something fails, and what became of each request.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::{TrySendError, http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::support::http::{FORM, basic, form};
use crate::support::{AUDIENCE, Client, until};

/// Which protocol a client speaks on a connection that it keeps.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Protocol {
    Http1,
    Http2,
}

/// What became of the requests.
#[derive(Clone, Debug, Default)]
pub(super) struct Outcome {
    /// Answers by status.
    pub(super) answered: BTreeMap<u16, u64>,
    /// Requests without an answer, and why.
    pub(super) lost: Vec<String>,
    /// Answers over HTTP/1 that said that the connection ends.
    pub(super) closing: u64,
    /// Connections over HTTP/2 that ended between two requests.
    pub(super) gone_away: u64,
    /// The longest wait for an answer.
    pub(super) slowest: Duration,
}

impl Outcome {
    /// All answers.
    pub(super) fn answers(&self) -> u64 {
        self.answered.values().sum()
    }

    fn add(&mut self, other: Self) {
        for (status, count) in other.answered {
            *self.answered.entry(status).or_default() += count;
        }
        self.lost.extend(other.lost);
        self.closing += other.closing;
        self.gone_away += other.gone_away;
        self.slowest = self.slowest.max(other.slowest);
    }
}

/// Clients that run until they are told to stop.
pub(super) struct Load {
    clients: JoinSet<Outcome>,
    stop: watch::Sender<bool>,
    answered: watch::Sender<u64>,
}

impl Load {
    pub(super) fn new() -> Self {
        Self { clients: JoinSet::new(), stop: watch::Sender::new(false), answered: watch::Sender::new(0) }
    }

    /// Adds a client that asks for a token every `pause`, on one connection at a time.
    pub(super) fn add(&mut self, protocol: Protocol, port: u16, client: &Client, pause: Duration) {
        let asking = Asking { protocol, port, client: client.clone(), link: None, outcome: Outcome::default() };
        self.clients.spawn(asking.run(pause, self.stop.subscribe(), self.answered.clone()));
    }

    /// Waits until that many more requests were answered.
    pub(super) async fn more_answers(&self, count: u64) {
        let mut answered = self.answered.subscribe();
        let target = *answered.borrow() + count;
        // As long as it takes, while it goes on.
        while *answered.borrow_and_update() < target {
            until("the next answer", answered.changed()).await.unwrap();
        }
    }

    /// Ends it and says what became of the requests.
    pub(super) async fn stop(mut self) -> Outcome {
        self.stop.send_replace(true);
        let mut sum = Outcome::default();
        while let Some(outcome) = until("the end of the clients", self.clients.join_next()).await {
            sum.add(outcome.unwrap());
        }
        sum
    }
}

struct Asking {
    protocol: Protocol,
    port: u16,
    client: Client,
    link: Option<Link>,
    outcome: Outcome,
}

enum Link {
    Http1(http1::SendRequest<Full<Bytes>>),
    Http2(http2::SendRequest<Full<Bytes>>),
}

impl Asking {
    async fn run(mut self, pause: Duration, stop: watch::Receiver<bool>, answered: watch::Sender<u64>) -> Outcome {
        let mut tick = interval(pause);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while !*stop.borrow() {
            tick.tick().await;
            let asked = Instant::now();
            match until("a token", self.ask()).await {
                Ok(status) => {
                    self.outcome.slowest = self.outcome.slowest.max(asked.elapsed());
                    *self.outcome.answered.entry(status).or_default() += 1;
                    answered.send_modify(|count| *count += 1);
                }
                Err(reason) => {
                    self.link = None;
                    self.outcome.lost.push(reason);
                }
            }
        }
        self.outcome
    }

    /// Sends one request. One that certainly was not sent, because the connection had
    /// ended before, goes out on the next connection, as in any client.
    async fn ask(&mut self) -> Result<u16, String> {
        loop {
            let mut link = match self.link.take() {
                Some(link) => link,
                None => Link::open(self.protocol, self.port).await.map_err(|error| format!("connect: {error}"))?,
            };
            let request = self.request();
            match link.send(request).await {
                Ok(response) => {
                    let is_last = response.headers().get("connection").is_some_and(|value| value == "close");
                    let status = response.status().as_u16();
                    response.into_body().collect().await.map_err(|error| format!("body: {error:?}"))?;
                    if is_last {
                        self.outcome.closing += 1;
                    } else {
                        self.link = Some(link);
                    }
                    return Ok(status);
                }
                Err(None) => self.outcome.gone_away += u64::from(self.protocol == Protocol::Http2),
                Err(Some(reason)) => return Err(reason),
            }
        }
    }

    fn request(&self) -> Request<Full<Bytes>> {
        let body = form(&[("grant_type", "client_credentials"), ("audience", AUDIENCE)]);
        let host = format!("localhost:{}", self.port);
        let request = Request::post(match self.protocol {
            Protocol::Http1 => "/oauth/token".to_owned(),
            Protocol::Http2 => format!("http://{host}/oauth/token"),
        });
        let request = request.header(FORM.0, FORM.1).header("authorization", basic(&self.client.id, &self.client.secret));
        let request = if self.protocol == Protocol::Http1 { request.header("host", host) } else { request };
        request.body(Full::new(Bytes::from(body))).unwrap()
    }
}

impl Link {
    async fn open(protocol: Protocol, port: u16) -> std::io::Result<Self> {
        let stream = TokioIo::new(TcpStream::connect(("127.0.0.1", port)).await?);
        Ok(match protocol {
            Protocol::Http1 => {
                let (sender, connection) = http1::handshake(stream).await.map_err(std::io::Error::other)?;
                tokio::spawn(connection);
                Self::Http1(sender)
            }
            Protocol::Http2 => {
                let executor = TokioExecutor::new();
                let (sender, connection) = http2::handshake(executor, stream).await.map_err(std::io::Error::other)?;
                tokio::spawn(connection);
                Self::Http2(sender)
            }
        })
    }

    /// `Err(None)`: not sent.
    async fn send(&mut self, request: Request<Full<Bytes>>) -> Result<hyper::Response<hyper::body::Incoming>, Option<String>> {
        let reason = |mut error: TrySendError<Request<Full<Bytes>>>| match error.take_message() {
            Some(_) => None,
            None => Some(format!("{:?}", error.into_error())),
        };
        match self {
            Self::Http1(sender) => {
                sender.ready().await.map_err(|_| None)?;
                sender.try_send_request(request).await.map_err(reason)
            }
            Self::Http2(sender) => {
                sender.ready().await.map_err(|_| None)?;
                sender.try_send_request(request).await.map_err(reason)
            }
        }
    }
}
