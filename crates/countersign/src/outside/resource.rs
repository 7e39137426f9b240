//! What an API says of itself (RFC 9728).

use countersign_protocol::ProtectedResource;
use countersign_protocol::jose::json::strict_object;
use http::StatusCode;
use serde_json::Value;

use super::Observer;

/// The members that matter to whoever has a token for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ResourceMetadata {
    pub(crate) url: String,
    pub(crate) resource: String,
    pub(crate) authorization_servers: Vec<String>,
}

/// The metadata of the API at `url`: at its own path, else at that of its host. None: it
/// has none.
pub(crate) async fn find_resource_metadata(observer: &Observer<'_>, url: &str) -> Option<ResourceMetadata> {
    let resource = ProtectedResource::try_from(url).ok()?;
    let own = resource.metadata_url();
    let of_host = own.strip_suffix(resource.path()).map(str::to_owned).filter(|of_host| *of_host != own);
    for candidate in [Some(own.clone()), of_host].into_iter().flatten() {
        if let Some(found) = read_resource_metadata(observer, &candidate).await {
            return Some(found);
        }
    }
    None
}

/// The metadata at exactly this URL.
pub(crate) async fn read_resource_metadata(observer: &Observer<'_>, url: &str) -> Option<ResourceMetadata> {
    let answer = observer.get(url).await.ok().filter(|answer| answer.status == StatusCode::OK)?;
    let members = strict_object(&answer.body).ok()?;
    let resource = members.get("resource")?.as_str()?.to_owned();
    let servers = members.get("authorization_servers").and_then(Value::as_array);
    let authorization_servers = servers.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect();
    Some(ResourceMetadata { url: url.to_owned(), resource, authorization_servers })
}
