//! Authorization server metadata (RFC 8414 section 2, OpenID Connect Discovery 1.0 section 3).

use serde::Serialize;

use crate::jose::Algorithm;
use crate::{ClientAuthMethod, GrantType, Issuer};

/// Where an issuer's endpoints lie, relative to the issuer, without a leading slash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EndpointPaths {
    /// The token endpoint.
    pub token: &'static str,
    /// The JWK Set.
    pub keys: &'static str,
    /// The introspection endpoint.
    pub introspection: &'static str,
    /// The revocation endpoint.
    pub revocation: &'static str,
}

impl EndpointPaths {
    /// The paths of an issuer at the root of its host.
    pub const ROOT: Self =
        Self { token: "oauth/token", keys: ".well-known/jwks.json", introspection: "oauth/introspect", revocation: "oauth/revoke" };
    /// The paths of an issuer below `/oauth2/`.
    pub const NESTED: Self = Self { token: "v1/token", keys: "v1/keys", introspection: "v1/introspect", revocation: "v1/revoke" };
}

/// The metadata document. It names only what works.
#[derive(Debug, Serialize)]
pub struct AuthorizationServerMetadata {
    /// The issuer, byte for byte the token's `iss`.
    pub issuer: String,
    /// URL of the token endpoint.
    pub token_endpoint: String,
    /// URL of the JWK Set.
    pub jwks_uri: String,
    /// Grant types of the token endpoint.
    pub grant_types_supported: Vec<&'static str>,
    /// Client authentication methods of the token endpoint.
    pub token_endpoint_auth_methods_supported: Vec<&'static str>,
    /// URL of the introspection endpoint (RFC 7662).
    pub introspection_endpoint: String,
    /// Client authentication methods of the introspection endpoint.
    pub introspection_endpoint_auth_methods_supported: Vec<&'static str>,
    /// The algorithms of signed introspection responses (RFC 9701 section 7).
    pub introspection_signing_alg_values_supported: Vec<&'static str>,
    /// URL of the revocation endpoint (RFC 7009).
    pub revocation_endpoint: String,
    /// Client authentication methods of the revocation endpoint.
    pub revocation_endpoint_auth_methods_supported: Vec<&'static str>,
    /// Algorithms of client assertions (RFC 8414 section 2: required beside `private_key_jwt`).
    pub introspection_endpoint_auth_signing_alg_values_supported: Vec<&'static str>,
    /// The same.
    pub revocation_endpoint_auth_signing_alg_values_supported: Vec<&'static str>,
    /// The same.
    pub token_endpoint_auth_signing_alg_values_supported: Vec<&'static str>,
    /// Empty: there is no authorization endpoint. Both specifications require the member.
    pub response_types_supported: [&'static str; 0],
    /// Required by OpenID Connect Discovery.
    pub subject_types_supported: [&'static str; 1],
    /// URL of the document that lists the status lists (Token Status List section 9.3).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status_list_aggregation_endpoint: Option<String>,
    /// URL of the stream of the status feed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub countersign_status_stream_endpoint: Option<String>,
    /// The algorithms of access tokens: some resource-server middlewares check
    /// access tokens against this list.
    pub id_token_signing_alg_values_supported: Vec<&'static str>,
}

impl AuthorizationServerMetadata {
    /// The document of `issuer`, whose tokens are signed with `algorithms`.
    pub fn new(issuer: &Issuer, paths: EndpointPaths, algorithms: &[Algorithm]) -> Self {
        // One function authenticates clients at every endpoint.
        let auth_methods = ClientAuthMethod::ALL.map(ClientAuthMethod::as_str).to_vec();
        let algorithms: Vec<&str> = algorithms.iter().map(|algorithm| algorithm.as_str()).collect();
        let auth_algorithms = Algorithm::ALL.map(Algorithm::as_str).to_vec();
        Self {
            issuer: issuer.to_string(),
            token_endpoint: issuer.endpoint(paths.token),
            jwks_uri: issuer.endpoint(paths.keys),
            grant_types_supported: GrantType::ALL.map(GrantType::as_str).to_vec(),
            introspection_endpoint: issuer.endpoint(paths.introspection),
            introspection_endpoint_auth_methods_supported: auth_methods.clone(),
            introspection_signing_alg_values_supported: algorithms.clone(),
            revocation_endpoint: issuer.endpoint(paths.revocation),
            revocation_endpoint_auth_methods_supported: auth_methods.clone(),
            token_endpoint_auth_methods_supported: auth_methods,
            introspection_endpoint_auth_signing_alg_values_supported: auth_algorithms.clone(),
            revocation_endpoint_auth_signing_alg_values_supported: auth_algorithms.clone(),
            token_endpoint_auth_signing_alg_values_supported: auth_algorithms,
            status_list_aggregation_endpoint: None,
            countersign_status_stream_endpoint: None,
            response_types_supported: [],
            subject_types_supported: ["public"],
            id_token_signing_alg_values_supported: algorithms,
        }
    }

    /// The same for an issuer that tells the status of its tokens below `endpoint`, in lists
    /// too if it `has_lists`.
    #[must_use]
    pub fn with_status(mut self, endpoint: &str, has_lists: bool) -> Self {
        self.status_list_aggregation_endpoint = has_lists.then(|| endpoint.to_owned());
        self.countersign_status_stream_endpoint = Some(format!("{endpoint}/stream"));
        self
    }
}
