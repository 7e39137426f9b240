//! No secret reaches the database or the log: a running `dev` gets every kind of
//! secret in every kind of place, and afterwards its files are searched byte by byte.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use countersign::sealing::MasterKey;
use countersign_protocol::Secret;
use http::StatusCode;

use crate::support::http::{Connection, FORM, basic, form, send_raw};
use crate::support::{BINARY, Dev, command, run};

#[tokio::test(flavor = "multi_thread")]
async fn l178_no_secret_is_in_the_database_or_in_the_log() {
    let folder = tempfile::tempdir().unwrap();
    let data = Dev::data(folder.path());
    let mut prepared = command(BINARY, folder.path());
    prepared.args(["dev", "--port", "0"]).env("COUNTERSIGN__LOG__LEVEL", "trace");
    let mut dev = Dev::start_with(&mut prepared, &data.join("dev.env")).await;
    let mut needles = Needles::default();
    // Keys of each type, and a secret that another process makes.
    for (id, algorithm) in [("elliptic", "ES256"), ("edwards", "EdDSA")] {
        let create = ["authorization-server", "create", id, "--signing-alg", algorithm];
        run(command(BINARY, folder.path()).args(create)).await.success();
    }
    let created = run(command(BINARY, folder.path()).args(["client", "create", "x", "--json"])).await.json();
    needles.text("the secret of a created client", created["client_secret"].as_str().unwrap());

    send_secrets_everywhere(&dev, &mut needles).await;
    collect_keys(&data, &mut needles);

    let mut haystacks = read_folder(&data, "while it runs");
    dev.process.stop().await;
    haystacks.extend(read_folder(&data, "after the end"));
    haystacks.push(("standard output".to_owned(), dev.process.stdout()));
    haystacks.push(("the log".to_owned(), dev.process.stderr()));

    let mut found = Vec::new();
    for (place, bytes) in &haystacks {
        for (what, needle) in &needles.0 {
            if contains(bytes, needle) {
                found.push(format!("{what} in {place}"));
            }
        }
    }
    assert_eq!(found, Vec::<String>::new());
    println!("{} secrets and forms of them, {} places, none found", needles.0.len(), haystacks.len());

    // The search finds what is there.
    let holds =
        |place: &str, text: &str| haystacks.iter().any(|(name, bytes)| name.starts_with(place) && contains(bytes, text.as_bytes()));
    for text in ["demo-client", created["client_id"].as_str().unwrap(), "sealed_private_key"] {
        assert!(holds("countersign.db", text), "{text}");
    }
    assert!(holds("the log", "/oauth/token") && holds("the log", "request_id"));
}

/// Every file of the data folder but the two that are there to hold secrets.
fn read_folder(data: &Path, when: &str) -> Vec<(String, Vec<u8>)> {
    let names = std::fs::read_dir(data).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names
        .filter(|name| name != "dev.env" && name != "master.key")
        .map(|name| (format!("{name} {when}"), std::fs::read(data.join(name)).unwrap()))
        .collect()
}

/// Byte strings that must not be found, with what they are.
#[derive(Default)]
struct Needles(Vec<(String, Vec<u8>)>);

impl Needles {
    fn text(&mut self, what: &str, text: &str) {
        assert!(text.len() >= 16, "{what} could be found by chance");
        self.0.push((what.to_owned(), text.as_bytes().to_vec()));
    }

    /// Bytes, and the texts that they are usually written as.
    fn bytes(&mut self, what: &str, bytes: &[u8]) {
        assert!(bytes.len() >= 16, "{what} could be found by chance");
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        self.0.push((format!("{what}, raw"), bytes.to_vec()));
        self.0.push((format!("{what}, upper-case hexadecimal"), hex.to_ascii_uppercase().into_bytes()));
        self.0.push((format!("{what}, hexadecimal"), hex.into_bytes()));
        self.0.push((format!("{what}, base64url"), URL_SAFE_NO_PAD.encode(bytes).into_bytes()));
        // With padding it begins with the same characters.
        self.0.push((format!("{what}, base64"), STANDARD_NO_PAD.encode(bytes).into_bytes()));
    }
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}

