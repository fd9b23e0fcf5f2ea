//! Moments: as arguments, and the present one.

use std::time::{SystemTime, UNIX_EPOCH};

use annals::{Invalid, Timestamp};

/// Reads a moment from an argument: RFC 3339, or a day, which stands for its first moment in UTC.
pub(crate) fn parse(text: &str) -> Result<Timestamp, Invalid> {
    text.parse().or_else(|invalid| match text.len() {
        10 => format!("{text}T00:00:00Z").parse().map_err(|_: Invalid| invalid),
        _ => Err(invalid),
    })
}

/// A number, or a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Spot {
    Number(u64),
    Moment(Timestamp),
}

/// Reads either from an argument, in which a number is a `what`, of which there are `of_what`.
pub(crate) fn parse_spot(text: &str, what: &str, of_what: &str) -> Result<Spot, String> {
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        let number = text.parse().map_err(|_| format!("no {of_what} has so many events"))?;
        return Ok(Spot::Number(number));
    }
    parse(text)
        .map(Spot::Moment)
        .map_err(|invalid| format!("{invalid}; a {what} is a number such as 42"))
}

/// The present moment by this machine's clock.
pub(crate) fn now() -> Timestamp {
    let micros = match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(after) => i64::try_from(after.as_micros()).unwrap_or(i64::MAX),
        Err(before) => i64::try_from(before.duration().as_micros()).map_or(i64::MIN, |m| -m),
    };
    Timestamp::from_micros(micros)
}

/// A moment to the second, for a table.
pub(crate) fn short(moment: &str) -> String {
    let (date, rest) = moment.split_once('T').unwrap_or((moment, ""));
    let (time, zone) = match rest.find(['.', 'Z', '+', '-']) {
        Some(end) => (rest.get(..end).unwrap_or(rest), rest.get(end..).unwrap_or("")),
        None => (rest, ""),
    };
    let zone = zone.trim_start_matches(|c: char| c == '.' || c.is_ascii_digit());
    format!("{date} {time}{zone}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_a_number_and_anything_else_a_moment() {
        let spot = |text: &str| parse_spot(text, "version", "stream");
        assert_eq!(spot("42"), Ok(Spot::Number(42)));
        assert_eq!(spot("2026-03-03"), Ok(Spot::Moment(parse("2026-03-03").unwrap())));
        for text in ["", "-1", "4 2", "yesterday", "99999999999999999999", "2026-13-01"] {
            assert!(spot(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_day_is_its_first_moment() {
        assert_eq!(parse("2026-03-03"), "2026-03-03T00:00:00Z".parse());
        assert_eq!(parse("2026-03-03T01:00:00+01:00"), "2026-03-03T00:00:00Z".parse());
        for text in ["", "2026-3-3", "2026-02-30", "yesterday!"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_short_moment_keeps_its_zone() {
        assert_eq!(short("2026-03-03T12:00:00.250000Z"), "2026-03-03 12:00:00Z");
        assert_eq!(short("2010-10-02T09:20:39.266+02:00"), "2010-10-02 09:20:39+02:00");
        assert_eq!(short("2010-10-02T09:20:39-02:00"), "2010-10-02 09:20:39-02:00");
    }
}
