//! Rules by which secret scanners find credentials of this instance in code and logs.
//!
//! A regular expression cannot compute a checksum, so what it finds is a candidate: of
//! texts that only look like a credential, one in 2^32 has the right checksum. What is in
//! the expression of the checksum is that its first digit is never above 4.

use std::collections::BTreeSet;
use std::fmt::Write as _;

/// The prefix of client secrets.
const CLIENT_SECRET_PREFIX: &str = "csec";
/// What follows the prefix and its `_`: 12 characters of id, 43 of secret, and a 32-bit
/// checksum in 6 digits of base 62.
const PAYLOAD: &str = "[0-9A-Za-z]{55}[0-4][0-9A-Za-z]{5}";
/// What every file says at its top.
const NOTE: [&str; 3] = [
    "Credentials of Countersign. A match is a candidate: the last 6 characters are a checksum,",
    "which a regular expression cannot compute. `countersign key verify -` says whether it is",
    "one of this instance.",
];

/// Whose rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScannerFormat {
    /// A configuration file of gitleaks.
    Gitleaks,
    /// Custom patterns of GitHub secret scanning.
    Github,
    /// A configuration file of TruffleHog with custom detectors.
    Trufflehog,
}

impl ScannerFormat {
    /// Every format.
    pub const ALL: [Self; 3] = [Self::Gitleaks, Self::Github, Self::Trufflehog];

    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Gitleaks => "gitleaks",
            Self::Github => "github",
            Self::Trufflehog => "trufflehog",
        }
    }

    /// The format of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.as_str() == name)
    }

    /// What such a file is called.
    pub const fn file_name(self) -> &'static str {
        match self {
            Self::Gitleaks => ".gitleaks.toml",
            Self::Github => "patterns.yml",
            Self::Trufflehog => "trufflehog.yaml",
        }
    }
}

/// The rules for credentials with these prefixes, and for client secrets.
pub fn scanner_rules(format: ScannerFormat, prefixes: impl IntoIterator<Item = String>) -> String {
    let mut all: BTreeSet<String> = prefixes.into_iter().collect();
    all.insert(CLIENT_SECRET_PREFIX.to_owned());
    let mut text: String = NOTE.iter().map(|line| format!("# {line}\n")).collect();
    text.push_str(match format {
        ScannerFormat::Gitleaks => "\n[extend]\nuseDefault = true\n",
        ScannerFormat::Github => {
            "#\n# In the settings: `pattern` is the secret format, `start` is before, `end` is after the secret.\n\n\
             name: Countersign\npatterns:\n"
        }
        ScannerFormat::Trufflehog => "\ndetectors:\n",
    });
    for prefix in &all {
        let rule = Rule { prefix, format };
        let _ = write!(text, "{rule}");
    }
    text
}

struct Rule<'a> {
    prefix: &'a str,
    format: ScannerFormat,
}

