//! Signing with bare aws-lc, each key parsed once.

use anyhow::anyhow;
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeySize};
use aws_lc_rs::signature::{
    self, ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, ParsedPublicKey,
};

/// One key per algorithm.
pub(crate) struct Keys {
    rsa: RsaKeyPair,
    ecdsa: EcdsaKeyPair,
    ecdsa_public: ParsedPublicKey,
    ed25519: Ed25519KeyPair,
    random: SystemRandom,
}

/// How a token is signed.
#[derive(Clone, Copy)]
pub(crate) enum Algorithm {
    Rs256,
    Es256,
    EdDsa,
}

impl Algorithm {
    /// As JOSE names it.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Es256 => "ES256",
            Self::EdDsa => "EdDSA",
        }
    }
}

impl Keys {
    pub(crate) fn generate() -> anyhow::Result<Self> {
        let failed = |_: Unspecified| anyhow!("no key can be made");
        let ecdsa = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).map_err(failed)?;
        let ecdsa_public = ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, ecdsa.public_key().as_ref());
        Ok(Self {
            rsa: RsaKeyPair::generate(KeySize::Rsa2048).map_err(failed)?,
            ecdsa,
            ecdsa_public: ecdsa_public.map_err(|_| anyhow!("the public key cannot be read"))?,
            ed25519: Ed25519KeyPair::generate().map_err(failed)?,
            random: SystemRandom::new(),
        })
    }

    pub(crate) fn sign(&self, algorithm: Algorithm, message: &[u8]) -> Option<Vec<u8>> {
        match algorithm {
            Algorithm::Rs256 => {
                let mut signed = vec![0; self.rsa.public_modulus_len()];
                self.rsa.sign(&signature::RSA_PKCS1_SHA256, &self.random, message, &mut signed).ok()?;
                Some(signed)
            }
            Algorithm::Es256 => Some(self.ecdsa.sign(&self.random, message).ok()?.as_ref().to_vec()),
            Algorithm::EdDsa => Some(self.ed25519.sign(message).as_ref().to_vec()),
        }
    }

    /// Whether an ES256 signature is right.
    pub(crate) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        self.ecdsa_public.verify_sig(message, signature).is_ok()
    }
}
