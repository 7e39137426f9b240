//! Writing that a request waits for, and that goes on when the request does not.

use crate::store::StoreError;

/// Runs `write` to its end. A request whose caller goes away is dropped where it waits;
/// what had been taken from memory by then would be lost with it.
pub(crate) async fn to_the_end<F>(write: F) -> Result<(), StoreError>
where
    F: Future<Output = Result<(), StoreError>> + Send + 'static,
{
    tokio::spawn(write).await.map_err(StoreError::internal)?
}
