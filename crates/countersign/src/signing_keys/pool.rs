//! Threads for signatures that take long: an RSA signature must not stall the
//! other requests of its worker thread.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError, mpsc};

use countersign_protocol::jose::{SigningKeyError, sign_jwt};
use serde::Serialize;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::ParsedKey;
use crate::metrics::Histogram;

type Job = Box<dyn FnOnce() + Send>;

/// Most signatures that wait for a thread: beyond it every requester would give up
/// before its turn.
const MAX_WAITING: usize = 4_096;

/// Why a signature was not made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignError {
    /// Too many signatures are waiting.
    #[error("too many signatures are waiting")]
    Busy,
    /// The signature failed.
    #[error(transparent)]
    Failed(#[from] SigningKeyError),
}

/// A fixed set of signing threads.
#[derive(Clone)]
pub struct SigningPool {
    jobs: mpsc::SyncSender<Job>,
    waits: Histogram,
}

impl SigningPool {
    /// Starts `threads` threads, which live as long as the pool, and counts in `waits`
    /// how long signatures wait for one.
    ///
    /// # Errors
    /// The operating system's, when no thread can be started.
    pub fn start(threads: usize, waits: Histogram) -> std::io::Result<Self> {
        let (jobs, queue) = mpsc::sync_channel::<Job>(MAX_WAITING);
        let queue = Arc::new(Mutex::new(queue));
        for number in 0..threads {
            let queue = Arc::clone(&queue);
            std::thread::Builder::new().name(format!("signer-{number}")).spawn(move || work(&queue))?;
        }
        Ok(Self { jobs, waits })
    }

    /// Signs `claims` as a JWT: slow algorithms on a signing thread, others at once.
    ///
    /// # Errors
    /// [`SignError`].
    pub async fn sign_jwt<C>(&self, key: Arc<ParsedKey>, typ: &'static str, claims: C) -> Result<String, SignError>
    where
        C: Serialize + Send + 'static,
    {
        if !key.key.algorithm().is_slow_to_sign() {
            return Ok(sign_jwt(&key.key, key.id.as_str(), typ, &claims)?);
        }
        let (reply, signed) = oneshot::channel();
        let (waits, asked) = (self.waits.clone(), Instant::now());
        let job = move || {
            waits.observe(asked.elapsed());
            // Nobody waits for it if the requester has gone away.
            if !reply.is_closed() {
                let _ = reply.send(sign_jwt(&key.key, key.id.as_str(), typ, &claims));
            }
        };
        self.jobs.try_send(Box::new(job)).map_err(|_| SignError::Busy)?;
        Ok(signed.await.unwrap_or(Err(SigningKeyError::Crypto))?)
    }
}

fn work(queue: &Mutex<mpsc::Receiver<Job>>) {
    loop {
        let next = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
        match next {
            // A panic costs its requester the signature, not everyone this thread.
            Ok(job) => drop(catch_unwind(AssertUnwindSafe(job))),
            Err(mpsc::RecvError) => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::task::{Context, Poll, Waker};

    use countersign_protocol::jose::{Algorithm, SigningKey, UnverifiedJws};

    use super::*;
    use crate::ids::SigningKeyId;

    fn key(algorithm: Algorithm) -> Arc<ParsedKey> {
        let pkcs8 = SigningKey::generate(algorithm).unwrap();
        Arc::new(ParsedKey { id: SigningKeyId::from_stored("sk_test"), key: SigningKey::from_pkcs8(algorithm, &pkcs8).unwrap() })
    }

    /// Whether the signature is made by the thread that asks for it.
    fn signs_in_place(algorithm: Algorithm) -> bool {
        // A pool without threads: what is handed over is never done.
        let pool = SigningPool::start(0, Histogram::of_durations()).unwrap();
        let mut signing = std::pin::pin!(pool.sign_jwt(key(algorithm), "at+jwt", serde_json::json!({})));
        matches!(signing.as_mut().poll(&mut Context::from_waker(Waker::noop())), Poll::Ready(Ok(_)))
    }

    #[test]
    fn an_rsa_signature_does_not_run_on_the_thread_of_the_request() {
        assert!(!signs_in_place(Algorithm::RS256));
        assert!(!signs_in_place(Algorithm::PS512));
        assert!(signs_in_place(Algorithm::ES256));
        assert!(signs_in_place(Algorithm::EdDSA));
    }

    #[tokio::test]
    async fn a_signature_that_no_thread_takes_is_refused_at_once() {
        let pool = SigningPool::start(0, Histogram::of_durations()).unwrap();
        let refused = pool.sign_jwt(key(Algorithm::RS256), "at+jwt", serde_json::json!({})).await;
        assert_eq!(refused, Err(SignError::Busy));
    }

    #[tokio::test]
    async fn a_signing_thread_makes_the_signature() {
        let pool = SigningPool::start(1, Histogram::of_durations()).unwrap();
        let token = pool.sign_jwt(key(Algorithm::RS256), "at+jwt", serde_json::json!({ "a": 1 })).await.unwrap();
        assert_eq!(UnverifiedJws::parse(&token).unwrap().header().key_id.as_deref(), Some("sk_test"));
    }
}
