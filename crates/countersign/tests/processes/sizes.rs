//! Requests that are too large, as bytes on a connection.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::http::{basic, get};
use crate::support::{AUDIENCE, Instance, Server, until};

/// The status of the answer to a request that is written until the server has had enough.
async fn status(server: &Server, head: &str, body: impl Iterator<Item = Vec<u8>>) -> u16 {
    let stream = TcpStream::connect(("127.0.0.1", server.port)).await.unwrap();
    let (mut reading, mut writing) = stream.into_split();
    let (mut answer, mut buffer) = (Vec::new(), [0; 1024]);
    // Whoever is told no may still be writing, or can write no more.
    let write = async {
        for piece in std::iter::once(head.as_bytes().to_vec()).chain(body) {
            if writing.write_all(&piece).await.is_err() {
                break;
            }
        }
        std::future::pending::<()>().await;
    };
    let read = async {
        while !answer.windows(4).any(|bytes| bytes == b"\r\n\r\n") {
            match reading.read(&mut buffer).await {
                Ok(0) | Err(_) => break,
                Ok(length) => answer.extend_from_slice(&buffer[..length]),
            }
        }
    };
    let exchange = async {
        tokio::select! {
            () = read => (),
            () = write => (),
        }
    };
    until("the answer to a large request", exchange).await;
    let answer = String::from_utf8_lossy(&answer).into_owned();
    answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_else(|| panic!("no answer: {answer:?}"))
}

fn head(path: &str, headers: &str) -> String {
    format!("POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\n{headers}\r\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn l176_heads_and_bodies_that_are_too_large_are_refused_before_they_end() {
    let instance = Instance::sqlite().init().await;
    let client = instance.client("large-client").await;
    let mut server = instance.serve(&[]).await;
    let nothing = || std::iter::empty();
    let many: String = (0..10_000).map(|number| format!("X{number}: y\r\n")).collect();
    for (what, text) in [
        ("many headers", head("/oauth/token", &many)),
        ("101 headers", head("/oauth/token", &"X: y\r\n".repeat(101))),
        ("a header of 64 KiB", head("/oauth/token", &format!("X: {}\r\n", "y".repeat(64 * 1024)))),
        ("a header that does not end", format!("GET / HTTP/1.1\r\nX: {}", "y".repeat(40_000))),
        ("a path of 40 KB", head(&format!("/{}", "p".repeat(40_000)), "")),
    ] {
        assert_eq!(status(&server, &text, nothing()).await, 431, "{what}");
    }
    // What fits is read.
    let fits = head("/oauth/token", &format!("Content-Length: 0\r\nX: {}\r\n", "y".repeat(24 * 1024)));
    assert_eq!(status(&server, &fits, nothing()).await, 401);
    let authorization = format!("Authorization: {}\r\n", basic(&client.id, &client.secret));
    let announced = head("/oauth/token", &format!("{authorization}Content-Length: 104857600\r\n"));
    assert_eq!(status(&server, &announced, nothing()).await, 413);
    // Announced by nobody and without an end.
    let chunk = [&b"4000\r\n"[..], &[b'x'; 0x4000], b"\r\n"].concat();
    let chunked = head("/oauth/token", &format!("{authorization}Transfer-Encoding: chunked\r\n"));
    assert_eq!(status(&server, &chunked, std::iter::repeat(chunk)).await, 413);
    // Nothing is decompressed.
    let gzip = head("/oauth/token", &format!("{authorization}Content-Encoding: gzip\r\nContent-Length: 4\r\n"));
    assert_eq!(status(&server, &gzip, std::iter::once(vec![0x1f, 0x8b, 8, 0])).await, 400);
    let mut connection = server.connect().await;
    connection.token(&client.id, &client.secret, AUDIENCE).await.token();
    assert_eq!(get(server.port, "/health/live").await.status, 200);
    server.process.stop().await;
}
