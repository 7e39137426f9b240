//! The scenarios: what fails, and what must hold.

/// One scenario. Its tests have its number at the start of their names (`r08_...`).
#[derive(Debug)]
pub(super) struct Scenario {
    pub(super) number: u16,
    /// What fails.
    pub(super) what: &'static str,
    /// What must hold meanwhile and afterwards.
    pub(super) must: &'static str,
    pub(super) state: State,
}

/// How far a scenario is tested.
#[derive(Clone, Copy, Debug)]
pub(super) enum State {
    /// All of it.
    Whole,
    /// All but this.
    Without(&'static str),
    /// Not yet, for this reason.
    Later(&'static str),
}

impl Scenario {
    /// As at the start of a test's name.
    pub(super) fn tag(&self) -> String {
        format!("r{:02}", self.number)
    }

    pub(super) const fn is_tested(&self) -> bool {
        !matches!(self.state, State::Later(_))
    }
}

const fn scenario(number: u16, what: &'static str, must: &'static str, state: State) -> Scenario {
    Scenario { number, what, must, state }
}

use State::{Later, Whole, Without};

/// Every scenario, in order.
pub(super) const SCENARIOS: &[Scenario] = &[
    scenario(
        1,
        "the process is killed at random while eight callers write",
        "every acknowledged write is there, any other whole or not at all; the next start needs no repair",
        Whole,
    ),
    scenario(
        3,
        "the process is killed at each point of a key rotation",
        "exactly one key signs, and the key set holds every key that signed a live token",
        Without("PostgreSQL, where a rotation is one transaction, and a kill of the server is r08"),
    ),
    scenario(
        4,
        "the process is killed at each point of each migration",
        "the next start finishes it; rows and tokens are as if nothing had happened",
        Without("PostgreSQL, where all migrations are one transaction"),
    ),
    scenario(
        5,
        "the disk is full",
        "tokens are issued; writes are 503 with Retry-After, and whole or not there; not ready; goes on when there is space",
        Without("PostgreSQL, whose disk is the business of who runs it: its refusals (class 53) are 503 like others"),
    ),
    scenario(
        6,
        "fsync fails",
        "the write is not acknowledged, nor any after it; nothing acknowledged is lost",
        Without("PostgreSQL, which ends itself when a sync fails"),
    ),
    scenario(
        7,
        "the clock jumps by an hour, by years, and back",
        "no panic; no token ends before it begins; what has expired stays so; no assertion counts twice",
        Whole,
    ),
    scenario(
        8,
        "PostgreSQL restarts, quickly, at once and by a kill",
        "tokens are verified throughout; every error is 503; it recovers by itself; no rotation happens twice",
        Without("an upper limit on the window of errors: it is the time that PostgreSQL is away"),
    ),
    scenario(
        10,
        "PostgreSQL is unreachable without a word, for long and on and off",
        "a request ends within its limit; what is in flight is bounded; it recovers by itself",
        Whole,
    ),
    scenario(11, "500 requests share five connections to the database", "none waits for ever: an answer, or a fast 503", Whole),
    scenario(
        12,
        "Valkey is down, slow, or starts empty",
        "each route fails as documented; counters are right afterwards",
        Without("values of another type under the names of counters: nobody else writes there"),
    ),
    scenario(
        13,
        "the key set of an issuer cannot be fetched for an hour",
        "known keys verify throughout; an unknown one is 503 or 401 and waits for nobody",
        Whole,
    ),
    scenario(
        14,
        "a flood of made-up key ids",
        "one fetch of the key set in 30 seconds",
        Without("that good tokens stay fast meanwhile: time is measured by the benchmark"),
    ),
    scenario(
        15,
        "the key set is an error, HTML, empty, huge, compressed, a redirect, endless, doubtful or private",
        "the last good keys stay",
        Without("an alarm: verifiers have a metric of failures, and nobody watches it here"),
    ),
    scenario(
        16,
        "60 rotations of the signing key while tokens are issued and verified",
        "no valid token is refused, none is accepted after its key's end",
        Without(
            "60 rotations within a minute: a successor must be published longer than verifiers may cache, so the clock is moved",
        ),
    ),
    scenario(17, "a signing key is revoked in an emergency", "verifiers refuse its tokens after a minute", Whole),
    scenario(
        20,
        "clients that send their request slowly, or read their answer slowly",
        "others are served; the slow ones are cut off",
        Without("that others are answered at most twice as slowly: time is measured by the benchmark"),
    ),
    scenario(
        22,
        "restarts under load of clients that keep their connections",
        "no request is lost; those in flight finish; `Connection: close` and GOAWAY are said",
        Whole,
    ),
    scenario(
        23,
        "two nodes behind a balancer are restarted one after the other",
        "no request fails",
        Later("one node under load is r22; no balancer stands in front of the tests yet"),
    ),
    scenario(
        24,
        "a backup under load is restored elsewhere",
        "what was acknowledged before is there, of one instant; tokens of before verify; another master key is refused",
        Whole,
    ),
    scenario(
        25,
        "a database of an older version is opened, or of a newer one",
        "tokens, keys and secrets stay valid; a newer schema is refused",
        Without(
            "PostgreSQL: the statements are the same; rows are carried back to each older schema, since no release has written any; there are no API keys and refresh tokens",
        ),
    ),
    scenario(
        29,
        "a node is cut off from the database, and by that from the other nodes",
        "its verifiers grow stale in the documented time; what was revoked elsewhere reaches them once it is back",
        Whole,
    ),
    scenario(
        30,
        "64 requests at once for what may happen once",
        "exactly one succeeds",
        Without("refresh tokens, registration tokens and codes, which do not exist; 1,000 rounds"),
    ),
    scenario(32, "nobody reads the log", "tokens are issued; what is dropped is counted", Whole),
];
