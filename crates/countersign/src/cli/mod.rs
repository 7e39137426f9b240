//! The command line: one file per noun. Data goes to standard output, everything
//! else to standard error. Exit codes: 0 done, 1 refused, 2 no fault of the caller.
//!
//! The nouns call the management API (`api/`) as a profile says; what makes an
//! instance, or must work without a server, opens the database itself.

mod api;
mod audit;
mod authorization_server;
mod backup;
mod client;
mod completions;
mod config;
mod credential;
mod declaration;
mod dev;
mod doctor;
mod error_page;
mod explain;
mod grant;
mod import_key;
mod init;
mod instance;
mod introspection;
mod key;
mod limits;
mod master_key;
mod metrics;
mod new_profile;
mod openapi;
mod operator;
mod organization;
mod printer;
mod profile;
mod reference;
mod refusal;
mod resource_server;
mod revoke;
mod role;
mod secrets_file;
mod serve;
mod signing_key;
mod token;
mod token_key;
mod verbs;
mod view;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::http::HandedOver;
use instance::InstanceArgs;
use printer::Printer;

/// Self-hosted machine-to-machine API authentication
#[derive(Debug, Parser)]
#[command(name = "countersign", version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    /// Print JSON instead of text for people
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Start everything on loopback with an embedded database and demo objects
    Dev(dev::DevArgs),
    /// Start the server of a configured instance
    Serve(serve::ServeArgs),
    /// Create the master key and the `default` authorization server of a new instance
    Init(init::InitArgs),
    /// Back the database up, while it serves
    Backup(backup::BackupArgs),
    /// Restore a backup into an empty database
    Restore(backup::RestoreArgs),
    /// Check the configuration
    #[command(subcommand)]
    Config(config::ConfigCommand),
    /// Write what there is to a file that `plan` and `apply` read
    Export(declaration::ExportArgs),
    /// Show what `apply` would do with a file that describes an instance
    Plan(declaration::PlanArgs),
    /// Make the instance what a file says
    Apply(declaration::ApplyArgs),
    /// Describe the metrics
    #[command(subcommand)]
    Metrics(metrics::MetricsCommand),
    /// Say where the management API is, and who calls it
    #[command(subcommand, after_help = profile::EXAMPLES)]
    Profile(profile::ProfileCommand),
    /// Create and list operators, on the database
    #[command(subcommand, after_help = operator::EXAMPLES)]
    Operator(operator::OperatorCommand),
    /// Manage authorization servers
    #[command(subcommand, after_help = authorization_server::EXAMPLES)]
    AuthorizationServer(authorization_server::AuthorizationServerCommand),
    /// Manage resource servers (APIs)
    #[command(subcommand, after_help = resource_server::EXAMPLES)]
    ResourceServer(resource_server::ResourceServerCommand),
    /// Manage organizations (partner companies)
    #[command(subcommand, after_help = organization::EXAMPLES)]
    Organization(organization::OrganizationCommand),
    /// Manage clients
    #[command(subcommand, after_help = client::EXAMPLES)]
    Client(client::ClientCommand),
    /// Manage the secrets and keys of clients
    #[command(subcommand, after_help = credential::EXAMPLES)]
    Credential(credential::CredentialCommand),
    /// Manage client grants
    #[command(subcommand, after_help = grant::EXAMPLES)]
    Grant(grant::GrantCommand),
    /// Manage API keys, and ask whether one is valid
    #[command(subcommand, after_help = key::EXAMPLES)]
    Key(key::KeyCommand),
    /// Manage roles: permissions under a name, for API keys and clients
    #[command(subcommand, after_help = role::EXAMPLES)]
    Role(role::RoleCommand),
    /// Manage signing keys
    #[command(subcommand, after_help = signing_key::EXAMPLES)]
    SigningKey(signing_key::SigningKeyCommand),
    /// Create and replace the master key
    #[command(subcommand)]
    MasterKey(master_key::MasterKeyCommand),
    /// Revoke tokens, and what obtains them
    #[command(subcommand, after_help = revoke::EXAMPLES)]
    Revoke(revoke::RevokeCommand),
    /// Get or decode access tokens
    #[command(subcommand, after_help = token::EXAMPLES)]
    Token(token::TokenCommand),
    /// Manage the keys that seal opaque tokens
    #[command(subcommand, after_help = token_key::EXAMPLES)]
    TokenKey(token_key::TokenKeyCommand),
    /// Manage the keys of HMACs that another system made of its API keys
    #[command(subcommand, after_help = import_key::EXAMPLES)]
    ImportKey(import_key::ImportKeyCommand),
    /// Look at an issuer or an API from outside, and throw forged tokens at it
    #[command(after_help = doctor::EXAMPLES)]
    Doctor(doctor::DoctorArgs),
    /// Say of a token, check by check, why an API accepts or refuses it; or why a request was refused
    #[command(after_help = explain::EXAMPLES)]
    Explain(explain::ExplainArgs),
    /// List refused requests
    #[command(subcommand, after_help = refusal::EXAMPLES)]
    Refusal(refusal::RefusalCommand),
    /// Read and verify the audit log
    #[command(subcommand, after_help = audit::EXAMPLES)]
    Audit(audit::AuditCommand),
    /// Print the OpenAPI document of the management API
    Openapi,
    /// Print the completions of a shell
    Completions(completions::CompletionsArgs),
    /// Print what an error code means and what to do, or the list of all codes
    ErrorPage(error_page::ErrorPageArgs),
    /// Print the reference page of every command
    #[command(hide = true)]
    Reference,
}

