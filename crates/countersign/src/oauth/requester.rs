//! Who a token is issued to.

use countersign_protocol::{ClientCredentialsRequest, Timestamp, TokenExchangeRequest};

use super::AccessTokenSpec;
use super::client_auth::{AuthenticatedClient, authenticate_again};
use super::grants::{client_credentials, token_exchange};
use super::key_auth::AuthenticatedKey;
use super::token::TokenError;
use crate::app::App;
use crate::catalog::ResolvedMount;
use crate::clients::Client;
use crate::ids::CredentialId;

/// A client that proved who it is: by one of its credentials, or by one of its API keys.
#[derive(Clone, Debug)]
pub enum Requester {
    /// By a credential.
    Client(AuthenticatedClient),
    /// By an API key.
    Key(AuthenticatedKey),
}

impl Requester {
    /// The client.
    pub fn client(&self) -> &Client {
        match self {
            Self::Client(client) => client.client(),
            Self::Key(key) => key.client(),
        }
    }

    /// What it proved itself by.
    pub const fn credential_id(&self) -> &CredentialId {
        match self {
            Self::Client(client) => client.credential_id(),
            Self::Key(key) => key.credential_id(),
        }
    }
}

/// What is asked for, and by whom.
pub(super) enum Asked {
    ClientCredentials { client: AuthenticatedClient, ask: ClientCredentialsRequest },
    TokenExchange { key: AuthenticatedKey, ask: TokenExchangeRequest },
}

impl Asked {
    pub(super) fn into_requester(self) -> Requester {
        match self {
            Self::ClientCredentials { client, .. } => Requester::Client(client),
            Self::TokenExchange { key, .. } => Requester::Key(key),
        }
    }

    pub(super) fn requester(&self) -> Requester {
        match self {
            Self::ClientCredentials { client, .. } => Requester::Client(client.clone()),
            Self::TokenExchange { key, .. } => Requester::Key(key.clone()),
        }
    }

    /// Whether nothing has changed about who asks since `before`, as this node has heard.
    pub(super) fn is_unchanged_since(&self, before: &Requester) -> bool {
        match (self, before) {
            (Self::ClientCredentials { client, .. }, Requester::Client(before)) => client.is_unchanged_since(before),
            (Self::TokenExchange { key, .. }, Requester::Key(before)) => key.is_unchanged_since(before),
            (Self::ClientCredentials { .. }, Requester::Key(_)) | (Self::TokenExchange { .. }, Requester::Client(_)) => false,
        }
    }

    pub(super) fn decide(&self, mount: &ResolvedMount, now: Timestamp) -> Result<AccessTokenSpec, TokenError> {
        match self {
            Self::ClientCredentials { client, ask } => Ok(client_credentials::decide(client, mount, ask, now)?),
            Self::TokenExchange { key, ask } => Ok(token_exchange::decide(key.accepted(), mount, ask, now)?),
        }
    }

    /// Lets who asks in once more, as everything is now.
    pub(super) async fn renew(&mut self, app: &App) -> Result<(), TokenError> {
        match self {
            Self::ClientCredentials { client, .. } => *client = authenticate_again(app, client).await?,
            Self::TokenExchange { key, .. } => *key = key.again(app).await?,
        }
        Ok(())
    }
}
