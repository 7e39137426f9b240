//! The token request and response (RFC 6749 sections 4.4 and 5.1, RFC 8693 section 2).

use crate::jose::json_object::JsonObject;
use crate::{InvalidScope, Parameters, Scope, Secret};

/// The type of an API key as a subject token (RFC 8693 section 3).
pub const API_KEY_TOKEN_TYPE: &str = "urn:countersign:params:oauth:token-type:api-key";
/// The type of what a token exchange issues (RFC 8693 section 3).
pub const ACCESS_TOKEN_TOKEN_TYPE: &str = "urn:ietf:params:oauth:token-type:access_token";

/// A registered grant type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum GrantType {
    /// RFC 6749 section 4.4.
    ClientCredentials,
    /// RFC 8693 section 2.1.
    TokenExchange,
}

impl GrantType {
    /// Every grant type that the token endpoint accepts.
    pub const ALL: [Self; 2] = [Self::ClientCredentials, Self::TokenExchange];

    /// The registered name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ClientCredentials => "client_credentials",
            Self::TokenExchange => "urn:ietf:params:oauth:grant-type:token-exchange",
        }
    }

    /// The grant type that a request names.
    ///
    /// # Errors
    /// [`TokenRequestError`] when it names none, or an unknown one.
    pub fn of(parameters: &Parameters) -> Result<Self, TokenRequestError> {
        let name = parameters.find("grant_type").ok_or(TokenRequestError::GrantTypeMissing)?;
        Self::ALL.into_iter().find(|grant| grant.as_str() == name).ok_or(TokenRequestError::GrantTypeUnsupported)
    }
}

/// A well-formed token request: one variant per grant.
#[derive(Debug)]
pub enum TokenRequest {
    /// RFC 6749 section 4.4.2.
    ClientCredentials(ClientCredentialsRequest),
    /// RFC 8693 section 2.1.
    TokenExchange(TokenExchangeRequest),
}

/// What a `client_credentials` request asks for.
#[derive(Debug, Default)]
pub struct ClientCredentialsRequest {
    /// The resource server, from `audience` or `resource` (RFC 8707); unverified.
    pub audience: Option<String>,
    /// The scope; `None` asks for everything that was granted.
    pub scope: Option<Scope>,
}

/// What a token exchange asks for: an access token for an API key.
#[derive(Debug)]
pub struct TokenExchangeRequest {
    /// The key; unverified.
    pub subject_token: Secret<String>,
    /// The resource server, from `audience` or `resource`; unverified.
    pub audience: Option<String>,
    /// The scope; `None` asks for everything that the key gives.
    pub scope: Option<Scope>,
}

/// Why a token request is not well-formed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenRequestError {
    /// `actor_token` or its type: nobody acts on behalf of a key.
    #[error("a token exchange takes no actor_token")]
    ActorToken,
    /// `grant_type` is missing or empty.
    #[error("grant_type is missing")]
    GrantTypeMissing,
    /// The grant type is not one of [`GrantType::ALL`].
    #[error("the grant type is not supported")]
    GrantTypeUnsupported,
    /// Something else than an access token is asked for.
    #[error("a token exchange issues an {ACCESS_TOKEN_TOKEN_TYPE} and nothing else")]
    RequestedTokenType,
    /// `scope` is malformed.
    #[error("the scope is malformed: {0}")]
    Scope(#[from] InvalidScope),
    /// `audience` and `resource` together name more than one resource server.
    #[error("more than one audience was named")]
    SeveralAudiences,
    /// `subject_token` is missing or empty.
    #[error("subject_token is missing")]
    SubjectTokenMissing,
    /// `subject_token_type` is not that of an API key.
    #[error("subject_token_type must be {API_KEY_TOKEN_TYPE}")]
    SubjectTokenType,
}

impl TokenRequest {
    /// Reads the parameters of the grant that `grant_type` names.
    ///
    /// # Errors
    /// [`TokenRequestError`] when `grant_type` is missing or unknown, or a parameter is malformed.
    pub fn parse(parameters: &Parameters) -> Result<Self, TokenRequestError> {
        match GrantType::of(parameters)? {
            GrantType::ClientCredentials => Ok(Self::ClientCredentials(ClientCredentialsRequest {
                audience: parse_audience(parameters)?,
                scope: parse_scope(parameters)?,
            })),
            GrantType::TokenExchange => TokenExchangeRequest::parse(parameters).map(Self::TokenExchange),
        }
    }
}

