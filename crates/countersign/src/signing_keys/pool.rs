//! Threads for signatures that take long: an RSA signature must not stall the
//! other requests of its worker thread.

use std::sync::{Arc, Mutex, PoisonError, mpsc};

use countersign_protocol::jose::{SigningKeyError, sign_jwt};
use serde::Serialize;
use tokio::sync::oneshot;

use super::ParsedKey;

type Job = Box<dyn FnOnce() + Send>;

/// A fixed set of signing threads.
#[derive(Clone)]
pub struct SigningPool {
    jobs: mpsc::Sender<Job>,
}

impl SigningPool {
    /// Starts `threads` threads, which live as long as the pool.
    ///
    /// # Errors
    /// The operating system's, when no thread can be started.
    pub fn start(threads: usize) -> std::io::Result<Self> {
        let (jobs, queue) = mpsc::channel::<Job>();
        let queue = Arc::new(Mutex::new(queue));
        for number in 0..threads {
            let queue = Arc::clone(&queue);
            std::thread::Builder::new().name(format!("signer-{number}")).spawn(move || work(&queue))?;
        }
        Ok(Self { jobs })
    }

    /// Signs `claims` as a JWT: slow algorithms on a signing thread, others at once.
    ///
    /// # Errors
    /// [`SigningKeyError`].
    pub async fn sign_jwt<C>(&self, key: Arc<ParsedKey>, typ: &'static str, claims: C) -> Result<String, SigningKeyError>
    where
        C: Serialize + Send + 'static,
    {
        if !key.key.algorithm().is_slow_to_sign() {
            return sign_jwt(&key.key, key.id.as_str(), typ, &claims);
        }
        let (reply, signed) = oneshot::channel();
        let job = move || {
            // The requester may have gone away.
            let _ = reply.send(sign_jwt(&key.key, key.id.as_str(), typ, &claims));
        };
        self.jobs.send(Box::new(job)).map_err(|_| SigningKeyError::Crypto)?;
        signed.await.unwrap_or(Err(SigningKeyError::Crypto))
    }
}

fn work(queue: &Mutex<mpsc::Receiver<Job>>) {
    loop {
        let next = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
        match next {
            Ok(job) => job(),
            Err(mpsc::RecvError) => return,
        }
    }
}
