//! An API on axum that is protected by access tokens. With `countersign dev`:
//!
//! ```text
//! countersign dev &
//! set -a; . .countersign/dev.env; set +a
//! cargo run -p countersign-verify --features axum --example axum &
//! curl -i localhost:3000/users                                  # 401
//! TOKEN=$(countersign token get --scope list:users --token-url $ISSUER/v1/token)
//! curl -i localhost:3000/users -H "Authorization: Bearer $TOKEN" # 200
//! ```

use std::error::Error;

use axum::Router;
use axum::extract::FromRef;
use axum::routing::get;
use countersign_verify::axum::Token;
use countersign_verify::{ResourceMetadata, Verifier, scopes};
use tokio::net::TcpListener;

scopes! {
    /// What a client needs to list users.
    pub ListUsers = all("list:users");
    /// What a client needs to change them.
    pub WriteUsers = any("write:users", "admin");
}

/// The state of the router; extractors find the verifier in it.
#[derive(Clone)]
struct AppState {
    verifier: Verifier,
}

impl FromRef<AppState> for Verifier {
    fn from_ref(state: &AppState) -> Self {
        state.verifier.clone()
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let listener = TcpListener::bind(("localhost", 3000)).await?;
    let metadata = ResourceMetadata::new("http://localhost:3000").name("Users API").scopes(["list:users"]);
    let verifier = Verifier::builder(setting("ISSUER")?, setting("AUDIENCE")?).resource_metadata(metadata).build()?;
    axum::serve(listener, app(verifier)).await?;
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "an example has no configuration but its environment")]
fn setting(name: &str) -> Result<String, String> {
    std::env::var(name).map_err(|_| format!("{name} is not set: load .countersign/dev.env"))
}

pub(crate) fn app(verifier: Verifier) -> Router {
    Router::new()
        .route("/users", get(list_users).post(create_user))
        .route("/health", get(async || "ok"))
        .merge(verifier.metadata_routes())
        .with_state(AppState { verifier })
}

// The signature says what the route needs: without such a token nothing here runs.
async fn list_users(token: Token<ListUsers>) -> String {
    format!("Ada Lovelace, for {}\n", token.client_id().unwrap_or("nobody"))
}

async fn create_user(token: Token<WriteUsers>) -> String {
    format!("created for {}\n", token.client_id().unwrap_or("nobody"))
}
