//! How much each scenario does: little in the tests, more where `cargo xtask faults` asks.

/// How often something is done in a scenario.
#[derive(Clone, Copy)]
pub(crate) struct Size {
    short: u64,
    long: u64,
}

const fn size(short: u64, long: u64) -> Size {
    Size { short, long }
}

/// R1: kills.
pub(crate) const KILLS: Size = size(6, 500);

/// R3: of the operations of a rotation, each how-manieth is a moment to be killed.
pub(crate) const ROTATION_STEP: Size = size(5, 1);

/// R4: the same for migrations, and the oldest schema that they begin with.
pub(crate) const MIGRATION_STEP: Size = size(9, 1);
pub(crate) const OLDEST_KILLED: Size = size(2, 1);

/// R5: how often the disk is full.
pub(crate) const FULL_DISKS: Size = size(2, 50);

/// R8: rounds of three restarts each.
pub(crate) const DATABASE_RESTARTS: Size = size(1, 10);

/// R10: requests in the long silence, and short silences after it.
pub(crate) const SILENT_REQUESTS: Size = size(20, 600);
pub(crate) const FLAPS: Size = size(1, 15);

/// R11: rounds of 500 requests.
pub(crate) const PARALLEL_ROUNDS: Size = size(1, 20);

/// R16: rotations.
pub(crate) const ROTATIONS: Size = size(3, 60);

/// R20: slow clients.
pub(crate) const SLOW_CLIENTS: Size = size(60, 500);

/// R22: restarts, requests between two of them, and clients.
pub(crate) const RESTARTS: Size = size(3, 10);
pub(crate) const REQUESTS_BETWEEN_RESTARTS: Size = size(300, 10_000);
pub(crate) const RESTART_CLIENTS: Size = size(8, 24);

impl Size {
    /// The number for this run.
    pub(crate) fn get(self) -> u64 {
        if is_long() { self.long } else { self.short }
    }

    /// The number of cycles, which the command line of a long run may set.
    pub(crate) fn cycles(self) -> u64 {
        variable("COUNTERSIGN_FAULT_CYCLES").map_or_else(|| self.get(), |text| text.parse().unwrap())
    }
}

fn is_long() -> bool {
    variable("COUNTERSIGN_FAULT_FORM").is_some_and(|form| form == "long")
}

#[expect(clippy::disallowed_methods, reason = "how `cargo xtask faults` says how much to do")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}
