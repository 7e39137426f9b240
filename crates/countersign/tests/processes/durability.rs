//! What an acknowledged write survives on SQLite: the process is killed at random
//! moments, and the database goes on with nothing but what was synced by then, as
//! after a power cut.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Stdio;

use countersign::entropy::{Entropy, SeededEntropy, random};
use rusqlite::{Connection, OpenFlags};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Command;

use crate::support::{BINARY, alone, command, example, run, shared_object, until};

const CYCLES: u64 = 25;
const DATABASE: &str = "countersign.db";

#[tokio::test(flavor = "multi_thread")]
async fn an_acknowledged_write_survives_a_power_cut() {
    let outcome = cut_power_repeatedly("power-loss").await;
    assert_eq!(outcome.lost, 0);
    // Both ways of finding a write again were needed.
    assert!(outcome.checkpoints > 0 && outcome.with_wal > 0, "{outcome:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_crash_test_sees_writes_that_only_survive_the_process() {
    assert!(cut_power_repeatedly("process-crash").await.lost > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_crash_test_sees_replies_that_precede_the_commit() {
    assert!(cut_power_repeatedly("none").await.lost > 0);
}

/// The database is worthless without it, and it may lie on another disk.
#[tokio::test(flavor = "multi_thread")]
async fn a_new_master_key_survives_a_power_cut() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().canonicalize().unwrap();
    let (keys, synced) = (root.join("keys"), root.join("synced"));
    for path in [&keys, &synced] {
        std::fs::create_dir(path).unwrap();
    }
    let mut init = command(BINARY, &root);
    init.args(["init", "--set", "keys.master_key_file=keys/master.key"]);
    run(only_synced(&mut init, &shared_object("only_synced.c", &root), &keys, &synced)).await.success();
    assert_eq!(std::fs::read(synced.join("master.key")).unwrap(), std::fs::read(keys.join("master.key")).unwrap());
}

/// What happened over all cycles.
#[derive(Debug, Default)]
struct Outcome {
    /// Writes that were acknowledged.
    acknowledged: usize,
    /// Of these, writes that a power cut undid.
    lost: usize,
    /// Cycles in which the database file itself was synced with new content.
    checkpoints: usize,
    /// Cycles that left a write-ahead log to recover from.
    with_wal: usize,
}

async fn cut_power_repeatedly(durability: &str) -> Outcome {
    let _alone = alone().await;
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().canonicalize().unwrap();
    let (data, synced, copy) = (root.join("data"), root.join("synced"), root.join("copy"));
    for path in [&data, &synced] {
        std::fs::create_dir(path).unwrap();
    }
    let shim = shared_object("only_synced.c", &root);
    let writer = example("crash_writer");
    let seeds = SeededEntropy::new(1);
    let mut outcome = Outcome::default();
    let mut expected = BTreeSet::new();
    for cycle in 0..CYCLES {
        let before = std::fs::read(synced.join(DATABASE)).unwrap_or_default();
        let count = 20 + usize::from(u16::from_be_bytes(random(&seeds as &dyn Entropy))) % 1_500;
        let mut writer = command(&writer, &root);
        writer.arg(&data).args([durability, &cycle.to_string()]);
        let acknowledged = kill_after(only_synced(&mut writer, &shim, &data, &synced), count).await;
        assert!(acknowledged.len() >= count, "the writer ended by itself after {} of {count} writes", acknowledged.len());
        outcome.acknowledged += acknowledged.len();
        expected.extend(acknowledged);
        outcome.checkpoints += usize::from(std::fs::read(synced.join(DATABASE)).unwrap_or_default() != before);
        outcome.with_wal += usize::from(synced.join(format!("{DATABASE}-wal")).exists());

        replace(&synced, &data);
        replace(&data, &synced);
        // Looked at in a copy, so that the next cycle recovers by itself.
        replace(&data, &copy);
        let found = read_whole(&copy.join(DATABASE));
        let lost: Vec<String> = expected.difference(&found).cloned().collect();
        outcome.lost += lost.len();
        for write in lost {
            expected.remove(&write);
        }
    }
    println!("durability {durability}: {CYCLES} power cuts, {outcome:?}");
    outcome
}

/// Lets a command keep a copy of what was synced, see `only_synced.c`.
fn only_synced<'a>(command: &'a mut Command, shim: &Path, from: &Path, to: &Path) -> &'a mut Command {
    command.env("LD_PRELOAD", shim).env("COUNTERSIGN_SYNCED_FROM", from).env("COUNTERSIGN_SYNCED_TO", to)
}

/// Kills a process once it printed `count` lines, and returns all that it printed.
async fn kill_after(command: &mut Command, count: usize) -> Vec<String> {
    let mut process = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
    let mut printed = Vec::new();
    let reading = async {
        while let Some(line) = lines.next_line().await.unwrap() {
            printed.push(line);
            if printed.len() == count {
                process.start_kill().unwrap();
            }
        }
        process.wait().await.unwrap();
    };
    until("the writer", reading).await;
    printed
}

/// Makes `to` a folder with the files of `from`, hidden ones aside.
fn replace(from: &Path, to: &Path) {
    if to.exists() {
        std::fs::remove_dir_all(to).unwrap();
    }
    std::fs::create_dir(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let name = entry.unwrap().file_name();
        if !name.to_string_lossy().starts_with('.') {
            std::fs::copy(from.join(&name), to.join(&name)).unwrap();
        }
    }
}

/// Recovers the database, checks that it is whole, and says what is in it in the
/// words of `crash_writer`. A database that never reached the disk is empty.
fn read_whole(path: &Path) -> BTreeSet<String> {
    let Ok(database) = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE) else { return BTreeSet::new() };
    let text = |sql: &str| database.query_row(sql, [], |row| row.get::<_, String>(0)).unwrap();
    let number = |sql: &str| database.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
    assert_eq!(text("PRAGMA integrity_check"), "ok");
    if number("SELECT count(*) FROM sqlite_schema WHERE name = 'clients'") == 0 {
        return BTreeSet::new();
    }
    // Every write is there as a whole: the client, its secret, its place in the feed.
    assert_eq!(number("SELECT count(*) FROM pragma_foreign_key_check"), 0);
    assert_eq!(number("SELECT count(*) FROM clients WHERE id NOT IN (SELECT client_id FROM credentials)"), 0);
    assert_eq!(number("SELECT count(*) FROM clients WHERE id NOT IN (SELECT object_id FROM changes)"), 0);
    assert_eq!(number("SELECT count(*) FROM changes"), number("SELECT seq FROM feed_head"));
    let sql = "SELECT 'created ' || id FROM clients UNION ALL SELECT 'disabled ' || id FROM clients WHERE disabled_at IS NOT NULL";
    let mut statement = database.prepare(sql).unwrap();
    statement.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
}
