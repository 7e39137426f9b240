//! `countersign revoke`, while a server runs.

use crate::support::http::{basic, form};
use crate::support::{AUDIENCE, Client, Instance, Server, eventually, run_with_input};

async fn is_active(server: &Server, caller: &Client, token: &str) -> bool {
    let authorization = basic(&caller.id, &caller.secret);
    let headers = [("content-type", "application/x-www-form-urlencoded"), ("authorization", authorization.as_str())];
    let mut connection = server.connect().await;
    let reply = connection.send("POST", "/oauth/introspect", &headers, &form(&[("token", token)])).await.unwrap();
    assert_eq!(reply.status, 200, "{reply:?}");
    reply.json()["active"].as_bool().unwrap()
}

async fn dies(server: &Server, caller: &Client, token: &str) {
    eventually("the token is dead", async || (!is_active(server, caller, token).await).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_the_command_line_revokes_dies_on_a_running_server() {
    let instance = Instance::sqlite().init().await;
    let client = instance.client("revoked-client").await;
    let mut server = instance.serve(&["storage.poll_interval_ms=50"]).await;
    let token = async || server.token(&client).await.token();

    for arguments in
        [&["subject", "revoked-client"][..], &["audience", AUDIENCE], &["all"], &["all", "--authorization-server", "default"]]
    {
        let token = token().await;
        assert!(is_active(&server, &client, &token).await, "{arguments:?}");
        let text = instance.run(&[&["revoke"], arguments, &["--offline"]].concat()).await.success();
        assert!(text.starts_with("revoked "), "{text}");
        dies(&server, &client, &token).await;
    }

    let (dead, alive) = (token().await, token().await);
    let mut command = instance.command(&["revoke", "token", "-", "--offline", "--json"]);
    let revoked = run_with_input(command.args(instance.flags(&[])), &format!("{dead}\n")).await.json();
    assert_eq!(revoked["revoked"], "token");
    dies(&server, &client, &dead).await;
    assert!(is_active(&server, &client, &alive).await);
    let refusal = instance.run(&["revoke", "token", "nonsense", "--offline"]).await.refusal();
    assert!(refusal.contains("no key of this instance signed this token"), "{refusal}");

    let decoded = server.json(&["token", "decode", &alive]).await;
    let first = decoded["claims"]["cred"].as_str().unwrap();
    let other = server.client_named("other-client").await;
    server.run(&["grant", "create", &other.id, AUDIENCE]).await.success();
    let of_other = server.token(&other).await.token();
    instance.run(&["revoke", "credential", &client.id, first, "--offline"]).await.success();
    eventually("the credential gets no token", async || (server.token(&client).await.status == 401).then_some(())).await;
    assert!(is_active(&server, &other, &of_other).await);

    instance.run(&["revoke", "client", &other.id, "--offline"]).await.success();
    eventually("no new token", async || (server.token(&other).await.status == 401).then_some(())).await;
    server.run(&["client", "enable", &other.id]).await.success();
    eventually("enabled again", async || (server.token(&other).await.status == 200).then_some(())).await;
    assert!(!is_active(&server, &other, &of_other).await);
    server.process.stop().await;
}