/// Runs the command that the process's arguments name.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return Printer::new(false).usage(&error),
    };
    let printer = Printer::new(cli.json);
    // While there is one thread.
    let handed_over = HandedOver::take();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return printer.failure(&error.into()),
    };
    let outcome = runtime.block_on(Box::pin(run(cli.command, printer, handed_over)));
    crate::log::flush();
    match outcome {
        Ok(code) => code,
        Err(error) => crate::log::at_the_end(move || printer.failure(&error)).unwrap_or(ExitCode::FAILURE),
    }
}

async fn run(command: Command, printer: Printer, handed_over: std::io::Result<HandedOver>) -> anyhow::Result<ExitCode> {
    let done: anyhow::Result<()> = match command {
        Command::Dev(arguments) => Box::pin(dev::run(arguments, printer)).await,
        Command::Serve(arguments) => Box::pin(serve::run(arguments, handed_over)).await,
        Command::Init(arguments) => init::run(arguments, printer).await,
        Command::Backup(arguments) => backup::backup(arguments, printer).await,
        Command::Restore(arguments) => backup::restore(arguments, printer).await,
        Command::Config(command) => config::run(command, printer),
        Command::Export(arguments) => declaration::export(arguments, printer).await,
        Command::Plan(arguments) => declaration::plan(arguments, printer).await,
        Command::Apply(arguments) => declaration::apply(arguments, printer).await,
        Command::Metrics(command) => {
            metrics::run(command, printer);
            Ok(())
        }
        Command::Profile(command) => profile::run(command, printer),
        Command::Operator(command) => operator::run(command, printer).await,
        Command::AuthorizationServer(command) => authorization_server::run(command, printer).await,
        Command::ResourceServer(command) => resource_server::run(command, printer).await,
        Command::Organization(command) => organization::run(command, printer).await,
        Command::Client(command) => client::run(command, printer).await,
        Command::Credential(command) => credential::run(command, printer).await,
        Command::Grant(command) => grant::run(command, printer).await,
        Command::Role(command) => role::run(command, printer).await,
        Command::SigningKey(command) => signing_key::run(command, printer).await,
        Command::MasterKey(command) => master_key::run(command, printer).await,
        Command::Revoke(command) => revoke::run(command, printer).await,
        Command::Token(command) => token::run(command, printer).await,
        Command::TokenKey(command) => token_key::run(command, printer).await,
        Command::ImportKey(command) => import_key::run(command, printer).await,
        Command::Refusal(command) => refusal::run(command, printer).await,
        Command::Audit(command) => audit::run(command, printer).await,
        Command::Openapi => openapi::run(printer),
        Command::Completions(arguments) => {
            completions::run(&arguments, printer);
            Ok(())
        }
        Command::ErrorPage(arguments) => error_page::run(&arguments, printer),
        Command::Reference => {
            reference::run(printer);
            Ok(())
        }
        // What they find out is their exit code.
        Command::Key(command) => return key::run(command, printer).await,
        Command::Doctor(arguments) => return Ok(doctor::run(arguments, printer).await),
        Command::Explain(arguments) => return Ok(explain::run(arguments, printer).await),
    };
    done.map(|()| ExitCode::SUCCESS)
}

/// The command line's definition, for the tests that read its help.
pub fn definition() -> clap::Command {
    <Cli as clap::CommandFactory>::command()
}
