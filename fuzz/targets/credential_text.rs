//! Credentials that we made: a changed character is noticed.
#![no_main]

use countersign_protocol::CredentialText;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (&str, [u8; 9], [u8; 32], u8, u8)| {
    let (text, id, secret, place, replacement) = input;
    let _ = CredentialText::parse(text);
    let made = CredentialText::generate("csec", id, secret);
    let read = CredentialText::parse(made.expose()).expect("what we made is read");
    assert_eq!(read.id(), made.id());
    let mut bytes = made.expose().clone().into_bytes();
    let place = usize::from(place) % bytes.len();
    if bytes[place] == replacement {
        return;
    }
    bytes[place] = replacement;
    if let Ok(changed) = String::from_utf8(bytes) {
        assert!(CredentialText::parse(&changed).is_err(), "{changed} has a wrong checksum");
    }
});
