//! Verifying in the library, against the signature alone and against `jose`.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::build;
use super::conversation::Conversation;
use super::median::Interval;
use super::ours::pinned;
use crate::temp_folder::TempFolder;
use crate::{print, process, workspace};

/// What was measured with one algorithm, in microseconds of CPU.
#[derive(Default)]
struct Row {
    algorithm: String,
    signature: Vec<f64>,
    cold: Vec<f64>,
    cached: Vec<f64>,
    jose: Vec<f64>,
}

pub(super) fn run(pairs: usize) -> Result<()> {
    build()?;
    let peers = workspace::root().join("bench/peers");
    process::run(Command::new("npm").current_dir(&peers).args(["ci", "--no-audit", "--no-fund"]))?;
    let folder = TempFolder::create("verify")?;
    let mut ours = Conversation::start(pinned(&workspace::target()?.join("release/verify")).arg(folder.path()))?;
    let mut jose = Conversation::start(pinned(Path::new("node")).arg(peers.join("jose.mjs")).arg(folder.path()))?;
    let mut rows: Vec<Row> = Vec::new();
    for pair in 1..=pairs {
        for line in ours.ask()? {
            let (algorithm, figures) = figures(&line)?;
            let [signature, cold, cached] = figures.try_into().ok().with_context(|| format!("not three figures: {line}"))?;
            add(&mut rows, algorithm, |row| {
                row.signature.push(signature);
                row.cold.push(cold);
                row.cached.push(cached);
            });
        }
        for line in jose.ask()? {
            let (algorithm, figures) = figures(&line)?;
            add(&mut rows, algorithm, |row| row.jose.extend(figures));
        }
        print::line(&format!("verify {pair}/{pairs}"));
    }
    print::line(
        "| algorithm | signature alone: us | cold: us | above it, 90 % | cached: us | jose: us | times jose, cold and cached |",
    );
    print::line("|---|---|---|---|---|---|---|");
    for row in &rows {
        ensure!(row.jose.len() == row.cold.len(), "jose said nothing of {}", row.algorithm);
        print::line(&line_of(row));
    }
    Ok(())
}

/// Adds a line's figures to the row of its algorithm.
fn add(rows: &mut Vec<Row>, algorithm: &str, add: impl FnOnce(&mut Row)) {
    if let Some(row) = rows.iter_mut().find(|row| row.algorithm == algorithm) {
        return add(row);
    }
    let mut row = Row { algorithm: algorithm.to_owned(), ..Row::default() };
    add(&mut row);
    rows.push(row);
}

fn figures(line: &str) -> Result<(&str, Vec<f64>)> {
    let (algorithm, figures) = line.split_once(' ').with_context(|| format!("not a line of figures: {line}"))?;
    let figures = figures.split(' ').map(str::parse).collect::<Result<_, _>>();
    Ok((algorithm, figures.with_context(|| format!("not a number: {line}"))?))
}

fn line_of(row: &Row) -> String {
    let of = |values: &[f64]| Interval::of(values.to_vec()).median;
    let above = Interval::of(row.cold.iter().zip(&row.signature).map(|(cold, signature)| cold - signature).collect());
    let (signature, cold, cached, jose) = (of(&row.signature), of(&row.cold), of(&row.cached), of(&row.jose));
    format!(
        "| {} | {signature:.1} | {cold:.1} | {:.1} ({:.1} to {:.1}) | {cached:.2} | {jose:.1} | {:.1}, {:.0} |",
        row.algorithm,
        above.median,
        above.low,
        above.high,
        jose / cold,
        jose / cached,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_the_programs_print() {
        assert_eq!(figures("RS256 22.100 24.300 0.310").unwrap(), ("RS256", vec![22.1, 24.3, 0.31]));
        assert!(figures("RS256").is_err());
        assert!(figures("RS256 fast").is_err());
    }

    #[test]
    fn a_row_says_what_is_above_the_signature_and_how_often_jose_fits_in() {
        let row = Row {
            algorithm: "ES256".to_owned(),
            signature: vec![80.0, 82.0, 81.0],
            cold: vec![83.0, 84.0, 85.0],
            cached: vec![0.5; 3],
            jose: vec![168.0; 3],
        };
        assert_eq!(line_of(&row), "| ES256 | 81.0 | 84.0 | 3.0 (2.0 to 4.0) | 0.50 | 168.0 | 2.0, 336 |");
    }
}
