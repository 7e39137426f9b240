//! A response, and who it is for.

use axum::response::{IntoResponse, Response};

use super::errors::Outcome;
use crate::oauth::AuthenticatedClient;

/// What an OAuth endpoint answers.
pub(super) struct Answer {
    pub(super) response: Response,
    /// The client, if it was authenticated.
    pub(super) client: Option<AuthenticatedClient>,
}

impl From<Response> for Answer {
    fn from(response: Response) -> Self {
        Self { response, client: None }
    }
}

/// The router carries no more than a response: the client goes along in it.
impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let Self { mut response, client } = self;
        if let Some(client) = client {
            let known = response.extensions_mut().remove::<Outcome>().unwrap_or_default();
            Outcome { client_id: Some(client.client().id.to_string()), ..known }.attach(response.extensions_mut());
        }
        response
    }
}
