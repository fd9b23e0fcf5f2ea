//! Events that follow from a seed.

use annals::{ContentKind, EventId, NewEvent, OccurredAt};
use annals_env::{Random, SeededRandom};

/// An event with a choice of all fields and about `data_bytes` of data. The same seed and size give
/// the same event; different seeds give different data.
#[must_use]
pub fn event(seed: u64, data_bytes: usize) -> NewEvent {
    let random = SeededRandom::new(seed ^ 0x616e_6e61_6c73);
    let mut event = match random.below(3) {
        0 => NewEvent::new("Noted", ContentKind::Text, text(seed, data_bytes)),
        1 => NewEvent::binary("Measured", binary(&random, data_bytes)),
        _ => NewEvent::json("OrderPlaced", json(seed, data_bytes)),
    };
    let has = |one_in: u64| random.below(one_in) == 0;
    if has(2) {
        event = event.metadata(format!(r#"{{"seed":{seed},"by":"seeded"}}"#));
    }
    for tag in 0..random.below(4) {
        event = event.tag(format!("tag{tag}:{}", seed % 7));
    }
    if has(3) {
        event = event.id(id(seed));
    }
    if has(3) {
        event = event.correlation_id(EventId::from_u128(u128::from(random.u64()) << 7 | 1));
    }
    if has(3) {
        event = event.causation_id(EventId::from_u128(u128::from(random.u64()) << 9 | 3));
    }
    if has(2) {
        event = event.occurred_at(occurred_at(&random));
    }
    event.schema(1 + u32::try_from(random.below(3)).unwrap_or(0))
}

/// `count` events whose seeds begin with `seed`.
#[must_use]
pub fn events(seed: u64, count: u64, data_bytes: usize) -> Vec<NewEvent> {
    (0..count).map(|index| event(seed + index, data_bytes)).collect()
}

/// The events of a commit that another process wrote: each has a tag that says the seed, how many
/// there are and which it is, so that a reader can make it again and compare.
#[must_use]
pub fn marked(seed: u64, count: u64) -> Vec<NewEvent> {
    let bytes = usize::try_from(seed % 1_500).unwrap_or(0);
    (0..count)
        .map(|index| event(seed + index, bytes).tag(format!("commit:{seed}:{count}:{index}")))
        .collect()
}

/// The seed, the count and the index that a mark says.
#[must_use]
pub fn mark(tag: &str) -> Option<(u64, u64, u64)> {
    let mut numbers = tag.strip_prefix("commit:")?.splitn(3, ':').map(str::parse);
    let mut number = || numbers.next()?.ok();
    Some((number()?, number()?, number()?))
}

/// The caller's id of the event with this seed, where it has one.
#[must_use]
pub fn id(seed: u64) -> EventId {
    EventId::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0000 | u128::from(seed))
}

fn text(seed: u64, bytes: usize) -> String {
    let mut text = format!("seed {seed} – ünïcode ");
    while text.len() < bytes {
        text.push_str("lorem ipsum ");
    }
    text
}

fn json(seed: u64, bytes: usize) -> String {
    let filler = "x".repeat(bytes.saturating_sub(40));
    // Odd spacing on purpose: the bytes are kept, not the value.
    format!(r#"{{ "seed" : {seed}, "total": 1.50, "note":"{filler}" }}"#)
}

fn binary(random: &SeededRandom, bytes: usize) -> Vec<u8> {
    let words = bytes.div_ceil(8).max(1);
    (0..words).flat_map(|_| random.u64().to_le_bytes()).collect()
}

fn occurred_at(random: &SeededRandom) -> OccurredAt {
    let digits = u8::try_from(random.below(10)).unwrap_or(0);
    let unit = 10_u32.pow(9 - u32::from(digits));
    let nanos = u32::try_from(random.below(1_000_000_000)).unwrap_or(0) / unit * unit;
    let seconds = i64::try_from(random.below(4_000_000_000)).unwrap_or(0) - 1_000_000_000;
    let offset = i16::try_from(random.below(57)).unwrap_or(0) * 30 - 14 * 60;
    OccurredAt::new(seconds, nanos, digits, offset).expect("its parts are in range")
}
