//! The test vectors of the OAuth Token Status List draft, byte for byte.

use std::collections::BTreeMap;
use std::path::Path;

use countersign_protocol::jose::base64url;
use countersign_protocol::status::{StatusList, TokenStatus};
use serde_json::Value;

use crate::support::published;

const PLACES: [u64; 11] = [0, 1_993, 25_460, 159_495, 495_669, 554_353, 645_645, 723_232, 854_545, 934_534, 1_000_345];

/// The list of a file, whose base64url is broken into lines.
fn read(folder: &Path, name: &str) -> (StatusList, String) {
    let text = std::fs::read_to_string(folder.join("statuslist").join(name)).unwrap();
    let json = &text[text.find('{').unwrap()..=text.rfind('}').unwrap()];
    let joined: String = json.lines().map(str::trim).collect();
    let list: Value = serde_json::from_str(&joined).unwrap();
    let lst = list["lst"].as_str().unwrap().to_owned();
    (StatusList::from_lst(u8::try_from(list["bits"].as_u64().unwrap()).unwrap(), &lst).unwrap(), lst)
}

fn number(status: TokenStatus) -> u8 {
    match status {
        TokenStatus::Valid => 0,
        TokenStatus::Invalid => 1,
        TokenStatus::Suspended => 2,
        TokenStatus::Other(other) => other,
    }
}

/// Every place whose status is not 0.
fn set(list: &StatusList) -> BTreeMap<u64, u8> {
    let statuses = (0..list.entries()).map(|place| (place, number(list.status(place).unwrap())));
    statuses.filter(|(_, status)| *status != 0).collect()
}

fn pairs(places: &[u64], statuses: &[u8]) -> BTreeMap<u64, u8> {
    assert_eq!(places.len(), statuses.len());
    places.iter().copied().zip(statuses.iter().copied()).collect()
}

#[test]
fn short_lists_are_read_and_written_byte_for_byte() {
    let Some(folder) = published("status lists", 2) else { return };
    for (name, bits, bytes) in
        [("status_list_encoding_json.md", 1, vec![0xb9, 0xa3]), ("status_list_encoding2_json.md", 2, vec![0xc9, 0x44, 0xf9])]
    {
        let (list, lst) = read(&folder, name);
        assert_eq!((list.bits(), list.as_bytes()), (bits, bytes.as_slice()), "{name}");
        assert_eq!(StatusList::from_bytes(bits, bytes).unwrap().to_lst(), lst, "{name}");
    }
}

#[test]
fn long_lists_have_each_status_at_its_place() {
    let Some(folder) = published("status lists", 4) else { return };
    let one = set(&read(&folder, "status_list_encoding1_long_json.md").0);
    assert_eq!(one, pairs(&PLACES, &[1; 11]));
    let two = set(&read(&folder, "status_list_encoding2_long_json.md").0);
    assert_eq!(two, pairs(&PLACES, &[1, 2, 1, 3, 1, 1, 2, 1, 1, 2, 3]));
    let four = set(&read(&folder, "status_list_encoding4_json.md").0);
    let places = [
        0, 1_993, 35_460, 459_495, 595_669, 754_353, 845_645, 923_232, 924_445, 934_534, 1_004_534, 1_000_345, 1_030_203,
        1_030_204, 1_030_205,
    ];
    assert_eq!(four, pairs(&places, &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]));
    // Each of the 255 statuses once.
    let eight = set(&read(&folder, "status_list_encoding8_json.md").0);
    let mut statuses: Vec<u8> = eight.values().copied().collect();
    statuses.sort_unstable();
    assert_eq!(statuses, (1..=255).collect::<Vec<u8>>());
    assert_eq!((eight.get(&52_451), eight.get(&4_520), eight.get(&19_535)), (Some(&1), Some(&213), Some(&255)));
}

#[test]
fn long_lists_are_written_to_what_reads_back_and_no_longer() {
    let Some(folder) = published("status lists", 4) else { return };
    for name in [
        "status_list_encoding1_long_json.md",
        "status_list_encoding2_long_json.md",
        "status_list_encoding4_json.md",
        "status_list_encoding8_json.md",
    ] {
        let (list, lst) = read(&folder, name);
        let written = list.to_lst();
        assert_eq!(StatusList::from_lst(list.bits(), &written).unwrap(), list, "{name}");
        // Deflating is not canonical: another compressor finds another text, about as long.
        let length = |lst: &str| base64url::decode(lst).unwrap().len();
        assert!(length(&written) <= length(&lst) * 11 / 10, "{name}: {} {}", length(&written), length(&lst));
    }
}
