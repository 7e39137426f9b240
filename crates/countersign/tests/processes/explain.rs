//! `countersign explain` against `countersign dev` and against issuers that are not as
//! they should be.

use std::path::Path;

use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use countersign_protocol::jose::base64url;
use countersign_verify::testing::TestIssuer;
use countersign_verify::{Clock as _, SystemClock};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::support::{BINARY, Dev, Finished, command, run, run_with_input};

async fn explain(folder: &Path, arguments: &[&str], token: &str) -> (i32, Value) {
    let finished = run_with_input(command(BINARY, folder).args(["--json", "explain", "-"]).args(arguments), token).await;
    let Finished { code, stdout, stderr } = finished;
    (code.unwrap(), serde_json::from_str(&stdout).unwrap_or_else(|error| panic!("{error}: {stdout} {stderr}")))
}

fn check<'a>(report: &'a Value, name: &str) -> &'a Value {
    report["checks"].as_array().unwrap().iter().find(|check| check["check"] == name).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn it_judges_as_the_api_does_and_says_so_by_its_exit_code() {
    let folder = tempfile::tempdir().unwrap();
    let mut dev = Dev::start(folder.path(), &["--port", "0"]).await;
    let token = dev.token().await.token();
    // Without arguments it is the demo API of the folder.
    let (code, report) = explain(folder.path(), &["--need", "list:users"], &format!("{token}\n")).await;
    assert_eq!((code, &report["verdict"]), (0, &json!("accepted")), "{report}");
    assert_eq!(check(&report, "revocation")["result"], "not_judged");

    let (issuer, audience) = (dev.env["ROOT_ISSUER"].clone(), dev.env["AUDIENCE"].clone());
    let (code, report) = explain(folder.path(), &["--issuer", &issuer, "--api", &audience, "--need", "wipe:users"], &token).await;
    assert_eq!((code, &report["code"]), (1, &json!("CS-1203")), "{report}");
    let without_slash = issuer.trim_end_matches('/');
    let (code, report) = explain(folder.path(), &["--issuer", without_slash, "--api", &audience], &token).await;
    assert_eq!((code, &report["code"]), (2, &json!("CS-1015")), "{report}");
    assert!(report["hints"][0]["text"].as_str().unwrap().contains("by a slash at the end alone"), "{report}");
    let (code, report) = explain(folder.path(), &["--issuer", &issuer], &token).await;
    assert_eq!((code, &report["verdict"]), (2, &json!("incomplete")), "{report}");

    // For people, and without the token in it.
    let text = run(command(BINARY, folder.path()).args(["explain", &token, "--need", "wipe:users"])).await;
    assert_eq!(text.code, Some(1), "{text:?}");
    assert!(
        text.stdout.contains("  ok  signature ")
            && text.stdout.contains("  X   scope ")
            && text.stdout.contains("Refused: 403 CS-1203")
    );
    assert!(!text.stdout.contains(&token[..40]), "{text:?}");
    dev.process.stop().await;

    // The keys are not there: that is no verdict.
    let (code, report) = explain(folder.path(), &["--issuer", &issuer, "--api", &audience], &token).await;
    assert_eq!((code, &report["verdict"]), (2, &json!("not_judged")), "{report}");
    let (code, report) = explain(folder.path(), &["--issuer", "nonsense"], &token).await;
    assert!(code == 2 && report["error"].as_str().unwrap().contains("--issuer nonsense"), "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn it_works_offline_with_a_file_of_keys() {
    let folder = tempfile::tempdir().unwrap();
    let issuer = TestIssuer::new().at(SystemClock.now());
    std::fs::write(folder.path().join("keys.json"), issuer.jwk_set()).unwrap();
    let judged = ["--issuer", "https://issuer.test", "--api", "https://api.test", "--jwks", "keys.json"];
    let good = issuer.token("https://api.test");
    assert_eq!(explain(folder.path(), &judged, &good.sign()).await.0, 0);
    let (code, report) = explain(folder.path(), &judged, &good.clone().expires_in(-3600).sign()).await;
    assert_eq!((code, &report["code"]), (1, &json!("CS-1102")), "{report}");
    // Escapes of a terminal that a token brings are not obeyed.
    let steering = good.clone().claim("iss", "https://\u{1b}[2J.test").sign();
    let shown = run_with_input(command(BINARY, folder.path()).args(["explain", "-"]).args(judged), &steering).await;
    assert!(shown.code == Some(1) && !shown.stdout.contains('\u{1b}'), "{shown:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn it_says_since_when_a_client_is_disabled() {
    let folder = tempfile::tempdir().unwrap();
    let mut dev = Dev::start(folder.path(), &["--port", "0"]).await;
    let token = dev.token().await.token();
    let profile = ["--profile", "dev"];
    let (code, report) = explain(folder.path(), &profile, &token).await;
    assert_eq!((code, &check(&report, "revocation")["result"]), (0, &json!("not_judged")), "{report}");
    let client = dev.env["CLIENT_ID"].clone();
    run(command(BINARY, folder.path()).args(["--json", "client", "disable", &client, "--profile", "dev"])).await.success();
    let (code, report) = explain(folder.path(), &profile, &token).await;
    let revocation = check(&report, "revocation");
    assert_eq!((code, &report["code"], &revocation["code"]), (1, &json!("CS-1301"), &json!("CS-1301")), "{report}");
    assert!(revocation["detail"].as_str().unwrap().contains("was disabled at 20"), "{report}");
    dev.process.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_does_not_take_a_revoked_token_for_a_live_one() {
    let folder = tempfile::tempdir().unwrap();
    let mut dev = Dev::start(folder.path(), &["--port", "0"]).await;
    let run_here = async |arguments: &[&str], input: &str| {
        run_with_input(command(BINARY, folder.path()).args(arguments).args(["--profile", "dev"]), input).await.success()
    };
    let judge = async |token: &str| {
        let (code, report) = explain(folder.path(), &["--profile", "dev"], token).await;
        (code, check(&report, "revocation").clone())
    };
    // One token by itself: no list has it.
    let first = dev.token().await.token();
    run_here(&["revoke", "token", "-"], &first).await;
    let (_, revocation) = judge(&first).await;
    assert_eq!(revocation["result"], "not_judged", "{revocation}");
    assert!(revocation["detail"].as_str().unwrap().contains("is not listed"), "{revocation}");
    // Everything, of another authorization server.
    run_here(&["authorization-server", "create", "other"], "").await;
    run_here(&["revoke", "all", "--authorization-server", "other"], "").await;
    assert_eq!(judge(&first).await.1["result"], "not_judged");
    // The key that signed it.
    let header: Value = serde_json::from_slice(&base64url::decode(first.split('.').next().unwrap()).unwrap()).unwrap();
    run_here(&["revoke", "key", header["kid"].as_str().unwrap()], "").await;
    let second = dev.token().await.token();
    assert_eq!(judge(&second).await.1["result"], "not_judged");
    let (code, revocation) = judge(&first).await;
    assert_eq!((code, &revocation["code"]), (1, &json!("CS-1301")), "{revocation}");
    assert!(revocation["detail"].as_str().unwrap().contains("tokens of kid "), "{revocation}");
    // Everything.
    run_here(&["revoke", "all"], "").await;
    let (code, revocation) = judge(&second).await;
    assert_eq!((code, &revocation["code"]), (1, &json!("CS-1301")), "{revocation}");
    assert!(revocation["detail"].as_str().unwrap().contains("tokens of all default "), "{revocation}");
    dev.process.stop().await;
}

/// Serves documents on loopback; the base URL.
async fn documents(router: impl FnOnce(&str) -> Router) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let router = router(&base);
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    base
}

#[tokio::test(flavor = "multi_thread")]
async fn an_api_names_its_issuer_and_audience_itself() {
    let folder = tempfile::tempdir().unwrap();
    let base = documents(|base| {
        let issuer = TestIssuer::named(&format!("{base}/as")).at(SystemClock.now());
        let token = issuer.token(&format!("{base}/api")).sign();
        let keys = issuer.jwk_set();
        let metadata = json!({ "issuer": format!("{base}/as"), "jwks_uri": format!("{base}/keys") }).to_string();
        let resource = json!({ "resource": format!("{base}/api"), "authorization_servers": [format!("{base}/as")] }).to_string();
        Router::new()
            .route("/.well-known/oauth-protected-resource/api", get(|| async { resource }))
            // RFC 8414 alone: the other document is not there.
            .route("/.well-known/oauth-authorization-server/as", get(|| async { metadata }))
            .route("/keys", get(|| async { keys }))
            .route("/token", get(|| async { token }))
            .route("/down/.well-known/openid-configuration", get(|| async { StatusCode::BAD_GATEWAY }))
    })
    .await;
    let token = run(command("curl", folder.path()).args(["-s", &format!("{base}/token")])).await.success();
    let (code, report) = explain(folder.path(), &["--api", &format!("{base}/api")], &token).await;
    assert_eq!((code, &report["verdict"]), (0, &json!("accepted")), "{report}");
    let (code, report) = explain(folder.path(), &["--issuer", &format!("{base}/down"), "--api", "x"], &token).await;
    assert_eq!(code, 2);
    assert!(check(&report, "key")["detail"].as_str().unwrap().contains("502"), "{report}");
}
