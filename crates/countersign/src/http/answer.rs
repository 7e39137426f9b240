//! A response, and who it is for.

use axum::response::{IntoResponse, Response};

use super::errors::add_to_outcome;
use crate::oauth::Requester;

/// What an OAuth endpoint answers.
pub(super) struct Answer {
    pub(super) response: Response,
    /// Who asks, if that was authenticated.
    pub(super) client: Option<Requester>,
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
            add_to_outcome(response.extensions_mut(), |outcome| {
                outcome.client_id = Some(client.client().id.to_string());
                outcome.credential_id = outcome.code.map(|_| client.credential_id().clone());
            });
        }
        response
    }
}
