//! A feed under every misfortune: cut, delayed, reordered, tampered with, replayed, its node
//! restarted, the clock set forward and back. Each seed is one history; all of it is
//! determined by the seed. `COUNTERSIGN_SEEDS` sets how many there are.

mod follower;

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::OnceLock;
use std::time::Duration;

use countersign_protocol::Timestamp;
use countersign_protocol::jose::{Algorithm, Claims, SigningKey};
use countersign_protocol::status::{
    ChainDigest, Contents, FeedKeys, Mark, MarkName, Position, Record, Snapshot, SnapshotList, StatusList,
};
use serde_json::json;

use super::StatusPolicy;
use super::mirror::{IGNORES_GAPS, Mirror};
use super::policy::Resort;

const SEEDS: u64 = 10_000;
const STEPS: usize = 40;
const CLIENTS: u64 = 3;
const PLACES: u64 = 24;
const START: i64 = 1_800_000_000;

/// Xorshift: enough for choosing, and the same everywhere.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

fn signing_key() -> &'static (SigningKey, FeedKeys) {
    static KEY: OnceLock<(SigningKey, FeedKeys)> = OnceLock::new();
    KEY.get_or_init(|| {
        let key = SigningKey::from_pkcs8(Algorithm::EdDSA, &SigningKey::generate(Algorithm::EdDSA).unwrap()).unwrap();
        let keys = FeedKeys::parse(json!({ "keys": [key.public_jwk("k")] }).to_string().as_bytes()).unwrap();
        (key, keys)
    })
}

/// The node that writes the feed, and knows everything.
struct Node {
    now: Timestamp,
    /// Of the last record.
    as_of: Timestamp,
    position: Position,
    head: ChainDigest,
    places: HashSet<u64>,
    marks: BTreeMap<u64, Timestamp>,
    pending: Contents,
    log: Vec<(Position, String)>,
}

impl Node {
    fn new(random: &mut Random) -> Self {
        Self {
            now: Timestamp::from_seconds(START),
            as_of: Timestamp::from_seconds(START),
            position: Position { epoch: random.below(u64::MAX), seq: 0 },
            head: ChainDigest::default(),
            places: HashSet::new(),
            marks: BTreeMap::new(),
            pending: Contents::default(),
            log: Vec::new(),
        }
    }

    fn revoke(&mut self, random: &mut Random) {
        if random.below(2) == 0 {
            let place = random.below(PLACES);
            self.places.insert(place);
            self.pending.revoked.entry("1".to_owned()).or_default().push(place);
        } else {
            let (client, mark) = (random.below(CLIENTS), Timestamp::from_seconds(self.now.as_seconds() + 1));
            self.marks.insert(client, mark);
            self.pending.marks.push(Mark { name: MarkName::new("client", "", &client.to_string()), not_before: mark });
        }
    }

    /// The next record: what is pending, or a heartbeat.
    fn write(&mut self) -> String {
        self.position.seq += 1;
        self.as_of = self.now;
        let record = Record {
            authorization_server: "default".to_owned(),
            as_of: self.now,
            position: self.position,
            previous: self.head,
            contents: std::mem::take(&mut self.pending),
        };
        let text = record.sign(&signing_key().0, "k").unwrap();
        self.head = ChainDigest::of(&text);
        self.log.push((self.position, text.clone()));
        text
    }

    /// Another process: it knows what the database knows, and writes a feed of its own.
    fn restart(&mut self, random: &mut Random) {
        self.position = Position { epoch: random.below(u64::MAX), seq: 0 };
        self.head = ChainDigest::default();
        self.as_of = self.now;
        self.pending = Contents::default();
        self.log.clear();
    }

    fn snapshot(&self) -> String {
        let mut list = StatusList::new(64);
        self.places.iter().for_each(|place| assert!(list.revoke(*place)));
        let marks =
            self.marks.iter().map(|(client, at)| Mark { name: MarkName::new("client", "", &client.to_string()), not_before: *at });
        let list = SnapshotList { expires_at: Timestamp::from_seconds(START + 100_000), list };
        let snapshot = Snapshot {
            authorization_server: "default".to_owned(),
            as_of: self.as_of,
            position: self.position,
            head: self.head,
            lists: BTreeMap::from([("1".to_owned(), list)]),
            tokens: Vec::new(),
            marks: marks.collect(),
        };
        snapshot.sign(&signing_key().0, "k").unwrap()
    }
}

#[derive(Clone, Debug)]
struct Token {
    client: u64,
    place: u64,
    issued_at: Timestamp,
}

