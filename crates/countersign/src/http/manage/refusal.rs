//! Why a request was not carried out, on its way to the caller.

use axum::response::{IntoResponse, Response};

use crate::change::{ChangeError, InvalidField};
use crate::http::errors::{change_refusal, store_fault};
use crate::store::StoreError;

/// A rendered refusal, boxed because a response is large.
#[derive(Debug)]
pub(super) struct Refusal(Box<Response>);

impl From<Response> for Refusal {
    fn from(response: Response) -> Self {
        Self(Box::new(response))
    }
}

impl From<ChangeError> for Refusal {
    fn from(error: ChangeError) -> Self {
        change_refusal(&error).into()
    }
}

impl From<InvalidField> for Refusal {
    fn from(error: InvalidField) -> Self {
        ChangeError::from(error).into()
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        store_fault(&error).into()
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        *self.0
    }
}
