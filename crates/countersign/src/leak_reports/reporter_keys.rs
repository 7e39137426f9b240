//! The public keys of the reporter: `{"public_keys": [{"key_identifier", "key"}]}`, the
//! key in PEM. They are read as a JWK Set, so that they are kept, fetched anew and given
//! up as the keys of an issuer are.

use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use countersign_protocol::jose::{JwkSet, base64url};
use countersign_protocol::{Clock, Issuer};
use countersign_verify::{Fetch, FetchError, FetchFuture, FetchRequest, Fetched, HttpFetch, KeysUnavailable, RemoteKeys};
use rustls::pki_types::SubjectPublicKeyInfoDer;
use rustls::pki_types::pem::PemObject as _;
use serde::Deserialize;
use serde_json::json;
use url::Url;

use super::signature::fixed_width;

/// What the DER of a P-256 key begins with (RFC 5480 section 2), before its point.
const P256_KEY: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03,
    0x01, 0x07, 0x03, 0x42, 0x00,
];
/// Says that both coordinates of a point follow.
const UNCOMPRESSED: u8 = 4;
const COORDINATE_BYTES: usize = 32;

/// The keys. Cheap to clone.
#[derive(Clone)]
pub struct ReporterKeys(Held);

#[derive(Clone)]
enum Held {
    Given(Arc<JwkSet>),
    Remote(RemoteKeys),
}

/// The keys cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ReporterKeysError {
    /// The document has another form, or no key of it is one of P-256.
    #[error("the document has no public key of P-256 in `public_keys`")]
    Document,
    /// Nothing can be fetched from there.
    #[error("the URL of the public keys is no http or https URL with a host")]
    Url,
}

#[derive(Deserialize)]
struct Document {
    public_keys: Vec<PublicKey>,
}

#[derive(Deserialize)]
struct PublicKey {
    key_identifier: String,
    key: String,
}

impl ReporterKeys {
    /// The keys of a document at hand.
    ///
    /// # Errors
    /// [`ReporterKeysError::Document`].
    pub fn given(document: &[u8]) -> Result<Self, ReporterKeysError> {
        let set = JwkSet::parse(&to_jwk_set(document)?).map_err(|_| ReporterKeysError::Document)?;
        Ok(Self(Held::Given(Arc::new(set))))
    }

    /// The keys at a URL. Nothing is fetched yet.
    ///
    /// # Errors
    /// [`ReporterKeysError::Url`].
    pub fn at(url: &str, fetch: HttpFetch, clock: Arc<dyn Clock>) -> Result<Self, ReporterKeysError> {
        let origin = Url::parse(url).map_err(|_| ReporterKeysError::Url)?.origin().ascii_serialization();
        let owner = Issuer::try_from(origin.as_str()).map_err(|_| ReporterKeysError::Url)?;
        Ok(Self(Held::Remote(RemoteKeys::new(Arc::new(AsJwkSet(fetch)), owner, url.to_owned(), clock))))
    }

    /// Whether a signature over a body is by the key with this id: ECDSA on P-256 with
    /// SHA-256, DER in base64.
    ///
    /// # Errors
    /// [`KeysUnavailable`]: it was not judged.
    pub async fn verify(&self, key_id: &str, body: &[u8], signature: &str) -> Result<bool, KeysUnavailable> {
        let Some(signature) = STANDARD.decode(signature).ok().and_then(|der| fixed_width(&der)) else { return Ok(false) };
        let judge = |set: &JwkSet| set.find(Some(key_id)).map(|key| key.verifies(body, &signature));
        match &self.0 {
            Held::Given(set) => Ok(judge(set).unwrap_or(false)),
            Held::Remote(keys) => Ok(keys.judge(Some(key_id), judge).await?.unwrap_or(false)),
        }
    }
}

impl fmt::Debug for ReporterKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Held::Given(_) => "ReporterKeys(given)",
            Held::Remote(_) => "ReporterKeys(remote)",
        })
    }
}

/// Fetches the document and hands it out as a JWK Set.
struct AsJwkSet(HttpFetch);

impl Fetch for AsJwkSet {
    fn fetch<'a>(&'a self, request: FetchRequest<'a>) -> FetchFuture<'a> {
        Box::pin(async move {
            Ok(match self.0.fetch(request).await? {
                Fetched::Document { body, etag, cache_control } => {
                    Fetched::Document { body: to_jwk_set(&body).map_err(FetchError::new)?, etag, cache_control }
                }
                unchanged @ Fetched::NotModified { .. } => unchanged,
            })
        })
    }
}

