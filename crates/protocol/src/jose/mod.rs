//! JOSE: signed JWTs in compact form, JWK, JWKS, thumbprints.
//!
//! A thin layer on aws-lc-rs. The algorithm is fixed by the key and never by
//! the token; HMAC, `none`, embedded keys and key URLs do not exist here.

mod alg;
pub mod base64url;
mod claims;
mod ed25519_weakness;
mod header;
pub mod json;
pub(crate) mod json_object;
mod jwk;
mod jwks;
mod jws;
mod registered_keys;
mod rsa_weakness;
mod signing_key;
mod thumbprint;

pub use alg::{Algorithm, KeyType};
pub use claims::{AccessTokenClaims, AudienceClaim, Claims, ClaimsError};
pub use header::Header;
pub use jwk::{Jwk, JwkError, VerificationKey};
pub use jwks::{JwkSet, JwkSetError, MAX_JWK_SET_BYTES};
pub use jws::{JwsError, MAX_TOKEN_BYTES, SigningInput, UnverifiedJws, sign_jwt};
pub use registered_keys::{MAX_REGISTERED_KEYS, RegisteredKeys, RegisteredKeysError, meant_by};
pub use signing_key::{SigningKey, SigningKeyError};
pub use thumbprint::thumbprint;
