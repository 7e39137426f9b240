//! The project's own tasks: `cargo xtask help` lists them.

mod at_death;
mod background;
mod bench;
mod binary;
mod clock;
mod docs;
mod faults;
mod fuzz;
mod named_tests;
mod postgres;
mod print;
mod process;
mod readme;
mod report;
mod security_cases;
mod setup;
mod tally;
mod task;
mod temp_folder;
mod test;
mod workspace;

use std::process::ExitCode;

use task::Task;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match Task::parse(&arguments) {
        Ok(task) => run(task),
        Err(problem) => {
            print::error(&format!("{problem}\n{}", task::HELP));
            ExitCode::from(2)
        }
    }
}

fn run(task: Task) -> ExitCode {
    let outcome = match task {
        Task::Help => {
            print::line(task::HELP);
            Ok(())
        }
        // Says in its report what failed; the counts are its last line.
        Task::Test(options) => return test::run(&options),
        Task::Setup { install } => setup::run(install).map(drop),
        Task::Postgres { command } => postgres::with_cluster(&command),
        Task::Readme => binary::build().and_then(|binary| readme::run(&binary)).and_then(|tally| tally.into_result()),
        Task::Docs { check } => docs::run(check),
        Task::Faults(options) => faults::run(&options),
        Task::Fuzz(options) => fuzz::run(&options),
        Task::Bench(options) => bench::run(&options),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            print::error(&format!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}
