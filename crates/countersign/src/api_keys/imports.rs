//! What the snapshot has of imports.

use std::sync::Arc;

use super::imported_hash::{Form, ImportKeys, KeyPart};

/// What a stored form begins with that says no more than which part was hashed: of keys
/// that have a hash of our own since.
const OWN: &str = "own ";

/// How imported keys are found: the import keys, and the forms in use.
#[derive(Clone, Debug, Default)]
pub struct Imports {
    /// The opened import keys.
    pub keys: Arc<ImportKeys>,
    pub(super) cheap: Vec<Form>,
    pub(super) salted: Vec<Form>,
    /// What was hashed of any key that was imported.
    pub(super) parts: Vec<KeyPart>,
}

impl Imports {
    /// From the stored forms. One that this binary does not know finds nothing here.
    pub(crate) fn new(keys: Arc<ImportKeys>, stored: &[String]) -> Self {
        let forms = stored.iter().filter_map(|form| Form::from_stored(form));
        let (salted, cheap) = forms.partition(Form::is_salted);
        let parts = stored.iter().filter_map(|form| KeyPart::from_name(form.strip_prefix(OWN)?)).collect();
        Self { keys, cheap, salted, parts }
    }

    /// The stored form that says that this part of a key was hashed.
    pub(super) fn own_part(part: KeyPart) -> String {
        format!("{OWN}{}", part.as_str())
    }
}
