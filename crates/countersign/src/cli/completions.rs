//! `countersign completions`.

use clap::{Args, ValueEnum};
use clap_complete::Shell;

use super::{Printer, definition};

/// Arguments of `completions`.
#[derive(Args, Debug)]
pub(crate) struct CompletionsArgs {
    /// The shell
    shell: KnownShell,
}

/// The shells that this is tried with.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum KnownShell {
    Bash,
    Zsh,
    Fish,
}

pub(super) fn run(arguments: &CompletionsArgs, printer: Printer) {
    let shell = match arguments.shell {
        KnownShell::Bash => Shell::Bash,
        KnownShell::Zsh => Shell::Zsh,
        KnownShell::Fish => Shell::Fish,
    };
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut definition(), "countersign", &mut script);
    let script = String::from_utf8_lossy(&script);
    printer.result(&serde_json::json!({ "script": script }), script.trim_end());
}
