//! Client authentication as presented (RFC 6749 section 2.3). Nothing is verified here.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::form::{form_decode, form_encode};
use crate::{ClientAssertion, Parameters, Secret};

/// The one accepted `client_assertion_type` (RFC 7523 section 2.2).
const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// A registered token endpoint authentication method.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ClientAuthMethod {
    /// The secret in an HTTP Basic header.
    ClientSecretBasic,
    /// The secret in the request body.
    ClientSecretPost,
    /// A JWT signed with the client's private key (RFC 7523 section 2.2).
    PrivateKeyJwt,
}

impl ClientAuthMethod {
    /// Every method that the token endpoint accepts.
    pub const ALL: [Self; 3] = [Self::ClientSecretBasic, Self::ClientSecretPost, Self::PrivateKeyJwt];

    /// The registered name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ClientSecretBasic => "client_secret_basic",
            Self::ClientSecretPost => "client_secret_post",
            Self::PrivateKeyJwt => "private_key_jwt",
        }
    }

    /// Whether a client of this method has a secret.
    pub const fn uses_secret(self) -> bool {
        match self {
            Self::ClientSecretBasic | Self::ClientSecretPost => true,
            Self::PrivateKeyJwt => false,
        }
    }

    /// The method with this registered name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|method| method.as_str() == name)
    }
}

/// An unverified client id with an unverified secret.
#[derive(Debug)]
pub struct ClientSecretCredentials {
    /// The presented client id; any text.
    pub client_id: String,
    /// The presented secret; any text.
    pub client_secret: Secret<String>,
    /// How they were presented.
    pub method: ClientAuthMethod,
}

/// What a request presents, unverified.
#[derive(Debug)]
pub enum PresentedCredentials {
    /// A signed JWT.
    Assertion(ClientAssertion),
    /// A secret.
    Secret(ClientSecretCredentials),
}

impl PresentedCredentials {
    /// How they were presented.
    pub const fn method(&self) -> ClientAuthMethod {
        match self {
            Self::Assertion(_) => ClientAuthMethod::PrivateKeyJwt,
            Self::Secret(secret) => secret.method,
        }
    }
}

/// Why no credentials could be read from the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClientAuthParseError {
    /// `client_assertion` without `client_assertion_type` or the other way round, or a
    /// type other than that of a JWT (RFC 7521 section 4.2, RFC 7523 section 2.2).
    #[error("client_assertion needs the client_assertion_type {JWT_BEARER}, and the other way round")]
    AssertionType,
    /// The Authorization header is no well-formed Basic credential.
    #[error("the Authorization header is no well-formed Basic credential")]
    BasicMalformed,
    /// Neither a header nor a body credential.
    #[error("the request does not authenticate a client")]
    Missing,
    /// More than one mechanism, or two client ids that differ (RFC 6749 section 2.3).
    #[error("the request authenticates the client in more than one way")]
    SeveralMethods,
    /// An Authorization scheme other than Basic.
    #[error("this client authentication method is not supported")]
    Unsupported,
}

/// Reads the client's credentials from the `Authorization` header values and the body.
///
/// # Errors
/// [`ClientAuthParseError`] when there are none, several, or malformed ones.
pub fn parse_client_authentication<'a>(
    authorization: impl IntoIterator<Item = &'a [u8]>,
    body: &Parameters,
) -> Result<PresentedCredentials, ClientAuthParseError> {
    let mut headers = authorization.into_iter();
    let header = headers.next();
    if headers.next().is_some() {
        return Err(ClientAuthParseError::SeveralMethods);
    }
    let assertion = (body.find("client_assertion"), body.find("client_assertion_type"));
    let has_assertion = assertion != (None, None);
    match (header, body.find("client_id"), body.find("client_secret"), has_assertion) {
        (Some(_), _, Some(_), _) | (Some(_), _, _, true) | (_, _, Some(_), true) => Err(ClientAuthParseError::SeveralMethods),
        (Some(header), body_client_id, None, false) => {
            let credentials = parse_basic(header)?;
            if body_client_id.is_some_and(|id| id != credentials.client_id) {
                return Err(ClientAuthParseError::SeveralMethods);
            }
            Ok(PresentedCredentials::Secret(credentials))
        }
        (None, Some(client_id), Some(client_secret), false) => Ok(PresentedCredentials::Secret(ClientSecretCredentials {
            client_id: client_id.to_owned(),
            client_secret: Secret::new(client_secret.to_owned()),
            method: ClientAuthMethod::ClientSecretPost,
        })),
        (None, client_id, None, true) => match assertion {
            (Some(jwt), Some(JWT_BEARER)) => Ok(PresentedCredentials::Assertion(ClientAssertion::new(jwt, client_id))),
            _ => Err(ClientAuthParseError::AssertionType),
        },
        (None, _, None, false) | (None, None, Some(_), false) => Err(ClientAuthParseError::Missing),
    }
}

/// The value of an `Authorization` header that presents a client secret
/// (RFC 6749 section 2.3.1: both halves are form-urlencoded first).
pub fn basic_authorization(client_id: &str, client_secret: &Secret<String>) -> Secret<String> {
    let mut pair = form_encode(client_id);
    pair.push(':');
    pair.push_str(&form_encode(client_secret.expose()));
    let pair = Secret::new(pair);
    Secret::new(format!("Basic {}", STANDARD.encode(pair.expose())))
}

