//! Private signature keys, parsed once.

use std::fmt;

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::encoding::Pkcs8V1Der;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{EcdsaKeyPair, Ed25519KeyPair, KeyPair, RsaKeyPair};

use super::jwk::Parameters;
use super::{Algorithm, Jwk, KeyType, base64url};
use crate::Secret;

/// A private key with the one algorithm it signs with.
pub struct SigningKey {
    algorithm: Algorithm,
    pair: Pair,
}

enum Pair {
    Rsa(RsaKeyPair),
    Ecdsa(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

/// Why a key cannot be made, read or used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SigningKeyError {
    /// The claims cannot be written as JSON.
    #[error("the claims cannot be written as JSON")]
    Claims,
    /// The cryptographic library refused.
    #[error("the cryptographic library refused the operation")]
    Crypto,
    /// The bytes are no PKCS#8 key of this algorithm.
    #[error("the bytes are no PKCS#8 key of this algorithm")]
    Encoding,
}

impl SigningKey {
    /// Makes a new key and returns its PKCS#8 encoding. RSA keys have 2048 bits;
    /// making one takes a fraction of a second.
    ///
    /// # Errors
    /// [`SigningKeyError::Crypto`].
    pub fn generate(algorithm: Algorithm) -> Result<Secret<Vec<u8>>, SigningKeyError> {
        let crypto = |_| SigningKeyError::Crypto;
        let pkcs8 = match algorithm.key_type() {
            KeyType::Rsa => {
                let pair = RsaKeyPair::generate(KeySize::Rsa2048).map_err(crypto)?;
                let der: Pkcs8V1Der<'_> = pair.as_der().map_err(crypto)?;
                der.as_ref().to_vec()
            }
            KeyType::Ec(_) => {
                let signing = algorithm.ecdsa_signing().ok_or(SigningKeyError::Crypto)?;
                EcdsaKeyPair::generate(signing).and_then(|pair| pair.to_pkcs8v1()).map_err(crypto)?.as_ref().to_vec()
            }
            KeyType::Okp => Ed25519KeyPair::generate().and_then(|pair| pair.to_pkcs8()).map_err(crypto)?.as_ref().to_vec(),
        };
        Ok(Secret::new(pkcs8))
    }

    /// Parses a key made by [`SigningKey::generate`].
    ///
    /// # Errors
    /// [`SigningKeyError::Encoding`].
    pub fn from_pkcs8(algorithm: Algorithm, pkcs8: &Secret<Vec<u8>>) -> Result<Self, SigningKeyError> {
        let encoding = |_| SigningKeyError::Encoding;
        let bytes = pkcs8.expose();
        let pair = match algorithm.key_type() {
            KeyType::Rsa => Pair::Rsa(RsaKeyPair::from_pkcs8(bytes).map_err(encoding)?),
            KeyType::Ec(_) => {
                let signing = algorithm.ecdsa_signing().ok_or(SigningKeyError::Encoding)?;
                Pair::Ecdsa(EcdsaKeyPair::from_pkcs8(signing, bytes).map_err(encoding)?)
            }
            KeyType::Okp => Pair::Ed25519(Ed25519KeyPair::from_pkcs8(bytes).map_err(encoding)?),
        };
        Ok(Self { algorithm, pair })
    }

    /// The one algorithm this key signs with.
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Signs `message` in the form JWS wants (RFC 7518 section 3.4: fixed width for ECDSA).
    ///
    /// # Errors
    /// [`SigningKeyError::Crypto`].
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SigningKeyError> {
        let crypto = |_| SigningKeyError::Crypto;
        match &self.pair {
            Pair::Rsa(pair) => {
                let encoding = self.algorithm.rsa_signing().ok_or(SigningKeyError::Crypto)?;
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(encoding, &SystemRandom::new(), message, &mut signature).map_err(crypto)?;
                Ok(signature)
            }
            Pair::Ecdsa(pair) => Ok(pair.sign(&SystemRandom::new(), message).map_err(crypto)?.as_ref().to_vec()),
            Pair::Ed25519(pair) => Ok(pair.sign(message).as_ref().to_vec()),
        }
    }

    /// The public half, as published under `kid`.
    pub fn public_jwk(&self, kid: &str) -> Jwk {
        let parameters = match &self.pair {
            Pair::Rsa(pair) => {
                let public = pair.public_key();
                let number = |bytes: &[u8]| base64url::encode(bytes);
                Parameters::Rsa {
                    n: number(public.modulus().big_endian_without_leading_zero()),
                    e: number(public.exponent().big_endian_without_leading_zero()),
                }
            }
            Pair::Ecdsa(pair) => {
                // An uncompressed point: 4, x, y.
                let point = pair.public_key().as_ref().get(1..).unwrap_or_default();
                let (x, y) = point.split_at(point.len() / 2);
                let crv = match self.algorithm.key_type() {
                    KeyType::Ec(crv) => crv,
                    KeyType::Rsa | KeyType::Okp => "",
                };
                Parameters::Ec { crv, x: base64url::encode(x), y: base64url::encode(y) }
            }
            Pair::Ed25519(pair) => Parameters::Okp { crv: "Ed25519", x: base64url::encode(pair.public_key().as_ref()) },
        };
        Jwk::new(self.algorithm, kid, parameters)
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey").field("algorithm", &self.algorithm).finish_non_exhaustive()
    }
}
