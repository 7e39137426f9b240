//! A resource server for the rotation test: verifies the access tokens that arrive
//! on standard input, one per line, with one [`Verifier`] for the life of the
//! process, and answers each with a JSON line: `{"n":1,"ok":true,"kid":".."}` or
//! `{"n":2,"ok":false,"code":".."}`. Ends with its input.
//!
//! `verify_lines --issuer ISSUER --audience AUDIENCE [--jwks-uri URL]`

use std::io::Write as _;

use anyhow::Context as _;
use clap::Parser;
use countersign_verify::Verifier;
use serde_json::{Value, json};

#[derive(Parser)]
struct Arguments {
    #[arg(long)]
    issuer: String,
    #[arg(long)]
    audience: String,
    #[arg(long)]
    jwks_uri: Option<String>,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let mut builder = Verifier::builder(&arguments.issuer, &arguments.audience);
    if let Some(url) = arguments.jwks_uri {
        builder = builder.jwks_uri(url);
    }
    let verifier = builder.build()?;
    let mut stdout = std::io::stdout().lock();
    // Blocks only this thread: keys are fetched on the runtime's own.
    for (line, n) in std::io::stdin().lines().zip(1..) {
        writeln!(stdout, "{}", check(&verifier, n, line?.trim()).await).context("nobody listens")?;
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
