//! All printing. Progress and results go to stdout, in order with the output of the programs that are run.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a task prints; nothing else in the workspace does so through here")]

pub(crate) fn line(text: &str) {
    println!("{text}");
}

pub(crate) fn heading(text: &str) {
    println!("\n==> {text}");
}

pub(crate) fn error(text: &str) {
    eprintln!("error: {text}");
}
