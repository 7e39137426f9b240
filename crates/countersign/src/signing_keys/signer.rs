//! What signs tokens, wherever the private key is held.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use countersign_protocol::Secret;
use countersign_protocol::jose::{Algorithm, Jwk, SigningKeyError};
use tokio::sync::oneshot;

use crate::ids::SigningKeyId;

/// A signing key that is ready for use.
pub trait Signer: fmt::Debug + Send + Sync {
    /// The one algorithm it signs with.
    fn algorithm(&self) -> Algorithm;
    /// The `kid`.
    fn key_id(&self) -> &SigningKeyId;
    /// The public half, as it is published.
    fn public_jwk(&self) -> Jwk;
    /// Signs, in the form that JWS wants (RFC 7515 section 5.1), as COSE does (RFC 9053
    /// section 2.1).
    fn sign(&self, message: &[u8]) -> Signing;
}

/// Makes signers of what is stored about a key.
pub trait Signers: Send + Sync {
    /// A signer for a key, from what was sealed when it was made.
    ///
    /// # Errors
    /// [`SigningKeyError`] when it is no key of this algorithm.
    fn open(
        &self,
        id: &SigningKeyId,
        algorithm: Algorithm,
        private_key: &Secret<Vec<u8>>,
    ) -> Result<Arc<dyn Signer>, SigningKeyError>;
}

/// Why a signature was not made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignError {
    /// Too many signatures are waiting.
    #[error("too many signatures are waiting")]
    Busy,
    /// The signature failed.
    #[error(transparent)]
    Failed(#[from] SigningKeyError),
    /// Whoever holds the key does not answer, for the reason given. Another try may succeed.
    #[error("the holder of the signing key does not answer: {0}")]
    Unavailable(String),
}

/// A signature: made, or on its way. One that is made in place costs no allocation.
pub enum Signing {
    /// Made.
    Done(Result<Vec<u8>, SignError>),
    /// Made by another thread.
    OnThread(oneshot::Receiver<Result<Vec<u8>, SignError>>),
    /// Made elsewhere.
    Elsewhere(Pin<Box<dyn Future<Output = Result<Vec<u8>, SignError>> + Send>>),
}

impl Future for Signing {
    type Output = Result<Vec<u8>, SignError>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match self.get_mut() {
            Self::Done(signature) => Poll::Ready(std::mem::replace(signature, Err(SignError::Failed(SigningKeyError::Crypto)))),
            // The thread's job ended in a panic.
            Self::OnThread(signature) => {
                Pin::new(signature).poll(context).map(|signature| signature.unwrap_or(Err(SigningKeyError::Crypto.into())))
            }
            Self::Elsewhere(signature) => signature.as_mut().poll(context),
        }
    }
}
