//! Series that are found by a name that is known only at run time.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;

/// What is counted for names beyond the limit.
pub(super) const OTHER: &str = "(other)";

/// Values by name, found without a lock. Beyond a limit all further names share one
/// value: whoever makes up names does not make series.
pub(super) struct ByName<V> {
    known: ArcSwap<HashMap<Box<str>, Arc<V>>>,
    limit: usize,
    make: Box<dyn Fn(&str) -> V + Send + Sync>,
}

impl<V> ByName<V> {
    pub(super) fn new(limit: usize, make: impl Fn(&str) -> V + Send + Sync + 'static) -> Self {
        Self { known: ArcSwap::default(), limit, make: Box::new(make) }
    }

    /// Does something with the value of `name`.
    pub(super) fn with<R>(&self, name: &str, act: impl FnOnce(&V) -> R) -> R {
        if let Some(value) = self.known.load().get(name) {
            return act(value);
        }
        act(&self.add(name))
    }

    fn add(&self, name: &str) -> Arc<V> {
        let name = if self.known.load().len() < self.limit { name } else { OTHER };
        let made = Arc::new((self.make)(name));
        self.known.rcu(|known| {
            let mut known = HashMap::clone(known);
            known.entry(name.into()).or_insert_with(|| Arc::clone(&made));
            known
        });
        self.known.load().get(name).map_or(made, Arc::clone)
    }
}

impl<V> fmt::Debug for ByName<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.known.load().keys()).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[test]
    fn names_beyond_the_limit_share_one_value() {
        let values = ByName::new(2, str::to_owned);
        let found: Vec<String> = ["a", "b", "c", "d", "a"].iter().map(|name| values.with(name, String::clone)).collect();
        assert_eq!(found, ["a", "b", OTHER, OTHER, "a"]);
    }

    #[test]
    fn everybody_who_asks_at_once_gets_the_same_value() {
        let values = ByName::new(10, |_| Mutex::new(0));
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| values.with("a", |count| *count.lock().unwrap() += 1));
            }
        });
        assert_eq!(values.with("a", |count| *count.lock().unwrap()), 8);
    }
}
