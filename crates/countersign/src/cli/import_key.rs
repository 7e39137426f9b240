//! `countersign import-key`.

use std::io::Read as _;
use std::path::PathBuf;

use anyhow::{Context as _, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::{Args, Subcommand, ValueEnum};
use countersign_protocol::Secret;
use countersign_protocol::jose::base64url;

use super::Printer;
use super::api::{ApiArgs, Path};
use super::verbs::{self, ListArgs, Members};

pub(super) const EXAMPLES: &str = "\
Examples:
  countersign import-key create \"Old gateway\" --file hmac.key --encoding hex
  countersign import-key list
  countersign import-key delete ik_06rgs5v97tzapyv6r0ykd59rv8 --yes";

/// Most that is read of a key file, in bytes.
const MAX_FILE_BYTES: u64 = 4_096;

/// The verbs of `import-key`.
#[derive(Debug, Subcommand)]
pub(crate) enum ImportKeyCommand {
    /// Register the key under which another system made HMACs of its API keys
    Create(CreateArgs),
    /// List the import keys
    List(ListArgs),
    /// Delete an import key that no imported API key needs any more
    Delete(DeleteArgs),
}

/// Arguments of `import-key create`.
#[derive(Args, Debug)]
pub(crate) struct CreateArgs {
    /// For people
    name: String,
    /// The file that holds the key, or `-` for standard input; one newline at its end is ignored
    #[arg(long)]
    file: PathBuf,
    /// How the key is written there
    #[arg(long, value_enum, default_value = "text")]
    encoding: Encoding,
    #[command(flatten)]
    api: ApiArgs,
}

/// How a key is written.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Encoding {
    /// Base64 with padding
    Base64,
    /// Base64url without padding
    Base64url,
    /// Hexadecimal digits
    Hex,
    /// The bytes themselves
    Text,
}

/// Arguments of `import-key delete`.
#[derive(Args, Debug)]
pub(crate) struct DeleteArgs {
    /// The import key
    id: String,
    /// Do not ask
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    api: ApiArgs,
}

pub(super) async fn run(command: ImportKeyCommand, printer: Printer) -> anyhow::Result<()> {
    match command {
        ImportKeyCommand::Create(arguments) => {
            let key = decoded(&read(&arguments.file)?, arguments.encoding)?;
            let body = Members::default().with("name", arguments.name).with("key", base64url::encode(key.expose())).into_value();
            printer.object(&arguments.api.connect()?.post(&Path::of(&["import-keys"])?, Some(&body)).await?);
            Ok(())
        }
        ImportKeyCommand::List(arguments) => {
            verbs::list(&arguments, &Path::of(&["import-keys"])?, &["id", "name", "created_at"], printer).await
        }
        ImportKeyCommand::Delete(arguments) => {
            let what = format!("import key {}", arguments.id);
            verbs::confirm(arguments.yes, &format!("delete {what}"), printer)?;
            arguments.api.connect()?.delete(&Path::of(&["import-keys", &arguments.id])?, None).await?;
            printer.result(&serde_json::json!({ "deleted": true }), &format!("deleted {}", super::view::clean(&what)));
            Ok(())
        }
    }
}

fn read(path: &std::path::Path) -> anyhow::Result<Secret<Vec<u8>>> {
    let mut bytes = Vec::new();
    let read = if path.as_os_str() == "-" {
        std::io::stdin().lock().take(MAX_FILE_BYTES).read_to_end(&mut bytes)
    } else {
        std::fs::File::open(path).and_then(|file| file.take(MAX_FILE_BYTES).read_to_end(&mut bytes))
    };
    read.with_context(|| format!("cannot read {}", path.display()))?;
    if bytes.last() == Some(&b'\n') {
        bytes.pop();
    }
    Ok(Secret::new(bytes))
}

fn decoded(bytes: &Secret<Vec<u8>>, encoding: Encoding) -> anyhow::Result<Secret<Vec<u8>>> {
    let text = || std::str::from_utf8(bytes.expose()).ok();
    let key = match encoding {
        Encoding::Text => Some(bytes.expose().clone()),
        Encoding::Base64 => text().and_then(|text| STANDARD.decode(text).ok()),
        Encoding::Base64url => text().and_then(base64url::decode),
        Encoding::Hex => text().and_then(hex),
    };
    match key {
        Some(key) => Ok(Secret::new(key)),
        None => bail!("the file does not hold a key in this encoding"),
    }
}

fn hex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    if !text.len().is_multiple_of(2) {
        return None;
    }
    text.as_bytes().chunks(2).map(|pair| Some(digit(*pair.first()?)? << 4 | digit(*pair.get(1)?)?)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_read_as_it_is_written() {
        let key =
            |text: &str, encoding| decoded(&Secret::new(text.as_bytes().to_vec()), encoding).ok().map(|key| key.expose().clone());
        assert_eq!(key("a\u{e9}", Encoding::Text), Some(vec![b'a', 0xc3, 0xa9]));
        assert_eq!(key("00fF", Encoding::Hex), Some(vec![0, 255]));
        assert_eq!(key("AP8=", Encoding::Base64), Some(vec![0, 255]));
        assert_eq!(key("AP8", Encoding::Base64url), Some(vec![0, 255]));
        for (text, encoding) in
            [("0", Encoding::Hex), ("0g", Encoding::Hex), ("AP8", Encoding::Base64), ("AP8=", Encoding::Base64url)]
        {
            assert_eq!(key(text, encoding), None, "{text}");
        }
    }
}
