//! Numbers, sizes, times and texts as people read them.

use std::borrow::Cow;
use std::time::Duration;

/// `65533` as `65,533`.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A number of things, with the plural where there is not one: `1 event`, `2 events`.
pub(crate) fn counted(number: u64, thing: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {thing}{plural}", grouped(number))
}

/// `42,000,000` bytes as `40.1 MiB`.
pub(crate) fn bytes(count: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    if count < 1024 {
        return counted(count, "byte");
    }
    let mut tenths = u128::from(count) * 10 / 1024;
    let mut units = UNITS.iter();
    let mut unit = units.next().unwrap_or(&"");
    while tenths >= 10_240 {
        let Some(next) = units.next() else { break };
        tenths /= 1024;
        unit = next;
    }
    format!("{}.{} {unit}", tenths / 10, tenths % 10)
}

/// A duration with about three digits: `512 µs`, `48.2 ms`, `1.31 s`.
pub(crate) fn duration(time: Duration) -> String {
    let micros = time.as_micros();
    match micros {
        0..1_000 => format!("{micros} µs"),
        1_000..1_000_000 => format!("{:.1} ms", time.as_secs_f64() * 1e3),
        1_000_000..100_000_000 => format!("{:.2} s", time.as_secs_f64()),
        _ => format!("{} s", time.as_secs()),
    }
}

/// So many things a second, in whole things.
pub(crate) fn rate(count: u64, time: Duration) -> String {
    let nanos = time.as_nanos().max(1);
    let rate = u128::from(count) * 1_000_000_000 / nanos;
    grouped(u64::try_from(rate).unwrap_or(u64::MAX))
}

/// A text as it is safe to show: control characters, which could drive a terminal, are replaced, and
/// so are those that turn the order of what stands around them.
pub(crate) fn plain(text: &str) -> Cow<'_, str> {
    let drives =
        |c: char| c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    if !text.contains(drives) {
        return Cow::Borrowed(text);
    }
    let show = |c: char| match c {
        '\n' | '\r' | '\t' => ' ',
        c if drives(c) => char::REPLACEMENT_CHARACTER,
        c => c,
    };
    Cow::Owned(text.chars().map(show).collect())
}

/// JSON as it is safe to show: JSON may hold control characters of one kind as they are, those from
/// U+007F to U+009F, and only inside of texts, where an escape means the same.
pub(crate) fn plain_json(json: &[u8]) -> Cow<'_, [u8]> {
    let is_control = |c: char| ('\u{7f}'..='\u{9f}').contains(&c);
    let Ok(text) = str::from_utf8(json) else { return Cow::Borrowed(json) };
    if !text.contains(is_control) {
        return Cow::Borrowed(json);
    }
    let mut shown = String::with_capacity(text.len() + 64);
    for c in text.chars() {
        if is_control(c) {
            shown.push_str(&format!("\\u{:04x}", u32::from(c)));
        } else {
            shown.push(c);
        }
    }
    Cow::Owned(shown.into_bytes())
}

/// A text as a word of a shell's command line.
pub(crate) fn quoted(text: &str) -> Cow<'_, str> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "._/-:=@%+,".contains(c);
    if !text.is_empty() && text.chars().all(is_plain) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(format!("'{}'", text.replace('\'', r"'\''")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_sizes() {
        assert_eq!(grouped(0), "0");
        assert_eq!(grouped(999), "999");
        assert_eq!(grouped(1_000), "1,000");
        assert_eq!(grouped(u64::MAX), "18,446,744,073,709,551,615");
        assert_eq!(counted(1, "event"), "1 event");
        assert_eq!(bytes(1), "1 byte");
        assert_eq!(bytes(1_536), "1.5 KiB");
        assert_eq!(bytes(64 << 20), "64.0 MiB");
        assert_eq!(bytes(u64::MAX), "16777215.9 TiB");
    }

    #[test]
    fn times_and_rates() {
        assert_eq!(duration(Duration::from_micros(512)), "512 µs");
        assert_eq!(duration(Duration::from_micros(48_240)), "48.2 ms");
        assert_eq!(duration(Duration::from_millis(1_310)), "1.31 s");
        assert_eq!(rate(1_000, Duration::from_millis(500)), "2,000");
        assert_eq!(rate(1, Duration::ZERO), "1,000,000,000");
    }

    #[test]
    fn texts() {
        assert_eq!(plain("a\tb\u{1b}[31m"), "a b\u{fffd}[31m");
        assert_eq!(plain("\u{9b}2J \u{202e}1 €"), "\u{fffd}2J \u{fffd}1 €");
        assert_eq!(
            plain_json("{\"a\":\"\u{9b}31m ä\u{7f}\"}\n".as_bytes()),
            &b"{\"a\":\"\\u009b31m \xc3\xa4\\u007f\"}\n"[..]
        );
        assert_eq!(plain_json(b"\xff\n"), &b"\xff\n"[..]);
        assert_eq!(quoted("order-42"), "order-42");
        assert_eq!(quoted("it's"), r"'it'\''s'");
    }
}
