//! OAuth 2.0 wire types and JOSE for Countersign.
//!
//! Everything here is pure: no I/O, no async, no clock reads, no framework.
//! Time and randomness arrive as arguments. Untrusted input changes type when
//! it becomes trusted: a [`jose::UnverifiedJws`] turns into claims only through a
//! [`jose::VerificationKey`].
#![warn(missing_docs)]

mod accept;
mod audience;
mod check;
mod client_assertion;
mod client_auth;
mod client_id;
mod credential_text;
mod error;
mod error_code;
mod form;
mod grant;
mod introspection;
mod issuer;
pub mod jose;
mod metadata;
mod permission;
mod protected_resource;
mod revocation;
mod scope;
mod secret;
pub mod status;
mod time;
#[cfg(weakened)]
pub mod weakened;

pub use accept::preferred;
pub use audience::{Audience, InvalidAudience};
pub use check::Check;
pub use client_assertion::{
    AcceptableAssertion, AssertionError, ClientAssertion, MAX_ASSERTION_LIFETIME_SECONDS, UnverifiedAssertion, VerifiedAssertion,
};
pub use client_auth::{
    ClientAuthMethod, ClientAuthParseError, ClientSecretCredentials, PresentedCredentials, basic_authorization,
    parse_client_authentication,
};
pub use client_id::{ClientId, InvalidClientId};
pub use credential_text::{CredentialText, CredentialTextError};
pub use error::{BearerChallenge, OAuthErrorCode};
pub use error_code::ErrorCode;
pub use form::{BodyError, Parameters, form_encode};
pub use grant::{
    ACCESS_TOKEN_TOKEN_TYPE, API_KEY_TOKEN_TYPE, ClientCredentialsRequest, GrantType, TokenExchangeRequest, TokenRequest,
    TokenRequestError, TokenResponse,
};
pub use introspection::{
    INTROSPECTION_JWT_TYPE, IntrospectionResponse, PresentedToken, SignedIntrospectionClaims, TokenParameterMissing,
};
pub use issuer::{InvalidIssuer, Issuer};
pub use metadata::{AuthorizationServerMetadata, EndpointPaths};
pub use permission::{InvalidPermission, Permission};
pub use protected_resource::{InvalidProtectedResource, ProtectedResource, ProtectedResourceMetadata};
pub use revocation::RevocationResponse;
pub use scope::{InvalidScope, Scope, ScopeToken};
pub use secret::Secret;
pub use time::{Clock, ManualClock, Timestamp};