/// Good and wrong secrets in every place where a client might put one.
async fn send_secrets_everywhere(dev: &Dev, needles: &mut Needles) {
    let (id, secret, audience) = (&dev.env["CLIENT_ID"], &dev.env["CLIENT_SECRET"], &dev.env["AUDIENCE"]);
    let mut connection = Connection::open(dev.port).await.unwrap();
    needles.text("the client secret", secret);
    needles.text("the Basic credentials", basic(id, secret).strip_prefix("Basic ").unwrap());

    let by_basic = dev.token().await.token();
    let body = [("grant_type", "client_credentials"), ("client_id", id), ("client_secret", secret), ("audience", audience)];
    let by_post = connection.send("POST", "/oauth/token", &[FORM], &form(&body)).await.unwrap().token();
    let json: serde_json::Map<String, serde_json::Value> =
        body.iter().map(|(name, value)| ((*name).to_owned(), (*value).into())).collect();
    let json = serde_json::Value::Object(json).to_string();
    let by_json = connection.send("POST", "/oauth/token", &[("content-type", "application/json")], &json).await.unwrap().token();
    for (what, token) in [("the token by Basic", &by_basic), ("the token by post", &by_post), ("the token by JSON", &by_json)] {
        needles.text(what, token);
        needles.text(&format!("the signature of {what}"), token.rsplit_once('.').unwrap().1);
    }

    let mut wrong = WrongSecrets { secret, number: 0 };
    let mut refused = Vec::new();
    let value = wrong.next("by Basic", needles);
    let authorization = basic(id, &value);
    needles.text("wrong Basic credentials", authorization.strip_prefix("Basic ").unwrap());
    refused.push(connection.send("POST", "/oauth/token", &[FORM, ("authorization", &authorization)], &form(&body[..1])).await);
    let value = wrong.next("by Basic for an unknown client", needles);
    refused.push(
        connection
            .send("POST", "/oauth/token", &[FORM, ("authorization", &basic("nobody-at-all", &value))], &form(&body[..1]))
            .await,
    );
    for broken in ["basic", "Bearer", "Basic !", "Digest"] {
        let value = wrong.next("in a malformed header", needles);
        refused.push(
            connection
                .send("POST", "/oauth/token", &[FORM, ("authorization", &format!("{broken} {value}"))], &form(&body[..1]))
                .await,
        );
    }
    for name in ["client_secret", "client_id", "grant_type", "scope", "audience", "resource", "client_assertion", "username"] {
        let value = wrong.next(&format!("as {name}"), needles);
        let mut body = body.to_vec();
        body.retain(|(own, _)| *own != name);
        body.push((name, &value));
        let reply = connection.send("POST", "/oauth/token", &[FORM], &form(&body)).await;
        // What no grant knows is ignored.
        if name != "username" {
            refused.push(reply);
        }
        let value = wrong.next(&format!("as {name} in the query"), needles);
        let path = format!("/oauth/token?{}", form(&[(name, &value)]));
        refused.push(connection.send("POST", &path, &[FORM], "").await);
        refused.push(connection.send("GET", &path, &[], "").await);
    }
    // The right secret, in the query.
    refused.push(connection.send("POST", &format!("/oauth/token?client_secret={secret}"), &[FORM], &form(&body[..2])).await);
    let value = wrong.next("in a path", needles);
    refused.push(connection.send("GET", &format!("/oauth2/{value}/v1/keys?token={value}"), &[], "").await);
    let value = wrong.next("in the query of an unknown path", needles);
    refused.push(connection.send("GET", &format!("/nowhere?token={value}"), &[], "").await);
    let value = wrong.next("in broken JSON", needles);
    let json = format!("{{\"client_secret\":\"{value}\"");
    refused.push(connection.send("POST", "/oauth/token", &[("content-type", "application/json")], &json).await);
    let value = wrong.next("in a body of another type", needles);
    refused.push(connection.send("POST", "/oauth/token", &[("content-type", "text/plain")], &value).await);
    let value = wrong.next("in a body that is too large", needles);
    refused
        .push(connection.send("POST", "/oauth/token", &[FORM], &format!("client_secret={value}&x={}", "y".repeat(70_000))).await);
    for reply in refused {
        let reply = reply.unwrap();
        assert!(reply.status.is_client_error(), "{reply:?}");
    }
    for bytes in [
        format!("{} garbage\r\n\r\n", wrong.next("in garbage", needles)),
        format!("GET / HTTP/1.1\r\n{}\r\n\r\n", wrong.next("in a broken header", needles)),
    ] {
        send_raw(dev.port, bytes.as_bytes()).await;
    }

    // At the demo API: a good token, the same with another signature, and one in the query.
    let port = dev.env["DEMO_API_URL"].rsplit_once(':').unwrap().1.parse().unwrap();
    let mut demo = Connection::open(port).await.unwrap();
    let altered = format!("{}AAAA", &by_post[..by_post.len() - 4]);
    needles.text("an altered token", &altered);
    for (token, status) in [(&by_basic, StatusCode::OK), (&altered, StatusCode::UNAUTHORIZED), (secret, StatusCode::UNAUTHORIZED)] {
        let reply = demo.send("GET", "/users", &[("authorization", &format!("Bearer {token}"))], "").await.unwrap();
        assert_eq!(reply.status, status, "{reply:?}");
    }
    demo.send("GET", &format!("/users?access_token={by_json}"), &[], "").await.unwrap();
}

