//! R22: a restart under load loses no request. Whoever starts the processes keeps the
//! listening socket, hands it to each, and ends the old one when the new one is ready.

use std::net::TcpListener;
use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::load::{Load, Protocol};
use super::report;
use super::size::{REQUESTS_BETWEEN_RESTARTS, RESTART_CLIENTS, RESTARTS};
use crate::support::{Instance, Process, alone, free_port, until};

/// How often each client asks: 24 of them make 1,000 requests a second.
const PAUSE: Duration = Duration::from_millis(24);

#[tokio::test(flavor = "multi_thread")]
async fn r22_restarts_under_load_lose_no_request() {
    let _alone = alone().await;
    let instance = Instance::sqlite().init().await;
    let client = instance.client("steady-client").await;
    let socket = TcpListener::bind(("127.0.0.1", free_port())).unwrap();
    let port = socket.local_addr().unwrap().port();
    let mut serving = instance.serve_on(&socket, &[]).await;
    let mut load = Load::new();
    for number in 0..RESTART_CLIENTS.get() {
        let protocol = if number % 4 == 0 { Protocol::Http2 } else { Protocol::Http1 };
        load.add(protocol, port, &client, PAUSE);
    }
    let began = tokio::time::Instant::now();
    for _ in 0..RESTARTS.cycles() {
        load.more_answers(REQUESTS_BETWEEN_RESTARTS.get()).await;
        // Only when the next one is ready does the old one stop.
        let next = instance.serve_on(&socket, &[]).await;
        serving.process.stop().await;
        assert!(!serving.process.printed().contains("in flight"), "{}", serving.process.printed());
        serving = next;
    }
    load.more_answers(REQUESTS_BETWEEN_RESTARTS.get()).await;
    let took = began.elapsed();
    let outcome = load.stop().await;
    serving.process.stop().await;
    assert_eq!(outcome.lost, Vec::<String>::new());
    assert_eq!(outcome.answered.keys().collect::<Vec<_>>(), [&200], "{outcome:?}");
    assert!(outcome.closing >= RESTARTS.cycles() && outcome.gone_away >= RESTARTS.cycles(), "{outcome:?}");
    report(
        "r22",
        &format!(
            "{} restarts, {} token requests at {} a second over HTTP/1.1 and HTTP/2, 0 lost; {} answers said `Connection: close`, \
             {} HTTP/2 connections went away; the longest wait was {} ms",
            RESTARTS.cycles(),
            outcome.answers(),
            outcome.answers() * 1_000 / u64::try_from(took.as_millis()).unwrap(),
            outcome.closing,
            outcome.gone_away,
            outcome.slowest.as_millis()
        ),
    );
}

/// One process after the other, as `systemctl restart` does it: who connects meanwhile
/// waits in the queue of the socket.
#[tokio::test(flavor = "multi_thread")]
async fn r22_who_connects_between_two_processes_is_served_by_the_next() {
    let instance = Instance::sqlite().init().await;
    let socket = TcpListener::bind(("127.0.0.1", free_port())).unwrap();
    let port = socket.local_addr().unwrap().port();
    instance.serve_on(&socket, &[]).await.process.stop().await;
    let mut waiting = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    waiting.write_all(b"GET /health/ready HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await.unwrap();
    let mut next = instance.serve_on(&socket, &[]).await;
    let mut answer = String::new();
    until("the answer", waiting.read_to_string(&mut answer)).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    next.process.stop().await;
}

/// A connection that was idle at the stop may still ask, and learns that it ends; one
/// over HTTP/2 is told at once (RFC 9113 section 6.8).
#[tokio::test(flavor = "multi_thread")]
async fn r22_idle_connections_are_told_before_they_are_closed() {
    let instance = Instance::sqlite().init().await;
    let mut server = instance.serve(&["server.drain_idle_seconds=60", "server.drain_timeout_seconds=600"]).await;
    let mut idle = server.connect().await;
    let reply = idle.send("GET", "/health/ready", &[], "").await.unwrap();
    assert_eq!((reply.status.as_u16(), reply.headers.get("connection")), (200, None));
    let mut http2 = Http2::open(server.port).await;
    http2.request_is_answered().await;
    server.process.signal("TERM").await;
    http2.goes_away().await;
    // The process has heard the signal by now.
    let reply = idle.send("GET", "/health/ready", &[], "").await.unwrap();
    assert_eq!((reply.status.as_u16(), reply.headers["connection"].to_str().unwrap()), (503, "close"));
    drop(http2);
    assert_eq!(server.process.ends().await.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn r22_a_service_manager_learns_when_it_is_ready_and_when_it_stops() {
    let instance = Instance::sqlite().init().await;
    let path = instance.folder().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let listen = format!("server.listen=127.0.0.1:{}", free_port());
    let mut serve = instance.command(&["serve"]);
    let mut process = Process::start(serve.args(instance.flags(&[&listen])).env("NOTIFY_SOCKET", &path));
    let told = |socket: UnixDatagram| async move {
        tokio::task::spawn_blocking(move || {
            let mut text = [0; 64];
            let length = socket.recv(&mut text).unwrap();
            String::from_utf8(text[..length].to_vec()).unwrap()
        })
        .await
        .unwrap()
    };
    assert_eq!(told(socket.try_clone().unwrap()).await, "READY=1");
    process.stop().await;
    assert_eq!(told(socket).await, "STOPPING=1");
}

#[tokio::test(flavor = "multi_thread")]
async fn r22_a_socket_that_nobody_uses_is_refused() {
    let instance = Instance::sqlite().init().await;
    let socket = TcpListener::bind(("127.0.0.1", free_port())).unwrap();
    let listen = format!("server.listen=127.0.0.1:{}", free_port());
    let mut process = instance.start_on(&socket, &[&listen]);
    assert_eq!(process.ends().await.code(), Some(1));
    let address = socket.local_addr().unwrap();
    assert!(process.printed().contains(&format!("a socket on {address} was handed over")), "{}", process.printed());
}

/// HTTP/2 by hand, for the frames that clients hide.
struct Http2(TcpStream);

const GOAWAY: u8 = 7;
const HEADERS: u8 = 1;

impl Http2 {
    async fn open(port: u16) -> Self {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        // The preface and empty SETTINGS (RFC 9113 section 3.4).
        stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.unwrap();
        Self(stream)
    }

    async fn request_is_answered(&mut self) {
        // :method GET, :scheme http, :path /health/live without indexing, :authority localhost.
        let block = [&b"\x82\x86\x04\x0c/health/live"[..], b"\x01\x09localhost"].concat();
        let length = u8::try_from(block.len()).unwrap();
        // END_STREAM and END_HEADERS on stream 1.
        let frame = [&[0, 0, length, HEADERS, 0x05, 0, 0, 0, 1][..], &block].concat();
        self.0.write_all(&frame).await.unwrap();
        self.reads(HEADERS).await;
    }

    async fn goes_away(&mut self) {
        self.reads(GOAWAY).await;
    }

    /// Reads frames until one of this type comes.
    async fn reads(&mut self, wanted: u8) {
        let reading = async {
            loop {
                let mut head = [0; 9];
                self.0.read_exact(&mut head).await.unwrap();
                let mut rest = vec![0; usize::from(head[1]) << 8 | usize::from(head[2])];
                self.0.read_exact(&mut rest).await.unwrap();
                if head[3] == wanted {
                    return;
                }
            }
        };
        until("a frame", reading).await;
    }
}
