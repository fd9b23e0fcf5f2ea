//! What time it is.

use std::fmt::Debug;
use std::time::{Duration, Instant, SystemTime};

use annals_types::Timestamp;

use crate::sync::Mutex;

/// A wall clock, which may jump, and a steady one, which does not.
pub trait Clock: Debug + Send + Sync {
    /// The wall clock.
    fn now(&self) -> Timestamp;

    /// Time since some fixed moment; never goes backwards.
    fn steady(&self) -> Duration;
}

/// The machine's clocks.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let micros = |span: Duration| {
            let seconds = i64::try_from(span.as_secs()).unwrap_or(i64::MAX);
            seconds.saturating_mul(1_000_000).saturating_add(span.subsec_micros().into())
        };
        Timestamp::from_micros(match SystemTime::now().duration_since(SystemTime::UNIX_EPOCH) {
            Ok(after) => micros(after),
            Err(before) => micros(before.duration()).saturating_neg(),
        })
    }

    fn steady(&self) -> Duration {
        static START: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
        START.get_or_init(Instant::now).elapsed()
    }
}

/// A clock that stands still until it is told to move.
#[derive(Debug)]
pub struct ManualClock {
    at: Mutex<(Timestamp, Duration)>,
}

impl ManualClock {
    /// A clock that shows `now`.
    #[must_use]
    pub const fn new(now: Timestamp) -> Self {
        Self { at: Mutex::new((now, Duration::ZERO)) }
    }

    /// Both clocks move on.
    pub fn advance(&self, by: Duration) {
        let mut at = self.at.lock();
        let micros = i64::try_from(by.as_micros()).unwrap_or(i64::MAX);
        *at = (
            Timestamp::from_micros(at.0.as_micros().saturating_add(micros)),
            at.1.saturating_add(by),
        );
    }

    /// The wall clock jumps; the steady one does not.
    pub fn set(&self, now: Timestamp) {
        self.at.lock().0 = now;
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        self.at.lock().0
    }

    fn steady(&self) -> Duration {
        self.at.lock().1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_manual_clock_moves_only_when_told() {
        let clock = ManualClock::new(Timestamp::from_micros(1_000));
        assert_eq!((clock.now().as_micros(), clock.steady()), (1_000, Duration::ZERO));
        clock.advance(Duration::from_micros(5));
        assert_eq!((clock.now().as_micros(), clock.steady().as_micros()), (1_005, 5));
        clock.set(Timestamp::from_micros(-7));
        assert_eq!((clock.now().as_micros(), clock.steady().as_micros()), (-7, 5));
        clock.advance(Duration::MAX);
        clock.advance(Duration::MAX);
        assert_eq!((clock.now(), clock.steady()), (Timestamp::MAX, Duration::MAX));
    }

    #[test]
    fn the_system_clock_tells_microseconds() {
        let (year_2020, year_2200) = (1_577_836_800_000_000, 7_258_118_400_000_000);
        assert!((year_2020..year_2200).contains(&SystemClock.now().as_micros()));
        let first = SystemClock.steady();
        assert!(SystemClock.steady() >= first);
    }
}
