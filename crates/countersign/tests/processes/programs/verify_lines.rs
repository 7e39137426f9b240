//! A resource server for the rotation test: verifies the access tokens that arrive
//! on standard input, one per line, with one [`Verifier`] for the life of the
//! process, and answers each with a JSON line: `{"n":1,"ok":true,"kid":".."}` or
//! `{"n":2,"ok":false,"code":".."}`. Ends with its input.
//!
//! With `--movable-clock`, `@advance SECONDS` moves its clock.
//!
//! `verify_lines --issuer ISSUER --audience AUDIENCE [--jwks-uri URL] [--movable-clock]`

use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use anyhow::Context as _;
use clap::Parser;
use countersign_protocol::{Clock, Timestamp};
use countersign_verify::{SystemClock, Verifier};
use serde_json::{Value, json};

#[derive(Parser)]
struct Arguments {
    #[arg(long)]
    issuer: String,
    #[arg(long)]
    audience: String,
    #[arg(long)]
    jwks_uri: Option<String>,
    #[arg(long)]
    movable_clock: bool,
}

/// The machine's clock, and how far ahead of it ours is.
#[derive(Default)]
struct MovedClock(AtomicI64);

impl Clock for MovedClock {
    fn now(&self) -> Timestamp {
        SystemClock.now().plus_seconds(self.0.load(Ordering::SeqCst))
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let mut builder = Verifier::builder(&arguments.issuer, &arguments.audience);
    if let Some(url) = arguments.jwks_uri {
        builder = builder.jwks_uri(url);
    }
    let clock = Arc::new(MovedClock::default());
    if arguments.movable_clock {
        builder = builder.clock(clock.clone());
    }
    let verifier = builder.build()?;
    let mut stdout = std::io::stdout().lock();
    // Blocks only this thread: keys are fetched on the runtime's own.
    let mut n = 0;
    for line in std::io::stdin().lines() {
        let line = line?;
        let answer = match line.trim().strip_prefix("@advance ") {
            Some(seconds) => {
                let seconds: i64 = seconds.parse()?;
                clock.0.fetch_add(seconds, Ordering::SeqCst);
                json!({ "advanced": seconds })
            }
            None => {
                n += 1;
                check(&verifier, n, line.trim()).await
            }
        };
        writeln!(stdout, "{answer}").context("nobody listens")?;
        stdout.flush()?;
    }
    Ok(())
}

async fn check(verifier: &Verifier, n: u64, token: &str) -> Value {
    match verifier.verify_token(token).await {
        Ok(verified) => json!({ "n": n, "ok": true, "kid": verified.key_id() }),
        Err(denied) => json!({ "n": n, "ok": false, "code": denied.code().as_str() }),
    }
}
