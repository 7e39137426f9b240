//! `countersign revoke`.

mod acknowledged;
mod offline;

use clap::{Args, Subcommand};
use countersign_protocol::{Audience, ClientId};
use serde_json::{Value, json};

use self::acknowledged::Acknowledged;

use super::Printer;
use super::api::{ApiArgs, Path};
use super::authorization_server::{parse_audience, parse_id};
use super::client::parse_client_id;
use super::instance::OfflineArgs;
use super::verbs::{self, ListArgs, Members};
use crate::ids::AuthorizationServerId;

pub(super) const EXAMPLES: &str = "\
Examples:
  countersign revoke client partner-billing
  countersign revoke credential partner-billing cred_06rgs5v97tzapyv6r0ykd59rv8
  countersign revoke list
  countersign revoke token -";

/// What can be revoked.
#[derive(Debug, Subcommand)]
pub(crate) enum RevokeCommand {
    /// A client: it is disabled, and every token it has is dead
    Client(ClientArgs),
    /// A credential for good, and every token it obtained
    Credential(CredentialArgs),
    /// Every token that a signing key signed
    #[command(visible_alias = "signing-key")]
    Key(KeyArgs),
    /// One token
    Token(TokenArgs),
    /// Every token about a subject
    Subject(SubjectArgs),
    /// Every token for an audience
    #[command(visible_alias = "resource-server")]
    Audience(AudienceArgs),
    /// Every token
    All(AllArgs),
    /// List what is revoked
    List(ListArgs),
}

/// Arguments of `revoke client`.
#[derive(Args, Debug)]
pub(crate) struct ClientArgs {
    /// The client_id
    #[arg(value_parser = parse_client_id)]
    id: ClientId,
    #[command(flatten)]
    way: WayArgs,
}

/// Arguments of `revoke credential`.
#[derive(Args, Debug)]
pub(crate) struct CredentialArgs {
    /// The client
    #[arg(value_parser = parse_client_id)]
    client_id: ClientId,
    /// The credential, as `credential list` and the claim `cred` name it
    credential_id: String,
    #[command(flatten)]
    way: WayArgs,
}

/// Arguments of `revoke key`.
#[derive(Args, Debug)]
pub(crate) struct KeyArgs {
    /// The key, as `signing-key list` and the header `kid` name it; for opaque tokens `tk_` and the 26 characters after `cst_`
    id: String,
    #[command(flatten)]
    api: ApiArgs,
}

/// Arguments of `revoke token`.
#[derive(Args, Debug)]
pub(crate) struct TokenArgs {
    /// The token; `-` reads it from standard input
    token: String,
    #[command(flatten)]
    way: WayArgs,
}

/// Arguments of `revoke subject`.
#[derive(Args, Debug)]
pub(crate) struct SubjectArgs {
    /// The `sub` of the tokens
    subject: String,
    #[command(flatten)]
    way: WayArgs,
}

/// Arguments of `revoke audience`.
#[derive(Args, Debug)]
pub(crate) struct AudienceArgs {
    /// The `aud` of the tokens
    #[arg(value_parser = parse_audience)]
    audience: Audience,
    /// The authorization server that issued them
    #[arg(long, default_value = AuthorizationServerId::DEFAULT, value_parser = parse_id)]
    authorization_server: AuthorizationServerId,
    #[command(flatten)]
    way: WayArgs,
}

/// Arguments of `revoke all`.
#[derive(Args, Debug)]
pub(crate) struct AllArgs {
    /// Only the tokens of this authorization server
    #[arg(long, value_parser = parse_id)]
    authorization_server: Option<AuthorizationServerId>,
    #[command(flatten)]
    way: WayArgs,
}

/// Through a server, or on the database.
#[derive(Args, Debug)]
pub(crate) struct WayArgs {
    #[command(flatten)]
    api: ApiArgs,
    #[command(flatten)]
    offline: OfflineArgs,
}

pub(super) async fn run(command: RevokeCommand, printer: Printer) -> anyhow::Result<()> {
    if let Some((what, app)) = offline::asked_for(&command).await? {
        return offline::run(&app, what, printer).await;
    }
    match command {
        RevokeCommand::Client(one) => mark(&one.way.api, members("client").with("value", one.id.as_str()), printer).await,
        RevokeCommand::Credential(one) => {
            let path = Path::of(&["clients", one.client_id.as_str(), "credentials", &one.credential_id])?;
            let api = one.way.api.connect()?;
            api.delete(&path, None).await?;
            let revoked = json!({ "revoked": "credential", "id": one.credential_id });
            let text = format!("revoked credential {}", super::view::clean(&one.credential_id));
            print(revoked, text, acknowledged::wait(&api).await, printer);
            Ok(())
        }
        RevokeCommand::Key(one) => mark(&one.api, members("kid").with("value", one.id), printer).await,
        RevokeCommand::Token(one) => {
            let token = super::token::read_argument(&one.token)?;
            mark(&one.way.api, members("token").with("value", token.trim()), printer).await
        }
        RevokeCommand::Subject(one) => mark(&one.way.api, members("sub").with("value", one.subject), printer).await,
        RevokeCommand::Audience(one) => {
            let members = members("aud").with("value", one.audience.as_str());
            mark(&one.way.api, members.with("authorization_server_id", one.authorization_server.as_str()), printer).await
        }
        RevokeCommand::All(one) => {
            let server = one.authorization_server.as_ref().map(AuthorizationServerId::as_str);
            mark(&one.way.api, members("all").given("authorization_server_id", server), printer).await
        }
        RevokeCommand::List(arguments) => {
            verbs::list(
                &arguments,
                &Path::of(&["revocations"])?,
                &["kind", "value", "authorization_server_id", "not_before"],
                printer,
            )
            .await
        }
    }
}

fn members(kind: &str) -> Members {
    Members::default().with("kind", kind)
}

async fn mark(api: &ApiArgs, members: Members, printer: Printer) -> anyhow::Result<()> {
    let api = api.connect()?;
    let revoked = api.post(&Path::of(&["revocations"])?, Some(&members.into_value())).await?;
    let text = printer.object_text(&revoked);
    print(revoked.body, text, acknowledged::wait(&api).await, printer);
    Ok(())
}

/// What was revoked, and what verifiers say of it.
fn print(mut revoked: Value, mut text: String, acknowledged: Option<Acknowledged>, printer: Printer) {
    if let Some(acknowledged) = acknowledged {
        if let Some(members) = revoked.as_object_mut() {
            members.insert("acknowledged".to_owned(), acknowledged.to_json());
        }
        text = format!("{text}\n\n{}", acknowledged.to_text());
    }
    printer.result(&revoked, &text);
}
