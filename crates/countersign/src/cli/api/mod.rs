//! The management API, as the command line calls it.

mod error;
mod path;
mod retry;

use anyhow::Context as _;
use bytes::Bytes;
use clap::Args;
use countersign_protocol::Secret;
use countersign_protocol::jose::base64url;
use countersign_verify::Limits;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, ETAG, HeaderName, HeaderValue, IF_MATCH, USER_AGENT};
use http::{Method, Request, Response};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use serde_json::Value;
use tokio::sync::OnceCell;

pub(super) use error::ApiError;
pub(super) use path::Path;

use crate::config::{Disk, Files as _, ProcessEnvironment};
use crate::entropy::{SystemEntropy, random};
use crate::outbound::{Outbound, OutboundOptions};
use crate::profiles::{Chosen, Profile, choose};

/// Items that are asked for at once.
const PAGE: usize = 200;
/// What one request may cost: verifying a long audit log takes its time.
const LIMITS: Limits = Limits { timeout: std::time::Duration::from_secs(60), max_body_bytes: 16 * 1024 * 1024 };
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// Which server a command works on.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct ApiArgs {
    /// The profile that says where the server is [default: COUNTERSIGN_PROFILE, else the default one]
    #[arg(long, value_name = "NAME")]
    profile: Option<String>,
}

impl ApiArgs {
    /// Whether a profile was named.
    pub(super) const fn is_named(&self) -> bool {
        self.profile.is_some()
    }

    /// Chooses the profile and prepares to call. Nothing is sent yet.
    pub(super) fn connect(&self) -> anyhow::Result<Api> {
        let chosen = choose(self.profile.as_deref(), &ProcessEnvironment)?;
        let outbound = Outbound::new(&OutboundOptions { extra_roots: roots(&chosen.profile)?, ..OutboundOptions::default() })?;
        Ok(Api { outbound, chosen, token: OnceCell::new() })
    }
}

fn roots(profile: &Profile) -> anyhow::Result<Vec<CertificateDer<'static>>> {
    let Some(path) = &profile.ca_file else { return Ok(Vec::new()) };
    let content = Disk.read(path).with_context(|| format!("cannot read the CA file {}", path.display()))?;
    let roots: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(content.text.expose().as_bytes()).collect();
    let roots = roots.ok().filter(|roots| !roots.is_empty());
    roots.with_context(|| format!("the CA file {} holds no certificate in PEM form", path.display()))
}

/// A caller of one management API.
pub(super) struct Api {
    outbound: Outbound,
    chosen: Chosen,
    token: OnceCell<Secret<String>>,
}

/// What a server answered.
pub(super) struct Reply {
    /// The representation.
    pub(super) body: Value,
    /// Its version, for `--if-match`.
    pub(super) etag: Option<String>,
}

/// A list, or as much of it as was asked for.
pub(super) struct Items {
    pub(super) items: Vec<Value>,
    /// Where it goes on.
    pub(super) next_cursor: Option<String>,
}

impl Api {
    /// The profile in use.
    pub(super) const fn chosen(&self) -> &Chosen {
        &self.chosen
    }

    pub(super) async fn get(&self, path: &Path) -> Result<Reply, ApiError> {
        self.call(Method::GET, path.as_str(), None, &[]).await
    }

    /// Sends a POST under a key of its own: sent twice, it has its effect once.
    pub(super) async fn post(&self, path: &Path, body: Option<&Value>) -> Result<Reply, ApiError> {
        let key = base64url::encode(&random::<18>(&SystemEntropy));
        self.call(Method::POST, path.as_str(), body, &[(IDEMPOTENCY_KEY, key)]).await
    }

    /// Sends a POST that is a question, or that has its effect once however often it is sent:
    /// nothing has to be remembered of it.
    pub(super) async fn ask(&self, path: &Path, body: &Value) -> Result<Reply, ApiError> {
        self.call(Method::POST, path.as_str(), Some(body), &[]).await
    }

    pub(super) async fn patch(&self, path: &Path, body: &Value, version: Option<&Version>) -> Result<Reply, ApiError> {
        self.call(Method::PATCH, path.as_str(), Some(body), &if_match(version)).await
    }

    pub(super) async fn delete(&self, path: &Path, version: Option<&Version>) -> Result<Reply, ApiError> {
        self.call(Method::DELETE, path.as_str(), None, &if_match(version)).await
    }

    /// Every item of a list, or the first `limit`.
    pub(super) async fn list(&self, path: &Path, limit: Option<usize>) -> Result<Items, ApiError> {
        let mut items = Vec::new();
        let next_cursor = self.each_page(path, limit, |page| items.extend(page)).await?;
        Ok(Items { items, next_cursor })
    }

