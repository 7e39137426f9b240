//! Single facts about the instance.

use super::statement::statements;
use super::{Session, StoreError, Tx};

statements! {
    FIND_FACT = "SELECT value FROM instance_facts WHERE name = $1";
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
    /// Records a fact that is not recorded yet.
    ///
    /// # Errors
    /// [`StoreError::UniqueViolation`] when it is.
    pub async fn insert_fact(&mut self, name: &str, value: &str) -> Result<(), StoreError> {
        self.query(&INSERT_FACT, &[name.into(), value.into()]).await.map(drop)
    }
}