impl std::fmt::Display for Rule<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let prefix = self.prefix;
        let what = if prefix == CLIENT_SECRET_PREFIX { "client secret" } else { "API key" };
        // Scanners look for keywords in lower case.
        let keyword = prefix.to_ascii_lowercase();
        let id = format!("countersign-{}", prefix.replace('_', "-"));
        match self.format {
            ScannerFormat::Gitleaks => write!(
                f,
                "\n[[rules]]\nid = \"{id}\"\ndescription = \"Countersign {what} with the prefix {prefix}\"\n\
                 regex = '''\\b({prefix}_{PAYLOAD})\\b'''\nsecretGroup = 1\nkeywords = [\"{keyword}_\"]\n",
            ),
            // `\b` is not in what GitHub documents: what is around a secret is said beside it.
            ScannerFormat::Github => write!(
                f,
                "  - name: Countersign {what} with the prefix {prefix}\n    type: {}\n    regex:\n      version: 0.1\n      \
                 pattern: '{prefix}_{PAYLOAD}'\n      start: '\\A|[^0-9A-Za-z_]'\n      end: '\\z|[^0-9A-Za-z_]'\n",
                id.replace('-', "_"),
            ),
            ScannerFormat::Trufflehog => write!(
                f,
                "  - name: {id}\n    keywords:\n      - {keyword}_\n    regex:\n      credential: '\\b({prefix}_{PAYLOAD})\\b'\n",
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use countersign_protocol::CredentialText;
    use regex::Regex;

    use super::*;
    use crate::entropy::{SeededEntropy, random};

    const PREFIXES: [&str; 3] = ["acme", "acme_live", "x1"];

    fn rendered(format: ScannerFormat) -> String {
        scanner_rules(format, PREFIXES.map(str::to_owned))
    }

    /// The rules as gitleaks reads them: for each id the regular expression.
    fn gitleaks() -> Vec<(String, Regex, Vec<String>)> {
        let file: toml::Table = rendered(ScannerFormat::Gitleaks).parse().unwrap();
        assert_eq!(file["extend"]["useDefault"].as_bool(), Some(true));
        let rules = file["rules"].as_array().unwrap();
        let text = |rule: &toml::Value, name: &str| rule[name].as_str().unwrap().to_owned();
        let keywords = |rule: &toml::Value| {
            rule["keywords"].as_array().unwrap().iter().map(|keyword| keyword.as_str().unwrap().to_owned()).collect()
        };
        rules.iter().map(|rule| (text(rule, "id"), Regex::new(&text(rule, "regex")).unwrap(), keywords(rule))).collect()
    }

    static GITLEAKS: LazyLock<Vec<(String, Regex, Vec<String>)>> = LazyLock::new(gitleaks);

    /// What the scanner reports of a text: the rule and the secret.
    fn found(text: &str) -> Vec<(String, String)> {
        let lower = text.to_lowercase();
        let mut found = Vec::new();
        for (id, regex, keywords) in GITLEAKS.iter() {
            if keywords.iter().any(|keyword| lower.contains(keyword)) {
                found.extend(regex.captures_iter(text).map(|captures| (id.clone(), captures[1].to_owned())));
            }
        }
        found
    }

    fn generated(prefix: &str, seed: u64) -> String {
        let entropy = SeededEntropy::new(seed);
        CredentialText::generate(prefix, random(&entropy), random(&entropy)).expose().clone()
    }

    #[test]
    fn every_generated_credential_is_found_by_exactly_its_rule_wherever_it_stands() {
        for (prefix, id) in [
            ("acme", "countersign-acme"),
            ("acme_live", "countersign-acme-live"),
            ("x1", "countersign-x1"),
            ("csec", "countersign-csec"),
        ] {
            for seed in 0..200 {
                let key = generated(prefix, seed);
                for text in [
                    key.clone(),
                    format!("API_KEY={key}"),
                    format!("{{\"key\":\"{key}\"}}"),
                    format!("Authorization: Bearer {key}\r\n"),
                    format!("https://api.test/?key={key}&x=1"),
                    format!("'{key}',"),
                ] {
                    assert_eq!(found(&text), [(id.to_owned(), key.clone())], "{text}");
                }
            }
        }
    }

    #[test]
    fn near_misses_are_not_found() {
        let key = generated("acme", 1);
        let payload = key.strip_prefix("acme_").unwrap();
        for text in [
            // Another prefix, and one that ends or begins like a known one.
            format!("other_{payload}"),
            format!("xacme_{payload}"),
            format!("my_acme_{payload}"),
            format!("acme_test_{payload}"),
            // One character less or more, in every place where there could be.
            key[..key.len() - 1].to_owned(),
            format!("{key}a"),
            format!("{key}_"),
            format!("acme_{}", &payload[1..]),
            format!("acme_a{payload}"),
            // Another separator, another character.
            format!("acme-{payload}"),
            format!("acme__{payload}"),
            key.replacen(&payload[..1], "-", 1),
            // A checksum that no 32 bits have.
            format!("acme_{}5{}", &payload[..55], &payload[56..]),
            format!("acme_{}z{}", &payload[..55], &payload[56..]),
            "acme_".to_owned(),
            payload.to_owned(),
        ] {
            assert_eq!(found(&text), [], "{text}");
        }
        // Lower case of all of it is another text: the prefix as it is, or none.
        assert_eq!(found(&key.to_uppercase()), []);
    }

    #[test]
    fn the_first_digit_of_a_checksum_is_what_the_rule_says() {
        let mut digits = BTreeSet::new();
        for seed in 0..500 {
            let key = generated("acme", seed);
            digits.insert(key.chars().rev().nth(5).unwrap());
        }
        assert_eq!(digits, BTreeSet::from(['0', '1', '2', '3', '4']));
    }

    #[test]
    fn all_formats_have_one_rule_for_each_prefix_and_the_same_expression() {
        for format in ScannerFormat::ALL {
            let text = rendered(format);
            for prefix in ["acme", "acme_live", "csec", "x1"] {
                assert_eq!(text.matches(&format!("{prefix}_{PAYLOAD}")).count(), 1, "{text}");
            }
            assert!(text.contains("checksum"), "{text}");
            assert_eq!(ScannerFormat::from_name(format.as_str()), Some(format));
        }
        assert_eq!(ScannerFormat::from_name("Gitleaks"), None);
        // What is in use twice, or is that of client secrets, has one rule.
        let twice = scanner_rules(ScannerFormat::Gitleaks, ["acme", "csec", "acme"].map(str::to_owned));
        assert_eq!(twice.matches("[[rules]]").count(), 2, "{twice}");
    }
}
