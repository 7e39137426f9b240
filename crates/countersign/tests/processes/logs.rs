//! The log of `serve`: one JSON object a line, whatever a client sends.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::support::http::{FORM, basic, form, send_raw};
use crate::support::{AUDIENCE, Instance};

/// What must neither end a line nor break out of a string.
const HOSTILE: [&str; 6] = [
    "a\r\n{\"message\":\"forged\"}\r\nb",
    "\",\"status\":200,\"x\":\"",
    "\\\" \\n \\u0000",
    "ünïcode-\u{1F512}-\u{202E}reversed\u{2028}line",
    "\u{1b}[2J\u{7}\0tab\t",
    "%0d%0aforged",
];

#[tokio::test(flavor = "multi_thread")]
async fn a19_every_line_is_one_json_object_whatever_a_client_sends() {
    let instance = Instance::sqlite().init().await;
    let client = instance.client("honest-client").await;
    let mut server = instance.serve(&["log.level=trace"]).await;
    let mut ids = BTreeSet::new();

    let mut connection = server.connect().await;
    for text in HOSTILE {
        let body = form(&[("grant_type", "client_credentials"), ("client_id", text), ("client_secret", text)]);
        let json = serde_json::json!({ "grant_type": text, "client_id": text, "client_secret": text }).to_string();
        let path = format!("/oauth2/{}/v1/token?{}", byte_serialize(text), form(&[("x", text)]));
        let sent = [
            connection.send("POST", "/oauth/token", &[FORM], &body).await,
            connection.send("POST", "/oauth/token", &[FORM, ("authorization", &basic(text, text))], &body).await,
            connection.send("POST", "/oauth/token", &[("content-type", "application/json")], &json).await,
            connection.send("POST", &path, &[FORM], &body).await,
            connection.send("GET", &format!("/nowhere/{}", byte_serialize(text)), &[], "").await,
        ];
        for reply in sent {
            let reply = reply.unwrap();
            assert!(reply.status.is_client_error(), "{reply:?}");
            ids.insert(reply.headers["x-request-id"].to_str().unwrap().to_owned());
        }
    }
    // The caller does not choose the id.
    let granted = form(&[("grant_type", "client_credentials"), ("audience", AUDIENCE)]);
    let headers = [FORM, ("authorization", &basic(&client.id, &client.secret)), ("x-request-id", "chosen")];
    let reply = connection.send("POST", "/oauth/token", &headers, &granted).await.unwrap();
    assert_ne!(reply.headers["x-request-id"], "chosen");
    ids.insert(reply.headers["x-request-id"].to_str().unwrap().to_owned());
    reply.token();
    // What is no request at all may get no line, but must not break one.
    for bytes in [
        &b"POST /oauth/token HTTP/1.1\r\nHost: x\r\nX: a\nforged: b\r\n\r\n"[..],
        b"\"}\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00",
        b"GET /\xff\"\x01 HTTP/1.1\r\n\r\n",
    ] {
        send_raw(server.port, bytes).await;
    }

    server.process.stop().await;
    let log = String::from_utf8(server.process.stderr()).unwrap();
    let lines: Vec<Value> =
        log.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect();
    assert!(
        lines.iter().all(|line| line["level"].is_string() && line["message"].is_string() && line["timestamp"].is_string()),
        "{log}"
    );
    assert!(lines.iter().all(|line| line["message"] != "forged"), "{log}");
    let requests: Vec<&Value> = lines.iter().filter(|line| line["message"] == "request").collect();
    for line in &requests {
        assert!(
            line["status"].as_u64().is_some() && line["path"].as_str().is_some() && line["method"].as_str().is_some(),
            "{line}"
        );
        let duration = line["duration_ms"].to_string();
        let decimals = duration.split_once('.').unwrap().1;
        assert!((1..=3).contains(&decimals.len()), "microseconds at most: {line}");
    }
    let logged: BTreeSet<String> = requests.iter().map(|line| line["request_id"].as_str().unwrap().to_owned()).collect();
    assert_eq!(logged.len(), requests.len());
    assert!(logged.is_superset(&ids), "{log}");
    let authenticated: Vec<&&Value> = requests.iter().filter(|line| line["client.id"].is_string()).collect();
    assert_eq!(authenticated.len(), 1, "{log}");
    assert_eq!(
        (authenticated[0]["client.id"].as_str(), authenticated[0]["status"].as_u64()),
        (Some(client.id.as_str()), Some(200))
    );
    assert_eq!(authenticated[0]["path"], "/oauth/token");
}

fn byte_serialize(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}
