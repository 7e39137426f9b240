//! Lists, piece by piece. A cursor is authenticated: it says where a list goes on,
//! and for which list it was made.

use axum::extract::FromRequestParts;
use countersign_protocol::jose::base64url;
use countersign_protocol::{ErrorCode, Timestamp};
use http::StatusCode;
use http::request::Parts;
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

use super::refusal::Refusal;
use crate::app::App;
use crate::clients::SecretHash;
use crate::http::errors::problem_saying;
use crate::store::Page;

/// Rows of a piece unless the caller says otherwise.
const DEFAULT_LIMIT: usize = 50;
/// Most rows of a piece.
const MAX_LIMIT: usize = 200;
/// What a cursor's tag is made over, so that no other use of the key gives the same.
const DOMAIN: &str = "countersign cursor 1";

/// The query of a list.
#[derive(Debug, Default, IntoParams)]
#[into_params(parameter_in = Query)]
pub(in crate::http) struct PageQuery {
    /// Most items, 1 to 200 [default: 50]
    #[param(minimum = 1, maximum = 200)]
    limit: Option<usize>,
    /// `next_cursor` of the piece before
    cursor: Option<String>,
}

/// A piece of a list.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct List<T: ToSchema> {
    /// The items, oldest first.
    pub(super) items: Vec<T>,
    /// Where the list goes on; null at its end.
    pub(super) next_cursor: Option<String>,
}

impl<S: Send + Sync> FromRequestParts<S> for PageQuery {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refusal> {
        Self::read(parts, &mut [])
    }
}

fn parse_limit(text: &str) -> Result<usize, Refusal> {
    let limit = text.parse().ok().filter(|limit| (1..=MAX_LIMIT).contains(limit));
    limit.ok_or_else(|| invalid("limit", &format!("accepted: 1 to {MAX_LIMIT}")))
}

impl PageQuery {
    /// Reads the query of a list that these parameters narrow.
    pub(super) fn read(parts: &Parts, narrowing: &mut [(&str, &mut Option<String>)]) -> Result<Self, Refusal> {
        let mut query = Self::default();
        for (name, value) in url::form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes()) {
            let given_twice = match name.as_ref() {
                "limit" => query.limit.replace(parse_limit(&value)?).is_some(),
                "cursor" => query.cursor.replace(value.into_owned()).is_some(),
                _ => match narrowing.iter_mut().find(|(known, _)| *known == name) {
                    Some((_, place)) => place.replace(value.into_owned()).is_some(),
                    None => return Err(unknown_parameter(&name, narrowing)),
                },
            };
            if given_twice {
                return Err(invalid(&name, "given twice"));
            }
        }
        Ok(query)
    }

    /// The query of a list whose parameters came another way.
    pub(in crate::http) const fn of(limit: usize, cursor: Option<String>) -> Self {
        Self { limit: Some(limit), cursor }
    }

    /// Which rows of the list `name` to read: one more than asked for, which tells
    /// whether the list goes on.
    pub(in crate::http) fn page(&self, app: &App, name: &str) -> Result<Page, Refusal> {
        let limit = self.limit.unwrap_or(DEFAULT_LIMIT) + 1;
        let Some(cursor) = &self.cursor else { return Ok(Page::first(limit)) };
        let (after_time, after_id) =
            open(app, name, cursor).ok_or_else(|| invalid("cursor", "not one that this list gave; begin without"))?;
        Ok(Page { after_time, after_id, limit })
    }

    /// A piece of the list `name` from its rows; `place` is where a row stands.
    pub(super) fn list<R, T: ToSchema>(
        &self,
        app: &App,
        name: &str,
        mut rows: Vec<R>,
        place: impl Fn(&R) -> (Timestamp, String),
        render: impl Fn(&R) -> T,
    ) -> List<T> {
        let next_cursor = next_cursor(app, name, self.limit.unwrap_or(DEFAULT_LIMIT), &mut rows, place);
        List { items: rows.iter().map(render).collect(), next_cursor }
    }
}

/// Cuts the rows of the list `name` to `limit`; where the list goes on, if it does.
pub(in crate::http) fn next_cursor<R>(
    app: &App,
    name: &str,
    limit: usize,
    rows: &mut Vec<R>,
    place: impl Fn(&R) -> (Timestamp, String),
) -> Option<String> {
    let goes_on = rows.len() > limit;
    rows.truncate(limit);
    rows.last().filter(|_| goes_on).and_then(|last| {
        let (time, id) = place(last);
        seal(app, name, time, &id)
    })
}

fn seal(app: &App, name: &str, time: Timestamp, id: &str) -> Option<String> {
    let place = format!("{}.{}", time.as_millis(), base64url::encode(id.as_bytes()));
    let tag = tag(app, name, &place)?.to_stored();
    Some(format!("{place}.{tag}"))
}

fn open(app: &App, name: &str, cursor: &str) -> Option<(Timestamp, String)> {
    let (place, presented) = cursor.rsplit_once('.')?;
    if !tag(app, name, place)?.equals(&SecretHash::from_stored(presented)?) {
        return None;
    }
    let (time, id) = place.split_once('.')?;
    Some((Timestamp::from_millis(time.parse().ok()?), String::from_utf8(base64url::decode(id)?).ok()?))
}

fn tag(app: &App, name: &str, place: &str) -> Option<SecretHash> {
    Some(app.catalog().hashers.active()?.hash(&format!("{DOMAIN} {name} {place}")))
}

fn unknown_parameter(name: &str, narrowing: &[(&str, &mut Option<String>)]) -> Refusal {
    let accepted: Vec<&str> = ["limit", "cursor"].into_iter().chain(narrowing.iter().map(|(known, _)| *known)).collect();
    invalid(name, &format!("no such parameter; accepted: {}", accepted.join(", ")))
}

pub(super) fn invalid(name: &str, detail: &str) -> Refusal {
    problem_saying(StatusCode::BAD_REQUEST, ErrorCode::QueryInvalid, format!("`{name}`: {detail}")).into()
}
