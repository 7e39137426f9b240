//! Vectors were made by hashlib, hmac, bcrypt, argon2-cffi and passlib of Python.

use countersign_protocol::Secret;

use super::*;

const KEY: &str = "acme_live_7Hk2pQ9xWm4T";
const SHA256: &str = "ab03a7453a8a80ea851534719f6e8e34b32c9fcd605007dbee7fb83c4fe8cc39";
const SHA256_BASE64: &str = "qwOnRTqKgOqFFTRxn26ONLMsn81gUAfb7n+4PE/ozDk=";
const SHA256_OF_LONG: &str = "22737582ed19273f5fd880d30c729f7f80fd3df09755519d65f28a5167ea9a12";
const SHA512: &str = "47a0f130a81ad90d30063b56328476c7de70e2b348f2b550afc23ba29a6ca7f8\
                      54911627eab518edcf4910907421ced72d2a9ff833aa8be7eb49f26531a99e48";
const SHA512_BASE64: &str = "R6DxMKga2Q0wBjtWMoR2x95w4rNI8rVQr8I7oppsp/hUkRYn6rUY7c9JEJB0Ic7XLSqf+DOqi+frSfJlMameSA==";
/// Under the bytes 0 to 31.
const HMAC_SHA256: &str = "e9b016459b8769e0f0120082f1d6f1726573951597207d36ecd5297a80b8d659";
const HMAC_SHA512: &str = "a1771dda079c5456f8c0632cf239a5ec3d3c340ad9d31046448f9ec54908283b\
                           5f576f07ebd779271bd1971732b6da99101a9d5c44332eee26295664b9ff02dc";
const SALTED: [&str; 10] = [
    "$2b$05$D6h90WQR.O13T6bzc1RHluL1ZywWow/KISDrrIa23O.VjyrzvACEu",
    "$2a$04$lqdxgZ61bjdqDg.rxL55FujV.qPeskp74aXJbav2uU.YNxLjMkcfe",
    "$2y$04$k9UPmhj16pA6UxF1RdcYx.Q9ONquFSvMn7swuvJcvXCj.U4TwmDzK",
    "$argon2id$v=19$m=256,t=2,p=2$c2FsdHNhbHRzYWx0c2FsdA$or8ZkzQOsOt11HTZumJ+hAUKEBEjm6NftJCm34iVDvY",
    "$argon2i$v=19$m=256,t=2,p=2$c2FsdHNhbHRzYWx0c2FsdA$CCYTLMCxPHUbXnr37Zk6+dv95An2sS/pKG/+ZK/bXfI",
    "$argon2d$v=19$m=256,t=2,p=2$c2FsdHNhbHRzYWx0c2FsdA$8puYjcvIqalQWtsG9Crp/Lfusm6MxH9JRAz6U4j7IM0",
    "$argon2i$v=16$m=256,t=2,p=2$c2FsdHNhbHRzYWx0c2FsdA$zwkFy0TADPZXrTO5fZg4lG5WlsKDHNGylmQ3dCDPX/4",
    "$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHQ$3gGyNLhZPZgTJplc0AnLXg",
    "$scrypt$ln=4,r=8,p=1$c2FsdHNhbHRzYWx0c2FsdA$L12Cy8eFUohJoU8Gmn7F7lMfguLo0uGcxutzC7gSgnQ",
    "$scrypt$ln=5,r=4,p=3$MDEyMzQ1Njc4OQ$io9u7j1XqVSMoypb/WR16jG0sqGihjygXB57IqdeU5I",
];

fn import_key() -> ImportKeyId {
    ImportKeyId::from_stored("ik_1")
}

fn keys() -> ImportKeys {
    let key = Secret::new((0..32).collect::<Vec<u8>>());
    ImportKeys::new([(import_key(), ImportSecret::new(&key))])
}

fn given(hash: &str) -> GivenHash<'_> {
    GivenHash { hash, scheme: None, part: None, import_key: None }
}

fn parse(hash: &str) -> ImportedHash {
    ImportedHash::parse(&given(hash)).unwrap()
}

/// It matches the key, and nothing that differs from it; so does what is stored of it.
fn check(hash: &ImportedHash) {
    let stored = ImportedHash::from_stored(&hash.to_stored()).unwrap();
    assert!(stored == *hash, "{hash:?}");
    assert!(stored.matches(KEY, &keys()), "{hash:?}");
    for wrong in ["acme_live_7Hk2pQ9xWm4t", "acme_live_7Hk2pQ9xWm4", "acme_live_7Hk2pQ9xWm4TT", ""] {
        assert!(!stored.matches(wrong, &keys()), "{hash:?} {wrong}");
    }
}

#[test]
fn a_bare_digest_is_read_in_every_way_it_is_written() {
    let url = |text: &str| text.replace('+', "-").replace('/', "_");
    let bare = |text: &str| text.trim_end_matches('=').to_owned();
    for (algorithm, hex, base64) in
        [(DigestAlgorithm::Sha256, SHA256, SHA256_BASE64), (DigestAlgorithm::Sha512, SHA512, SHA512_BASE64)]
    {
        let forms = [hex.to_owned(), hex.to_uppercase(), base64.to_owned(), bare(base64), url(base64), bare(&url(base64))];
        for text in forms {
            let hash = parse(&text);
            assert_eq!((hash.scheme(), hash.part()), (ImportScheme::Sha(algorithm), KeyPart::Whole), "{text}");
            assert!(hash == parse(hex), "{text}");
            check(&hash);
        }
    }
}

