//! Keys held by this process: slow algorithms sign on threads of their own, others
//! in place.

use std::sync::Arc;

use countersign_protocol::Secret;
use countersign_protocol::jose::{Algorithm, Jwk, SigningKey, SigningKeyError};
use tokio::sync::oneshot;

use super::pool::SigningPool;
use super::{SignError, Signer, Signers, Signing};
use crate::ids::SigningKeyId;
use crate::metrics::Histogram;

/// Opens keys that are stored in the database.
#[derive(Clone)]
pub struct LocalSigners {
    pool: SigningPool,
}

impl LocalSigners {
    /// Starts `threads` signing threads, which live as long as a signer does, and counts
    /// in `waits` how long signatures wait for one.
    ///
    /// # Errors
    /// The operating system's, when no thread can be started.
    pub fn start(threads: usize, waits: Histogram) -> std::io::Result<Self> {
        Ok(Self { pool: SigningPool::start(threads, waits)? })
    }
}

impl Signers for LocalSigners {
    fn open(
        &self,
        id: &SigningKeyId,
        algorithm: Algorithm,
        private_key: &Secret<Vec<u8>>,
    ) -> Result<Arc<dyn Signer>, SigningKeyError> {
        let key = Arc::new(SigningKey::from_pkcs8(algorithm, private_key)?);
        Ok(Arc::new(LocalSigner { id: id.clone(), key, pool: self.pool.clone() }))
    }
}

#[derive(Debug)]
struct LocalSigner {
    id: SigningKeyId,
    key: Arc<SigningKey>,
    pool: SigningPool,
}

impl Signer for LocalSigner {
    fn algorithm(&self) -> Algorithm {
        self.key.algorithm()
    }

    fn key_id(&self) -> &SigningKeyId {
        &self.id
    }

    fn public_jwk(&self) -> Jwk {
        self.key.public_jwk(self.id.as_str())
    }

    fn sign(&self, message: &[u8]) -> Signing {
        if !self.algorithm().is_slow_to_sign() {
            return Signing::Done(self.key.sign(message).map_err(SignError::from));
        }
        let (reply, signature) = oneshot::channel();
        let (key, message) = (Arc::clone(&self.key), message.to_owned());
        let job = move || {
            // Nobody waits for it if the requester has gone away.
            if !reply.is_closed() {
                let _ = reply.send(key.sign(&message).map_err(SignError::from));
            }
        };
        match self.pool.run(job) {
            Ok(()) => Signing::OnThread(signature),
            Err(busy) => Signing::Done(Err(busy)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::task::{Context, Poll, Waker};

    use countersign_protocol::jose::VerificationKey;

    use super::*;

    fn signer(threads: usize, algorithm: Algorithm) -> Arc<dyn Signer> {
        let pkcs8 = SigningKey::generate(algorithm).unwrap();
        let signers = LocalSigners::start(threads, Histogram::of_durations()).unwrap();
        signers.open(&SigningKeyId::from_stored("sk_test"), algorithm, &pkcs8).unwrap()
    }

    /// Whether the signature is made by the thread that asks for it.
    fn signs_in_place(algorithm: Algorithm) -> bool {
        // Without threads, what is handed over is never done.
        let mut signing = signer(0, algorithm).sign(b"a.b");
        matches!(std::pin::Pin::new(&mut signing).poll(&mut Context::from_waker(Waker::noop())), Poll::Ready(Ok(_)))
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
        assert_eq!(signer(0, Algorithm::RS256).sign(b"a.b").await, Err(SignError::Busy));
    }

    #[tokio::test]
    async fn a_signing_thread_makes_the_signature() {
        let signer = signer(1, Algorithm::RS256);
        let signature = signer.sign(b"a.b").await.unwrap();
        assert!(VerificationKey::from_jwk(&signer.public_jwk()).unwrap().verifies(b"a.b", &signature));
    }
}
