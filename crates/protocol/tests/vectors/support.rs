//! What the tests share: the folder of published vectors, keys, and tokens made by hand.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use countersign_protocol::Secret;
use countersign_protocol::jose::{
    Algorithm, Jwk, JwkError, JwsError, KeyType, SigningKey, UnverifiedJws, VerificationKey, base64url,
};
use serde_json::{Value, json};

/// The folder of published vectors. Without it the test that asks is left out, and
/// says so; under `CI=true` it fails instead.
#[expect(clippy::disallowed_methods, reason = "the folder and CI are settings of the test run")]
pub(crate) fn published(what: &str, groups: usize) -> Option<PathBuf> {
    let folder = std::env::var_os("COUNTERSIGN_VECTORS")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data"), PathBuf::from);
    if folder.is_dir() {
        return Some(folder);
    }
    assert!(std::env::var("CI").as_deref() != Ok("true"), "{what}: no folder {}", folder.display());
    let notice = format!("left out {groups} case groups of {what}: no folder {}\n", folder.display());
    // Not a print macro: the notice must show although the test passes.
    std::io::stderr().write_all(notice.as_bytes()).unwrap();
    None
}

pub(crate) fn read_json(path: &Path) -> Value {
    let bytes = std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_slice(&bytes).unwrap()
}

pub(crate) fn verification_key(jwk: &Value) -> Result<VerificationKey, JwkError> {
    VerificationKey::from_jwk(&Jwk::parse(jwk.as_object().unwrap())?)
}

pub(crate) fn verify(token: &str, key: &VerificationKey) -> Result<Vec<u8>, JwsError> {
    UnverifiedJws::parse(token)?.verify(key)
}

/// The public members of a JWK that may be private, as a key for `alg`.
pub(crate) fn public_half(jwk: &Value, alg: &str) -> Value {
    let mut public = json!({ "alg": alg });
    for name in ["kty", "crv", "x", "y", "n", "e", "kid", "use"] {
        if let Some(value) = jwk.get(name) {
            public[name] = value.clone();
        }
    }
    public
}

/// One RSA key for all six RSA algorithms: whatever is refused between them is
/// refused for the algorithm and not for the key.
static RSA: LazyLock<Secret<Vec<u8>>> = LazyLock::new(|| SigningKey::generate(Algorithm::RS256).unwrap());

pub(crate) fn pkcs8(algorithm: Algorithm) -> Secret<Vec<u8>> {
    match algorithm.key_type() {
        KeyType::Rsa => RSA.clone(),
        KeyType::Ec(_) | KeyType::Okp => SigningKey::generate(algorithm).unwrap(),
    }
}

pub(crate) fn key_pair(algorithm: Algorithm) -> (SigningKey, VerificationKey) {
    let signing = SigningKey::from_pkcs8(algorithm, &pkcs8(algorithm)).unwrap();
    let verification = VerificationKey::from_jwk(&signing.public_jwk("key")).unwrap();
    (signing, verification)
}

/// Signs any two texts as if they were the first two parts of a token.
pub(crate) fn signed(key: &SigningKey, header: &str, payload: &str) -> String {
    let input = format!("{header}.{payload}");
    let signature = base64url::encode(&key.sign(input.as_bytes()).unwrap());
    format!("{input}.{signature}")
}

/// A token with exactly this header, honestly signed.
pub(crate) fn with_header(key: &SigningKey, header: impl AsRef<[u8]>) -> String {
    signed(key, &base64url::encode(header.as_ref()), &base64url::encode(b"{}"))
}