fn parse_basic(header: &[u8]) -> Result<ClientSecretCredentials, ClientAuthParseError> {
    let header = std::str::from_utf8(header).map_err(|_| ClientAuthParseError::BasicMalformed)?;
    let (scheme, encoded) = header.split_once(' ').unwrap_or((header, ""));
    if !scheme.eq_ignore_ascii_case("basic") {
        return Err(ClientAuthParseError::Unsupported);
    }
    let decoded = Secret::new(STANDARD.decode(encoded.trim_start_matches(' ')).map_err(|_| ClientAuthParseError::BasicMalformed)?);
    let mut halves = decoded.expose().splitn(2, |byte| *byte == b':');
    // RFC 6749 section 2.3.1: both halves are form-urlencoded before they are joined.
    let client_id = halves.next().and_then(form_decode).filter(|id| !id.is_empty());
    let client_secret = halves.next().and_then(form_decode).map(Secret::new);
    match (client_id, client_secret) {
        (Some(client_id), Some(client_secret)) => {
            Ok(ClientSecretCredentials { client_id, client_secret, method: ClientAuthMethod::ClientSecretBasic })
        }
        _ => Err(ClientAuthParseError::BasicMalformed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(headers: &[&str], form: &str) -> Result<PresentedCredentials, ClientAuthParseError> {
        let body = Parameters::from_form(form.as_bytes()).unwrap();
        parse_client_authentication(headers.iter().map(|header| header.as_bytes()), &body)
    }

    fn secret(presented: PresentedCredentials) -> ClientSecretCredentials {
        match presented {
            PresentedCredentials::Secret(secret) => secret,
            PresentedCredentials::Assertion(_) => panic!("an assertion"),
        }
    }

    fn basic(text: &str) -> String {
        format!("Basic {}", STANDARD.encode(text))
    }

    #[test]
    fn basic_halves_are_form_decoded_and_the_scheme_ignores_case() {
        let header = basic("my%2Dclient%5F1:s%3Ae+c%25").replace("Basic", "bAsIc");
        let credentials = secret(parse(&[&header], "").unwrap());
        assert_eq!(credentials.client_id, "my-client_1");
        assert_eq!(credentials.client_secret.expose(), "s:e c%");
        assert_eq!(credentials.method, ClientAuthMethod::ClientSecretBasic);
    }

    #[test]
    fn what_is_presented_is_what_is_read() {
        for (id, secret) in [("client-a", "s"), ("a:b c%", "s:e c%+\u{e9}&="), ("https://c.test/x", "")] {
            let header = basic_authorization(id, &Secret::new(secret.to_owned()));
            let read = parse(&[header.expose()], "").unwrap();
            let PresentedCredentials::Secret(read) = read else { panic!("{id}") };
            assert_eq!((read.client_id.as_str(), read.client_secret.expose().as_str()), (id, secret));
        }
    }

    #[test]
    fn two_mechanisms_in_one_request_are_refused() {
        let header = basic("client-a:secret");
        for form in ["client_secret=x&client_id=client-a", "client_secret=x", "client_id=client-b", "client_assertion=x"] {
            assert_eq!(parse(&[&header], form).unwrap_err(), ClientAuthParseError::SeveralMethods, "{form}");
        }
        assert_eq!(parse(&[&header, &header], "").unwrap_err(), ClientAuthParseError::SeveralMethods);
        assert_eq!(parse(&[], "client_id=a&client_secret=b&client_assertion=c").unwrap_err(), ClientAuthParseError::SeveralMethods);
        assert!(parse(&[&header], "client_id=client-a").is_ok());
    }

    #[test]
    fn malformed_basic_is_told_apart_from_other_schemes() {
        for header in
            ["Basic", "Basic ", "Basic !!!", "Basic YQ", "Basic YQ==", "Basic Og==", "Basic YTpi,Basic YTpi", "Basic JTp4"]
        {
            assert_eq!(parse(&[header], "").unwrap_err(), ClientAuthParseError::BasicMalformed, "{header}");
        }
        assert_eq!(parse(&["Bearer abc"], "").unwrap_err(), ClientAuthParseError::Unsupported);
    }

    #[test]
    fn a_request_without_credentials_is_missing_them() {
        for form in ["", "client_id=client-a", "client_secret=x", "client_id=client-a&client_secret="] {
            assert_eq!(parse(&[], form).unwrap_err(), ClientAuthParseError::Missing, "{form}");
        }
    }

    #[test]
    fn an_assertion_comes_with_the_type_of_a_jwt() {
        let bearer = "client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer";
        for form in [format!("client_assertion=x&{bearer}"), format!("client_assertion=x&{bearer}&client_id=client-a")] {
            assert_eq!(parse(&[], &form).unwrap().method(), ClientAuthMethod::PrivateKeyJwt);
        }
        for form in
            ["client_assertion=x", bearer, "client_assertion=x&client_assertion_type=", &format!("client_assertion=&{bearer}")]
        {
            assert_eq!(parse(&[], form).unwrap_err(), ClientAuthParseError::AssertionType, "{form}");
        }
        let saml = "client_assertion=x&client_assertion_type=urn:ietf:params:oauth:client-assertion-type:saml2-bearer";
        assert_eq!(parse(&[], saml).unwrap_err(), ClientAuthParseError::AssertionType);
    }
}
