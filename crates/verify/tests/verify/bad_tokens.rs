//! The tokens that no verifier may accept, whatever the issuer signs with.

use countersign_verify::Algorithm;
use countersign_verify::testing::{TestIssuer, every_bad_token};

/// Another spelling of a signature needs bits that mean nothing: three bytes have none.
#[test]
fn they_can_be_made_for_every_algorithm() {
    for algorithm in Algorithm::ALL {
        let issuer = TestIssuer::new().with_key(algorithm);
        let good = issuer.token("https://api.test").algorithm(algorithm);
        let has_unused_bits = every_bad_token(&good).iter().any(|bad| bad.name() == "unused_bits");
        let token = good.sign();
        let (_, signature) = token.rsplit_once('.').unwrap();
        assert_eq!(has_unused_bits, !signature.len().is_multiple_of(4), "{algorithm:?}");
    }
}
