//! Which credential of the instance is which of the file. A label need not be unique, and
//! the keys of a credential never change, so that it is its keys that make it the same.

use super::credential::Credential;
use super::objects::KnownKeys;

/// For each of `declared` its place among `known`, each of which is taken once. Those that
/// are wholly alike find each other first, then those with the same label.
pub(super) fn pair(declared: &[Credential], known: &[KnownKeys]) -> Vec<Option<usize>> {
    let mut places = vec![None; declared.len()];
    let alike: [fn(&Credential, &Credential) -> bool; 3] =
        [|one, other| one == other, |one, other| one.label == other.label && one.has_keys_of(other), Credential::has_keys_of];
    for is_alike in alike {
        for (number, wanted) in declared.iter().enumerate() {
            let free = |place: usize| !places.contains(&Some(place));
            let found = known
                .iter()
                .enumerate()
                .find(|(place, known)| !known.is_revoked() && free(*place) && is_alike(wanted, &known.declared));
            let found = found.map(|(place, _)| place);
            if let Some(slot @ None) = places.get_mut(number) {
                *slot = found;
            }
        }
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::declaration::objects::KeysState;

    fn at(label: &str, uri: &str) -> Credential {
        let uri = Some(format!("https://{uri}.test"));
        Credential { label: label.to_owned(), jwks_uri: uri, not_before: None, expires_at: None, jwks: None }
    }

    fn known(declared: Credential, state: KeysState) -> KnownKeys {
        KnownKeys { id: String::new(), declared, state }
    }

    #[test]
    fn the_closest_ones_are_paired_and_each_once() {
        let there = [
            known(at("x", "a"), KeysState::Usable),
            known(at("y", "a"), KeysState::Expired),
            known(at("z", "b"), KeysState::Revoked),
        ];
        assert_eq!(pair(&[at("y", "a"), at("x", "a")], &there), [Some(1), Some(0)]);
        assert_eq!(pair(&[at("new", "a"), at("x", "a"), at("x", "a")], &there), [Some(1), Some(0), None]);
        assert_eq!(pair(&[at("z", "b"), at("x", "c")], &there), [None, None]);
    }
}
