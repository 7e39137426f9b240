//! Getting one certificate from the authority.

use std::time::Duration;

use countersign_protocol::Secret;
use instant_acme::{
    Account, AuthorizationStatus, ChallengeType, Identifier, NewAccount, NewOrder, Order, OrderStatus, RetryPolicy,
};
use rcgen::{CertificateParams, DistinguishedName, KeyPair};

use super::AcmeError;
use crate::app::App;
use crate::audit::Actor;
use crate::config::AcmeConfig;
use crate::outbound::AcmeHttp;
use crate::store::StoreError;

/// Longest wait for the authority to validate, and then to issue.
const PATIENCE: Duration = Duration::from_secs(120);
/// How long the answer to a challenge is kept.
const CHALLENGE_SECONDS: i64 = 60 * 60;

/// What the authority issued, not checked yet.
pub(super) struct Issued {
    pub(super) chain: String,
    pub(super) private_key: Secret<String>,
}

/// Goes through an order: account, challenges, signing request, certificate.
pub(super) async fn obtain(app: &App, by: &Actor, config: &AcmeConfig, http: &AcmeHttp) -> Result<Issued, AcmeError> {
    let account = account(app, by, config, http).await?;
    let identifiers: Vec<Identifier> = config.domains.iter().cloned().map(Identifier::Dns).collect();
    let mut order = account.new_order(&NewOrder::new(&identifiers)).await?;
    prove(app, &mut order).await?;
    let patience = RetryPolicy::new().timeout(PATIENCE);
    if order.poll_ready(&patience).await? != OrderStatus::Ready {
        return Err(refusal(&mut order).await?);
    }
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::new(config.domains.clone())?;
    params.distinguished_name = DistinguishedName::new();
    order.finalize_csr(params.serialize_request(&key)?.der()).await?;
    let chain = order.poll_certificate(&patience).await?;
    Ok(Issued { chain, private_key: Secret::new(key.serialize_pem()) })
}

/// The account of this instance, made at first use.
async fn account(app: &App, by: &Actor, config: &AcmeConfig, http: &AcmeHttp) -> Result<Account, AcmeError> {
    let sealing_id = format!("acme_account {}", config.directory_url);
    if let Some(sealed) = find_account(app, &config.directory_url).await? {
        let stored = app.master_key.open(&sealing_id, &sealed)?;
        let credentials = serde_json::from_slice(stored.expose()).map_err(AcmeError::Account)?;
        return Ok(Account::builder_with_http(Box::new(http.clone())).from_credentials(credentials).await?);
    }
    let contact: Vec<String> = config.contact.iter().map(|address| format!("mailto:{address}")).collect();
    let contact: Vec<&str> = contact.iter().map(String::as_str).collect();
    // The configuration is refused without the agreement.
    let new = NewAccount { contact: &contact, terms_of_service_agreed: true, only_return_existing: false };
    let made = Account::builder_with_http(Box::new(http.clone())).create(&new, config.directory_url.clone(), None).await;
    let (account, credentials) = made?;
    let plain = Secret::new(serde_json::to_vec(&credentials).map_err(AcmeError::Account)?);
    let sealed = app.master_key.seal(&sealing_id, &plain)?;
    let (url, now) = (config.directory_url.clone(), app.clock.now());
    let event = by.event("acme_account.created", "acme_account", &url);
    let kept = app.write(move |tx| {
        Box::pin(async move {
            if tx.insert_acme_account(&url, &sealed, now).await? {
                tx.record_event(event, now);
            }
            Ok::<_, StoreError>(())
        })
    });
    kept.await?;
    Ok(account)
}

async fn find_account(app: &App, directory_url: &str) -> Result<Option<String>, StoreError> {
    let url = directory_url.to_owned();
    app.store.read(move |session| Box::pin(async move { session.find_acme_account(&url).await })).await
}

/// Stores the answers before the authority is told that they are there.
async fn prove(app: &App, order: &mut Order) -> Result<(), AcmeError> {
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        let mut authorization = authorization?;
        if authorization.status == AuthorizationStatus::Valid {
            continue;
        }
        let domain = authorization.identifier().to_string();
        let mut challenge = authorization.challenge(ChallengeType::Http01).ok_or(AcmeError::NoHttpChallenge(domain))?;
        let (token, answer) = (challenge.token.clone(), challenge.key_authorization().as_str().to_owned());
        let now = app.clock.now();
        let expires_at = now.plus_seconds(CHALLENGE_SECONDS);
        app.write(move |tx| Box::pin(async move { tx.insert_challenge(&token, &answer, expires_at, now).await })).await?;
        challenge.set_ready().await?;
    }
    Ok(())
}

/// Why the authority refused, as far as it says.
async fn refusal(order: &mut Order) -> Result<AcmeError, AcmeError> {
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        let mut authorization = authorization?;
        let domain = authorization.identifier().to_string();
        let state = authorization.refresh().await?;
        if state.status != AuthorizationStatus::Valid {
            let reason = state.challenges.iter().find_map(|challenge| challenge.error.as_ref()).map(ToString::to_string);
            return Ok(AcmeError::Unproven { domain, reason: reason.unwrap_or_else(|| "it gives no reason".to_owned()) });
        }
    }
    Ok(AcmeError::Protocol(instant_acme::Error::Str("the order is invalid and no authorization says why")))
}
