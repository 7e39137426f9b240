//! Stopping: what is in flight is finished, what is idle is closed, nothing new
//! comes in.

use http::StatusCode;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::http::{Connection, basic, form};
use crate::support::{AUDIENCE, Client, Instance, Server, eventually, until};

#[tokio::test(flavor = "multi_thread")]
async fn a_request_in_flight_is_answered_before_the_end() {
    let instance = Instance::sqlite().init().await;
    let client = instance.client("patient-client").await;
    let mut server = instance.serve(&[]).await;
    let (mut stream, rest) = half_a_token_request(&server, &client).await;
    server.process.signal("TERM").await;
    eventually("no new traffic", async || is_closed_for_new_traffic(&server).await.then_some(())).await;
    assert!(server.process.runs());
    stream.write_all(rest.as_bytes()).await.unwrap();
    let mut response = String::new();
    until("the response", stream.read_to_string(&mut response)).await.unwrap();
    assert!(response.starts_with("HTTP/1.1 200 OK\r\n"), "{response}");
    assert!(response.contains("\"access_token\""), "{response}");
    assert_eq!(server.process.ends().await.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_does_not_end_is_cut_off_after_the_drain_timeout() {
    let instance = Instance::sqlite().init().await;
    let client = instance.client("endless-client").await;
    let mut server = instance.serve(&["server.drain_timeout_seconds=1"]).await;
    let (mut stream, _) = half_a_token_request(&server, &client).await;
    server.process.stop().await;
    assert!(server.process.printed().contains("stopped with requests in flight"), "{}", server.process.printed());
    let mut response = Vec::new();
    let _ = until("the end of the connection", stream.read_to_end(&mut response)).await;
    assert!(response.is_empty(), "{}", String::from_utf8_lossy(&response));
}

/// The drain timeout is ten minutes: waiting for it would be noticed.
#[tokio::test(flavor = "multi_thread")]
async fn idle_connections_do_not_delay_the_end() {
    let instance = Instance::sqlite().init().await;
    let mut server = instance.serve(&["server.drain_timeout_seconds=600", "server.header_timeout_seconds=300"]).await;
    let mut silent = TcpStream::connect(("127.0.0.1", server.port)).await.unwrap();
    let mut used = server.connect().await;
    assert_eq!(used.send("GET", "/health/live", &[], "").await.unwrap().status, StatusCode::OK);
    server.process.stop().await;
    assert!(!server.process.printed().contains("in flight"), "{}", server.process.printed());
    assert!(used.send("GET", "/health/live", &[], "").await.is_err());
    assert_eq!(silent.read(&mut [0]).await.unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupt_stops_like_a_termination() {
    let instance = Instance::sqlite().init().await;
    let mut server = instance.serve(&[]).await;
    assert_eq!(server.get("/health/ready").await.status, StatusCode::OK);
    server.process.signal("INT").await;
    assert_eq!(server.process.ends().await.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_signal_ends_it_at_once() {
    let instance = Instance::sqlite().init().await;
    let client = instance.client("patient-client").await;
    let mut server = instance.serve(&["server.drain_timeout_seconds=600"]).await;
    let (_stream, _) = half_a_token_request(&server, &client).await;
    server.process.signal("TERM").await;
    eventually("no new traffic", async || is_closed_for_new_traffic(&server).await.then_some(())).await;
    server.process.signal("TERM").await;
    assert_eq!(server.process.ends().await.code(), Some(130));
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_clean_stop_the_database_file_alone_is_complete() {
    let instance = Instance::sqlite().init().await;
    let mut server = instance.serve(&[]).await;
    server.client("late-client").await;
    server.process.stop().await;
    let copy = tempfile::tempdir().unwrap();
    std::fs::copy(instance.database_file(), copy.path().join("alone.db")).unwrap();
    let database = rusqlite::Connection::open(copy.path().join("alone.db")).unwrap();
    let clients: i64 = database.query_row("SELECT count(*) FROM clients WHERE id = 'late-client'", [], |row| row.get(0)).unwrap();
    assert_eq!(clients, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn l175_a_connection_that_asks_nothing_is_closed() {
    let instance = Instance::sqlite().init().await;
    let mut server = instance.serve(&["server.header_timeout_seconds=1"]).await;
    for said in [&b""[..], b"PRI * HT", b"GET /health/live HTTP/1.1\r\nHost:"] {
        let mut silent = TcpStream::connect(("127.0.0.1", server.port)).await.unwrap();
        silent.write_all(said).await.unwrap();
        let mut answer = Vec::new();
        // The end of the connection, or a 408 and the end.
        until("the end of a silent connection", silent.read_to_end(&mut answer)).await.unwrap();
    }
    // One that has asked something may be silent for longer.
    let mut used = server.connect().await;
    assert_eq!(used.send("GET", "/health/live", &[], "").await.unwrap().status, StatusCode::OK);
    server.process.stop().await;
}

/// Sends the head and half of the body, and returns once the server asked for the
/// body (RFC 9110 section 10.1.1): the request is in its hands then.
async fn half_a_token_request(server: &Server, client: &Client) -> (TcpStream, String) {
    let body = form(&[("grant_type", "client_credentials"), ("audience", AUDIENCE)]);
    let head = format!(
        "POST /oauth/token HTTP/1.1\r\nHost: localhost:{}\r\nAuthorization: {}\r\nContent-Type: application/x-www-form-urlencoded\r\n\
         Content-Length: {}\r\nExpect: 100-continue\r\n\r\n",
        server.port,
        basic(&client.id, &client.secret),
        body.len()
    );
    let (first, rest) = body.split_at(body.len() / 2);
    let mut stream = TcpStream::connect(("127.0.0.1", server.port)).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    const CONTINUE: &str = "HTTP/1.1 100 Continue\r\n\r\n";
    let mut interim = [0; CONTINUE.len()];
    until("100 Continue", stream.read_exact(&mut interim)).await.unwrap();
    assert_eq!(String::from_utf8_lossy(&interim), CONTINUE);
    stream.write_all(first.as_bytes()).await.unwrap();
    (stream, rest.to_owned())
}

async fn is_closed_for_new_traffic(server: &Server) -> bool {
    let Ok(mut connection) = Connection::open(server.port).await else { return true };
    let reply = connection.send("GET", "/health/ready", &[], "").await;
    reply.is_err() || reply.is_ok_and(|reply| reply.status == StatusCode::SERVICE_UNAVAILABLE)
}
