//! `countersign doctor` against `countersign dev`, which is as it should be, and against
//! small servers each of which is wrong in one thing.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use countersign_protocol::jose::base64url;
use countersign_verify::testing::TestIssuer;
use countersign_verify::{Clock as _, Presented, SystemClock, Verifier};
use http::header::AUTHORIZATION;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::support::{BINARY, Dev, Finished, command, run_with_input};

async fn doctor(arguments: &[&str], input: &str) -> (i32, Value) {
    let folder = tempfile::tempdir().unwrap();
    let Finished { code, stdout, stderr } =
        run_with_input(command(BINARY, folder.path()).args(["--json", "doctor"]).args(arguments), input).await;
    (code.unwrap(), serde_json::from_str(&stdout).unwrap_or_else(|error| panic!("{error}: {stdout} {stderr}")))
}

/// The findings that are not `ok`: check and text.
fn troubles(report: &Value) -> Vec<(String, String)> {
    let findings = report["findings"].as_array().unwrap().iter();
    let text = |finding: &Value, name: &str| finding[name].as_str().unwrap().to_owned();
    findings.filter(|finding| finding["result"] != "ok").map(|finding| (text(finding, "check"), text(finding, "text"))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn dev_has_nothing_to_mend() {
    let folder = tempfile::tempdir().unwrap();
    let mut dev = Dev::start(folder.path(), &["--port", "0"]).await;
    let token = dev.token().await.token();
    let api = format!("{}/users", dev.env["DEMO_API_URL"]);
    let (code, report) = doctor(&["--issuer", &dev.env["ROOT_ISSUER"], "--api", &api, "--token", "-"], &token).await;
    assert_eq!((code, troubles(&report)), (0, Vec::new()), "{report}");
    let checks: Vec<&str> =
        report["findings"].as_array().unwrap().iter().map(|finding| finding["check"].as_str().unwrap()).collect();
    let expected = [
        "metadata",
        "issuer_clock",
        "endpoints",
        "private_keys",
        "keys",
        "key_caching",
        "api_clock",
        "no_token",
        "bad_token",
        "good_token",
        "attacks",
    ];
    assert_eq!(checks, expected);
    // Enough of them to mean something.
    let attacks = report["findings"][10]["text"].as_str().unwrap();
    let count: usize = attacks.split(' ').find_map(|word| word.parse().ok()).unwrap();
    assert!(count > 90, "{attacks}");
    let (code, _) = doctor(&["--issuer", &dev.env["ISSUER"]], "").await;
    assert_eq!(code, 0);
    dev.process.stop().await;
    let (code, report) = doctor(&["--issuer", &dev.env["ROOT_ISSUER"], "--api", &api], "").await;
    assert_eq!((code, troubles(&report).len()), (2, 2), "{report}");
}

/// An issuer and an API that are as they should be.
struct World {
    base: String,
    issuer: TestIssuer,
    verifier: Verifier,
}

/// What a test changes: the answer to a path, if it is another one.
type Change = fn(&World, &Request) -> Option<Response>;

impl World {
    async fn serve(change: Change) -> Arc<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let issuer = TestIssuer::named(&format!("{base}/as")).at(SystemClock.now());
        let verifier = issuer.verifier(&format!("{base}/api"));
        let world = Arc::new(Self { base, issuer, verifier });
        let served = Arc::clone(&world);
        let router = Router::new().fallback(move |request: Request| {
            let world = Arc::clone(&served);
            async move { change(&world, &request).unwrap_or_else(|| world.answer(&request)) }
        });
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        world
    }

    fn metadata(&self) -> Value {
        let Self { base, .. } = self;
        json!({ "issuer": format!("{base}/as"), "jwks_uri": format!("{base}/keys"), "token_endpoint": format!("{base}/token") })
    }

    fn resource(&self) -> Value {
        json!({ "resource": format!("{}/api", self.base), "authorization_servers": [format!("{}/as", self.base)] })
    }

    fn keys(&self) -> Value {
        serde_json::from_str(&self.issuer.jwk_set()).unwrap()
    }

    fn answer(&self, request: &Request) -> Response {
        match request.uri().path() {
            "/as/.well-known/openid-configuration" => document(&self.metadata()),
            "/keys" => keys(&self.keys(), "public, max-age=600"),
            "/token" => plain(405, &[]),
            "/.well-known/oauth-protected-resource/api" => document(&self.resource()),
            "/api" => match Presented::from_headers(request.headers())
                .map(|presented| self.verifier.verify_token_now(presented.token()))
            {
                Err(_) => self.challenge(401, ""),
                Ok(Err(_)) => self.challenge(401, ", error=\"invalid_token\""),
                Ok(Ok(_)) => plain(200, &[]),
            },
            _ => plain(404, &[]),
        }
    }

    fn challenge(&self, status: u16, more: &str) -> Response {
        let metadata = format!("{}/.well-known/oauth-protected-resource/api", self.base);
        plain(status, &[("www-authenticate", &format!("Bearer realm=\"api\"{more}, resource_metadata=\"{metadata}\""))])
    }

    async fn examine(&self) -> (i32, Vec<(String, String)>) {
        let token = self.issuer.token(&format!("{}/api", self.base)).sign();
        let (code, report) =
            doctor(&["--issuer", &format!("{}/as", self.base), "--api", &format!("{}/api", self.base), "--token", "-"], &token)
                .await;
        (code, troubles(&report))
    }
}

fn plain(status: u16, headers: &[(&str, &str)]) -> Response {
    let response = headers.iter().fold(Response::builder().status(status), |made, (name, value)| made.header(*name, *value));
    response.body(Body::empty()).unwrap()
}

fn document(value: &Value) -> Response {
    Response::new(Body::from(value.to_string()))
}

fn keys(value: &Value, cache_control: &str) -> Response {
    Response::builder().header("cache-control", cache_control).body(Body::from(value.to_string())).unwrap()
}

fn at<'a>(request: &'a Request, path: &str) -> Option<&'a Request> {
    (request.uri().path() == path).then_some(request)
}