/// Secrets that were never issued: well-formed, made from the good one, each of its own.
struct WrongSecrets<'a> {
    secret: &'a str,
    number: usize,
}

impl WrongSecrets<'_> {
    fn next(&mut self, place: &str, needles: &mut Needles) -> String {
        self.number += 1;
        let middle: String = self.secret[5..40].chars().rev().collect();
        let wrong = format!("csec_{middle}{:04}", self.number);
        needles.text(&format!("the wrong secret {place}"), &wrong);
        wrong
    }
}

/// The master key, and every key that it seals.
fn collect_keys(data: &Path, needles: &mut Needles) {
    let text = std::fs::read_to_string(data.join("master.key")).unwrap();
    let bytes = URL_SAFE_NO_PAD.decode(text.trim()).unwrap();
    needles.bytes("the master key", &bytes);
    let master_key = MasterKey::new(&Secret::new(bytes)).unwrap();
    let open = |id: &str, sealed: &str| master_key.open(id, sealed).unwrap().expose().clone();

    let database = rusqlite::Connection::open(data.join("countersign.db")).unwrap();
    let rows = |sql: &str| -> Vec<[String; 3]> {
        let mut statement = database.prepare(sql).unwrap();
        statement.query_map([], |row| Ok([row.get(0)?, row.get(1)?, row.get(2)?])).unwrap().collect::<Result<_, _>>().unwrap()
    };
    let hash_keys = rows("SELECT id, '', sealed_key FROM hash_keys");
    let signing_keys = rows("SELECT id, alg, sealed_private_key FROM signing_keys");
    assert_eq!((hash_keys.len(), signing_keys.len()), (1, 6));
    for [id, _, sealed] in hash_keys {
        needles.bytes("the hash key", &open(&id, &sealed));
    }
    for [id, algorithm, sealed] in signing_keys {
        let pkcs8 = open(&id, &sealed);
        needles.bytes(&format!("the PKCS#8 of an {algorithm} key"), &pkcs8);
        for (name, number) in private_numbers(&pkcs8, &algorithm) {
            needles.bytes(&format!("{name} of an {algorithm} key"), &number);
        }
    }
}

/// The secret numbers in a PKCS#8 key, big-endian without leading zeros.
fn private_numbers(pkcs8: &[u8], algorithm: &str) -> Vec<(&'static str, Vec<u8>)> {
    // PrivateKeyInfo (RFC 5208): version, algorithm, the key in its own encoding.
    let info = elements(&elements(pkcs8)[0]);
    let inner = elements(&info[2]);
    match algorithm {
        "RS256" => {
            // RSAPrivateKey (RFC 8017 A.1.2): version, n, e, then what is secret.
            let numbers = elements(&inner[0]);
            assert_eq!((numbers.len(), significant(&numbers[1]).len()), (9, 256));
            ["d", "p", "q", "dp", "dq", "qinv"].into_iter().zip(numbers[3..].iter().map(|number| significant(number))).collect()
        }
        // ECPrivateKey (RFC 5915): version, the scalar.
        "ES256" => vec![("d", significant(&elements(&inner[0])[1]))],
        // CurvePrivateKey (RFC 8410): the seed.
        "EdDSA" => vec![("d", inner[0].clone())],
        _ => panic!("{algorithm}"),
    }
}

fn significant(number: &[u8]) -> Vec<u8> {
    number.iter().copied().skip_while(|byte| *byte == 0).collect()
}

/// The contents of the DER elements that follow each other in `bytes`.
fn elements(mut bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    while let [_tag, first, rest @ ..] = bytes {
        let width = if first & 0x80 == 0 { 0 } else { usize::from(first & 0x7f) };
        let (long, rest) = rest.split_at(width);
        let length = if width == 0 { usize::from(*first) } else { long.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte)) };
        let (content, after) = rest.split_at(length);
        found.push(content.to_vec());
        bytes = after;
    }
    found
}
