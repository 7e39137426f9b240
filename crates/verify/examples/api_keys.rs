//! An API on axum that takes access tokens and API keys alike. With `countersign dev`:
//!
//! ```text
//! countersign dev &
//! set -a; . .countersign/dev.env; set +a
//! countersign client create "Users API" --id users-api > users-api.txt
//! countersign grant create users-api "$BASE_URL/manage/v1" --scope keys:verify
//! export SERVICE_SECRET=$(awk '$1 == "client_secret" { print $2 }' users-api.txt)
//! cargo run -p countersign-verify --features axum,api-keys --example api_keys &
//! countersign key create "Acme" --client "$CLIENT_ID" --resource-server "$AUDIENCE" --permission list:users
//! curl -i localhost:3000/users -H "X-Api-Key: $KEY"             # 200
//! ```

use std::error::Error;

use axum::Router;
use axum::extract::FromRef;
use axum::routing::get;
use countersign_verify::axum::Token;
use countersign_verify::{ApiKeys, Verifier, scopes};
use http::HeaderName;
use tokio::net::TcpListener;

scopes! {
    /// A scope of a token, a permission of a key.
    pub ListUsers = all("list:users");
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
    let keys = ApiKeys::new(setting("BASE_URL")?, "users-api", setting("SERVICE_SECRET")?);
    let keys = keys.header(HeaderName::from_static("x-api-key"));
    let verifier = Verifier::builder(setting("ISSUER")?, setting("AUDIENCE")?).api_keys(keys).build()?;
    axum::serve(listener, app(verifier)).await?;
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "an example has no configuration but its environment")]
fn setting(name: &str) -> Result<String, String> {
    std::env::var(name).map_err(|_| format!("{name} is not set: load .countersign/dev.env"))
}

pub(crate) fn app(verifier: Verifier) -> Router {
    Router::new().route("/users", get(list_users)).with_state(AppState { verifier })
}

// The handler does not know which of the two it was.
async fn list_users(caller: Token<ListUsers>) -> String {
    format!("Ada Lovelace, for {}\n", caller.client_id().unwrap_or("nobody"))
}
