//! Whether the tests would notice a missing check: each check is switched off, and
//! exactly the bad tokens that name it are accepted.
#![expect(clippy::unwrap_used, reason = "helpers of tests, where these are allowed")]

use std::collections::BTreeSet;

use countersign_protocol::weakened::without;
use countersign_verify_weakened::testing::{BadToken, Check, TestIssuer, TokenBuilder, every_bad_token};
use countersign_verify_weakened::{Algorithm, Requirements, Verifier};

const AUDIENCE: &str = "https://api.test";

struct Route {
    verifier: Verifier,
    requirements: Requirements,
}

impl Route {
    fn new(issuer: &TestIssuer) -> Self {
        // A remembered verdict would be an answer to another question.
        let verifier = issuer.verifier_builder(AUDIENCE).token_cache_entries(0).build().unwrap();
        Self { verifier, requirements: Requirements::all(["list:users"]) }
    }

    fn accepts(&self, token: &str) -> bool {
        self.verifier.verify_token_now(token).and_then(|token| self.verifier.require(&token, &self.requirements)).is_ok()
    }

    fn accepts_without(&self, checks: &[Check], token: &str) -> bool {
        without(checks, || self.accepts(token))
    }
}

fn for_every_algorithm(test: impl Fn(&Route, &TokenBuilder<'_>, Vec<BadToken>)) {
    let issuer = TestIssuer::new().with_key(Algorithm::RS256);
    let route = Route::new(&issuer);
    for algorithm in [Algorithm::ES256, Algorithm::EdDSA, Algorithm::RS256] {
        let good = issuer.token(AUDIENCE).scope("list:users").algorithm(algorithm);
        test(&route, &good, every_bad_token(&good));
    }
}

#[test]
fn no_bad_token_is_accepted_and_the_good_one_is() {
    for_every_algorithm(|route, good, tokens| {
        assert!(route.accepts(&good.sign()));
        assert!(tokens.len() >= 100, "{}", tokens.len());
        let accepted: Vec<&str> = tokens.iter().filter(|bad| route.accepts(bad.token())).map(BadToken::name).collect();
        assert!(accepted.is_empty(), "{accepted:?}");
        let names: BTreeSet<&str> = tokens.iter().map(BadToken::name).collect();
        assert_eq!(names.len(), tokens.len(), "a name occurs twice");
    });
}

#[test]
fn without_a_check_exactly_the_tokens_that_name_it_are_accepted() {
    for_every_algorithm(|route, _, tokens| {
        for check in Check::ALL {
            for bad in &tokens {
                let is_accepted = route.accepts_without(&[*check], bad.token());
                assert_eq!(is_accepted, bad.checks() == [*check], "{} without {check}", bad.name());
            }
        }
    });
}

#[test]
fn every_check_has_a_token_that_it_alone_refuses() {
    for_every_algorithm(|_, _, tokens| {
        for check in Check::ALL {
            assert!(tokens.iter().any(|bad| bad.checks() == [*check]), "{check}");
        }
    });
}

#[test]
fn a_token_that_is_bad_in_several_ways_is_refused_by_each_of_its_checks() {
    for_every_algorithm(|route, _, tokens| {
        for bad in tokens.iter().filter(|bad| bad.checks().len() > 1) {
            assert!(route.accepts_without(bad.checks(), bad.token()), "{} without {:?}", bad.name(), bad.checks());
            for kept in bad.checks() {
                let others: Vec<Check> = bad.checks().iter().copied().filter(|check| check != kept).collect();
                assert!(!route.accepts_without(&others, bad.token()), "{} with {kept}", bad.name());
            }
        }
    });
}
