//! `countersign revoke`.

use clap::{Args, Subcommand};
use countersign_protocol::{Audience, ClientId};
use serde_json::json;

use super::authorization_server::{parse_audience, parse_id};
use super::client::parse_client_id;
use super::token::read_argument;
use super::{InstanceArgs, Printer};
use crate::audit::Actor;
use crate::clients::revoke_credential;
use crate::ids::{AuthorizationServerId, CredentialId};
use crate::revocation::{revoke_all, revoke_any_token, revoke_audience, revoke_client, revoke_subject};

/// What can be revoked.
#[derive(Debug, Subcommand)]
pub(crate) enum RevokeCommand {
    /// A client: it is disabled, and every token it has is dead
    Client(ClientArgs),
    /// A credential for good, and every token it obtained
    Credential(CredentialArgs),
    /// One token
    Token(TokenArgs),
    /// Every token about a subject
    Subject(SubjectArgs),
    /// Every token for an audience
    Audience(AudienceArgs),
    /// Every token
    All(AllArgs),
}

/// Arguments of `revoke client`.
#[derive(Args, Debug)]
pub(crate) struct ClientArgs {
    /// The client_id
    #[arg(value_parser = parse_client_id)]
    id: ClientId,
    #[command(flatten)]
    instance: InstanceArgs,
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
    instance: InstanceArgs,
}

/// Arguments of `revoke token`.
#[derive(Args, Debug)]
pub(crate) struct TokenArgs {
    /// The token; `-` reads it from standard input
    token: String,
    #[command(flatten)]
    instance: InstanceArgs,
}

/// Arguments of `revoke subject`.
#[derive(Args, Debug)]
pub(crate) struct SubjectArgs {
    /// The `sub` of the tokens
    subject: String,
    #[command(flatten)]
    instance: InstanceArgs,
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
    instance: InstanceArgs,
}

/// Arguments of `revoke all`.
#[derive(Args, Debug)]
pub(crate) struct AllArgs {
    /// Only the tokens of this authorization server
    #[arg(long, value_parser = parse_id)]
    authorization_server: Option<AuthorizationServerId>,
    #[command(flatten)]
    instance: InstanceArgs,
}

pub(super) async fn run(command: RevokeCommand, printer: &Printer) -> anyhow::Result<()> {
    let by = &Actor::command_line();
    match command {
        RevokeCommand::Client(arguments) => {
            revoke_client(&*arguments.instance.open().await?, by, &arguments.id).await?;
            done(printer, "client", arguments.id.as_str());
        }
        RevokeCommand::Credential(arguments) => {
            let id = CredentialId::from_stored(&arguments.credential_id);
            revoke_credential(&*arguments.instance.open().await?, by, &arguments.client_id, &id).await?;
            done(printer, "credential", id.as_str());
        }
        RevokeCommand::Token(arguments) => {
            let token = read_argument(&arguments.token)?;
            let revoked = revoke_any_token(&*arguments.instance.open().await?, by, token.trim()).await?;
            done(printer, "token", &revoked.token_id);
        }
        RevokeCommand::Subject(arguments) => {
            revoke_subject(&*arguments.instance.open().await?, by, &arguments.subject).await?;
            done(printer, "subject", &arguments.subject);
        }
        RevokeCommand::Audience(arguments) => {
            let app = arguments.instance.open().await?;
            revoke_audience(&app, by, &arguments.authorization_server, &arguments.audience).await?;
            done(printer, "audience", arguments.audience.as_str());
        }
        RevokeCommand::All(arguments) => {
            let server = arguments.authorization_server.as_ref();
            revoke_all(&*arguments.instance.open().await?, by, server).await?;
            done(printer, "authorization_server", server.map_or("all", AuthorizationServerId::as_str));
        }
    }
    Ok(())
}

fn done(printer: &Printer, kind: &str, id: &str) {
    printer.result(&json!({ "revoked": kind, "id": id }), &format!("revoked {kind} {id}"));
}
