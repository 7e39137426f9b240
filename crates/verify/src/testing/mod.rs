//! Tokens without a server, for the tests of an API: an issuer in the same
//! process, with keys of its own and a clock that stands still until it is moved.
//!
//! ```
//! use countersign_verify::testing::{TestIssuer, every_bad_token};
//! use countersign_verify::{ErrorCode, Requirements};
//!
//! let issuer = TestIssuer::new();
//! let verifier = issuer.verifier("https://api.example.com");
//! let good = issuer.token("https://api.example.com").client("svc").scope("list:users");
//! let verified = verifier.verify_token_now(&good.sign()).unwrap();
//! assert_eq!(verified.client_id(), Some("svc"));
//!
//! let denied = verifier.verify_token_now(&good.clone().expires_in(-60).sign()).unwrap_err();
//! assert_eq!((denied.status().as_u16(), denied.code()), (401, ErrorCode::Expired));
//!
//! // Attacks. Throw them at the API itself: none may come through.
//! for bad in every_bad_token(&good) {
//!     let verdict = verifier.verify_token_now(bad.token());
//!     let verdict = verdict.and_then(|token| verifier.require(&token, &Requirements::all(["list:users"])));
//!     assert!(verdict.is_err(), "{}: {:?}", bad.name(), bad.checks());
//! }
//! ```
#![expect(clippy::expect_used, reason = "for tests: what fails here is a fault of this module, and a test is to fail with it")]

mod bad_tokens;
mod forgery;
mod issuer;
mod token;

pub use bad_tokens::{BadToken, every_bad_token, forged_with_public_keys};
pub use countersign_protocol::Check;
pub use issuer::TestIssuer;
pub use token::TokenBuilder;
