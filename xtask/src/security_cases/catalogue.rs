//! The cases: what is tried, and what each is about.

/// Where the tests of a case must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Home {
    /// The integration suite, which runs on SQLite and on PostgreSQL.
    Server,
    /// The tests of the verification library.
    Verifier,
    /// The tests against public vectors.
    Vectors,
    /// The tests that start the program.
    Processes,
    /// Nowhere yet, for this reason.
    Later(&'static str),
}

impl Home {
    /// The folder, relative to the project.
    pub(super) const fn folder(self) -> Option<&'static str> {
        match self {
            Self::Server => Some("crates/countersign/tests/integration/suite/"),
            Self::Verifier => Some("crates/verify/tests/"),
            Self::Vectors => Some("crates/protocol/tests/vectors/"),
            Self::Processes => Some("crates/countersign/tests/processes/"),
            Self::Later(_) => None,
        }
    }
}

/// One case. Its tests have its section and number at the start of their names.
#[derive(Debug)]
pub(super) struct Case {
    pub(super) section: char,
    pub(super) number: u16,
    pub(super) home: Home,
    /// What is tried, and what must come of it.
    pub(super) what: &'static str,
    /// The specification, or the vulnerability of the past.
    pub(super) about: &'static str,
}

impl Case {
    /// As at the start of a test's name.
    pub(super) fn tag(&self) -> String {
        format!("{}{:02}", self.section.to_ascii_lowercase(), self.number)
    }
}

/// The sections that are listed, with their titles.
pub(super) const SECTIONS: [(char, &str); 9] = [
    ('A', "Token endpoint: secrets and forms"),
    ('B', "Token endpoint: signed assertions"),
    ('C', "Token endpoint: scope, audience and policy"),
    ('D', "Token endpoint: exchange"),
    ('F', "Introspection, revocation and status lists"),
    ('G', "Metadata, key sets and rotation"),
    ('H', "Verification of tokens"),
    ('J', "API keys"),
    ('L', "Transport and denial of service"),
];

const fn case(section: char, number: u16, home: Home, what: &'static str, about: &'static str) -> Case {
    Case { section, number, home, what, about }
}

const fn server(section: char, number: u16, what: &'static str, about: &'static str) -> Case {
    case(section, number, Home::Server, what, about)
}

const fn verifier(number: u16, what: &'static str, about: &'static str) -> Case {
    case('H', number, Home::Verifier, what, about)
}

const fn later(section: char, number: u16, why: &'static str, what: &'static str, about: &'static str) -> Case {
    case(section, number, Home::Later(why), what, about)
}

