//! `countersign revoke` on the database, for when no server runs, or none may be asked.

use std::sync::Arc;

use serde_json::json;

use super::{AllArgs, AudienceArgs, ClientArgs, CredentialArgs, Printer, RevokeCommand, SubjectArgs, TokenArgs};
use crate::app::App;
use crate::audit::Actor;
use crate::clients::revoke_credential;
use crate::ids::{AuthorizationServerId, CredentialId};
use crate::revocation::{revoke_all, revoke_any_token, revoke_audience, revoke_client, revoke_subject};

/// What can be done on the database.
pub(super) enum Offline<'a> {
    Client(&'a ClientArgs),
    Credential(&'a CredentialArgs),
    Token(&'a TokenArgs),
    Subject(&'a SubjectArgs),
    Audience(&'a AudienceArgs),
    All(&'a AllArgs),
}

/// The instance, if the command is to work on its database.
pub(super) async fn asked_for(command: &RevokeCommand) -> anyhow::Result<Option<(Offline<'_>, Arc<App>)>> {
    let (what, offline) = match command {
        RevokeCommand::Client(one) => (Offline::Client(one), &one.way.offline),
        RevokeCommand::Credential(one) => (Offline::Credential(one), &one.way.offline),
        RevokeCommand::Token(one) => (Offline::Token(one), &one.way.offline),
        RevokeCommand::Subject(one) => (Offline::Subject(one), &one.way.offline),
        RevokeCommand::Audience(one) => (Offline::Audience(one), &one.way.offline),
        RevokeCommand::All(one) => (Offline::All(one), &one.way.offline),
        RevokeCommand::Key(_) | RevokeCommand::List(_) => return Ok(None),
    };
    Ok(offline.open().await?.map(|app| (what, app)))
}

pub(super) async fn run(app: &App, what: Offline<'_>, printer: Printer) -> anyhow::Result<()> {
    let by = &Actor::command_line();
    match what {
        Offline::Client(one) => {
            revoke_client(app, by, &one.id).await?;
            done(printer, "client", one.id.as_str());
        }
        Offline::Credential(one) => {
            revoke_credential(app, by, &one.client_id, &CredentialId::from_stored(&one.credential_id)).await?;
            done(printer, "credential", &one.credential_id);
        }
        Offline::Token(one) => {
            let token = crate::cli::token::read_argument(&one.token)?;
            done(printer, "token", &revoke_any_token(app, by, token.trim()).await?.token_id);
        }
        Offline::Subject(one) => {
            revoke_subject(app, by, &one.subject).await?;
            done(printer, "subject", &one.subject);
        }
        Offline::Audience(one) => {
            revoke_audience(app, by, &one.authorization_server, &one.audience).await?;
            done(printer, "audience", one.audience.as_str());
        }
        Offline::All(one) => {
            let server = one.authorization_server.as_ref();
            revoke_all(app, by, server).await?;
            done(printer, "authorization_server", server.map_or("all", AuthorizationServerId::as_str));
        }
    }
    Ok(())
}

pub(super) fn done(printer: Printer, kind: &str, id: &str) {
    printer.result(&json!({ "revoked": kind, "id": id }), &format!("revoked {kind} {}", crate::cli::view::clean(id)));
}