#[test]
fn an_hmac_needs_its_key_and_its_name() {
    let id = import_key();
    for (scheme, text) in [("hmac-sha256", HMAC_SHA256), ("hmac-sha512", HMAC_SHA512)] {
        let with_key = GivenHash { scheme: Some(scheme), import_key: Some(&id), ..given(text) };
        let hash = ImportedHash::parse(&with_key).unwrap();
        assert_eq!((hash.scheme().as_str(), hash.import_key()), (scheme, Some(&id)));
        check(&hash);
        // The import key is gone.
        assert!(!hash.matches(KEY, &ImportKeys::default()));
        let without = ImportedHash::parse(&GivenHash { import_key: None, ..with_key }).unwrap_err();
        assert_eq!(without.field, "import_key_id");
        // A key for what has none.
        assert_eq!(ImportedHash::parse(&GivenHash { scheme: None, ..with_key }).unwrap_err().field, "import_key_id");
    }
}

#[test]
fn the_long_part_alone_may_have_been_hashed() {
    let long = GivenHash { part: Some("long"), ..given(SHA256_OF_LONG) };
    let hash = ImportedHash::parse(&long).unwrap();
    check(&hash);
    assert!(hash.matches("other_7Hk2pQ9xWm4T", &keys()));
    for text in ["7Hk2pQ9xWm4T", "7Hk2pQ9xWm4T_", "_"] {
        assert!(!hash.matches(text, &keys()), "{text}");
    }
}

#[test]
fn salted_hashes_match() {
    let schemes = SALTED.map(|text| {
        let hash = parse(text);
        assert!(hash.lookup().is_none());
        check(&hash);
        hash.scheme().as_str()
    });
    assert_eq!(schemes[2..4], ["bcrypt", "argon2"]);
    assert_eq!(schemes[9], "scrypt");
}

#[test]
fn a_digest_is_found_by_what_is_presented() {
    let (keys, id) = (keys(), import_key());
    let hmac = GivenHash { scheme: Some("hmac-sha256"), import_key: Some(&id), ..given(HMAC_SHA256) };
    let long = GivenHash { part: Some("long"), ..given(SHA256_OF_LONG) };
    let mut seen = std::collections::HashSet::new();
    for given in [given(SHA256), given(SHA512), hmac, long] {
        let (form, text) = ImportedHash::parse(&given).unwrap().lookup().unwrap();
        assert_eq!(form.lookup(KEY, &keys).as_ref(), Some(&text));
        assert_ne!(form.lookup("acme_live_7Hk2pQ9xWm4t", &keys), Some(text.clone()));
        assert_eq!(Form::from_stored(&form.to_stored()), Some(form));
        assert!(seen.insert(text));
    }
}

#[test]
fn a_salted_hash_is_found_by_a_text_of_the_key() {
    let keys = ImportKeys::default();
    for (kind, text) in [(HintKind::Start, "acme_live_7H"), (HintKind::Segment, "live")] {
        let hint = Hint::parse(kind, text).unwrap();
        for part in [KeyPart::Whole, KeyPart::Long] {
            let form = hint.form(part);
            assert_eq!(form.lookup(KEY, &keys), Some(hint.to_stored()));
            assert_ne!(form.lookup("acme_test_7Hk2pQ9xWm4T", &keys), Some(hint.to_stored()));
            assert_eq!(Form::from_stored(&form.to_stored()), Some(form));
        }
    }
    // Shorter than what finds it, or without segments.
    assert_eq!(Form::Start(30, KeyPart::Whole).lookup(KEY, &keys), None);
    let segment = Form::Segment(KeyPart::Long);
    assert_eq!(segment.lookup("acmelive", &keys), None);
    assert_eq!(segment.lookup("a_b", &keys), None);
    assert_eq!(segment.lookup("short_long", &keys).as_deref(), Some("segment:short"));
    let long = "x".repeat(65);
    for (kind, text) in
        [(HintKind::Start, "abc"), (HintKind::Segment, "a_bc"), (HintKind::Start, "a b c"), (HintKind::Start, &long)]
    {
        assert_eq!(Hint::parse(kind, text).unwrap_err().field, "lookup", "{text}");
    }
}

