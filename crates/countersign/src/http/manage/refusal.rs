//! Why a request was not carried out, on its way to the caller.

use axum::response::{IntoResponse, Response};

use countersign_protocol::ErrorCode;
use http::StatusCode;
use http::header::{HeaderValue, RETRY_AFTER};

use crate::api_keys::{FindKeyError, VerifyError};
use crate::change::{ChangeError, InvalidField};
use crate::http::errors::{change_refusal, fault, problem, problem_saying, store_fault};
use crate::store::StoreError;

/// A rendered refusal, boxed because a response is large.
#[derive(Debug)]
pub(in crate::http) struct Refusal(Box<Response>);

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

impl From<FindKeyError> for Refusal {
    fn from(error: FindKeyError) -> Self {
        match error {
            FindKeyError::Busy(error) => fault(ErrorCode::ImportedHashesBusy, error.to_string()).into(),
            FindKeyError::Store(error) => error.into(),
            FindKeyError::TooManyFailures(exhausted) => {
                let mut refused = problem(StatusCode::TOO_MANY_REQUESTS, ErrorCode::TooManyFailures);
                refused.headers_mut().insert(RETRY_AFTER, HeaderValue::from(exhausted.retry_after_seconds));
                refused.into()
            }
        }
    }
}

impl From<VerifyError> for Refusal {
    fn from(error: VerifyError) -> Self {
        match error {
            VerifyError::Find(error) => error.into(),
            VerifyError::Store(error) => error.into(),
            VerifyError::Uncounted => fault(ErrorCode::LimitsUncounted, error.to_string()).into(),
            VerifyError::UnknownLimit(_) => {
                problem_saying(StatusCode::BAD_REQUEST, ErrorCode::LimitUnknown, error.to_string()).into()
            }
        }
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
