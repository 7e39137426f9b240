//! The JSON parsing test suite against the strict object parser.

use std::panic::catch_unwind;
use std::path::Path;

use countersign_protocol::jose::json::{JsonError, strict_object};

use crate::support::published;

/// Good JSON that we refuse: a member occurs twice.
const REPEATED: [&str; 2] = ["y_object_duplicated_key.json", "y_object_duplicated_key_and_value.json"];

/// The files whose names begin with `prefix`.
fn files(folder: &Path, prefix: &str) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<_> = std::fs::read_dir(folder.join("jsontestsuite/test_parsing"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter_map(|path| Some((path.file_name()?.to_str()?.to_owned(), path)))
        .filter(|(name, _)| name.starts_with(prefix))
        .map(|(name, path)| (name, std::fs::read(path).unwrap()))
        .collect();
    files.sort();
    files
}

/// As the value of a member: most of the suite is not about objects.
fn as_member(text: &[u8]) -> Vec<u8> {
    [b"{\"member\":", text, b"}"].concat()
}

#[test]
fn what_is_no_json_is_refused() {
    let Some(folder) = published("the JSON test suite: no JSON", 188) else { return };
    let files = files(&folder, "n_");
    for (name, text) in &files {
        assert_eq!(strict_object(text), Err(JsonError::Malformed), "{name}");
        assert_eq!(strict_object(&as_member(text)), Err(JsonError::Malformed), "{name} as a member");
    }
    assert_eq!(files.len(), 188);
}

#[test]
fn good_json_is_accepted_unless_it_repeats_a_member() {
    let Some(folder) = published("the JSON test suite: good JSON", 95) else { return };
    let files = files(&folder, "y_");
    let mut objects = 0;
    for (name, text) in &files {
        let (own, as_member) = (strict_object(text), strict_object(&as_member(text)));
        if REPEATED.contains(&name.as_str()) {
            assert_eq!((own, as_member), (Err(JsonError::DuplicateMember), Err(JsonError::DuplicateMember)), "{name}");
            continue;
        }
        assert!(as_member.is_ok(), "{name} as a member");
        let is_object = as_member.unwrap()["member"].is_object();
        assert_eq!(own.is_ok(), is_object, "{name}");
        objects += usize::from(is_object);
    }
    assert_eq!((files.len(), objects), (95, 10));
}

#[test]
fn what_parsers_may_decide_never_panics() {
    let Some(folder) = published("the JSON test suite: free choice", 35) else { return };
    let files = files(&folder, "i_");
    for (name, text) in &files {
        assert!(catch_unwind(|| (strict_object(text), strict_object(&as_member(text)))).is_ok(), "{name}");
    }
    assert_eq!(files.len(), 35);
}
