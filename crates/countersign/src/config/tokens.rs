//! `[tokens]`: what holds for every token.

use super::reader::Reader;
use super::setting::{Fallback, Kind, Section, Setting};

/// The most that `iat` may lie before the server's clock.
pub const MAX_BACKDATE_SECONDS: i64 = 60;

/// What holds for every token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokensConfig {
    /// How far `iat` lies before the server's clock.
    pub backdate_seconds: u32,
    /// How much of its life a token has left that is handed out once more, in percent.
    pub reuse_min_life_percent: u32,
}

pub(super) static SECTION: Section = Section { name: "tokens", doc: "What holds for every token.", settings: &[&BACKDATE, &REUSE] };

static BACKDATE: Setting = Setting {
    key: "tokens.backdate_seconds",
    kind: Kind::Integer { min: 0, max: MAX_BACKDATE_SECONDS.unsigned_abs(), unit: "seconds" },
    default: Fallback::Value("0"),
    doc: "How far `iat` lies before the clock of the server, for verifiers whose clocks are behind and that refuse a token from the future.",
};

static REUSE: Setting = Setting {
    key: "tokens.reuse_min_life_percent",
    kind: Kind::Integer { min: 10, max: 99, unit: "percent" },
    default: Fallback::Value("50"),
    doc: "How much of its life a token has to have left to be handed out once more, for resource servers with `reuse_live_tokens`.",
};

impl TokensConfig {
    pub(super) fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let backdate_seconds = reader.integer(&BACKDATE);
        let reuse_min_life_percent = reader.integer(&REUSE);
        Some(Self { backdate_seconds: backdate_seconds?, reuse_min_life_percent: reuse_min_life_percent? })
    }
}
