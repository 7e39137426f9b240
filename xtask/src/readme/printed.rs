//! Reads the commands out of what `countersign dev` prints: a comment line `# what it does -> 200`, then the command.

use std::path::Path;

use super::expected::Expected;

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Printed {
    /// The comment directly above, without its sign.
    comment: Option<String>,
    pub(crate) command: String,
}

impl Printed {
    /// For people.
    pub(crate) fn summary(&self) -> &str {
        self.comment.as_deref().unwrap_or(&self.command)
    }

    /// What the comment promises. curl ends with success whatever the server answers, so it needs a promise.
    pub(crate) fn expected(&self) -> Result<Expected, String> {
        match self.comment.as_deref().and_then(|comment| comment.rsplit_once("->")) {
            Some((_, promise)) => Expected::read(promise.trim()),
            None if is_curl(&self.command) => Err("no line `# ... -> STATUS` above it".to_owned()),
            None => Ok(Expected::Success),
        }
    }
}

pub(crate) fn is_curl(line: &str) -> bool {
    line.trim_start().starts_with("curl ")
}

/// Every line that begins with curl or with the path of the program, with the lines that continue it.
pub(crate) fn commands(lines: &[String], binary: &Path) -> Vec<Printed> {
    let path = binary.to_string_lossy();
    // In quotes when the path has unusual characters.
    let own = [format!("{path} "), format!("'{path}' ")];
    let mut comment = None;
    let mut found = Vec::new();
    let mut lines = lines.iter().map(|line| line.trim());
    while let Some(line) = lines.next() {
        if is_curl(line) || own.iter().any(|own| line.starts_with(own)) {
            found.push(Printed { comment: comment.take(), command: with_continuation(line, &mut lines) });
        }
        comment = line.strip_prefix('#').map(|text| text.trim().to_owned());
    }
    found
}

fn with_continuation<'a>(first: &str, rest: &mut impl Iterator<Item = &'a str>) -> String {
    let mut command = first.to_owned();
    while command.ends_with('\\') {
        let Some(line) = rest.next() else { break };
        command.push('\n');
        command.push_str(line);
    }
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<Printed> {
        let lines: Vec<String> = text.lines().map(str::to_owned).collect();
        commands(&lines, Path::new("/some/countersign"))
    }

    #[test]
    fn takes_commands_with_the_comment_directly_above() {
        let found = read(
            "countersign dev on http://localhost:1\n\n  # a token -> prints a token\n  /some/countersign token\n\n  \
             # call -> 401\n  curl -s http://x/ \\\n    -H 'A: b'\n  curl http://y/\n  # other\n\n  curl http://z/\n/some/countersignet x\n'/some/countersign' y\n",
        );
        let expected = [
            (Some("a token -> prints a token"), "/some/countersign token"),
            (Some("call -> 401"), "curl -s http://x/ \\\n-H 'A: b'"),
            (None, "curl http://y/"),
            (None, "curl http://z/"),
            (None, "'/some/countersign' y"),
        ];
        let found: Vec<_> = found.iter().map(|printed| (printed.comment.as_deref(), printed.command.as_str())).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn reads_what_is_promised() {
        let expected = |text| read(text).pop().unwrap().expected();
        assert_eq!(expected("# x -> 403\ncurl u"), Ok(Expected::Status(403)));
        assert_eq!(expected("# a -> b -> 401 invalid_token\ncurl u"), Ok(Expected::Status(401)));
        assert_eq!(expected("# x -> JSON\n/some/countersign t"), Ok(Expected::Json));
        assert_eq!(expected("/some/countersign t"), Ok(Expected::Success));
        assert!(expected("curl u").is_err());
        assert!(expected("# x -> something nice\ncurl u").is_err());
    }
}
