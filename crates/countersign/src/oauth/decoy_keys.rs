//! Keys that belong to nobody: their private halves were thrown away. A signature of a
//! client that does not exist is tried with them.

use countersign_protocol::jose::{Algorithm, Jwk, VerificationKey};
use serde_json::{Value, json};

/// One key for each algorithm.
#[derive(Debug)]
pub struct DecoyKeys(Vec<VerificationKey>);

impl DecoyKeys {
    /// Parses the keys.
    pub fn new() -> Self {
        Self(Algorithm::ALL.into_iter().filter_map(parse).collect())
    }

    /// The key for an algorithm.
    pub fn find(&self, algorithm: Algorithm) -> Option<&VerificationKey> {
        self.0.iter().find(|key| key.algorithm() == algorithm)
    }
}

impl Default for DecoyKeys {
    fn default() -> Self {
        Self::new()
    }
}

fn parse(algorithm: Algorithm) -> Option<VerificationKey> {
    let mut jwk = match algorithm {
        Algorithm::RS256 | Algorithm::RS384 | Algorithm::RS512 | Algorithm::PS256 | Algorithm::PS384 | Algorithm::PS512 => {
            json!({ "kty": "RSA", "n": RSA, "e": "AQAB" })
        }
        Algorithm::ES256 => point("P-256", P256),
        Algorithm::ES384 => point("P-384", P384),
        Algorithm::ES512 => point("P-521", P521),
        Algorithm::EdDSA => json!({ "kty": "OKP", "crv": "Ed25519", "x": ED25519 }),
    };
    let members = jwk.as_object_mut()?;
    members.insert("alg".to_owned(), algorithm.as_str().into());
    VerificationKey::from_jwk(&Jwk::parse(members).ok()?).ok()
}

fn point(crv: &str, (x, y): (&str, &str)) -> Value {
    json!({ "kty": "EC", "crv": crv, "x": x, "y": y })
}

const RSA: &str = "uolAPru7DnCJdIF58ci1rDnnlqIPw5uPEcnL7WOxh4tB6K9U2v8-vBesZDOf9jrtgeV1u3EYlQxwji1bv-Un426CbqsnIs3wMcYK0XUiqUYBlB5COy\
    wENMoCZv6mUjBac-LlfV6F9ZDiqELUTGjz0cu6U-oNSpd64MydHKendTUqidpcC6StCXI2JuvgC5rZAp8HsH3dajsucXQhJ94MqwtYzq_hhl5eA0U1\
    M9aNC4nNG7psdVpwd8fMgUUeynhTeIRvSLAdb-Zbo9Fl05UqTkBBSRUgn9Da_D-U4XbmNd_oqqapdY_djS2fT9yd8Hnvq18wd_JTRaL0SJFtokzNCw";
const P256: (&str, &str) = ("TThRLfSZneDcEKRNQPS_zUILF8gtve6ftr7lJtpXu4o", "peFOA05Wq4LxqjSFJEce01K6XXUcZKhyUfGzBv_ktiI");
const P384: (&str, &str) = (
    "MfZ5fEGt7O-IclRidqhblJeFlbdGLislbC0ON0CZwSMh6MFL1-NBqaSJGlOhXdy2",
    "W9Cm7aGWHGAc93_PJSr0mDc0_HWxDN7bsK0u_o3z8ym00Iu9gGdriUqRwQMNtwK4",
);
const P521: (&str, &str) = (
    "AS527npBsH3OZuZZUSP3outd_ESLq_ddGUqyfgAygPMkiMujlaVFGAcSfcYz3D4fzAxcAqoBQOANvOP-mRMl3ZUD",
    "ABPQBIQLpocc7uQbGI3PV339qc9Mss_pwNuWksd6NhHP6lzhmBPeMpSFfzi127pz4c67ioJimqCjvOfmh5qzXDDb",
);
const ED25519: &str = "R1Qd88D3pWD8pzsvitDG1PGGcRNMNPv6EsX-1xQ8zlU";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_a_decoy_for_every_algorithm() {
        let keys = DecoyKeys::new();
        for algorithm in Algorithm::ALL {
            assert!(keys.find(algorithm).is_some(), "{algorithm}");
        }
    }
}
