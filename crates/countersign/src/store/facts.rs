//! Single facts about the instance.

use super::statement::statements;
use super::{Session, StoreError, Tx};

statements! {
    FIND_FACT = "SELECT value FROM instance_facts WHERE name = $1";
    // Changes nothing: the row is ours until the commit.
    HOLD_FACT = "UPDATE instance_facts SET value = value WHERE name = $1 RETURNING value";
    INSERT_FACT = "INSERT INTO instance_facts (name, value) VALUES ($1, $2)";
}

impl Session {
    /// The value of a fact.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn find_fact(&mut self, name: &str) -> Result<Option<String>, StoreError> {
        self.query_optional(&FIND_FACT, &[name.into()]).await?.map(|mut row| row.text()).transpose()
    }
}

impl Tx {
    /// The value of a fact, which nobody else changes until the commit.
    pub(crate) async fn hold_fact(&mut self, name: &str) -> Result<Option<String>, StoreError> {
        self.query_optional(&HOLD_FACT, &[name.into()]).await?.map(|mut row| row.text()).transpose()
    }

    /// Records a fact that is not recorded yet.
    ///
    /// # Errors
    /// [`StoreError::UniqueViolation`] when it is.
    pub async fn insert_fact(&mut self, name: &str, value: &str) -> Result<(), StoreError> {
        self.query(&INSERT_FACT, &[name.into(), value.into()]).await.map(drop)
    }
}