fn token(request: &Request) -> Option<String> {
    let value = at(request, "/api")?.headers().get(AUTHORIZATION)?.to_str().ok()?;
    Some(value.strip_prefix("Bearer ")?.to_owned())
}

fn header_of(token: &str) -> Option<Value> {
    serde_json::from_slice(&base64url::decode(token.split('.').next()?)?).ok()
}

fn with(mut value: Value, name: &str, other: Value) -> Value {
    value[name] = other;
    value
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_wrong_with_the_world_that_is_changed() {
    assert_eq!(World::serve(|_, _| None).await.examine().await, (0, Vec::new()));
}

const FAULTS: &[(&str, &str, Change)] = &[
    ("metadata", "by a slash at the end alone", |world, request| {
        at(request, "/as/.well-known/openid-configuration")?;
        Some(document(&with(world.metadata(), "issuer", format!("{}/as/", world.base).into())))
    }),
    ("metadata", "no `jwks_uri`", |world, request| {
        at(request, "/as/.well-known/openid-configuration")?;
        Some(document(&with(world.metadata(), "jwks_uri", Value::Null)))
    }),
    ("metadata", "plain http is allowed to the loopback only", |world, request| {
        at(request, "/as/.well-known/openid-configuration")?;
        Some(document(&with(world.metadata(), "jwks_uri", "http://keys.invalid/".into())))
    }),
    ("metadata", "404", |_, request| at(request, "/as/.well-known/openid-configuration").map(|_| plain(404, &[]))),
    ("issuer_clock", "ahead of that of this machine", |world, request| {
        at(request, "/as/.well-known/openid-configuration")?;
        let later = jiff::fmt::rfc2822::DateTimePrinter::new();
        let at = jiff::Timestamp::from_second(SystemClock.now().as_seconds() + 3_600).unwrap();
        let date = later.timestamp_to_rfc9110_string(&at).unwrap();
        Some(Response::builder().header("date", date).body(Body::from(world.metadata().to_string())).unwrap())
    }),
    ("endpoints", "token_endpoint", |_, request| at(request, "/token").map(|_| plain(404, &[]))),
    ("private_keys", "THE PRIVATE KEY", |world, request| {
        at(request, "/keys")?;
        let mut set = world.keys();
        set["keys"][0]["d"] = "AAAA".into();
        Some(keys(&set, "max-age=600"))
    }),
    ("key_ids", "the same `kid`", |world, request| {
        at(request, "/keys")?;
        let mut set = world.keys();
        let first = set["keys"][0].clone();
        set["keys"].as_array_mut().unwrap().push(first);
        Some(keys(&set, "max-age=600"))
    }),
    ("unusable_keys", "1 of 3 keys cannot be used", |world, request| {
        at(request, "/keys")?;
        let mut set = world.keys();
        let weak = json!({ "kty": "RSA", "kid": "weak", "n": "qqqqqqqq", "e": "AQAB", "alg": "RS256" });
        set["keys"].as_array_mut().unwrap().push(weak);
        Some(keys(&set, "max-age=600"))
    }),
    ("keys", "no usable key", |_, request| at(request, "/keys").map(|_| keys(&json!({ "keys": [] }), "max-age=600"))),
    ("key_caching", "do not say", |world, request| at(request, "/keys").map(|_| document(&world.keys()))),
    ("key_caching", "forbid caching", |world, request| at(request, "/keys").map(|_| keys(&world.keys(), "no-store"))),
    ("key_caching", "for 900000 seconds", |world, request| at(request, "/keys").map(|_| keys(&world.keys(), "max-age=900000"))),
    ("no_token", "it is not protected", |_, request| at(request, "/api").map(|_| plain(200, &[]))),
    ("no_token", "nothing can be told", |_, request| at(request, "/api").map(|_| plain(404, &[]))),
    ("no_token", "403 Forbidden instead of 401", |world, request| {
        let is_without = at(request, "/api")?.headers().get(AUTHORIZATION).is_none();
        is_without.then(|| world.challenge(403, ""))
    }),
    ("no_token", "without a Bearer challenge", |_, request| {
        let is_without = at(request, "/api")?.headers().get(AUTHORIZATION).is_none();
        is_without.then(|| plain(401, &[]))
    }),
    ("no_token", "an `error` although", |world, request| {
        let is_without = at(request, "/api")?.headers().get(AUTHORIZATION).is_none();
        is_without.then(|| world.challenge(401, ", error=\"invalid_token\""))
    }),
    ("bad_token", "IT ACCEPTS ANY TEXT", |_, request| token(request).map(|_| plain(200, &[]))),
    ("bad_token", "answered with 500", |_, request| (token(request)? == "no-token").then(|| plain(500, &[]))),
    ("bad_token", "answered with 403", |world, request| (token(request)? == "no-token").then(|| world.challenge(403, ""))),
    ("good_token", "answered with 403: it lacks a scope", |world, request| {
        let denied = world.verifier.verify_token_now(&token(request)?).is_ok();
        denied.then(|| world.challenge(403, ", error=\"insufficient_scope\""))
    }),
    ("good_token", "answered with 401", |world, request| {
        let denied = world.verifier.verify_token_now(&token(request)?).is_ok();
        denied.then(|| world.challenge(401, ", error=\"invalid_token\""))
    }),
    ("attacks", "alg_\"none\"_without_signature", |_, request| {
        let header = header_of(&token(request)?)?;
        (header["alg"] == "none").then(|| plain(200, &[]))
    }),
    // The public key as the secret of an HMAC: whatever says HS256 stands for it.
    ("attacks", "hs256_with_public_key_as_pem", |_, request| {
        (header_of(&token(request)?)?["alg"] == "HS256").then(|| plain(200, &[]))
    }),
    ("attacks", "embedded_jwk", |_, request| header_of(&token(request)?)?.get("jwk").map(|_| plain(200, &[]))),
    // Believed, and short of a scope.
    ("attacks", "signature_empty", |world, request| {
        let token = token(request)?;
        let is_jwt = header_of(&token).is_some_and(|header| header["alg"] == "ES256");
        (is_jwt && world.verifier.verify_token_now(&token).is_err()).then(|| world.challenge(403, ", error=\"insufficient_scope\""))
    }),
    ("attacks_caught", "make it fail", |_, request| (header_of(&token(request)?)?["kid"] == "").then(|| plain(500, &[]))),
    ("attacks_caught", "make it fail", |_, request| (header_of(&token(request)?)?["alg"] == "none").then(|| plain(502, &[]))),
    ("resource_metadata", "no metadata is there", |_, request| {
        at(request, "/.well-known/oauth-protected-resource/api").map(|_| plain(404, &[]))
    }),
    ("resource_metadata", "is not part of", |world, request| {
        at(request, "/.well-known/oauth-protected-resource/api")?;
        Some(document(&with(world.resource(), "resource", "https://elsewhere.example.com".into())))
    }),
    ("resource_metadata", "byte for byte", |world, request| {
        at(request, "/.well-known/oauth-protected-resource/api")?;
        Some(document(&with(world.resource(), "authorization_servers", json!([format!("{}/as/", world.base)]))))
    }),
];

/// What keeps the forged tokens from being judged.
const VEILS: &[Change] = &[
    |_, request| header_of(&token(request)?).map(|_| plain(429, &[])),
    |_, request| header_of(&token(request)?).map(|_| plain(503, &[])),
    |_, request| header_of(&token(request)?).map(|_| plain(302, &[("location", "/login")])),
    |_, request| (header_of(&token(request)?)?["alg"] == "none").then(|| plain(429, &[])),
];

#[tokio::test(flavor = "multi_thread")]
async fn forged_tokens_that_were_not_judged_are_not_called_refused() {
    for veil in VEILS {
        let world = World::serve(*veil).await;
        let api = format!("{}/api", world.base);
        let (code, report) = doctor(&["--issuer", &format!("{}/as", world.base), "--api", &api], "").await;
        let troubles = troubles(&report);
        assert!(code == 2 && troubles[0].0 == "attacks" && troubles[0].1.contains("were not judged"), "{report}");
        assert!(!report.to_string().contains("it refuses all"), "{report}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_token_the_audience_is_that_of_the_metadata() {
    // A verifier that checks nothing but the audience.
    let believes: Change = |world, request| {
        let text = token(request)?;
        let claims: Value = serde_json::from_slice(&base64url::decode(text.split('.').nth(1)?)?).ok()?;
        (claims["aud"] == format!("{}/api", world.base)).then(|| plain(200, &[]))
    };
    let world = World::serve(believes).await;
    let (code, report) =
        doctor(&["--issuer", &format!("{}/as", world.base), "--api", &format!("{}/api?page=1", world.base)], "").await;
    assert!(code == 1 && troubles(&report)[0].1.contains("IT BELIEVES"), "{report}");
    // Nothing says what the audience is.
    let silent: Change = |world, request| match request.uri().path() {
        "/api" if token(request).is_none() => Some(plain(401, &[("www-authenticate", "Bearer")])),
        "/.well-known/oauth-protected-resource/api" => Some(plain(404, &[])),
        _ => world.answer(request).into(),
    };
    let world = World::serve(silent).await;
    let (code, report) = doctor(&["--issuer", &format!("{}/as", world.base), "--api", &format!("{}/api", world.base)], "").await;
    assert!(code == 2 && troubles(&report)[0].1.contains("their guessed audience"), "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_issuer_over_plain_http_is_told_to_use_https() {
    let (code, report) = doctor(&["--issuer", "http://issuer.invalid/"], "").await;
    let finding = &report["findings"][0];
    assert_eq!(
        (code, &finding["result"], &finding["fix"]),
        (1, &json!("problem"), &json!("serve the issuer over https")),
        "{report}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn each_fault_is_found_and_none_that_is_not_there() {
    let mut wrong = Vec::new();
    for (check, words, change) in FAULTS {
        let (code, mut troubles) = World::serve(*change).await.examine().await;
        // Where no key can be had, one is guessed.
        troubles.retain(|(found, text)| *found == *check || !text.contains("their guessed key"));
        let is_found = matches!(troubles.as_slice(), [(found, text)] if found == check && text.contains(words));
        if !is_found || code != 1 {
            wrong.push(format!("{check} {words}: exit code {code}, {troubles:?}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