/// Every case, in order.
pub(super) const CASES: &[Case] = &[
    server('A', 1, "the right secret gets a whole token response", "RFC 6749 section 5.1"),
    server('A', 2, "each half of Basic credentials is form-decoded, exactly once", "RFC 6749 section 2.3.1"),
    server('A', 3, "unknown, wrong and disabled cannot be told apart", "CVE-2026-23511, CVE-2025-6011"),
    server('A', 4, "two ways to authenticate in one request give no token", "RFC 6749 section 2.3"),
    server('A', 5, "the header's client and the body's are the same one", "RFC 6749 section 2.3"),
    server('A', 6, "a secret in the URL is refused and not logged", "RFC 6749 section 2.3.1"),
    server('A', 7, "a client that is pinned to a method has no other", "RFC 7591 section 2"),
    server('A', 8, "a secret that is almost right is wrong, and so is an empty one", "CVE-2019-20933, CVE-2026-27840"),
    server('A', 9, "two secrets overlap until the older ends; only hashes are kept", "RFC 6819 section 5.1.4.1.3"),
    server('A', 10, "methods other than POST, and other origins, get nothing", "RFC 6749 section 3.2, CVE-2024-41657"),
    server('A', 11, "media types other than the documented ones are refused", "RFC 6749 section 3.2"),
    server('A', 12, "a parameter that is there twice is refused", "RFC 6749 section 3.2"),
    server('A', 13, "a guess costs the same work whatever is wrong with it", "CVE-2025-54999, CVE-2026-32595"),
    server('A', 14, "failures at one address throttle that address alone", "RFC 6749 section 2.3.1"),
    server('A', 15, "bodies that are too large or broken cost nothing", "CVE-2022-3212"),
    server('A', 16, "no other grant type works", "RFC 6749 section 5.2"),
    server('A', 17, "unknown parameters change nothing", "RFC 6749 section 3.2"),
    server('A', 18, "the scheme's name ignores case; all else in the header is strict", "RFC 7617 section 2"),
    server('A', 19, "hostile client ids stay inside their line of the log", "CVE-2025-25294, CVE-2024-45808"),
    server('B', 20, "a right assertion gets a token, whichever permitted type it has", "RFC 7523 section 3"),
    server('B', 21, "the token endpoint's URL is no audience unless the client was set to it", "CVE-2025-27370"),
    server('B', 22, "an audience that is a list is refused", "RFC 7523 section 3, CVE-2025-27370"),
    server('B', 23, "the issuer is compared byte for byte", "RFC 7523 section 3"),
    server('B', 24, "iss, sub and client_id name one client", "RFC 7523 section 3"),
    server('B', 25, "an assertion's times are there, numbers, and near", "RFC 7523 section 3, FAPI 2.0 section 5.3.2.1"),
    server('B', 26, "an assertion counts once: on all nodes, after a restart, at once", "CVE-2020-15222, CVE-2020-5300"),
    server('B', 27, "an assertion has an id of bounded length", "OpenID Connect Core section 9"),
    server('B', 28, "two clients may use the same id", "RFC 7519 section 4.1.7"),
    server('B', 29, "the algorithm is the key's; none and HMAC never are", "RFC 8725 section 3.1, CVE-2015-9235"),
    server('B', 30, "another client's key signs for nobody else", "RFC 7523 section 3"),
    server('B', 31, "a key id is a name and nothing else", "RFC 8725 section 3.10"),
    server('B', 32, "keys and URLs in the header are not used", "CVE-2018-0114"),
    server('B', 33, "the assertion's type is that of a JWT", "RFC 7521 section 4.2"),
    server('B', 34, "an assertion beside a secret is refused, and not used up", "RFC 7521 section 4.2.1"),
    server('B', 35, "fetched keys last, and an unknown id costs one fetch in 30 seconds", "RFC 7517 section 5"),
    server('B', 36, "a key set is taken from its own URL alone, and bounded", "CVE-2026-1180, CVE-2026-4366"),
    server('B', 37, "a signing client without a grant at an authorization server gets nothing there", "RFC 8707 section 2"),
    server('B', 38, "a token of another kind is no assertion, and an assertion no token", "RFC 8725 section 3.12"),
    server('B', 39, "client_secret_jwt and private or symmetric keys are not registered", "RFC 8725 section 3.5"),
    server('C', 40, "the granted scope is the one asked for, and is said", "RFC 6749 section 3.3"),
    server('C', 41, "a scope outside the grant is refused and never narrowed", "RFC 6749 section 5.2"),
    server('C', 42, "odd spellings of a scope widen nothing", "RFC 6749 section 3.3"),
    server('C', 43, "thousands of scopes are refused", "CVE-2026-4634"),
    server('C', 44, "the audience is exactly the one named; another is no target", "RFC 8707 section 2"),
    server('C', 45, "unknown and ungranted audiences get the same bytes", "RFC 8707 section 2"),
    later('C', 46, "there are no public clients", "a public client has no client credentials grant", "RFC 6749 section 4.4"),
    server('C', 47, "neither metadata nor a request's parameters become claims", "CVE-2024-29892"),
    later('C', 48, "there are no users", "a client does not take a user's subject", "RFC 9700 section 4.15"),
    server('C', 49, "lifetimes are clamped above and refused below", "CVE-2020-25816"),
    server('C', 50, "a token is what the profile of access tokens says, with an id of its own", "RFC 9068 section 2"),
    server('C', 51, "after a change returned, no token of before it leaves", "CVE-2026-43983, CVE-2025-64521"),
    server('C', 52, "a client has nothing at an authorization server without a grant there", "CVE-2026-33132"),
    server('D', 54, "an API key that has ended, or whose client has, is exchanged for nothing", "CVE-2026-9097, CVE-2026-9094"),
    server('D', 55, "without a subject token there is no token, whoever authenticates beside it", "CVE-2026-9704"),
    server('D', 56, "other types of tokens are neither exchanged nor issued", "RFC 8693 section 2.2.2"),
    server('F', 87, "an API sees all of its own token", "RFC 7662 section 2.2"),
    server('F', 88, "another API's client learns nothing", "RFC 7662 section 4, CVE-2026-37979"),
    server('F', 89, "a signed answer about a foreign token holds no claims", "RFC 9701 section 5; CVE-2026-18208"),
    server('F', 90, "nobody asks or revokes without credentials", "RFC 7662 section 2.1, RFC 7009 section 2.1"),
    server('F', 91, "a client that is no API sees only its own tokens", "RFC 7662 section 4"),
    server('F', 92, "whatever is not a live token of ours is inactive", "RFC 7662 section 2.2, CVE-2026-27840"),
    server('F', 93, "a token comes in the body of a POST and is not logged", "RFC 7662 section 2.1"),
    server('F', 94, "a wrong hint hides no token and saves none", "RFC 7009 section 2.1"),
    server('F', 95, "each kind of mark kills what it names, and the wider one wins", "CVE-2026-8922"),
    server('F', 96, "a revoked token is dead at once, and elsewhere after catching up", "RFC 7009 section 2"),
    server('F', 97, "a foreign token gets the same answer and stays alive", "RFC 7009 section 2.1"),
    later('F', 98, "there are no refresh tokens", "with a refresh token go its access tokens", "RFC 7009 section 2.1"),
    server('F', 99, "a store that fails is no successful revocation", "RFC 7009 section 2.2.1, CVE-2020-15223"),
    server('F', 100, "revoking made-up tokens leaves nothing behind", "RFC 7009 section 5"),
    case(
        'F',
        101,
        Home::Verifier,
        "a list that is not the issuer's, not this one, too old or a bomb is no list, and a place beyond its end no place",
        "OAuth Token Status List sections 5.1 and 8.3",
    ),
    server('G', 102, "issuer and endpoints never come from a request", "RFC 8414 section 3.3, CVE-2025-64101"),
    server('G', 103, "a key set is public, with an entity tag and a lifetime", "RFC 7517 section 8.5.2"),
    server('G', 104, "a key is published before it signs and stays after it did", "RFC 7517 section 4.5"),
    server('G', 105, "rotations at once make each step once", "RFC 7517 section 4.5"),
    server('G', 106, "no other method and no spelling of a path reaches around", "CVE-2026-33494, CVE-2019-9901"),
    server('G', 107, "the management API shows no private key", "RFC 7517 section 9.2"),
    server('G', 108, "all that is advertised works", "RFC 8414 section 2"),
    verifier(109, "alg none, in any spelling", "RFC 8725 section 2.1, CVE-2015-2951, CVE-2022-23540"),
    verifier(110, "a public key as an HMAC secret, in any encoding", "CVE-2015-9235, CVE-2016-10555"),
    verifier(111, "a token that names another algorithm than its key has", "RFC 8725 section 3.1, CVE-2026-22817"),
    verifier(112, "ECDSA signatures at the edges: zero, the order, DER, odd widths", "CVE-2022-21449"),
    verifier(113, "keys and URLs in the header: refused without a fetch", "CVE-2018-0114"),
    verifier(114, "crit and b64 in any form", "RFC 7515 section 4.1.11, CVE-2025-59420"),
    case('H', 115, Home::Vectors, "Project Wycheproof's JWS and JWK sets", "RFC 7515, RFC 7517"),
    verifier(116, "JSON serialisations, polyglots, other parts and characters", "CVE-2022-39227"),
    verifier(117, "a token that is too long is refused unread", "CVE-2025-30204, CVE-2025-27144"),
    verifier(118, "exp of the wrong type or past; the leeway is exact", "CVE-2026-25537"),
    verifier(119, "nbf and iat of the wrong type or ahead", "RFC 7519 section 4.1.5"),
    verifier(120, "an audience other than this API's own", "RFC 8725 section 3.9, CVE-2020-26160"),
    verifier(121, "an issuer other than the one trusted, byte for byte", "RFC 8725 section 3.8"),
    verifier(122, "an issuer's key under a token of another", "RFC 8725 section 3.8"),
    verifier(123, "a member that is there twice", "RFC 8725 section 2.4"),
    verifier(124, "a JWT that was made for another use", "RFC 8725 section 3.11, RFC 9068 section 4"),
    verifier(125, "made-up key ids cost one fetch, and good tokens nothing", "RFC 8725 section 3.10"),
    verifier(126, "a removed key ends, a new one is found by one fetch", "RFC 7517 section 4.5"),
    verifier(127, "an encrypted token, whatever it would cost to open", "CVE-2022-36083, CVE-2024-28176"),
    verifier(128, "payloads that are deep, large, or no strict JSON", "CVE-2025-6203, RUSTSEC-2024-0012"),
    verifier(129, "expired and badly signed: the signature is what is wrong, and no claim is believed", "CVE-2024-51744"),
    verifier(130, "a scope is a whole word, and 403 names what is needed", "RFC 6750 section 3.1"),
    verifier(131, "a required claim has the required type too", "RFC 7519 section 4.3"),
    verifier(132, "no token, two tokens, and headers that are malformed", "RFC 6750 section 3"),
    verifier(133, "a realm does not break out of its quotes", "RFC 9110 section 11.6.1"),
    server('J', 153, "a key that is wrong in any way is not found, and garbage costs no lookup", "RFC 6819 section 5.1.4.2"),
    server('J', 154, "a key that ends on one node is refused on every other, whatever they remember", "litellm-rs#959"),
    server('J', 155, "a rotated secret is accepted until its deadline and not until a cache ends", "RFC 6819 section 5.1.5.3"),
    server('J', 156, "of a key only a keyed hash is stored, and its beginning is shown", "RFC 6819 section 5.1.4.1.3"),
    server('J', 157, "a key of another organization does not exist", "CVE-2026-55670"),
    server('J', 158, "of many uses at once no more pass than there are credits", "CWE-362, CWE-841"),
    server('J', 159, "bad secrets for a known key id lock nobody out", "mermaid-api#762"),
    server('J', 160, "permissions and rights by prefix, case, script or wildcard", "GHSA-gx7w-56w6-g48x, CVE-2026-45692"),
    case('L', 174, Home::Processes, "old versions and old suites of TLS are not spoken", "RFC 9325 section 3.1, CVE-2024-23656"),
    case('L', 175, Home::Processes, "a connection that asks slowly or nothing is closed", "CVE-2024-28869, CVE-2026-22045"),
    case('L', 176, Home::Processes, "heads and bodies that are too large are refused early", "CVE-2022-3212"),
    server('L', 177, "JSON that is deep or wide is refused before anything is done", "CVE-2025-6203, RUSTSEC-2024-0012"),
    case('L', 178, Home::Processes, "no secret is in the log, the database or a backup", "CVE-2025-62513, CVE-2024-8365"),
    server('L', 179, "metrics and health say nothing secret and open nothing", "CVE-2026-34457"),
    case('L', 180, Home::Processes, "keys and profiles that others may read are refused", "RFC 6819 section 5.1.4.1"),
];
