//! JWK thumbprints (RFC 7638, RFC 8037 section 2).

use aws_lc_rs::digest;

use super::jwk::Parameters;
use super::{Jwk, base64url};

/// The base64url SHA-256 thumbprint of a public key.
pub fn thumbprint(jwk: &Jwk) -> String {
    // RFC 7638 section 3.2: the required members only, in lexicographic order,
    // without white space. Every value is base64url or a curve name: no escapes.
    let canonical = match jwk.key_parameters() {
        Parameters::Rsa { n, e } => format!(r#"{{"e":"{e}","kty":"RSA","n":"{n}"}}"#),
        Parameters::Ec { crv, x, y } => format!(r#"{{"crv":"{crv}","kty":"EC","x":"{x}","y":"{y}"}}"#),
        Parameters::Okp { crv, x } => format!(r#"{{"crv":"{crv}","kty":"OKP","x":"{x}"}}"#),
    };
    base64url::encode(digest::digest(&digest::SHA256, canonical.as_bytes()).as_ref())
}