#[test]
fn what_is_no_hash_is_refused_and_not_repeated() {
    let salt = "c2FsdHNhbHRzYWx0c2FsdA";
    let hash = "or8ZkzQOsOt11HTZumJ+hAUKEBEjm6NftJCm34iVDvY";
    let made = |parameters: &str| format!("{parameters}${salt}${hash}");
    let refused = [
        String::new(),
        "hunter2".to_owned(),
        SHA256[1..].to_owned(),
        format!("{SHA256}0"),
        SHA256.replace('a', "g"),
        SHA256_BASE64.replace('=', "=="),
        SHA256_BASE64.replace('+', "-"),
        // Bits beyond the last byte.
        SHA256_BASE64.replace("k=", "l="),
        "$2x$05$D6h90WQR.O13T6bzc1RHluL1ZywWow/KISDrrIa23O.VjyrzvACEu".to_owned(),
        "$2b$5$D6h90WQR.O13T6bzc1RHluL1ZywWow/KISDrrIa23O.VjyrzvACEu".to_owned(),
        "$2b$05$D6h90WQR.O13T6bzc1RHluL1ZywWow/KISDrrIa23O.VjyrzvACE".to_owned(),
        "$2b$05$D6h90WQR.O13T6bzc1RHluL1ZywWow/KISDrrIa23O.VjyrzvACE\n".to_owned(),
        made("$argon2x$v=19$m=256,t=2,p=2"),
        made("$argon2id$v=18$m=256,t=2,p=2"),
        made("$argon2id$v=19$m=256,t=2"),
        made("$argon2id$v=19$m=256,t=2,p=2,keyid=1"),
        made("$argon2id$v=19$m=256,t=0,p=2"),
        made("$argon2id$v=19$m=8,t=1,p=2"),
        made("$argon2id$v=19$m=0256,t=2,p=2"),
        made("$argon2id$v=19$m=+256,t=2,p=2"),
        format!("$argon2id$v=19$m=256,t=2,p=2${salt}"),
        format!("$argon2id$v=19$m=256,t=2,p=2$c2FsdA${hash}"),
        format!("$argon2id$v=19$m=256,t=2,p=2${salt}$or8Zkw"),
        made("$scrypt$ln=0,r=8,p=1"),
        made("$scrypt$v=1$ln=4,r=8,p=1"),
        made("$scrypt$ln=4,r=0,p=1"),
    ];
    for text in refused {
        let error = ImportedHash::parse(&given(&text)).unwrap_err();
        assert_eq!(error.field, "hash", "{text}");
        assert!(text.len() < 4 || !error.to_string().contains(&text), "{error}");
    }
    let named = |scheme, part| ImportedHash::parse(&GivenHash { scheme, part, ..given(SHA256) }).unwrap_err().field;
    assert_eq!(named(Some("md5"), None), "scheme");
    assert_eq!(named(Some("sha512"), None), "hash");
    assert_eq!(named(None, Some("short")), "part");
}

#[test]
fn a_hash_that_costs_too_much_is_refused_with_the_bound() {
    let made = |parameters: &str| format!("{parameters}$c2FsdHNhbHRzYWx0c2FsdA$or8ZkzQOsOt11HTZumJ+hAUKEBEjm6NftJCm34iVDvY");
    let bcrypt = |cost: u32| format!("$2b${cost:02}$D6h90WQR.O13T6bzc1RHluL1ZywWow/KISDrrIa23O.VjyrzvACEu");
    for accepted in [
        bcrypt(4),
        bcrypt(13),
        made("$argon2id$v=19$m=131072,t=4,p=16"),
        made("$argon2id$v=19$m=65536,t=3,p=4"),
        made("$scrypt$ln=17,r=8,p=1"),
        made("$scrypt$ln=14,r=8,p=5"),
    ] {
        assert!(ImportedHash::parse(&given(&accepted)).is_ok(), "{accepted}");
    }
    for (text, bound) in [
        (bcrypt(3), "4 to 13"),
        (bcrypt(14), "4 to 13"),
        (bcrypt(31), "4 to 13"),
        (made("$argon2id$v=19$m=131073,t=1,p=1"), "131072 KiB"),
        (made("$argon2id$v=19$m=4294967295,t=4294967295,p=1"), "131072 KiB"),
        (made("$argon2id$v=19$m=131072,t=5,p=1"), "524288 KiB"),
        (made("$argon2id$v=19$m=4096,t=1,p=17"), "1 to 16"),
        (made("$scrypt$ln=18,r=8,p=1"), "131072 KiB"),
        (made("$scrypt$ln=63,r=4294967295,p=1"), "131072 KiB"),
        (made("$scrypt$ln=17,r=8,p=5"), "524288 KiB"),
    ] {
        let error = ImportedHash::parse(&given(&text)).unwrap_err();
        assert!(error.accepted.contains(bound), "{text}: {error}");
    }
}

#[test]
fn bcrypt_does_not_stand_for_what_it_does_not_read() {
    let hash = parse(SALTED[0]);
    assert!(hash.covers(&"a".repeat(72)) && !hash.covers(&"a".repeat(73)));
    assert!(parse(SALTED[3]).covers(&"a".repeat(73)));
    let long = ImportedHash::parse(&GivenHash { part: Some("long"), ..given(SALTED[0]) }).unwrap();
    assert!(long.covers(&format!("{}_b", "a".repeat(100))));
}

#[test]
fn nothing_of_a_hash_is_shown_by_debug() {
    for text in [SHA256, SALTED[0]] {
        assert!(!format!("{:?}", parse(text)).contains(&text[8..]));
    }
}
