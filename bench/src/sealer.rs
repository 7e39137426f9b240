//! Sealing the claims of opaque tokens with bare aws-lc, under one key.

use anyhow::anyhow;
use aws_lc_rs::aead::{AES_256_GCM, Aad, RandomizedNonceKey};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// As long as what names the format and the key in a token.
const HEAD: &str = "cst_01mcc5rmqefqpaxn197mkhbvqb";
/// As long as what a token is bound to.
const BOUND_TO: &[u8] = b"countersign opaque token 1 tk_01mcc5rmqefqpaxn197mkhbvqb default";
const NONCE_LENGTH: usize = 12;

/// The key.
pub(crate) struct Sealer(RandomizedNonceKey);

impl Sealer {
    pub(crate) fn new() -> anyhow::Result<Self> {
        Ok(Self(RandomizedNonceKey::new(&AES_256_GCM, &[9; 32]).map_err(|_| anyhow!("AES-256-GCM takes no key"))?))
    }

    pub(crate) fn seal(&self, claims: String) -> Option<String> {
        let mut bytes = claims.into_bytes();
        let nonce = self.0.seal_in_place_append_tag(Aad::from(BOUND_TO), &mut bytes).ok()?;
        let sealed = [nonce.as_ref().as_slice(), &bytes].concat();
        let mut token = String::with_capacity(1_024);
        token.push_str(HEAD);
        URL_SAFE_NO_PAD.encode_string(sealed, &mut token);
        Some(token)
    }

    pub(crate) fn open(&self, token: &str) -> Option<Vec<u8>> {
        let mut bytes = URL_SAFE_NO_PAD.decode(token.strip_prefix(HEAD)?).ok()?;
        let (nonce, sealed) = bytes.split_at_mut_checked(NONCE_LENGTH)?;
        let nonce = <[u8; NONCE_LENGTH]>::try_from(&*nonce).ok()?;
        self.0.open_in_place((&nonce).into(), Aad::from(BOUND_TO), sealed).ok().map(|claims| claims.to_vec())
    }
}
