//! The command line: one file per noun. Data goes to standard output, everything
//! else to standard error. Exit codes: 0 done, 1 refused, 2 wrong usage (clap).

mod authorization_server;
mod backup;
mod client;
mod config;
mod credential;
mod dev;
mod grant;
mod init;
mod instance;
mod master_key;
mod metrics;
mod openapi;
mod printer;
mod resource_server;
mod revoke;
mod serve;
mod signing_key;
mod token;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

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
    /// Describe the metrics
    #[command(subcommand)]
    Metrics(metrics::MetricsCommand),
    /// Get or decode access tokens
    #[command(subcommand)]
    Token(token::TokenCommand),
    /// Manage authorization servers
    #[command(subcommand)]
    AuthorizationServer(authorization_server::AuthorizationServerCommand),
    /// Manage resource servers (APIs)
    #[command(subcommand)]
    ResourceServer(resource_server::ResourceServerCommand),
    /// Manage clients
    #[command(subcommand)]
    Client(client::ClientCommand),
    /// Manage the secrets of clients
    #[command(subcommand)]
    Credential(credential::CredentialCommand),
    /// Manage client grants
    #[command(subcommand)]
    Grant(grant::GrantCommand),
    /// Revoke tokens, and what obtains them
    #[command(subcommand)]
    Revoke(revoke::RevokeCommand),
    /// Create and replace the master key
    #[command(subcommand)]
    MasterKey(master_key::MasterKeyCommand),
    /// Manage signing keys
    #[command(subcommand)]
    SigningKey(signing_key::SigningKeyCommand),
    /// Print the OpenAPI document of the management API
    Openapi,
}

/// Runs the command that the process's arguments name.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let printer = Printer::new(cli.json);
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return printer.failure(&error.into()),
    };
    match runtime.block_on(run(cli.command, &printer)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => printer.failure(&error),
    }
}

async fn run(command: Command, printer: &Printer) -> anyhow::Result<()> {
    match command {
        Command::Dev(arguments) => Box::pin(dev::run(arguments, printer)).await,
        Command::Serve(arguments) => Box::pin(serve::run(arguments)).await,
        Command::Init(arguments) => init::run(arguments, printer).await,
        Command::Backup(arguments) => backup::backup(arguments, printer).await,
        Command::Restore(arguments) => backup::restore(arguments, printer).await,
        Command::Config(command) => config::run(command, printer),
        Command::Metrics(command) => {
            metrics::run(command, printer);
            Ok(())
        }
        Command::Token(command) => token::run(command, printer).await,
        Command::AuthorizationServer(command) => authorization_server::run(command, printer).await,
        Command::ResourceServer(command) => resource_server::run(command, printer).await,
        Command::Client(command) => client::run(command, printer).await,
        Command::Credential(command) => credential::run(command, printer).await,
        Command::Grant(command) => grant::run(command, printer).await,
        Command::Revoke(command) => revoke::run(command, printer).await,
        Command::MasterKey(command) => master_key::run(command, printer).await,
        Command::SigningKey(command) => signing_key::run(command, printer).await,
        Command::Openapi => openapi::run(printer),
    }
}

/// The command line's definition, for the tests that read its help.
pub fn definition() -> clap::Command {
    <Cli as clap::CommandFactory>::command()
}
