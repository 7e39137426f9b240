//! What is due in the life of the keys of one authorization server and algorithm. Pure.

use countersign_protocol::Timestamp;

use super::{MIN_PUBLICATION_SECONDS, RETIREMENT_SECONDS, SCHEDULED_PUBLICATION_SECONDS, SigningKeyState, StoredSigningKey};
use crate::ids::SigningKeyId;

/// A step that is due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// The first key of an added algorithm begins to sign.
    Activate(SigningKeyId),
    /// There is no successor: one is made.
    Publish,
    /// The last token of a key has expired.
    Retire(SigningKeyId),
    /// A key has signed for long enough: its successor takes over.
    Succeed { active: SigningKeyId, successor: SigningKeyId },
}

/// The next step. `keys` are those of one authorization server and algorithm.
pub(super) fn next_step(keys: &[&StoredSigningKey], rotation_interval_seconds: i64, now: Timestamp) -> Option<Step> {
    let in_state = |state| keys.iter().find(|key| key.state == state);
    let has_passed = |since: Timestamp, seconds: i64| since.plus_seconds(seconds) <= now;
    let expired = keys
        .iter()
        .find(|key| key.state == SigningKeyState::Retiring && key.retiring_at.is_some_and(|at| has_passed(at, RETIREMENT_SECONDS)));
    if let Some(expired) = expired {
        return Some(Step::Retire(expired.id.clone()));
    }
    match (in_state(SigningKeyState::Active), in_state(SigningKeyState::Published)) {
        (Some(_), None) => Some(Step::Publish),
        (None, Some(first)) if has_passed(first.published_at, MIN_PUBLICATION_SECONDS) => Some(Step::Activate(first.id.clone())),
        (Some(active), Some(successor))
            if active.activated_at.is_some_and(|at| has_passed(at, rotation_interval_seconds))
                && has_passed(successor.published_at, SCHEDULED_PUBLICATION_SECONDS) =>
        {
            Some(Step::Succeed { active: active.id.clone(), successor: successor.id.clone() })
        }
        (Some(_) | None, Some(_)) | (None, None) => None,
    }
}

#[cfg(test)]
mod tests {
    use countersign_protocol::jose::Algorithm;

    use super::*;
    use crate::ids::AuthorizationServerId;

    const DAY: i64 = 86_400;

    fn key(id: &str, state: SigningKeyState, since_seconds: i64) -> StoredSigningKey {
        let at = Timestamp::from_seconds(since_seconds);
        StoredSigningKey {
            id: SigningKeyId::from_stored(id),
            authorization_server_id: AuthorizationServerId::default_server(),
            algorithm: Algorithm::ES256,
            state,
            sealed_private_key: String::new(),
            published_at: at,
            activated_at: (state != SigningKeyState::Published).then_some(at),
            retiring_at: (state == SigningKeyState::Retiring).then_some(at),
            retired_at: None,
        }
    }

    fn step(keys: &[StoredSigningKey], now_seconds: i64) -> Option<Step> {
        next_step(&keys.iter().collect::<Vec<_>>(), 90 * DAY, Timestamp::from_seconds(now_seconds))
    }

    #[test]
    fn a_key_is_succeeded_after_the_interval_and_not_a_second_before() {
        let keys = [key("a", SigningKeyState::Active, 0), key("b", SigningKeyState::Published, 0)];
        assert_eq!(step(&keys, 90 * DAY - 1), None);
        let succeed = Step::Succeed { active: SigningKeyId::from_stored("a"), successor: SigningKeyId::from_stored("b") };
        assert_eq!(step(&keys, 90 * DAY), Some(succeed.clone()));
        // A successor that was published late delays it.
        let late = [key("a", SigningKeyState::Active, 0), key("b", SigningKeyState::Published, 90 * DAY)];
        assert_eq!(step(&late, 91 * DAY - 1), None);
        assert_eq!(step(&late, 91 * DAY), Some(succeed));
    }

    #[test]
    fn a_missing_successor_is_made_at_once() {
        assert_eq!(step(&[key("a", SigningKeyState::Active, 0)], 1), Some(Step::Publish));
        assert_eq!(step(&[key("a", SigningKeyState::Retiring, 0)], 1), None);
        assert_eq!(step(&[key("a", SigningKeyState::Retired, 0)], 1), None);
    }

    #[test]
    fn the_first_key_of_an_algorithm_signs_once_no_cached_key_set_is_without_it() {
        let keys = [key("a", SigningKeyState::Published, 0)];
        assert_eq!(step(&keys, MIN_PUBLICATION_SECONDS - 1), None);
        assert_eq!(step(&keys, MIN_PUBLICATION_SECONDS), Some(Step::Activate(SigningKeyId::from_stored("a"))));
    }

    #[test]
    fn a_key_is_retired_when_its_last_token_has_expired_everywhere() {
        let keys =
            [key("a", SigningKeyState::Retiring, 0), key("b", SigningKeyState::Active, 0), key("c", SigningKeyState::Published, 0)];
        assert_eq!(step(&keys, DAY + 600 - 1), None);
        assert_eq!(step(&keys, DAY + 600), Some(Step::Retire(SigningKeyId::from_stored("a"))));
    }
}