impl Token {
    fn claims(&self) -> Claims {
        let mut claims = by_place()[usize::try_from(self.place).unwrap()].clone();
        claims.client_id = Some(self.client.to_string());
        claims.issued_at = Some(self.issued_at);
        claims
    }
}

/// Tokens of a client that is never revoked. Made once: making them is most of the work otherwise.
fn by_place() -> &'static [Claims] {
    static BY_PLACE: OnceLock<Vec<Claims>> = OnceLock::new();
    BY_PLACE.get_or_init(|| (0..=PLACES).map(claims_at).collect())
}

fn claims_at(place: u64) -> Claims {
    let claims = json!({
        "iss": "i", "aud": "a", "sub": "s", "client_id": "c", "iat": START + 1_000_000, "exp": START + 1_000_600, "jti": format!("1.{place}"),
        "status": { "status_list": { "idx": place, "uri": "https://a.test/oauth2/default/v1/status/1" } },
    });
    Claims::parse(claims.to_string().as_bytes()).unwrap()
}

/// The verifier, and what lies between it and the node.
struct Verifier {
    mirror: Mirror,
    now: Timestamp,
    wire: VecDeque<String>,
    seen: Vec<String>,
    /// The record that was taken last, or the one a snapshot was taken at.
    knows: Option<Position>,
}

impl Verifier {
    fn new() -> Self {
        Self {
            mirror: Mirror::default(),
            now: Timestamp::from_seconds(START),
            wire: VecDeque::new(),
            seen: Vec::new(),
            knows: None,
        }
    }

    /// Takes what comes next; anything that does not fit ends the connection.
    fn receive(&mut self) {
        let Some(text) = self.wire.pop_front() else { return };
        let Ok(record) = Record::open(&text, &signing_key().1) else {
            self.mirror.lose_place();
            self.wire.clear();
            return;
        };
        if self.mirror.apply(&record, ChainDigest::of(&text), self.now).is_err() {
            self.wire.clear();
            return;
        }
        self.knows = Some(record.position);
        self.seen.push(text);
    }

    /// Connects: resumes, or begins anew.
    fn connect(&mut self, node: &Node, random: &mut Random) {
        self.wire.clear();
        let resumed =
            self.mirror.position().filter(|position| position.epoch == node.position.epoch && position.seq <= node.position.seq);
        match resumed {
            Some(position) => {
                self.wire.extend(node.log.iter().filter(|(own, _)| own.seq > position.seq).map(|(_, text)| text.clone()));
            }
            None => {
                // A proxy may answer with what it kept: it is signed, and old.
                let text = node.snapshot();
                let snapshot = Snapshot::open(&tampered(&text, random), &signing_key().1);
                let Ok(snapshot) = snapshot else { return };
                self.mirror.install(&snapshot, self.now);
                self.knows = Some(snapshot.position);
            }
        }
    }
}

/// The text, one time in ten with another character in it.
fn tampered(text: &str, random: &mut Random) -> String {
    if random.below(10) != 0 {
        return text.to_owned();
    }
    let at = usize::try_from(random.below(text.len() as u64)).unwrap();
    text.char_indices().map(|(index, c)| if index == at { if c == 'A' { 'B' } else { 'A' } } else { c }).collect()
}

/// What lies between node and verifier does to what is sent.
fn deliver(verifier: &mut Verifier, text: &str, random: &mut Random) {
    match random.below(12) {
        0 => {}
        1 => verifier.wire.push_front(text.to_owned()),
        2 => {
            let old = verifier.seen.first().cloned();
            verifier.wire.extend(old);
            verifier.wire.push_back(text.to_owned());
        }
        3 => verifier.wire.push_back(tampered(text, random)),
        4 => {
            verifier.wire.push_back(text.to_owned());
            verifier.wire.push_back(text.to_owned());
        }
        _ => verifier.wire.push_back(text.to_owned()),
    }
}

/// What had been revoked when a record was written.
struct Told {
    places: HashSet<u64>,
    marks: BTreeMap<u64, Timestamp>,
    as_of: Timestamp,
}

type History = HashMap<Position, Told>;

