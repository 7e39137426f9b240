//! R20: clients that send the head of a request or its body slowly, or read no answer,
//! while others go on.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{Instant, interval};

use super::load::{Load, Protocol};
use super::report;
use super::size::SLOW_CLIENTS;
use crate::support::{Instance, alone, until};

/// Between two bytes of a slow client.
const PAUSE: Duration = Duration::from_millis(200);

#[derive(Clone, Copy)]
enum Slow {
    Head,
    Body,
    Reading,
}

#[tokio::test(flavor = "multi_thread")]
async fn r20_slow_clients_are_cut_off_and_others_served() {
    let _alone = alone().await;
    let instance = Instance::sqlite().init().await;
    let client = instance.client("steady-client").await;
    let mut server = instance.serve(&["server.header_timeout_seconds=1", "server.request_timeout_seconds=2"]).await;
    let mut load = Load::new();
    for _ in 0..4 {
        load.add(Protocol::Http1, server.port, &client, Duration::from_millis(10));
    }
    let mut dawdling = JoinSet::new();
    for number in 0..SLOW_CLIENTS.cycles() {
        let slow = [Slow::Head, Slow::Body, Slow::Reading][usize::try_from(number % 3).unwrap()];
        dawdling.spawn(dawdle(server.port, slow));
    }
    let mut longest = Duration::ZERO;
    while let Some(lasted) = until("the end of a slow client", dawdling.join_next()).await {
        longest = longest.max(lasted.unwrap());
    }
    load.more_answers(20).await;
    let outcome = load.stop().await;
    server.process.stop().await;
    assert_eq!(outcome.lost, Vec::<String>::new());
    assert_eq!(outcome.answered.keys().collect::<Vec<_>>(), [&200], "{outcome:?}");
    report(
        "r20",
        &format!(
            "{} slow clients (head, body, answer), all cut off, the last after {} ms with limits of 1 and 2 s; {} tokens for \
             others, 0 lost, the longest wait {} ms",
            SLOW_CLIENTS.cycles(),
            longest.as_millis(),
            outcome.answers(),
            outcome.slowest.as_millis()
        ),
    );
}

/// Lasts until the server ends it, and says how long that was.
async fn dawdle(port: u16, slow: Slow) -> Duration {
    let began = Instant::now();
    match slow {
        Slow::Head => drip(port, b"POST /oauth/token HTTP/1.1\r\nX: ").await,
        Slow::Body => {
            let head = b"POST /oauth/token HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\n\
                         Content-Length: 60000\r\n\r\n";
            drip(port, head).await;
        }
        Slow::Reading => ask_and_read_nothing(port).await,
    }
    began.elapsed()
}

async fn drip(port: u16, first: &[u8]) {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    stream.write_all(first).await.unwrap();
    let (mut answers, mut drops) = stream.split();
    let mut tick = interval(PAUSE);
    let dripping = async {
        while drops.write_all(b"x").await.is_ok() {
            tick.tick().await;
        }
    };
    // An answer and the end, or the end alone, or a reset.
    let mut answer = Vec::new();
    tokio::select! {
        _ = answers.read_to_end(&mut answer) => {}
        () = dripping => {}
    }
}

async fn ask_and_read_nothing(port: u16) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(2_048).unwrap();
    let mut stream = socket.connect(([127, 0, 0, 1], port).into()).await.unwrap();
    // The server stops reading when its answers are not taken; then this waits until it ends.
    while stream.write_all(b"GET /.well-known/openid-configuration HTTP/1.1\r\nHost: localhost\r\n\r\n").await.is_ok() {}
}
