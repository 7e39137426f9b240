//! What is asked about a key, and its checks.

use std::net::IpAddr;

use countersign_protocol::Secret;
use serde::{Deserialize, Deserializer};
use utoipa::ToSchema;

use crate::api_keys::{KeyAudience, LimitAsk, PermissionExpression, VerifyRequest};
use crate::counters::{LimitRule, MAX_RULES, OnUnreachable};
use crate::http::errors::ProblemField;
use crate::ids::{OrganizationId, ResourceServerId};
use crate::usage::check_tags;

/// Most keys of one request.
const MAX_KEYS: usize = 100;

/// A key, or several, and what is asked about each.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = KeyVerification)]
pub(in crate::http::manage) struct VerificationBody {
    /// The key, as it was presented
    #[serde(default, deserialize_with = "secret")]
    #[schema(value_type = Option<String>)]
    key: Option<Secret<String>>,
    /// Instead of all other members: 1 to 100 questions, each about a key of its own
    #[serde(default)]
    keys: Option<Vec<QuestionBody>>,
    /// What the key must be allowed: `orders.read AND (orders.write OR admin)`
    #[serde(default)]
    permissions: Option<String>,
    /// Limits that it takes from, besides those that apply by themselves
    #[serde(default)]
    limits: Vec<LimitAskBody>,
    /// How many credits it costs; 0 looks [default: 1]
    #[serde(default)]
    cost: Option<u64>,
    /// What it is counted under in `key-usage`: at most 20 tags, such as `path=/orders`
    #[serde(default)]
    tags: Vec<String>,
    /// The address of whoever presented the key
    #[serde(default)]
    address: Option<String>,
    /// The resource server that asks: a key of another is `FORBIDDEN`
    #[serde(default)]
    resource_server_id: Option<String>,
    /// The same by its audience
    #[serde(default)]
    audience: Option<String>,
}

/// What is asked about one key of several.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = KeyQuestion)]
pub(in crate::http::manage) struct QuestionBody {
    /// The key, as it was presented
    #[serde(deserialize_with = "needed_secret")]
    #[schema(value_type = String)]
    key: Secret<String>,
    /// What the key must be allowed: `orders.read AND (orders.write OR admin)`
    #[serde(default)]
    permissions: Option<String>,
    /// Limits that it takes from, besides those that apply by themselves
    #[serde(default)]
    limits: Vec<LimitAskBody>,
    /// How many credits it costs; 0 looks [default: 1]
    #[serde(default)]
    cost: Option<u64>,
    /// What it is counted under in `key-usage`: at most 20 tags, such as `path=/orders`
    #[serde(default)]
    tags: Vec<String>,
    /// The address of whoever presented the key
    #[serde(default)]
    address: Option<String>,
    /// The resource server that asks: a key of another is `FORBIDDEN`
    #[serde(default)]
    resource_server_id: Option<String>,
    /// The same by its audience
    #[serde(default)]
    audience: Option<String>,
}

/// What a verification takes of a limit.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = LimitAsk)]
pub(in crate::http::manage) struct LimitAskBody {
    /// The name of a limit of the key or of its client
    name: String,
    /// How much it takes; 0 looks [default: 1]
    #[serde(default)]
    cost: Option<u64>,
    /// What the limit is where neither has one of the name: most that a window holds
    #[serde(default)]
    limit: Option<u32>,
    /// With `limit`: how long a window is
    #[serde(default)]
    duration_seconds: Option<u32>,
}

impl LimitAskBody {
    fn checked(self, place: &str) -> Result<LimitAsk, ProblemField> {
        let at = |detail: &str| wrong(&format!("{place}/limits"), detail);
        let otherwise = match (self.limit, self.duration_seconds) {
            (None, None) => None,
            (Some(limit), Some(duration_seconds)) => {
                let on_unreachable = OnUnreachable::default();
                let rule = LimitRule { name: self.name.clone(), limit, duration_seconds, auto_apply: false, on_unreachable };
                rule.check().map_err(|error| at(&error.to_string()))?;
                Some(rule)
            }
            (Some(_), None) | (None, Some(_)) => return Err(at("`limit` and `duration_seconds` together, or neither")),
        };
        Ok(LimitAsk { name: self.name, cost: self.cost.unwrap_or(1), otherwise })
    }
}

