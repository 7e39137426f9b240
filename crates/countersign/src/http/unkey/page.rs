//! Lists, by the cursors of the management API.

use super::operation::Context;
use super::refusal::UnkeyRefusal;
use crate::http::manage::{PageQuery, next_cursor};
use crate::store::Page;
use countersign_protocol::Timestamp;

/// Most items of a piece.
pub(super) const MAX_LIMIT: u32 = 100;

/// A piece of a list that is asked for.
pub(super) struct Piece {
    name: String,
    limit: usize,
    cursor: Option<String>,
}

impl Piece {
    /// A piece of the list `name`, after what `cursor` stands for.
    ///
    /// # Errors
    /// A limit that is none.
    pub(super) fn of(name: String, limit: Option<u32>, cursor: Option<String>) -> Result<Self, UnkeyRefusal> {
        let limit = limit.unwrap_or(MAX_LIMIT);
        if !(1..=MAX_LIMIT).contains(&limit) {
            return Err(UnkeyRefusal::member("limit", format!("1 to {MAX_LIMIT}")));
        }
        Ok(Self { name, limit: limit as usize, cursor: cursor.filter(|cursor| !cursor.is_empty()) })
    }

    /// Which rows to read.
    pub(super) fn page(&self, context: &Context) -> Result<Page, UnkeyRefusal> {
        let query = PageQuery::of(self.limit, self.cursor.clone());
        let unknown = |_| UnkeyRefusal::member("cursor", "one that this list gave, or none");
        query.page(&context.app, &self.name).map_err(unknown)
    }

    /// Cuts the rows to the piece; where the list goes on, if it does.
    pub(super) fn cut<R>(&self, context: &Context, rows: &mut Vec<R>, place: impl Fn(&R) -> (Timestamp, String)) -> Option<String> {
        next_cursor(&context.app, &self.name, self.limit, rows, place)
    }
}
