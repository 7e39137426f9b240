//! What is asked of each counter: of one that is named twice, the sum.

use super::{Ask, LimitRule};

/// What is asked of one counter.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted<'a> {
    pub(super) subject: &'a str,
    pub(super) rule: &'a LimitRule,
    pub(super) cost: u64,
    /// The smallest that was named.
    pub(super) limit: u64,
}

/// The counters of a request, each once and in one order for all requests.
pub(super) struct Counted<'a> {
    pub(super) wanted: Vec<Wanted<'a>>,
    /// For each ask its place among them.
    pub(super) places: Vec<usize>,
}

impl Wanted<'_> {
    /// The counter's name in a shared store. The lengths keep names apart.
    pub(super) fn counter(&self) -> String {
        let rule = self.rule;
        format!("{}:{}:{}:{}", rule.duration_seconds, rule.name.len(), rule.name, self.subject)
    }

    /// Whether it has no room besides what is used.
    pub(super) const fn exceeds(&self, used: u64) -> bool {
        used.saturating_add(self.cost) > self.limit
    }
}

/// A limit that is changed keeps its counter, unless its window changes.
fn identity<'a>(ask: &Ask<'a>) -> (&'a str, &'a str, u32) {
    (ask.subject, ask.rule.name.as_str(), ask.rule.duration_seconds)
}

pub(super) fn counted<'a>(asks: &[Ask<'a>]) -> Counted<'a> {
    let mut order: Vec<usize> = (0..asks.len()).collect();
    order.sort_by_key(|index| asks.get(*index).map(identity));
    let mut all = Counted { wanted: Vec::with_capacity(asks.len()), places: vec![0; asks.len()] };
    let mut last = None;
    for index in order {
        let Some(ask) = asks.get(index) else { continue };
        let limit = u64::from(ask.rule.limit);
        match all.wanted.last_mut() {
            Some(same) if last == Some(identity(ask)) => {
                same.cost = same.cost.saturating_add(ask.cost);
                same.limit = same.limit.min(limit);
            }
            Some(_) | None => all.wanted.push(Wanted { subject: ask.subject, rule: ask.rule, cost: ask.cost, limit }),
        }
        last = Some(identity(ask));
        if let Some(place) = all.places.get_mut(index) {
            *place = all.wanted.len() - 1;
        }
    }
    all
}
