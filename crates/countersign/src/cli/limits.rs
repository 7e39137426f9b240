//! Limits and credits in arguments.

use anyhow::{Context as _, bail};
use serde_json::{Value, json};

/// Reads `NAME=COUNT/TIME`, with a time in seconds or as 30s, 5m, 1h or 7d.
pub(super) fn parse_limit(text: &str) -> anyhow::Result<Value> {
    let (name, rest) = text.split_once('=').context("a limit is written NAME=COUNT/TIME, such as reads=100/1m")?;
    let (limit, time) = rest.split_once('/').context("a limit is written NAME=COUNT/TIME, such as reads=100/1m")?;
    let limit: u32 = limit.parse().with_context(|| format!("`{limit}` is no count"))?;
    Ok(json!({ "name": name, "limit": limit, "duration_seconds": parse_seconds(time)? }))
}

/// Reads `NAME` or `NAME=COST`.
pub(super) fn parse_limit_ask(text: &str) -> anyhow::Result<Value> {
    let Some((name, cost)) = text.split_once('=') else { return Ok(json!({ "name": text })) };
    let cost: u64 = cost.parse().with_context(|| format!("`{cost}` is no cost"))?;
    Ok(json!({ "name": name, "cost": cost }))
}

/// Reads `daily:AMOUNT`, `monthly:AMOUNT` or `monthly:AMOUNT@DAY`.
pub(super) fn parse_refill(text: &str) -> anyhow::Result<Value> {
    let (interval, rest) = text.split_once(':').context("a refill is written daily:AMOUNT or monthly:AMOUNT@DAY")?;
    let (amount, day) = rest.split_once('@').map_or((rest, None), |(amount, day)| (amount, Some(day)));
    let amount: i64 = amount.parse().with_context(|| format!("`{amount}` is no amount"))?;
    let day: Option<u8> = day.map(|day| day.parse().with_context(|| format!("`{day}` is no day of a month"))).transpose()?;
    Ok(match day {
        Some(day) => json!({ "interval": interval, "amount": amount, "day": day }),
        None => json!({ "interval": interval, "amount": amount }),
    })
}

fn parse_seconds(text: &str) -> anyhow::Result<u32> {
    let (number, unit) = match text.char_indices().next_back() {
        Some((at, unit)) if unit.is_ascii_alphabetic() => (text.get(..at).unwrap_or_default(), unit),
        _ => (text, 's'),
    };
    let number: u32 = number.parse().with_context(|| format!("`{text}` is no time: write 30s, 5m, 1h or 7d"))?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        _ => bail!("`{text}` is no time: write 30s, 5m, 1h or 7d"),
    };
    number.checked_mul(seconds).with_context(|| format!("`{text}` is too long"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_refills_and_asks_are_read_as_they_are_written() {
        let limit = |seconds: u32| json!({ "name": "reads", "limit": 100, "duration_seconds": seconds });
        for (text, seconds) in [("reads=100/60", 60), ("reads=100/1m", 60), ("reads=100/30s", 30), ("reads=100/7d", 604_800)] {
            assert_eq!(parse_limit(text).unwrap(), limit(seconds), "{text}");
        }
        for text in ["reads", "reads=100", "reads=x/60", "reads=100/", "reads=100/1w", "reads=100/9999999d", "reads=100/m"] {
            assert!(parse_limit(text).is_err(), "{text}");
        }
        assert_eq!(parse_refill("daily:5").unwrap(), json!({ "interval": "daily", "amount": 5 }));
        assert_eq!(parse_refill("monthly:5@31").unwrap(), json!({ "interval": "monthly", "amount": 5, "day": 31 }));
        for text in ["daily", "daily:", "monthly:5@", "monthly:5@300"] {
            assert!(parse_refill(text).is_err(), "{text}");
        }
        assert_eq!(parse_limit_ask("reads").unwrap(), json!({ "name": "reads" }));
        assert_eq!(parse_limit_ask("reads=0").unwrap(), json!({ "name": "reads", "cost": 0 }));
        assert!(parse_limit_ask("reads=-1").is_err());
    }
}
