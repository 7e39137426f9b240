//! A proxy that loses replies.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// What happens to the next request to the management API.
pub(crate) enum Fault {
    /// It is carried out, and the connection breaks before the reply.
    LoseReply,
    /// It is not passed on; this is answered.
    Answer(&'static str),
}

/// Passes requests on from a port of its own.
pub(crate) struct Proxy {
    faults: Arc<Mutex<VecDeque<Fault>>>,
    seen: Arc<Mutex<Vec<String>>>,
    _serving: JoinSet<()>,
}

impl Proxy {
    /// Listens on `port` and passes on to `target`.
    pub(crate) async fn start(port: u16, target: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
        let (faults, seen) = (Arc::new(Mutex::new(VecDeque::new())), Arc::new(Mutex::new(Vec::new())));
        let mut serving = JoinSet::new();
        let (own_faults, own_seen) = (Arc::clone(&faults), Arc::clone(&seen));
        serving.spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(pass_on(stream, target, Arc::clone(&own_faults), Arc::clone(&own_seen)));
            }
        });
        Self { faults, seen, _serving: serving }
    }

    /// Faults of the next requests to the management API, in order.
    pub(crate) fn fail(&self, faults: impl IntoIterator<Item = Fault>) {
        self.seen.lock().unwrap().clear();
        self.faults.lock().unwrap().extend(faults);
    }

    /// The requests to the management API since then.
    pub(crate) fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }
}

async fn pass_on(mut client: TcpStream, target: u16, faults: Arc<Mutex<VecDeque<Fault>>>, seen: Arc<Mutex<Vec<String>>>) {
    while let Some(request) = read_message(&mut client).await {
        let text = String::from_utf8_lossy(&request).into_owned();
        let fault = if text.contains(" /manage/v1/") {
            seen.lock().unwrap().push(text);
            faults.lock().unwrap().pop_front()
        } else {
            None
        };
        if let Some(Fault::Answer(answer)) = fault {
            client.write_all(answer.as_bytes()).await.unwrap();
            continue;
        }
        let mut server = TcpStream::connect(("127.0.0.1", target)).await.unwrap();
        server.write_all(&request).await.unwrap();
        let reply = read_message(&mut server).await.unwrap();
        if fault.is_some() {
            return;
        }
        client.write_all(&reply).await.unwrap();
    }
}

/// A head and as much body as it says.
async fn read_message(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let mut message = Vec::new();
    loop {
        if let Some(end) = message.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&message[..end]).to_ascii_lowercase();
            let length =
                head.lines().find_map(|line| line.strip_prefix("content-length: ")).map_or(0, |text| text.parse().unwrap());
            if message.len() >= end + 4 + length {
                return Some(message);
            }
        }
        let mut chunk = vec![0; 16 * 1024];
        match stream.read(&mut chunk).await {
            Ok(length @ 1..) => message.extend_from_slice(&chunk[..length]),
            Ok(0) | Err(_) => return None,
        }
    }
}
