//! What a report is about, and what follows from it.

use aws_lc_rs::digest::{SHA256, digest};
use countersign_protocol::jose::base64url;
use countersign_protocol::{ClientId, CredentialText, Secret};

use super::LeakPolicy;
use crate::api_keys;
use crate::app::App;
use crate::audit::Actor;
use crate::change::ChangeError;
use crate::clients::{self, SECRET_PREFIX};
use crate::ids::{ApiKeyId, CredentialId};
use crate::store::StoreError;

/// How long the same finding is not told of again, in seconds: 30 days.
const TOLD_FOR_SECONDS: i64 = 30 * 86_400;
/// What keeps these one-time values apart from others.
const PURPOSE: &str = "leak_report";
/// Longest place of a finding that is kept, in characters.
const MAX_PLACE_CHARS: usize = 300;

/// One finding of a report.
#[derive(Debug)]
pub struct ReportedLeak {
    /// What was found.
    pub token: Secret<String>,
    /// What the reporter calls its kind.
    pub kind: String,
    /// Where it was found.
    pub url: String,
    /// In what: a commit, an issue.
    pub source: String,
}

/// What a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeakLabel {
    /// No credential of this instance.
    FalsePositive,
    /// One, whatever its state.
    TruePositive,
}

/// A finding that was judged.
#[derive(Debug)]
pub struct JudgedLeak {
    /// SHA-256 of what was found, hex: it is not sent back itself.
    pub token_hash: String,
    /// What the reporter calls its kind.
    pub kind: String,
    /// What it is.
    pub label: LeakLabel,
}

/// Why a finding was not judged, or nothing done about it.
#[derive(Debug, thiserror::Error)]
pub enum LeakReportError {
    /// What was to be done failed.
    #[error(transparent)]
    Change(#[from] ChangeError),
    /// The key could not be looked for.
    #[error(transparent)]
    Find(#[from] api_keys::FindKeyError),
}

impl From<StoreError> for LeakReportError {
    fn from(error: StoreError) -> Self {
        Self::Change(error.into())
    }
}

/// A credential of this instance.
enum Leaked {
    ApiKey { id: ApiKeyId, secret_id: String, owner: Option<String>, is_dead: bool },
    ClientSecret { client_id: ClientId, id: CredentialId, owner: Option<String>, is_dead: bool },
}

/// Judges one finding, and does about it what the policy says. Told again, it changes
/// nothing.
///
/// # Errors
/// [`LeakReportError`]: the reporter is to tell again.
pub async fn judge(app: &App, policy: LeakPolicy, report: ReportedLeak) -> Result<JudgedLeak, LeakReportError> {
    let found = find(app, report.token.expose()).await?;
    let label = if found.is_some() { LeakLabel::TruePositive } else { LeakLabel::FalsePositive };
    app.metrics.leaks.of(found.as_ref().map(Leaked::kind)).inc();
    if let Some(leaked) = &found {
        tell(app, policy, leaked, &report).await?;
        if policy == LeakPolicy::Disable {
            put_an_end_to(app, leaked).await?;
        }
    }
    let token_hash = hex(digest(&SHA256, report.token.expose().as_bytes()).as_ref());
    Ok(JudgedLeak { token_hash, kind: report.kind, label })
}

async fn find(app: &App, text: &str) -> Result<Option<Leaked>, LeakReportError> {
    let is_client_secret = CredentialText::parse(text).is_ok() && text.starts_with(SECRET_PREFIX);
    if is_client_secret && let Some((client, id)) = clients::find_by_secret(app, text).await? {
        let is_dead = client.credentials.iter().any(|credential| credential.id == id && credential.revoked_at.is_some());
        let owner = client.owner().map(str::to_owned);
        return Ok(Some(Leaked::ClientSecret { client_id: client.id, id, owner, is_dead }));
    }
    let Some(found) = api_keys::find_presented(app, text, None).await? else { return Ok(None) };
    let client = app.find_client(&found.key.client_id).await?;
    Ok(Some(Leaked::ApiKey {
        id: found.key.id.clone(),
        secret_id: found.secret_id,
        owner: client.as_deref().and_then(clients::Client::owner).map(str::to_owned),
        is_dead: found.key.disabled_at.is_some() || found.key.revoked_at.is_some(),
    }))
}

/// Once for each place where it was found.
async fn tell(app: &App, policy: LeakPolicy, leaked: &Leaked, report: &ReportedLeak) -> Result<(), StoreError> {
    let (object_kind, id, owner) = leaked.named();
    let (url, source) = (shortened(&report.url), shortened(&report.source));
    let event = by()
        .event(leaked.action(), object_kind, id)
        .with_detail("secret_id", leaked.secret_id())
        .with_detail("url", url.as_str())
        .with_detail("source", source.as_str())
        .with_detail("policy", policy.as_str())
        .in_organization(owner);
    let place = base64url::encode(digest(&SHA256, format!("{} {}", leaked.secret_id(), report.url).as_bytes()).as_ref());
    let (owner_id, now) = (id.to_owned(), app.clock.now());
    let written = app.write(move |tx| {
        Box::pin(async move {
            let is_new = tx.use_jti(PURPOSE, &owner_id, &place, now.plus_seconds(TOLD_FOR_SECONDS)).await?;
            if is_new {
                tx.record_event(event, now);
            }
            Ok::<_, StoreError>(is_new)
        })
    });
    if written.await? {
        let policy = policy.as_str();
        tracing::warn!(kind = object_kind, id, secret.id = leaked.secret_id(), url, source, policy, "found in public");
    }
    Ok(())
}

async fn put_an_end_to(app: &App, leaked: &Leaked) -> Result<(), ChangeError> {
    match leaked {
        Leaked::ApiKey { is_dead: true, .. } | Leaked::ClientSecret { is_dead: true, .. } => Ok(()),
        Leaked::ApiKey { id, .. } => api_keys::disable(app, &by(), id).await.map(drop),
        Leaked::ClientSecret { client_id, id, .. } => clients::revoke_credential(app, &by(), client_id, id).await,
    }
}

fn by() -> Actor {
    Actor::system("leak report")
}

impl Leaked {
    const fn kind(&self) -> &'static str {
        match self {
            Self::ApiKey { .. } => "api_key",
            Self::ClientSecret { .. } => "client_secret",
        }
    }

    const fn action(&self) -> &'static str {
        match self {
            Self::ApiKey { .. } => "api_key.leaked",
            Self::ClientSecret { .. } => "credential.leaked",
        }
    }

    /// The kind and the id of the object, and its organization.
    fn named(&self) -> (&'static str, &str, Option<&str>) {
        match self {
            Self::ApiKey { id, owner, .. } => ("api_key", id.as_str(), owner.as_deref()),
            Self::ClientSecret { id, owner, .. } => ("credential", id.as_str(), owner.as_deref()),
        }
    }

    /// The id of the secret, which is safe to tell.
    fn secret_id(&self) -> &str {
        match self {
            Self::ApiKey { secret_id, .. } => secret_id,
            Self::ClientSecret { id, .. } => id.as_str(),
        }
    }
}

/// For the log: of one line, and not long.
fn shortened(text: &str) -> String {
    text.chars().filter(|character| !character.is_control()).take(MAX_PLACE_CHARS).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
