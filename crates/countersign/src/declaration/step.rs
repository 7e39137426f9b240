//! What a plan consists of: calls of the management API.

use serde_json::{Map, Value};

/// What is done to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// It is made.
    Create,
    /// Some of it is changed.
    Update,
    /// It is removed.
    Delete,
}

impl Action {
    /// As a plan shows it.
    pub const fn sign(self) -> char {
        match self {
            Self::Create => '+',
            Self::Update => '~',
            Self::Delete => '-',
        }
    }
}

/// A member that changes.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// Which.
    pub member: String,
    /// What it is.
    pub from: Value,
    /// What it should be.
    pub to: Value,
}

/// One call of the management API.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// What is done.
    pub action: Action,
    /// To what kind of object.
    pub kind: &'static str,
    /// To which, as people call it.
    pub name: String,
    /// What changes, for people.
    pub changes: Vec<Change>,
    /// The path below `/manage/v1`. `{organization:NAME}` and `{resource_server:..}`
    /// stand for ids that an earlier step makes.
    pub path: String,
    /// The body, with the same placeholders.
    pub body: Value,
    /// What later steps call the id of what this one makes.
    pub makes: Option<String>,
}

/// What is to be done, in order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    /// One call each.
    pub steps: Vec<Step>,
    /// Objects that are there and not in the file, which stay.
    pub kept: Vec<String>,
    /// Credentials of the file that were revoked, which is for good.
    pub revoked: Vec<String>,
    /// Clients of the file that cannot authenticate yet: nothing here makes a secret.
    pub without_credential: Vec<Unable>,
}

/// A client that cannot authenticate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unable {
    /// Its id.
    pub client_id: String,
    /// Whether it is to authenticate by a secret, or else by its keys.
    pub uses_secret: bool,
}

impl Plan {
    /// Creates what is not there, and changes what differs. `present` is the id of
    /// what there is, and its members as they are.
    pub(super) fn compare(&mut self, mut wanted: Wanted, present: Option<(String, Value)>) {
        let Some((id, present)) = present else {
            wanted.body = without_null(&wanted.body);
            let changes = members(&wanted.body).map(|(member, to)| Change::new(member, &Value::Null, to)).collect();
            self.steps.push(wanted.step(Action::Create, changes));
            return;
        };
        let differs = |(member, from): &(&String, &Value)| wanted.body.get(member.as_str()) != Some(from);
        let change =
            |(member, from): (&String, &Value)| Change::new(member, from, wanted.body.get(member.as_str()).unwrap_or(&Value::Null));
        let changes: Vec<Change> = members(&present).filter(differs).map(change).collect();
        if !changes.is_empty() {
            let patch: Map<String, Value> = changes.iter().map(|change| (change.member.clone(), change.to.clone())).collect();
            let wanted = Wanted { path: format!("{}/{id}", wanted.path), body: Value::Object(patch), makes: None, ..wanted };
            self.steps.push(wanted.step(Action::Update, changes));
        }
    }
}

/// An object as it should be.
pub(super) struct Wanted {
    pub(super) kind: &'static str,
    pub(super) name: String,
    pub(super) path: String,
    pub(super) body: Value,
    pub(super) makes: Option<String>,
}

impl Wanted {
    pub(super) fn new(kind: &'static str, name: &str, path: &str, body: Value) -> Self {
        Self { kind, name: name.to_owned(), path: path.to_owned(), body, makes: None }
    }

    pub(super) fn step(self, action: Action, changes: Vec<Change>) -> Step {
        let Self { kind, name, path, body, makes } = self;
        Step { action, kind, name, changes, path, body, makes }
    }
}

impl Change {
    pub(super) fn new(member: &str, from: &Value, to: &Value) -> Self {
        Self { member: member.to_owned(), from: from.clone(), to: to.clone() }
    }
}

fn members(object: &Value) -> impl Iterator<Item = (&String, &Value)> {
    object.as_object().into_iter().flatten()
}

fn without_null(object: &Value) -> Value {
    let given = members(object).filter(|(_, value)| !value.is_null());
    Value::Object(given.map(|(member, value)| (member.clone(), value.clone())).collect())
}