/// What is to be verified.
pub(super) enum Questions {
    One(VerifyRequest),
    Several(Vec<VerifyRequest>),
}

impl VerificationBody {
    /// The questions of a caller that is limited to `organization`, if it is.
    ///
    /// # Errors
    /// The member that is not accepted.
    pub(super) fn checked(self, organization: Option<&OrganizationId>) -> Result<Questions, ProblemField> {
        let Self { key, keys, permissions, limits, cost, tags, address, resource_server_id, audience } = self;
        let Some(keys) = keys else {
            let key = key.ok_or_else(|| wrong("/key", "a key is accepted, or `keys`"))?;
            let one = QuestionBody { key, permissions, limits, cost, tags, address, resource_server_id, audience };
            return one.checked("", organization).map(Questions::One);
        };
        if key.is_some() {
            return Err(wrong("/keys", "absent beside `key`"));
        }
        let others = [
            ("/permissions", permissions.is_some()),
            ("/limits", !limits.is_empty()),
            ("/cost", cost.is_some()),
            ("/tags", !tags.is_empty()),
            ("/address", address.is_some()),
            ("/resource_server_id", resource_server_id.is_some()),
            ("/audience", audience.is_some()),
        ];
        if let Some((pointer, _)) = others.into_iter().find(|(_, is_given)| *is_given) {
            return Err(wrong(pointer, "absent beside `keys`: each of them has its own"));
        }
        if !(1..=MAX_KEYS).contains(&keys.len()) {
            return Err(wrong("/keys", &format!("1 to {MAX_KEYS} keys are accepted")));
        }
        let each = keys.into_iter().enumerate().map(|(at, one)| one.checked(&format!("/keys/{at}"), organization));
        each.collect::<Result<_, _>>().map(Questions::Several)
    }
}

impl QuestionBody {
    fn checked(self, place: &str, organization: Option<&OrganizationId>) -> Result<VerifyRequest, ProblemField> {
        let at = |member: &str, detail: &str| wrong(&format!("{place}/{member}"), detail);
        let permissions = self.permissions.as_deref().map(PermissionExpression::parse).transpose();
        let resource_server = match (self.resource_server_id, self.audience) {
            (None, None) => None,
            (Some(id), None) => Some(KeyAudience::ResourceServer(ResourceServerId::from_stored(&id))),
            (None, Some(audience)) => Some(KeyAudience::Audience(audience)),
            (Some(_), Some(_)) => return Err(at("audience", "absent beside `resource_server_id`")),
        };
        if self.limits.len() > MAX_RULES {
            return Err(at("limits", &format!("at most {MAX_RULES} limits")));
        }
        check_tags(&self.tags).map_err(|error| at("tags", &error.to_string()))?;
        Ok(VerifyRequest {
            key: self.key,
            permissions: permissions.map_err(|error| at("permissions", &error.to_string()))?,
            address: self.address.as_deref().map(parse_address).transpose().map_err(|detail| at("address", detail))?,
            resource_server,
            limits: self.limits.into_iter().map(|ask| ask.checked(place)).collect::<Result<_, _>>()?,
            cost: self.cost.unwrap_or(1),
            tags: self.tags,
            organization: organization.cloned(),
        })
    }
}

fn wrong(pointer: &str, detail: &str) -> ProblemField {
    ProblemField { pointer: pointer.to_owned(), detail: detail.to_owned() }
}

fn parse_address(text: &str) -> Result<IpAddr, &'static str> {
    text.parse().map(|address: IpAddr| address.to_canonical()).map_err(|_| "an IPv4 or IPv6 address, without a port")
}

fn secret<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Secret<String>>, D::Error> {
    Ok(Option::<String>::deserialize(deserializer)?.map(Secret::new))
}

fn needed_secret<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Secret<String>, D::Error> {
    String::deserialize(deserializer).map(Secret::new)
}
