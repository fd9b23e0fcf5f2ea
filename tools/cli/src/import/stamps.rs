//! The rules of `--recorded-at`: history keeps its order, and is past.

use annals::Timestamp;

use crate::moment;

/// Takes the lines' stamps one after the other.
#[derive(Debug)]
pub(super) struct Stamps {
    /// The newest event's stamp when the import began.
    store: Option<Timestamp>,
    /// The stamp of the last line that was written.
    last: Option<Timestamp>,
    /// The clock when it was last looked at.
    now: Timestamp,
}

impl Stamps {
    pub(super) fn new(newest_in_store: Option<Timestamp>) -> Self {
        Self { store: newest_in_store, last: None, now: moment::now() }
    }

    /// The stamp for a line; where it cannot have one, why.
    pub(super) fn check(&mut self, stamp: Option<Timestamp>) -> Result<Timestamp, String> {
        let Some(stamp) = stamp else {
            return Err("neither `recorded_at` nor `occurred_at` to stamp it with".to_owned());
        };
        match (self.last, self.store) {
            (Some(last), _) if stamp < last => {
                Err(format!("its time {stamp} lies before that of the line before, {last}"))
            }
            (None, Some(newest)) if stamp < newest => Err(format!(
                "its time {stamp} lies before the stamp of the store's newest event, {newest}"
            )),
            _ if self.is_future(stamp) => Err(format!("its time {stamp} lies in the future")),
            _ => Ok(stamp),
        }
    }

    /// The line with this stamp was written.
    pub(super) fn written(&mut self, stamp: Timestamp) {
        self.last = Some(stamp);
    }

    /// Looks at the clock only where it matters.
    fn is_future(&mut self, stamp: Timestamp) -> bool {
        if stamp > self.now {
            self.now = moment::now();
        }
        stamp > self.now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stamps_do_not_go_backwards_nor_into_the_future() {
        let at = |seconds: i64| Some(Timestamp::from_micros(seconds * 1_000_000));
        let mut stamps = Stamps::new(at(100));
        assert!(stamps.check(None).unwrap_err().contains("neither"));
        assert!(stamps.check(at(99)).unwrap_err().contains("newest event"));
        for seconds in [100, 100, 101] {
            let stamp = stamps.check(at(seconds)).unwrap();
            stamps.written(stamp);
        }
        assert!(stamps.check(at(100)).unwrap_err().contains("line before"));
        let future = Timestamp::from_micros(moment::now().as_micros() + 3_600_000_000);
        assert!(stamps.check(Some(future)).unwrap_err().contains("future"));
        assert!(Stamps::new(None).check(at(-1)).is_ok());
    }
}