    /// Hands out a list page by page; returns where it goes on beyond `limit`.
    pub(super) async fn each_page(
        &self,
        path: &Path,
        limit: Option<usize>,
        mut take: impl FnMut(Vec<Value>),
    ) -> Result<Option<String>, ApiError> {
        let mut left = limit.unwrap_or(usize::MAX);
        let mut cursor: Option<String> = None;
        loop {
            let joint = if path.as_str().contains('?') { '&' } else { '?' };
            let mut target = format!("{}{joint}limit={}", path.as_str(), left.min(PAGE));
            if let Some(cursor) = &cursor {
                target.push_str("&cursor=");
                target.extend(url::form_urlencoded::byte_serialize(cursor.as_bytes()));
            }
            let mut page = self.call(Method::GET, &target, None, &[]).await?.body;
            let Some(items) = page.get_mut("items").and_then(Value::as_array_mut).map(std::mem::take) else {
                return Err(ApiError::NotUnderstood { url: self.url(&target) });
            };
            left = left.saturating_sub(items.len());
            let is_empty = items.is_empty();
            take(items);
            cursor = page.get("next_cursor").and_then(Value::as_str).map(str::to_owned);
            if cursor.is_none() || left == 0 || is_empty {
                return Ok(cursor);
            }
        }
    }

    fn url(&self, target: &str) -> String {
        format!("{}{target}", self.chosen.profile.management_url)
    }

    async fn call(
        &self,
        method: Method,
        target: &str,
        body: Option<&Value>,
        headers: &[(HeaderName, String)],
    ) -> Result<Reply, ApiError> {
        let url = self.url(target);
        let mut request = Request::builder()
            .method(method)
            .uri(&url)
            .header(ACCEPT, "application/json")
            .header(USER_AGENT, concat!("countersign/", env!("CARGO_PKG_VERSION")))
            .header(AUTHORIZATION, self.authorization().await?);
        for (name, value) in headers {
            request = request.header(name, value);
        }
        if body.is_some() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        let bytes = body.map_or_else(Bytes::new, |body| body.to_string().into());
        let request = request.body(bytes).map_err(ApiError::Request)?;
        let response = retry::send(&self.outbound, request, LIMITS).await;
        understand(url, &response.map_err(|source| self.unreachable(source))?)
    }

    fn unreachable(&self, source: countersign_verify::HttpError) -> ApiError {
        ApiError::unreachable(&self.chosen, source)
    }

    async fn authorization(&self) -> Result<HeaderValue, ApiError> {
        let token = self.token.get_or_try_init(|| self.fetch_token()).await?;
        let mut value =
            HeaderValue::try_from(format!("Bearer {}", token.expose())).map_err(|error| ApiError::Request(error.into()))?;
        value.set_sensitive(true);
        Ok(value)
    }

    async fn fetch_token(&self) -> Result<Secret<String>, ApiError> {
        let Profile { management_url, client_id, client_secret, .. } = &self.chosen.profile;
        let form = [("grant_type", "client_credentials"), ("audience", management_url.as_str())];
        let token_url = management_url.token_url();
        let body = retry::token(&self.outbound, &token_url, (client_id, client_secret), &form).await;
        let body = body.map_err(|error| ApiError::no_token(&self.chosen, error))?;
        let response: Option<Value> = serde_json::from_slice(&body).ok();
        let token = response.as_ref().and_then(|response| response.get("access_token")).and_then(Value::as_str);
        token.map(|token| Secret::new(token.to_owned())).ok_or(ApiError::NotUnderstood { url: token_url })
    }
}

fn understand(url: String, response: &Response<Bytes>) -> Result<Reply, ApiError> {
    if !response.status().is_success() {
        return Err(ApiError::refused(&url, response));
    }
    let etag = response.headers().get(ETAG).and_then(|etag| etag.to_str().ok()).map(str::to_owned);
    if response.body().is_empty() {
        return Ok(Reply { body: Value::Null, etag });
    }
    let body = serde_json::from_slice(response.body()).map_err(|_| ApiError::NotUnderstood { url })?;
    Ok(Reply { body, etag })
}

/// The version of an object that a change expects: an entity tag, quotes or not.
#[derive(Clone, Debug)]
pub(crate) struct Version(String);

/// Reads the argument of `--if-match`.
pub(crate) fn parse_version(text: &str) -> anyhow::Result<Version> {
    let inner = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text);
    let is_tag = !inner.is_empty() && inner.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if is_tag { Ok(Version(format!("\"{inner}\""))) } else { anyhow::bail!("a version as `show` prints it, such as 3") }
}

fn if_match(version: Option<&Version>) -> Vec<(HeaderName, String)> {
    version.map(|version| (IF_MATCH, version.0.clone())).into_iter().collect()
}
