//! The store's stamps and the callers' times.

use std::fmt;
use std::str::FromStr;

use jiff::tz::{Offset, TimeZone};

use crate::limits::Invalid;

/// A moment of the store's clock: microseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The earliest moment.
    pub const MIN: Self = Self(i64::MIN);
    /// The latest moment.
    pub const MAX: Self = Self(i64::MAX);

    /// The moment so many microseconds after 1970-01-01T00:00:00Z.
    #[must_use]
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// Microseconds since 1970-01-01T00:00:00Z.
    #[must_use]
    pub const fn as_micros(self) -> i64 {
        self.0
    }
}

impl fmt::Display for Timestamp {
    /// RFC 3339 in UTC with six digits of a second, e.g. `2026-03-03T12:00:00.000000Z`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_microsecond(self.0) {
            Ok(moment) => write!(f, "{moment:.6}"),
            Err(_) => write!(f, "{}us", self.0),
        }
    }
}

impl FromStr for Timestamp {
    type Err = Invalid;

    /// Reads RFC 3339 with any offset; digits beyond microseconds are cut off.
    fn from_str(text: &str) -> Result<Self, Invalid> {
        let moment: jiff::Timestamp = text.parse().map_err(|_| Invalid::time(text))?;
        let micros = moment.as_nanosecond().div_euclid(1_000);
        i64::try_from(micros).map(Self).map_err(|_| Invalid::time(text))
    }
}

/// When the caller says that something happened: a moment of the caller's clock to the nanosecond,
/// with the UTC offset and the number of sub-second digits in which it was written, so that it is
/// given back as it came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct OccurredAt {
    seconds: i64,
    nanos: u32,
    digits: u8,
    offset_minutes: i16,
}

impl OccurredAt {
    /// The largest UTC offset, either way, in minutes.
    pub const OFFSET_MINUTES_MAX: i16 = 24 * 60 - 1;

    /// A moment: seconds since 1970-01-01T00:00:00Z and nanoseconds after that, to be written with
    /// `digits` sub-second digits in the zone `offset_minutes` east of UTC. `None` where a part is
    /// out of range or `nanos` needs more than `digits` digits.
    #[must_use]
    pub fn new(seconds: i64, nanos: u32, digits: u8, offset_minutes: i16) -> Option<Self> {
        let unit = 10_u32.checked_pow(9_u32.checked_sub(u32::from(digits))?)?;
        let in_range = jiff::Timestamp::new(seconds, i32::try_from(nanos).ok()?).is_ok()
            && nanos < 1_000_000_000
            && nanos.is_multiple_of(unit)
            && offset_minutes.abs() <= Self::OFFSET_MINUTES_MAX;
        in_range.then_some(Self { seconds, nanos, digits, offset_minutes })
    }

    /// Seconds since 1970-01-01T00:00:00Z, rounded down.
    #[must_use]
    pub const fn seconds(self) -> i64 {
        self.seconds
    }

    /// Nanoseconds after [`OccurredAt::seconds`].
    #[must_use]
    pub const fn nanos(self) -> u32 {
        self.nanos
    }

    /// How many sub-second digits it is written with, 0 to 9.
    #[must_use]
    pub const fn digits(self) -> u8 {
        self.digits
    }

    /// Minutes east of UTC.
    #[must_use]
    pub const fn offset_minutes(self) -> i16 {
        self.offset_minutes
    }

    /// The same moment in the store's resolution, rounded down to a microsecond.
    #[must_use]
    pub fn timestamp(self) -> Timestamp {
        Timestamp(
            self.seconds.saturating_mul(1_000_000).saturating_add(i64::from(self.nanos / 1_000)),
        )
    }
}

impl From<Timestamp> for OccurredAt {
    fn from(moment: Timestamp) -> Self {
        let nanos = u32::try_from(moment.0.rem_euclid(1_000_000)).unwrap_or(0) * 1_000;
        Self { seconds: moment.0.div_euclid(1_000_000), nanos, digits: 6, offset_minutes: 0 }
    }
}

impl fmt::Display for OccurredAt {
    /// RFC 3339, in the offset and with the digits it was made with; offset zero is `Z`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = i32::from(self.offset_minutes) * 60;
        let parts = i32::try_from(self.nanos)
            .ok()
            .and_then(|nanos| jiff::Timestamp::new(self.seconds, nanos).ok())
            .zip(Offset::from_seconds(seconds).ok());
        let Some((moment, offset)) = parts else {
            return write!(f, "{}.{:09}s", self.seconds, self.nanos);
        };
        let local = moment.to_zoned(TimeZone::fixed(offset)).datetime();
        write!(f, "{local:.*}", usize::from(self.digits))?;
        match self.offset_minutes {
            0 => f.write_str("Z"),
            minutes => {
                let sign = if minutes < 0 { '-' } else { '+' };
                let minutes = minutes.unsigned_abs();
                write!(f, "{sign}{:02}:{:02}", minutes / 60, minutes % 60)
            }
        }
    }
}

impl FromStr for OccurredAt {
    type Err = Invalid;

    /// Reads RFC 3339, e.g. `2010-03-31T16:59:42.250+02:00`.
    fn from_str(text: &str) -> Result<Self, Invalid> {
        let invalid = || Invalid::time(text);
        let pieces =
            jiff::fmt::temporal::DateTimeParser::new().parse_pieces(text).map_err(|_| invalid())?;
        let time = pieces.time().ok_or_else(invalid)?;
        let offset = pieces.to_numeric_offset().ok_or_else(invalid)?;
        if pieces.time_zone_annotation().is_some() || offset.seconds() % 60 != 0 {
            return Err(invalid());
        }
        let moment = offset.to_timestamp(pieces.date().to_datetime(time)).map_err(|_| invalid())?;
        let digits = text
            .split_once(['.', ','])
            .map_or(0, |(_, rest)| rest.bytes().take_while(u8::is_ascii_digit).count());
        let nanos = moment.as_nanosecond();
        Self::new(
            i64::try_from(nanos.div_euclid(1_000_000_000)).map_err(|_| invalid())?,
            u32::try_from(nanos.rem_euclid(1_000_000_000)).map_err(|_| invalid())?,
            u8::try_from(digits).map_err(|_| invalid())?,
            i16::try_from(offset.seconds() / 60).map_err(|_| invalid())?,
        )
        .ok_or_else(invalid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_given_back_as_it_was_written() {
        for text in [
            "2010-03-31T16:59:42+02:00",
            "2010-10-01T00:00:00.000+02:00",
            "2019-05-20T12:26:57.000Z",
            "1969-12-31T23:59:59.999999999-09:30",
            "0001-01-01T00:00:00Z",
            "2026-02-28T23:00:00.5+14:00",
        ] {
            assert_eq!(text.parse::<OccurredAt>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_is_no_moment_is_refused() {
        for text in ["", "yesterday", "2010-03-31", "2010-03-31T16:59:42", "2010-13-31T16:59:42Z"] {
            assert!(text.parse::<OccurredAt>().is_err(), "{text}");
            assert!(text.parse::<Timestamp>().is_err(), "{text}");
        }
    }

    #[test]
    fn the_store_rounds_down_to_microseconds() {
        let before: OccurredAt = "1969-12-31T23:59:59.999999999Z".parse().unwrap();
        assert_eq!(before.timestamp().as_micros(), -1);
        assert_eq!(before.timestamp(), "1969-12-31T23:59:59.999999999Z".parse().unwrap());
    }
}
