//! An issuer's metadata and keys, as a verifier fetches them.

use countersign_protocol::Issuer;
use countersign_protocol::jose::json::strict_object;
use http::StatusCode;
use serde_json::{Map, Value};

use super::{Answer, NoAnswer, Observer};

/// What an issuer publishes, as far as it could be had.
#[derive(Debug)]
pub(crate) struct IssuerDocuments {
    /// The metadata, if it is that of this issuer.
    pub(crate) metadata: Option<Map<String, Value>>,
    pub(crate) metadata_answer: Option<Answer>,
    /// The answer of `jwks_uri`, if its status is 200.
    pub(crate) keys: Option<Answer>,
    /// What is in the way of the keys.
    pub(crate) fault: Option<IssuerFault>,
}

/// Why there are no keys.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum IssuerFault {
    /// The metadata is no JSON object, or names no `jwks_uri`.
    #[error("the document at {url} is no metadata of an issuer: {what}")]
    NoMetadata { url: String, what: &'static str },
    /// The metadata names itself after another issuer.
    #[error("the metadata at {url} is that of the issuer {stated}")]
    OtherIssuer { url: String, stated: String },
    /// A status other than 200.
    #[error("{url} answered {status}")]
    Status { url: String, status: StatusCode },
    /// There was no answer.
    #[error("no answer from {url}: {why}")]
    Unreachable { url: String, why: NoAnswer },
    /// An https issuer whose keys come over plain http.
    #[error("{url} is not an https URL, and the issuer is one")]
    InsecureKeys { url: String },
}

impl IssuerDocuments {
    /// Fetches metadata (OpenID Connect Discovery 1.0 section 4, else RFC 8414 section 3)
    /// and then the keys.
    pub(crate) async fn fetch(observer: &Observer<'_>, issuer: &Issuer) -> Self {
        let mut documents = Self { metadata: None, metadata_answer: None, keys: None, fault: None };
        if let Err(fault) = documents.fill(observer, issuer).await {
            documents.fault = Some(fault);
        }
        documents
    }

    async fn fill(&mut self, observer: &Observer<'_>, issuer: &Issuer) -> Result<(), IssuerFault> {
        let answer = metadata(observer, issuer).await?;
        let url = answer.url.clone();
        let body = answer.body.clone();
        self.metadata_answer = Some(answer);
        let no_metadata = |what| IssuerFault::NoMetadata { url: url.clone(), what };
        let metadata = strict_object(&body).map_err(|_| no_metadata("not one JSON object"))?;
        let text = |name: &str| metadata.get(name).and_then(Value::as_str);
        let stated = text("issuer").ok_or_else(|| no_metadata("it has no `issuer`"))?;
        // Section 4.3, and RFC 8414 section 3.3: identical, or the metadata is not this issuer's.
        if stated != issuer.as_str() {
            return Err(IssuerFault::OtherIssuer { url, stated: stated.to_owned() });
        }
        let keys = text("jwks_uri").ok_or_else(|| no_metadata("it has no `jwks_uri`"))?.to_owned();
        self.metadata = Some(metadata);
        if issuer.is_https() && !keys.starts_with("https://") {
            return Err(IssuerFault::InsecureKeys { url: keys });
        }
        self.keys = Some(document(observer, &keys).await?);
        Ok(())
    }

    /// How far the issuer's clock is ahead of ours.
    pub(crate) fn ahead_millis(&self) -> Option<i64> {
        self.metadata_answer.as_ref()?.ahead_millis
    }
}

async fn metadata(observer: &Observer<'_>, issuer: &Issuer) -> Result<Answer, IssuerFault> {
    let first = document(observer, &issuer.endpoint(".well-known/openid-configuration")).await;
    match first {
        Err(IssuerFault::Status { status, .. }) if status.is_client_error() => {
            // Where neither is, the first is the one that people know.
            document(observer, &issuer.well_known("oauth-authorization-server")).await.or(first)
        }
        other => other,
    }
}

async fn document(observer: &Observer<'_>, url: &str) -> Result<Answer, IssuerFault> {
    let answer = observer.get(url).await.map_err(|why| IssuerFault::Unreachable { url: url.to_owned(), why })?;
    if answer.status == StatusCode::OK {
        Ok(answer)
    } else {
        Err(IssuerFault::Status { url: url.to_owned(), status: answer.status })
    }
}
