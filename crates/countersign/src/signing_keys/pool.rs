//! Threads for signatures that take long: an RSA signature must not stall the
//! other requests of its worker thread.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError, mpsc};

use tokio::time::Instant;

use super::SignError;
use crate::metrics::Histogram;

type Job = Box<dyn FnOnce() + Send>;

/// Most signatures that wait for a thread: beyond it every requester would give up
/// before its turn.
const MAX_WAITING: usize = 4_096;

/// A fixed set of signing threads.
#[derive(Clone, Debug)]
pub(super) struct SigningPool {
    jobs: mpsc::SyncSender<Job>,
    waits: Histogram,
}

impl SigningPool {
    /// Starts `threads` threads, which live as long as the pool, and counts in `waits`
    /// how long signatures wait for one.
    pub(super) fn start(threads: usize, waits: Histogram) -> std::io::Result<Self> {
        let (jobs, queue) = mpsc::sync_channel::<Job>(MAX_WAITING);
        let queue = Arc::new(Mutex::new(queue));
        for number in 0..threads {
            let queue = Arc::clone(&queue);
            std::thread::Builder::new().name(format!("signer-{number}")).spawn(move || work(&queue))?;
        }
        Ok(Self { jobs, waits })
    }

    /// Hands a job to a thread.
    pub(super) fn run(&self, job: impl FnOnce() + Send + 'static) -> Result<(), SignError> {
        let (waits, asked) = (self.waits.clone(), Instant::now());
        let waited = move || {
            waits.observe(asked.elapsed());
            job();
        };
        self.jobs.try_send(Box::new(waited)).map_err(|_| SignError::Busy)
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
