//! What was heard, kept in a file: the feed's keys, a snapshot and records with news, each
//! signed as it came, one a line.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
#[cfg(unix)]
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;

use countersign_protocol::Timestamp;
use countersign_protocol::status::{FeedKeys, MAX_SNAPSHOT_BYTES, Record, Snapshot};

use super::mirror::Mirror;

/// Largest file that is read.
const MAX_BYTES: u64 = 2 * MAX_SNAPSHOT_BYTES as u64;
/// Bytes of records after which another snapshot is asked for.
const MAX_RECORDS_BYTES: usize = 4 * 1024 * 1024;
/// And after how many more, when that snapshot is older than the file.
const RETRY_BYTES: usize = 256 * 1024;

/// The file of a feed.
#[derive(Debug)]
pub(super) struct StatusFile {
    path: PathBuf,
    /// The time of the last thing that it tells.
    as_of: Timestamp,
    records: usize,
}

impl StatusFile {
    pub(super) fn at(path: PathBuf) -> Self {
        Self { path, as_of: Timestamp::default(), records: 0 }
    }

    /// Begins anew with a snapshot of the time `as_of`. One that is older, as one that was
    /// kept on the way may be, tells less than the file does.
    pub(super) fn begin(&mut self, keys: &[u8], snapshot: &str, as_of: Timestamp) -> io::Result<()> {
        if as_of < self.as_of {
            self.records = MAX_RECORDS_BYTES - RETRY_BYTES;
            return Ok(());
        }
        let beside = self.path.with_extension("new");
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true);
        #[cfg(unix)]
        options.mode(0o600);
        let mut file = options.open(&beside)?;
        // In one line: outside of strings a line break means no more than a space.
        let keys: Vec<u8> = keys.iter().map(|byte| if matches!(byte, b'\n' | b'\r') { b' ' } else { *byte }).collect();
        file.write_all(&keys)?;
        file.write_all(b"\n")?;
        file.write_all(snapshot.as_bytes())?;
        file.write_all(b"\n")?;
        file.sync_data()?;
        fs::rename(&beside, &self.path)?;
        (self.as_of, self.records) = (as_of, 0);
        Ok(())
    }

    /// Adds a record of the time `as_of`.
    pub(super) fn add(&mut self, record: &str, as_of: Timestamp) -> io::Result<()> {
        let mut file: File = OpenOptions::new().append(true).open(&self.path)?;
        file.write_all(format!("{record}\n").as_bytes())?;
        self.as_of = self.as_of.max(as_of);
        self.records = self.records.saturating_add(record.len());
        Ok(())
    }

    /// What is added from now on is not proven by the keys in the file.
    pub(super) const fn outdate(&mut self) {
        self.records = usize::MAX;
    }

    /// Whether it is time for another snapshot.
    pub(super) const fn is_long(&self) -> bool {
        self.records > MAX_RECORDS_BYTES
    }

    /// Tells `mirror` what is in the file about `server`, and returns the keys that proved it;
    /// `None`: there is no file. Every line is verified again; what does not verify ends it.
    pub(super) fn load(&mut self, server: &str, mirror: &Mirror, now: Timestamp) -> io::Result<Option<FeedKeys>> {
        let size = match fs::metadata(&self.path) {
            Ok(metadata) => metadata.len(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        if size > MAX_BYTES {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the file is too large"));
        }
        let text = fs::read_to_string(&self.path)?;
        let mut lines = text.lines();
        let invalid = |what: &'static str| io::Error::new(io::ErrorKind::InvalidData, what);
        let keys = lines.next().and_then(|line| FeedKeys::parse(line.as_bytes()).ok()).ok_or_else(|| invalid("no keys"))?;
        let snapshot = lines.next().and_then(|line| Snapshot::open(line, &keys).ok()).ok_or_else(|| invalid("no snapshot"))?;
        if snapshot.authorization_server != server {
            return Err(invalid("it is of another authorization server"));
        }
        mirror.install(&snapshot, now);
        // The feed may have gone on without us.
        mirror.lose_place();
        self.as_of = snapshot.as_of;
        for record in lines.map_while(|line| Record::open(line, &keys).ok()) {
            mirror.add(&record.contents, record.as_of, now);
            self.as_of = self.as_of.max(record.as_of);
        }
        Ok(Some(keys))
    }
}
