//! Verifying in the library: the signature alone, a token that was never seen, and one
//! of 10,000 that were. Writes the same keys and tokens for others to verify, prints
//! microseconds of CPU per verification, and then again for each line that it reads.
#![expect(clippy::print_stdout, reason = "whoever starts it reads the figures")]

use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

use anyhow::{Context as _, anyhow, ensure};
use countersign_protocol::Clock as _;
use countersign_protocol::jose::{Algorithm, Jwk, VerificationKey, base64url};
use countersign_verify::testing::TestIssuer;
use countersign_verify::{SystemClock, Verifier};
use serde_json::Value;

const AUDIENCE: &str = "https://api.example.com";
const ALGORITHMS: [Algorithm; 3] = [Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA];
/// Tokens that are alive at a time.
const LIVE: usize = 10_000;
/// CPU of each figure, in microseconds.
const AT_LEAST: f64 = 300_000.0;

fn main() -> anyhow::Result<()> {
    let folder: PathBuf = env::args_os().nth(1).context("name a folder")?.into();
    let work: Vec<Work> = ALGORITHMS.into_iter().map(|algorithm| Work::new(algorithm, &folder)).collect::<Result<_, _>>()?;
    println!("ready");
    for line in io::stdin().lines() {
        line?;
        for work in &work {
            println!("{}", work.measure()?);
        }
        println!("done");
    }
    Ok(())
}

/// What is verified with one algorithm.
struct Work {
    algorithm: Algorithm,
    key: VerificationKey,
    tokens: Vec<String>,
    /// Message and signature of each token.
    signed: Vec<(Vec<u8>, Vec<u8>)>,
    /// Remembers nothing.
    cold: Verifier,
    /// Remembers all of them.
    warm: Verifier,
}

impl Work {
    fn new(algorithm: Algorithm, folder: &Path) -> anyhow::Result<Self> {
        let issuer = TestIssuer::new().at(SystemClock.now()).with_key(algorithm);
        let tokens: Vec<String> = (0..LIVE)
            .map(|number| {
                let token = issuer.token(AUDIENCE).algorithm(algorithm).client("svc").scope("list:users");
                token.claim("jti", format!("{number:022}")).expires_in(86_400).sign()
            })
            .collect();
        fs::write(folder.join(format!("{algorithm}.jwks.json")), issuer.jwk_set())?;
        fs::write(folder.join(format!("{algorithm}.tokens.txt")), tokens.join("\n"))?;
        let warm = issuer.verifier_builder(AUDIENCE).token_cache_entries(LIVE).build()?;
        for token in &tokens {
            warm.verify_token_now(token).map_err(|denied| anyhow!("{denied:?}"))?;
        }
        Ok(Self {
            algorithm,
            key: key_of(&issuer, algorithm)?,
            signed: tokens.iter().map(|token| split(token)).collect::<Option<_>>().context("a token has no signature")?,
            tokens,
            cold: issuer.verifier_builder(AUDIENCE).token_cache_entries(0).build()?,
            warm,
        })
    }

    /// `algorithm signature cold cached`.
    fn measure(&self) -> anyhow::Result<String> {
        let signature = cpu_of_each(&self.signed, |(message, signature)| self.key.verifies(message, signature))?;
        let cold = cpu_of_each(&self.tokens, |token| self.cold.verify_token_now(token).is_ok())?;
        let cached = cpu_of_each(&self.tokens, |token| self.warm.verify_token_now(token).is_ok())?;
        Ok(format!("{} {signature:.3} {cold:.3} {cached:.3}", self.algorithm))
    }
}

fn key_of(issuer: &TestIssuer, algorithm: Algorithm) -> anyhow::Result<VerificationKey> {
    let set: Value = serde_json::from_str(&issuer.jwk_set())?;
    let keys = set.get("keys").and_then(Value::as_array).context("a key set has keys")?;
    let jwk = keys.iter().find(|key| key.get("alg").and_then(Value::as_str) == Some(algorithm.as_str()));
    let jwk = Jwk::parse(jwk.and_then(Value::as_object).context("the key is not published")?)?;
    Ok(VerificationKey::from_jwk(&jwk)?)
}

fn split(token: &str) -> Option<(Vec<u8>, Vec<u8>)> {
    let (message, signature) = token.rsplit_once('.')?;
    Some((message.as_bytes().to_vec(), base64url::decode(signature)?))
}

/// Microseconds of CPU that `check` takes, over items in a shuffled order.
fn cpu_of_each<T>(items: &[T], check: impl Fn(&T) -> bool) -> anyhow::Result<f64> {
    /// Coprime to the number of items: each is met once a round.
    const STRIDE: usize = 7_919;
    let (before, mut at, mut count) = (cpu_micros()?, 0, 0_u32);
    loop {
        for _ in 0..1_000 {
            at = (at + STRIDE) % items.len();
            let item = items.get(at).context("there is nothing to verify")?;
            ensure!(check(black_box(item)), "a good token is refused");
        }
        count += 1_000;
        let used = cpu_micros()? - before;
        if used >= AT_LEAST {
            return Ok(used / f64::from(count));
        }
    }
}

/// CPU of this process, in microseconds.
fn cpu_micros() -> anyhow::Result<f64> {
    let text = fs::read_to_string("/proc/self/schedstat")?;
    let nanoseconds: f64 = text.split(' ').next().context("no statistics of the scheduler")?.parse()?;
    Ok(nanoseconds / 1_000.0)
}
