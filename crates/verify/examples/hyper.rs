//! An API on hyper alone, without a framework, that is protected by access tokens.
//! With `countersign dev`:
//!
//! ```text
//! countersign dev &
//! set -a; . .countersign/dev.env; set +a
//! cargo run -p countersign-verify --example hyper &
//! curl -i localhost:3000/users                                  # 401
//! TOKEN=$(countersign token get --scope list:users --token-url $ISSUER/v1/token)
//! curl -i localhost:3000/users -H "Authorization: Bearer $TOKEN" # 200
//! ```

use std::convert::Infallible;
use std::error::Error;

use countersign_verify::{Denied, Requirements, Verified, Verifier};
use http::{Request, Response, StatusCode};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let listener = TcpListener::bind(("localhost", 3000)).await?;
    let verifier = Verifier::builder(setting("ISSUER")?, setting("AUDIENCE")?).build()?;
    loop {
        let (stream, _) = listener.accept().await?;
        let verifier = verifier.clone();
        tokio::spawn(async move {
            let service = service_fn(move |request| answer(verifier.clone(), request));
            // A connection that breaks is its client's affair.
            let _ = Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

#[expect(clippy::disallowed_methods, reason = "an example has no configuration but its environment")]
fn setting(name: &str) -> Result<String, String> {
    std::env::var(name).map_err(|_| format!("{name} is not set: load .countersign/dev.env"))
}

pub(crate) async fn answer<B>(verifier: Verifier, request: Request<B>) -> Result<Response<String>, Infallible> {
    Ok(match request.uri().path() {
        "/health" => Response::new("ok".to_owned()),
        "/users" => list_users(&verifier, &request).await.unwrap_or_else(Denied::into_response),
        _ => {
            let mut response = Response::new(String::new());
            *response.status_mut() = StatusCode::NOT_FOUND;
            response
        }
    })
}

async fn list_users<B>(verifier: &Verifier, request: &Request<B>) -> Result<Response<String>, Denied> {
    let token = admit(verifier, request, &Requirements::all(["list:users"])).await?;
    Ok(Response::new(format!("Ada Lovelace, for {}\n", token.client_id().unwrap_or("nobody"))))
}

/// A good token that is enough; any other is the response to send.
async fn admit<B>(verifier: &Verifier, request: &Request<B>, requirements: &Requirements) -> Result<Verified, Denied> {
    let token = verifier.verify(request.headers()).await?;
    verifier.require(&token, requirements)?;
    Ok(token)
}
