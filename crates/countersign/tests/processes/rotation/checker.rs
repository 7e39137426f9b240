//! A resource server that reads tokens and says what it thinks of them.

use std::collections::BTreeMap;
use std::process::Stdio;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use crate::support::until;

pub(super) struct Checker {
    pub(super) name: &'static str,
    process: Child,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
    pub(super) verdicts: Verdicts,
}

#[derive(Debug, Default)]
pub(super) struct Verdicts {
    pub(super) checked: usize,
    /// Accepted tokens by the key that signed them.
    pub(super) kids: BTreeMap<String, usize>,
    pub(super) refused: Vec<Value>,
}

impl Checker {
    pub(super) fn start(name: &'static str, mut command: Command, arguments: &[&str]) -> Self {
        let mut process = command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (input, output) = (process.stdin.take().unwrap(), process.stdout.take().unwrap());
        let output = BufReader::new(output).lines();
        Self { name, process, input, output, verdicts: Verdicts::default() }
    }

    async fn ask(&mut self, line: &str) -> Value {
        self.input.write_all(format!("{line}\n").as_bytes()).await.unwrap();
        let answer = until(self.name, self.output.next_line()).await.unwrap().expect("the checker has ended");
        serde_json::from_str(&answer).unwrap()
    }

    /// Whether it accepts a token.
    pub(super) async fn check(&mut self, token: &str) -> bool {
        let answer = self.ask(token).await;
        let Verdicts { checked, kids, refused } = &mut self.verdicts;
        *checked += 1;
        assert_eq!(answer["n"], *checked, "{answer}");
        match answer["kid"].as_str() {
            Some(kid) if answer["ok"] == true => {
                *kids.entry(kid.to_owned()).or_default() += 1;
                true
            }
            _ => {
                refused.push(answer);
                false
            }
        }
    }

    /// Moves its clock.
    pub(super) async fn advance(&mut self, seconds: i64) {
        let answer = self.ask(&format!("@advance {seconds}")).await;
        assert_eq!(answer["advanced"], seconds, "{answer}");
    }

    /// Ends it, which it must do well.
    pub(super) async fn end(mut self) -> Verdicts {
        drop(self.input);
        assert!(until(self.name, self.process.wait()).await.unwrap().success());
        self.verdicts
    }
}
