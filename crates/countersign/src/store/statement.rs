//! Statements: the same text for both engines.

/// One SQL statement with `$n` placeholders. Made only by `statements!`, which
/// also lists it for the test that prepares every statement.
#[derive(Debug)]
pub struct Statement {
    name: &'static str,
    postgres: &'static str,
    sqlite: &'static str,
}

impl Statement {
    pub(super) const fn new(name: &'static str, postgres: &'static str, sqlite: &'static str) -> Self {
        Self { name, postgres, sqlite }
    }

    /// The constant's name.
    pub const fn name(&self) -> &'static str {
        self.name
    }

    pub(super) const fn postgres(&self) -> &'static str {
        self.postgres
    }

    pub(super) const fn sqlite(&self) -> &'static str {
        self.sqlite
    }
}

/// SQLite numbers `$n` by first appearance, so `$2, $1` would bind the wrong
/// way round; `?n` means the same number on both. The texts have equal length.
#[expect(clippy::indexing_slicing, reason = "const evaluation: an index out of bounds fails the build")]
pub(super) const fn sqlite_text<const N: usize>(sql: &str) -> [u8; N] {
    let bytes = sql.as_bytes();
    let mut text = [0; N];
    let mut index = 0;
    while index < N {
        text[index] = if bytes[index] == b'$' { b'?' } else { bytes[index] };
        index += 1;
    }
    text
}

/// Declares the statements of one aggregate and lists them in `ALL`.
macro_rules! statements {
    ($($name:ident = $sql:expr;)+) => {
        $(static $name: $crate::store::statement::Statement = {
            const SQL: &str = $sql;
            const BYTES: [u8; SQL.len()] = $crate::store::statement::sqlite_text(SQL);
            const TEXT: &str = match std::str::from_utf8(&BYTES) {
                Ok(text) => text,
                Err(_) => "",
            };
            $crate::store::statement::Statement::new(stringify!($name), SQL, TEXT)
        };)+
        pub(super) const ALL: &[&$crate::store::statement::Statement] = &[$(&$name),+];
    };
}
pub(super) use statements;
