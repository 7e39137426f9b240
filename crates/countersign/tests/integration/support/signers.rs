//! Signing keys that are held elsewhere: as a key service would, over an await.

use std::sync::Arc;

use countersign::ids::SigningKeyId;
use countersign::signing_keys::{SignError, Signer, Signers, Signing};
use countersign_protocol::Secret;
use countersign_protocol::jose::{Algorithm, Jwk, SigningKey, SigningKeyError};
use tokio::sync::watch;

/// What the service does when it is asked for a signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Service {
    Answers,
    Fails,
    Holds,
}

/// A key service, as this process sees it.
#[derive(Clone)]
pub(crate) struct RemoteSigners(Arc<watch::Sender<(Service, usize)>>);

impl RemoteSigners {
    pub(crate) fn new() -> Self {
        Self(Arc::new(watch::Sender::new((Service::Answers, 0))))
    }

    pub(crate) fn set(&self, service: Service) {
        self.0.send_modify(|(state, _)| *state = service);
    }

    /// How often it was asked.
    pub(crate) fn asked(&self) -> usize {
        self.0.borrow().1
    }
}

impl Signers for RemoteSigners {
    fn open(&self, id: &SigningKeyId, algorithm: Algorithm, key: &Secret<Vec<u8>>) -> Result<Arc<dyn Signer>, SigningKeyError> {
        let key = Arc::new(SigningKey::from_pkcs8(algorithm, key)?);
        Ok(Arc::new(RemoteSigner { id: id.clone(), key, service: Arc::clone(&self.0) }))
    }
}

#[derive(Debug)]
struct RemoteSigner {
    id: SigningKeyId,
    key: Arc<SigningKey>,
    service: Arc<watch::Sender<(Service, usize)>>,
}

impl Signer for RemoteSigner {
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
        let (key, input, service) = (Arc::clone(&self.key), message.to_owned(), Arc::clone(&self.service));
        Signing::Elsewhere(Box::pin(async move {
            service.send_modify(|(_, asked)| *asked += 1);
            let mut state = service.subscribe();
            tokio::task::yield_now().await;
            match state.wait_for(|(service, _)| *service != Service::Holds).await.unwrap().0 {
                Service::Fails => Err(SignError::Unavailable("connection refused by 192.0.2.9".to_owned())),
                Service::Answers | Service::Holds => Ok(key.sign(&input)?),
            }
        }))
    }
}
