//! `docs/reference/config.md`, from the table of settings.

use super::setting::{Fallback, SECTIONS, Section, Setting};

const INTRODUCTION: &str = "\
<!-- Generated from the table of settings; do not edit. -->
# Configuration

Values come from four layers; a later one overrides an earlier one:

1. the defaults below;
2. the configuration file, `countersign.toml` in the working directory or the one named by `--config`;
3. the environment: `COUNTERSIGN__SECTION__KEY`;
4. the command line: `--set section.key=value`.

A list is an array in the file and has commas in the environment and on the command line. Each secret has a second setting \
whose name ends in `_file` (in the environment `_FILE`) and that names a file holding it; secrets are not accepted on the \
command line. A relative path counts from the folder of the configuration file, or, in the environment and on the command \
line, from the working directory.

Unknown settings and wrong values are errors, in every layer. `countersign config check` reports all of them and shows where \
each value comes from.
";

/// The text of the reference page.
pub fn reference_markdown() -> String {
    let mut page = INTRODUCTION.to_owned();
    for section in SECTIONS {
        page.push_str(&section_markdown(section));
    }
    page
}

fn section_markdown(section: &Section) -> String {
    let mut text = format!("\n## `[{}]`\n\n{}\n", section.name, section.doc);
    for setting in section.settings {
        text.push_str(&setting_markdown(setting));
    }
    text
}

fn setting_markdown(setting: &Setting) -> String {
    format!(
        "\n### `{}`\n\n{}\n\n- Accepts: {}\n- Default: {}\n- Environment: `{}`\n",
        setting.key,
        setting.doc,
        setting.kind.accepted(),
        default_markdown(setting.default),
        setting.variable(),
    )
}

fn default_markdown(default: Fallback) -> String {
    match default {
        Fallback::Derived(words) => words.to_owned(),
        Fallback::List(items) => format!("`[\"{}\"]`", items.join("\", \"")),
        Fallback::Unset => "none".to_owned(),
        Fallback::Value(text) => format!("`{text}`"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::setting::settings;
    use super::*;

    #[test]
    fn every_setting_is_described_once() {
        let page = reference_markdown();
        for setting in settings() {
            assert_eq!(page.matches(&format!("### `{}`\n", setting.key)).count(), 1, "{}", setting.key);
            assert_eq!(page.matches(&format!("- Environment: `{}`\n", setting.variable())).count(), 1, "{}", setting.key);
        }
        assert_eq!(page.matches("\n### ").count(), settings().count());
        assert_eq!(page.matches("\n## ").count(), SECTIONS.len());
    }

    #[test]
    fn a_setting_in_the_page() {
        let page = reference_markdown();
        let expected = "### `server.drain_timeout_seconds`\n\nHow long a shutdown waits for requests that are being served.\n\n\
                        - Accepts: an integer from 0 to 600 (seconds)\n- Default: `30`\n\
                        - Environment: `COUNTERSIGN__SERVER__DRAIN_TIMEOUT_SECONDS`\n";
        assert!(page.contains(expected), "{page}");
    }
}
