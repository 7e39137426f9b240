//! Comparing salted hashes: a few at once, a few more that wait, and nobody beyond.

use std::sync::Arc;

use tokio::sync::Semaphore;

/// Comparisons that wait for a thread; beyond them a caller is asked to come back.
const MAX_WAITING: usize = 64;

/// The threads for salted hashes.
#[derive(Debug)]
pub struct SlowHashes {
    running: Arc<Semaphore>,
    places: Arc<Semaphore>,
}

/// Too many comparisons wait already: nothing was judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many salted hashes wait to be compared")]
pub struct TooManyHashes;

impl SlowHashes {
    /// At most `threads` at once.
    pub fn new(threads: usize) -> Self {
        Self { running: Arc::new(Semaphore::new(threads)), places: Arc::new(Semaphore::new(threads + MAX_WAITING)) }
    }

    /// Runs a comparison on a thread of its own. It goes on when its caller goes away, and
    /// counts until it ends.
    ///
    /// # Errors
    /// [`TooManyHashes`].
    pub async fn run<T: Send + 'static>(&self, compare: impl FnOnce() -> T + Send + 'static) -> Result<T, TooManyHashes> {
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(|_| TooManyHashes)?;
        let turn = Arc::clone(&self.running).acquire_owned().await.map_err(|_| TooManyHashes)?;
        let compared = tokio::task::spawn_blocking(move || {
            let compared = compare();
            drop((turn, place));
            compared
        });
        compared.await.map_err(|_| TooManyHashes)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::{Barrier, mpsc};

    use super::*;

    #[tokio::test]
    async fn beyond_the_threads_and_the_queue_nobody_waits() {
        let hashes = Arc::new(SlowHashes::new(2));
        let (most, now) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let gate = Arc::new(Barrier::new(3));
        let (started, mut running) = tokio::sync::mpsc::unbounded_channel();
        let tasks: Vec<_> = (0..2 + MAX_WAITING)
            .map(|number| {
                let (hashes, most, now, gate) = (Arc::clone(&hashes), Arc::clone(&most), Arc::clone(&now), Arc::clone(&gate));
                let started = started.clone();
                tokio::spawn(async move {
                    let compare = move || {
                        most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                        let _ = started.send(());
                        if number < 2 {
                            gate.wait();
                        }
                        now.fetch_sub(1, Ordering::SeqCst);
                    };
                    hashes.run(compare).await
                })
            })
            .collect();
        // Both threads are taken, and every place.
        running.recv().await;
        running.recv().await;
        while hashes.places.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(hashes.run(|| ()).await, Err(TooManyHashes));
        let gate = Arc::clone(&gate);
        tokio::task::spawn_blocking(move || gate.wait()).await.unwrap();
        for task in tasks {
            assert_eq!(task.await.unwrap(), Ok(()));
        }
        assert_eq!(most.load(Ordering::SeqCst), 2);
        assert_eq!(hashes.run(|| 7).await, Ok(7));
    }

    #[tokio::test]
    async fn a_comparison_whose_caller_went_away_keeps_its_place() {
        let hashes = Arc::new(SlowHashes::new(1));
        let (release, wait) = mpsc::channel::<()>();
        let other = Arc::clone(&hashes);
        let task = tokio::spawn(async move { other.run(move || wait.recv()).await });
        while hashes.running.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        task.abort();
        assert!(task.await.is_err());
        assert_eq!(hashes.running.available_permits(), 0);
        release.send(()).unwrap();
        assert_eq!(hashes.run(|| 1).await, Ok(1));
    }
}
