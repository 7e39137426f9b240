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
    let made = instance.json(&["resource-server", "create", "https://other.test", "--with-introspection-client"]).await;
    let other = &made["introspection_client"];
    assert!(other["client_secret"].as_str().unwrap().starts_with("csec_"), "{made}");
    let mut server = instance.serve(&["storage.poll_interval_ms=50"]).await;
    let token = async || server.token(&client).await.token();

    for arguments in
        [&["subject", "revoked-client"][..], &["audience", AUDIENCE], &["all"], &["all", "--authorization-server", "default"]]
    {
        let token = token().await;
        assert!(is_active(&server, &client, &token).await, "{arguments:?}");
        let text = instance.run(&[&["revoke"], arguments].concat()).await.success();
        assert!(text.starts_with("revoked "), "{text}");
        dies(&server, &client, &token).await;
    }

    let (dead, alive) = (token().await, token().await);
    let mut command = instance.command(&["revoke", "token", "-", "--json"]);
    let revoked = run_with_input(command.args(instance.flags(&[])), &format!("{dead}\n")).await.json();
    assert_eq!(revoked["revoked"], "token");
    dies(&server, &client, &dead).await;
    assert!(is_active(&server, &client, &alive).await);
    let refusal = instance.run(&["revoke", "token", "nonsense"]).await.refusal();
    assert!(refusal.contains("no key of this instance signed this token"), "{refusal}");

    let listed = instance.json(&["credential", "list", &client.id]).await;
    let second = instance.json(&["credential", "create", &client.id]).await;
    let second = Client { secret: second["client_secret"].as_str().unwrap().to_owned(), ..client.clone() };
    let first = listed["items"][0]["id"].as_str().unwrap();
    instance.run(&["revoke", "credential", &client.id, first]).await.success();
    eventually("the other secret is known", async || (server.token(&second).await.status == 200).then_some(())).await;
    dies(&server, &second, &alive).await;

    let token = server.token(&second).await.token();
    instance.run(&["revoke", "client", &client.id]).await.success();
    eventually("no new token", async || (server.token(&second).await.status == 401).then_some(())).await;
    instance.run(&["client", "enable", &client.id]).await.success();
    eventually("enabled again", async || (server.token(&second).await.status == 200).then_some(())).await;
    assert!(!is_active(&server, &second, &token).await);
    server.process.stop().await;
}