/// One history. What went wrong, if something did.
fn run(seed: u64) -> Result<(), String> {
    let mut random = Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
    let (mut node, mut verifier, mut history) = (Node::new(&mut random), Verifier::new(), History::new());
    remember(&node, &mut history);
    for step in 0..STEPS {
        let happens = random.below(16);
        match happens {
            0..=3 => node.revoke(&mut random),
            4..=8 => {
                let text = node.write();
                remember(&node, &mut history);
                deliver(&mut verifier, &text, &mut random);
            }
            9..=11 => verifier.receive(),
            12 => verifier.connect(&node, &mut random),
            13 => {
                let seconds = i64::try_from(random.below(20)).unwrap();
                (node.now, verifier.now) = (node.now.plus_seconds(seconds), verifier.now.plus_seconds(seconds));
            }
            14 => {
                node.restart(&mut random);
                remember(&node, &mut history);
            }
            _ => verifier.now = verifier.now.plus_seconds(i64::try_from(random.below(2_000)).unwrap() - 1_000),
        }
        // What happens at the node alone is nothing to the verifier.
        if matches!(happens, 9..=13 | 15) {
            check(&node, &verifier, &history).map_err(|error| format!("seed {seed}, step {step}: {error}"))?;
        }
    }
    Ok(())
}

fn remember(node: &Node, history: &mut History) {
    let told = Told { places: node.places.clone(), marks: node.marks.clone(), as_of: node.now };
    history.insert(node.position, told);
}

fn check(node: &Node, verifier: &Verifier, history: &History) -> Result<(), String> {
    let accepts = |token: &Token| verifier.mirror.check(&token.claims(), Some("k"), "default").map(|checked| checked.is_ok());
    let Some(knows) = verifier.knows else {
        // Nothing was heard: nothing is accepted, and nothing refused.
        let token = Token { client: 0, place: 0, issued_at: node.now };
        return if accepts(&token).is_none() { Ok(()) } else { Err("a verdict before anything was heard".to_owned()) };
    };
    let told = &history[&knows];
    let by_place = by_place();
    let is_accepted = |place: u64| {
        verifier.mirror.check(&by_place[usize::try_from(place).unwrap()], Some("k"), "default").map(|checked| checked.is_ok())
    };
    // What was told until the last record that was taken is refused, each of it.
    for place in &told.places {
        if is_accepted(*place) != Some(false) {
            return Err(format!("the place {place} was revoked before {knows}"));
        }
    }
    for (client, mark) in &told.marks {
        let token = Token { client: *client, place: PLACES, issued_at: mark.plus_seconds(-1) };
        if accepts(&token) != Some(false) {
            return Err(format!("the client {client} was revoked before {knows}"));
        }
        if accepts(&Token { issued_at: node.now.plus_seconds(1), ..token }) != Some(true) {
            return Err(format!("a token that the client {client} got after its revocation is refused"));
        }
    }
    // What was never revoked is not refused.
    for place in (0..PLACES).filter(|place| !node.places.contains(place)) {
        if is_accepted(place) != Some(true) {
            return Err(format!("the place {place} was never revoked"));
        }
    }
    check_staleness(verifier, told.as_of)
}

/// It never says that it is fresher than what it has heard, and each policy goes by that.
fn check_staleness(verifier: &Verifier, as_of: Timestamp) -> Result<(), String> {
    let staleness = verifier.mirror.staleness_millis(verifier.now);
    if verifier.now.millis_since(as_of) > staleness {
        return Err(format!("says {staleness} ms, and heard of {as_of:?} at {:?}", verifier.now));
    }
    let closed = StatusPolicy::FailClosed(Duration::from_secs(30)).resort(staleness, 3_600_000);
    let bounded = StatusPolicy::BoundedByTtl.resort(staleness, 3_600_000);
    let short_lived = StatusPolicy::BoundedByTtl.resort(staleness, 600_000);
    let is_as_documented = (staleness > 30_000) == (closed == Resort::NotJudged)
        && (staleness > 900_000) == (bounded == Resort::NotJudged)
        && short_lived == Resort::Accept;
    if is_as_documented { Ok(()) } else { Err(format!("{closed:?}, {bounded:?}, {short_lived:?} at {staleness} ms")) }
}

#[expect(clippy::disallowed_methods, reason = "how many histories there are is a setting of the test run")]
fn seeds() -> u64 {
    std::env::var("COUNTERSIGN_SEEDS").ok().and_then(|text| text.parse().ok()).unwrap_or(SEEDS)
}

#[test]
fn whatever_happens_to_the_feed_nothing_revoked_that_was_heard_of_is_accepted() {
    let failures: Vec<String> = (0..seeds()).filter_map(|seed| run(seed).err()).take(3).collect();
    assert!(failures.is_empty(), "{failures:#?}");
}

#[test]
fn without_the_check_for_gaps_that_is_noticed() {
    IGNORES_GAPS.set(true);
    let noticed = (0..seeds().min(1_000)).any(|seed| run(seed).is_err());
    IGNORES_GAPS.set(false);
    assert!(noticed, "the simulation does not notice that gaps are ignored");
}