impl TokenExchangeRequest {
    /// Reads the parameters of RFC 8693 section 2.1.
    ///
    /// # Errors
    /// [`TokenRequestError`] for what is missing, malformed or of a type that is not exchanged.
    pub fn parse(parameters: &Parameters) -> Result<Self, TokenRequestError> {
        if parameters.find("actor_token").or_else(|| parameters.find("actor_token_type")).is_some() {
            return Err(TokenRequestError::ActorToken);
        }
        if parameters.find("subject_token_type") != Some(API_KEY_TOKEN_TYPE) {
            return Err(TokenRequestError::SubjectTokenType);
        }
        if parameters.find("requested_token_type").is_some_and(|asked| asked != ACCESS_TOKEN_TOKEN_TYPE) {
            return Err(TokenRequestError::RequestedTokenType);
        }
        let subject_token = parameters.find("subject_token").ok_or(TokenRequestError::SubjectTokenMissing)?;
        Ok(Self {
            subject_token: Secret::new(subject_token.to_owned()),
            audience: parse_audience(parameters)?,
            scope: parse_scope(parameters)?,
        })
    }
}

fn parse_scope(parameters: &Parameters) -> Result<Option<Scope>, TokenRequestError> {
    Ok(parameters.find("scope").map(Scope::parse).transpose()?)
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
    /// What kind of token it is, where that is asked (RFC 8693 section 2.2.1).
    pub issued_token_type: Option<&'static str>,
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
        members.text("access_token", &self.access_token);
        if let Some(issued) = self.issued_token_type {
            members.text("issued_token_type", issued);
        }
        members.text("token_type", self.token_type);
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
        let asked = parse("grant_type=client_credentials&audience=a&resource=a").unwrap();
        let TokenRequest::ClientCredentials(ask) = asked else { panic!("{asked:?}") };
        assert_eq!(ask.audience.as_deref(), Some("a"));
        for form in ["audience=a&resource=b", "resource=a&resource=b"] {
            assert_eq!(parse(&format!("grant_type=client_credentials&{form}")).unwrap_err(), TokenRequestError::SeveralAudiences);
        }
    }

    #[test]
    fn an_empty_scope_is_omitted() {
        let response = TokenResponse {
            access_token: "t".to_owned(),
            issued_token_type: None,
            token_type: "Bearer",
            expires_in: 600,
            scope: String::new(),
        };
        assert_eq!(response.to_json(), r#"{"access_token":"t","token_type":"Bearer","expires_in":600}"#);
    }

    fn exchange(more: &str) -> Result<TokenRequest, TokenRequestError> {
        parse(&format!("grant_type=urn:ietf:params:oauth:grant-type:token-exchange&subject_token_type={API_KEY_TOKEN_TYPE}{more}"))
    }

    #[test]
    fn an_api_key_is_exchanged_for_an_access_token_and_for_nothing_else() {
        let asked =
            exchange(&format!("&subject_token=k&audience=a&scope=x&requested_token_type={ACCESS_TOKEN_TOKEN_TYPE}")).unwrap();
        let TokenRequest::TokenExchange(ask) = asked else { panic!("{asked:?}") };
        assert_eq!((ask.subject_token.expose().as_str(), ask.audience.as_deref()), ("k", Some("a")));
        assert_eq!(ask.scope.unwrap().to_string(), "x");
        for (more, expected) in [
            ("", TokenRequestError::SubjectTokenMissing),
            ("&subject_token=", TokenRequestError::SubjectTokenMissing),
            ("&subject_token=k&requested_token_type=urn:ietf:params:oauth:token-type:jwt", TokenRequestError::RequestedTokenType),
            ("&subject_token=k&actor_token=t", TokenRequestError::ActorToken),
            ("&subject_token=k&actor_token_type=urn:ietf:params:oauth:token-type:jwt", TokenRequestError::ActorToken),
            ("&subject_token=k&audience=a&resource=b", TokenRequestError::SeveralAudiences),
        ] {
            assert_eq!(exchange(more).unwrap_err(), expected, "{more}");
        }
        let of_type =
            |name: &str| parse(&format!("grant_type=urn:ietf:params:oauth:grant-type:token-exchange&subject_token=k{name}"));
        for name in ["", "&subject_token_type=", "&subject_token_type=urn:ietf:params:oauth:token-type:access_token"] {
            assert_eq!(of_type(name).unwrap_err(), TokenRequestError::SubjectTokenType, "{name}");
        }
    }
}
