//! A wire that falls silent: what is sent neither arrives nor fails, as when a firewall
//! drops packets. What was held arrives when it works again, as TCP's repetition has it.

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::Database;

pub(crate) struct Wire {
    port: u16,
    works: watch::Sender<bool>,
    _accepting: JoinSet<()>,
}

impl Wire {
    /// Leads to a port on this machine.
    async fn to(target: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let works = watch::Sender::new(true);
        let mut accepting = JoinSet::new();
        let heard = works.subscribe();
        accepting.spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(lead(stream, target, heard.clone()));
            }
        });
        Self { port, works, _accepting: accepting }
    }

    /// Leads to the database's server.
    pub(crate) async fn to_database(database: &Database) -> Self {
        let (_, after) = database.url.rsplit_once(':').unwrap();
        Self::to(after.split_once('/').unwrap().0.parse().unwrap()).await
    }

    /// The database as it is found through this wire.
    pub(crate) fn url_of(&self, database: &Database) -> String {
        let (before, after) = database.url.rsplit_once(':').unwrap();
        format!("{before}:{}/{}", self.port, after.split_once('/').unwrap().1)
    }

    pub(crate) fn falls_silent(&self) {
        self.works.send_replace(false);
    }

    pub(crate) fn works_again(&self) {
        self.works.send_replace(true);
    }
}

async fn lead(near: TcpStream, target: u16, mut works: watch::Receiver<bool>) {
    if works.wait_for(|works| *works).await.is_err() {
        return;
    }
    let Ok(far) = TcpStream::connect(("127.0.0.1", target)).await else { return };
    let ((near_read, near_write), (far_read, far_write)) = (near.into_split(), far.into_split());
    tokio::join!(pass(near_read, far_write, works.clone()), pass(far_read, near_write, works));
}

async fn pass(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin, mut works: watch::Receiver<bool>) {
    let mut bytes = vec![0; 16 * 1024];
    loop {
        let length = from.read(&mut bytes).await.unwrap_or(0);
        if works.wait_for(|works| *works).await.is_err() || length == 0 || to.write_all(&bytes[..length]).await.is_err() {
            let _ = to.shutdown().await;
            return;
        }
    }
}