/// Keys that are none of P-256 are left out, as a JWK Set's are.
fn to_jwk_set(document: &[u8]) -> Result<Vec<u8>, ReporterKeysError> {
    let document: Document = serde_json::from_slice(document).map_err(|_| ReporterKeysError::Document)?;
    let jwk = |entry: &PublicKey| {
        let (x, y) = point(&entry.key)?;
        Some(json!({ "kty": "EC", "crv": "P-256", "alg": "ES256", "kid": entry.key_identifier, "x": x, "y": y }))
    };
    let keys: Vec<_> = document.public_keys.iter().filter_map(jwk).collect();
    Ok(json!({ "keys": keys }).to_string().into_bytes())
}

/// The coordinates of a key in PEM, base64url.
fn point(pem: &str) -> Option<(String, String)> {
    let der = SubjectPublicKeyInfoDer::from_pem_slice(pem.as_bytes()).ok()?;
    let point = der.as_ref().strip_prefix(&P256_KEY)?.strip_prefix(&[UNCOMPRESSED])?;
    let (x, y) = point.split_at_checked(COORDINATE_BYTES)?;
    (y.len() == COORDINATE_BYTES).then(|| (base64url::encode(x), base64url::encode(y)))
}

#[cfg(test)]
mod tests {
    use super::*;

    // Made by openssl.
    const PEM: &str = "-----BEGIN PUBLIC KEY-----\n\
                       MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEPIXgi71hJfT8d9SLgtHYolrD3Ki+\n\
                       czPLLi8leL7UOY2lu70bpS1yBGwudhXTYd2fekcEHXn5h/oeJdViWOXeYw==\n\
                       -----END PUBLIC KEY-----\n";
    const BODY: &[u8] =
        br#"[{"token":"some_token","type":"some_type","url":"https://example.com/base-repo-url/","source":"commit"}]"#;
    const SIGNATURES: [&str; 3] = [
        "MEQCIQDtg4y5Pt70NVMlqm/EMPEFFKzLnBpu8pr+Oay8MLJ+hAIfF/JK3bf2Ztt1STK6G7LXjorNHY7HL35VRIVHc7SFuQ==",
        "MEUCIGOswaTVn73BeO2MF9yA4HGDAwuNpybEiroeLFH2VhCNAiEA3s7ouBA0+lcYGQT9GGvZifAbYcfQyCdPU+JYPKTd6Go=",
        "MEYCIQCGdbm32QMbQ/x0a9GetVcAeT2tuc79LyZ+RyCvW9z+IAIhAMAmY472KCTfUq9LRu5qBI9YEeeHQ+i3/nFY+vlcVNFv",
    ];

    fn document(key: &str) -> Vec<u8> {
        json!({ "public_keys": [{ "key_identifier": "a", "key": key, "is_current": true }] }).to_string().into_bytes()
    }

    #[tokio::test]
    async fn a_signature_of_the_named_key_over_these_very_bytes_verifies() {
        let keys = ReporterKeys::given(&document(PEM)).unwrap();
        for signature in SIGNATURES {
            assert_eq!(keys.verify("a", BODY, signature).await, Ok(true), "{signature}");
        }
        let changed = [BODY, b" "].concat();
        assert_eq!(keys.verify("a", &changed, SIGNATURES[0]).await, Ok(false));
        assert_eq!(keys.verify("b", BODY, SIGNATURES[0]).await, Ok(false));
        for broken in ["", "!", "MEQC", SIGNATURES[0].trim_end_matches('='), &SIGNATURES[0].replace("MEQCIQDt", "MEQCIQDs")] {
            assert_eq!(keys.verify("a", BODY, broken).await, Ok(false), "{broken}");
        }
    }

    #[test]
    fn a_document_without_a_key_of_this_curve_is_refused() {
        let p384 = PEM.replace("MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcD", "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcE");
        for bytes in [b"{}".to_vec(), b"[]".to_vec(), br#"{"public_keys":[]}"#.to_vec(), document(&p384), document("x")] {
            assert!(ReporterKeys::given(&bytes).is_err());
        }
    }
}
