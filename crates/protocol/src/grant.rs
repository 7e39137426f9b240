//! The token request and response (RFC 6749 sections 4.4 and 5.1).

use crate::jose::json_object::JsonObject;
use crate::{InvalidScope, Parameters, Scope};

/// A registered grant type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum GrantType {
    /// RFC 6749 section 4.4.
    ClientCredentials,
}

impl GrantType {
    /// Every grant type that the token endpoint accepts.
    pub const ALL: [Self; 1] = [Self::ClientCredentials];

    /// The registered name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ClientCredentials => "client_credentials",
        }
    }
}

/// A well-formed token request: one variant per grant.
#[derive(Debug)]
pub enum TokenRequest {
    /// RFC 6749 section 4.4.2.
    ClientCredentials(ClientCredentialsRequest),
}

/// What a `client_credentials` request asks for.
#[derive(Debug, Default)]
pub struct ClientCredentialsRequest {
    /// The resource server, from `audience` or `resource` (RFC 8707); unverified.
    pub audience: Option<String>,
    /// The scope; `None` asks for everything that was granted.
    pub scope: Option<Scope>,
}

/// Why a token request is not well-formed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenRequestError {
    /// `grant_type` is missing or empty.
    #[error("grant_type is missing")]
    GrantTypeMissing,
    /// The grant type is not one of [`GrantType::ALL`].
    #[error("the grant type is not supported")]
    GrantTypeUnsupported,
    /// `scope` is malformed.
    #[error("the scope is malformed: {0}")]
    Scope(#[from] InvalidScope),
    /// `audience` and `resource` together name more than one resource server.
    #[error("more than one audience was named")]
    SeveralAudiences,
}

impl TokenRequest {
    /// Reads the parameters of the grant that `grant_type` names.
    ///
    /// # Errors
    /// [`TokenRequestError`] when `grant_type` is missing or unknown, or a parameter is malformed.
    pub fn parse(parameters: &Parameters) -> Result<Self, TokenRequestError> {
        let name = parameters.find("grant_type").ok_or(TokenRequestError::GrantTypeMissing)?;
        let grant_type =
            GrantType::ALL.into_iter().find(|grant| grant.as_str() == name).ok_or(TokenRequestError::GrantTypeUnsupported)?;
        match grant_type {
            GrantType::ClientCredentials => Ok(Self::ClientCredentials(ClientCredentialsRequest {
                audience: parse_audience(parameters)?,
                scope: parameters.find("scope").map(Scope::parse).transpose()?,
            })),
        }
    }
}

fn parse_audience(parameters: &Parameters) -> Result<Option<String>, TokenRequestError> {
    let mut named = parameters.all("audience").chain(parameters.all("resource"));
    let first = named.next();
    if named.any(|other| Some(other) != first) {
        return Err(TokenRequestError::SeveralAudiences);
    }
    Ok(first.map(str::to_owned))
}

/// A successful token response. `expires_in` is always present and in seconds.
#[derive(Debug)]
pub struct TokenResponse {
    /// The access token.
    pub access_token: String,
    /// Always `Bearer` for now.
    pub token_type: &'static str,
    /// Lifetime in seconds.
    pub expires_in: i64,
    /// The granted scope; omitted when empty (its syntax needs one token).
    pub scope: String,
}

impl TokenResponse {
    /// The response as a JSON object.
    pub fn to_json(&self) -> String {
        let mut members = JsonObject::with_capacity(self.access_token.len() + self.scope.len() + 128);
        members.text("access_token", &self.access_token).text("token_type", self.token_type);
        members.number("expires_in", self.expires_in);
        if !self.scope.is_empty() {
            members.text("scope", &self.scope);
        }
        members.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(form: &str) -> Result<TokenRequest, TokenRequestError> {
        TokenRequest::parse(&Parameters::from_form(form.as_bytes()).unwrap())
    }

    #[test]
    fn grant_types_match_exactly() {
        assert_eq!(parse("grant_type=").unwrap_err(), TokenRequestError::GrantTypeMissing);
        for name in ["password", "implicit", "Client_Credentials", "client_credentials%00", "client_credentials+"] {
            assert_eq!(parse(&format!("grant_type={name}")).unwrap_err(), TokenRequestError::GrantTypeUnsupported, "{name}");
        }
    }

    #[test]
    fn audience_and_resource_name_one_resource_server() {
        let TokenRequest::ClientCredentials(ask) = parse("grant_type=client_credentials&audience=a&resource=a").unwrap();
        assert_eq!(ask.audience.as_deref(), Some("a"));
        for form in ["audience=a&resource=b", "resource=a&resource=b"] {
            assert_eq!(parse(&format!("grant_type=client_credentials&{form}")).unwrap_err(), TokenRequestError::SeveralAudiences);
        }
    }

    #[test]
    fn an_empty_scope_is_omitted() {
        let response = TokenResponse { access_token: "t".to_owned(), token_type: "Bearer", expires_in: 600, scope: String::new() };
        assert_eq!(response.to_json(), r#"{"access_token":"t","token_type":"Bearer","expires_in":600}"#);
    }
}
