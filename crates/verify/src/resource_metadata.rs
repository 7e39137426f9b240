//! What an API says of itself: protected resource metadata (RFC 9728).

use std::fmt;

use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN, ALLOW, CACHE_CONTROL, CONTENT_TYPE,
};
use http::{HeaderValue, Method, Request, Response, StatusCode};

use countersign_protocol::{InvalidProtectedResource, ProtectedResource, ProtectedResourceMetadata};

/// What an API says of itself; given to
/// [`VerifierBuilder::resource_metadata`](crate::VerifierBuilder::resource_metadata).
#[derive(Clone, Debug)]
#[must_use = "metadata does nothing until a verifier is made with it"]
pub struct ResourceMetadata {
    pub(crate) resource: Result<ProtectedResource, InvalidProtectedResource>,
    scopes: Vec<String>,
    name: Option<String>,
    documentation: Option<String>,
}

impl ResourceMetadata {
    /// `resource` is the URL of the API as its clients know it, with its path if it
    /// has one; usually its audience. A text that is no such URL is an error of
    /// [`VerifierBuilder::build`](crate::VerifierBuilder::build).
    pub fn new(resource: impl fmt::Display) -> Self {
        let resource = ProtectedResource::try_from(resource.to_string().as_str());
        Self { resource, scopes: Vec::new(), name: None, documentation: None }
    }

    /// Scopes that routes of the API ask for.
    pub fn scopes<'a>(mut self, scopes: impl IntoIterator<Item = &'a str>) -> Self {
        self.scopes.extend(scopes.into_iter().map(str::to_owned));
        self
    }

    /// The name of the API for people.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Where people can read about the API.
    pub fn documentation(mut self, url: impl Into<String>) -> Self {
        self.documentation = Some(url.into());
        self
    }

    pub(crate) fn publish(self, issuers: Vec<String>) -> Result<PublishedMetadata, InvalidProtectedResource> {
        let resource = self.resource?;
        let document = ProtectedResourceMetadata {
            resource: resource.as_str().to_owned(),
            authorization_servers: issuers,
            scopes_supported: self.scopes,
            bearer_methods_supported: ["header"],
            resource_name: self.name,
            resource_documentation: self.documentation,
        };
        // Texts are always JSON: there is no error to tell apart.
        let document = serde_json::to_string(&document).map_err(|_| InvalidProtectedResource)?;
        Ok(PublishedMetadata { url: resource.metadata_url(), path: resource.metadata_path(), document })
    }
}

/// The metadata of an API, ready to be served: it names the issuers whose tokens
/// the verifier takes. See [`Verifier::resource_metadata`](crate::Verifier::resource_metadata).
#[derive(Clone, Debug)]
pub struct PublishedMetadata {
    url: String,
    path: String,
    document: String,
}

impl PublishedMetadata {
    /// Where clients look for it: the URL that every challenge names.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The path of that URL: `/.well-known/oauth-protected-resource`, then the path
    /// of the resource.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The JSON document.
    pub fn document(&self) -> &str {
        &self.document
    }

    /// The answer to a request for it; `None` when the request is for another path.
    /// It needs no token and any origin may read it.
    pub fn answer<B, R: From<String>>(&self, request: &Request<B>) -> Option<Response<R>> {
        const METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, OPTIONS");
        if request.uri().path() != self.path {
            return None;
        }
        let (status, body) = match *request.method() {
            Method::GET => (StatusCode::OK, self.document.clone()),
            Method::HEAD => (StatusCode::OK, String::new()),
            Method::OPTIONS => (StatusCode::NO_CONTENT, String::new()),
            _ => (StatusCode::METHOD_NOT_ALLOWED, String::new()),
        };
        let mut response = Response::new(R::from(body));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
        if status == StatusCode::OK {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            headers.insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=3600"));
        } else {
            headers.insert(ALLOW, METHODS);
        }
        if status == StatusCode::NO_CONTENT {
            headers.insert(ACCESS_CONTROL_ALLOW_METHODS, METHODS);
            headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("*"));
        }
        Some(response)
    }
}
