//! Recovery's one decision, as a table: what the end of a segment's frames means.
//!
//! A crash may keep any subset of the sectors that were not synced, so bytes behind the last whole
//! frame prove nothing by themselves, and neither does a zero. What proves is evidence that
//! something behind that frame *was durable*: a later whole frame, the `state` page or a saved
//! index that says so.

/// What follows the segment in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Follows {
    /// It is the last.
    Nothing,
    /// A segment that begins right behind the last whole frame.
    Next,
    /// A segment that begins further on.
    Gap,
}

/// What lies in the segment behind its last whole frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rest {
    /// Zeros only.
    Zero,
    /// Something else.
    Bytes,
}

/// What the end of the frames is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    /// The log ends here.
    End,
    /// An append that was never durable begins here; it is cut off.
    Torn,
    /// The segment is full; whatever lies behind is a footer that was not finished.
    Full,
    /// Something that was durable is not readable any more.
    Damaged,
}

/// `proven`: something behind the last whole frame was durable once.
pub(crate) const fn decide(follows: Follows, rest: Rest, proven: bool) -> Decision {
    match (follows, rest, proven) {
        (Follows::Nothing, Rest::Zero, false) => Decision::End,
        (Follows::Nothing, Rest::Bytes, false) => Decision::Torn,
        // A lost tail: even zeros are damage where something was durable.
        (Follows::Nothing, _, true) => Decision::Damaged,
        // A segment is synced before the next is made, so it needs no other proof.
        (Follows::Next, _, _) => Decision::Full,
        (Follows::Gap, _, _) => Decision::Damaged,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_each_case_once() {
        use {Decision::*, Follows::*, Rest::*};
        let table = [
            (Nothing, Zero, false, End),
            (Nothing, Zero, true, Damaged),
            (Nothing, Bytes, false, Torn),
            (Nothing, Bytes, true, Damaged),
            (Next, Zero, false, Full),
            (Next, Zero, true, Full),
            (Next, Bytes, false, Full),
            (Next, Bytes, true, Full),
            (Gap, Zero, false, Damaged),
            (Gap, Zero, true, Damaged),
            (Gap, Bytes, false, Damaged),
            (Gap, Bytes, true, Damaged),
        ];
        let mut seen = Vec::new();
        for (follows, rest, proven, decision) in table {
            assert_eq!(decide(follows, rest, proven), decision, "{follows:?} {rest:?} {proven}");
            seen.push((follows, rest, proven));
        }
        seen.dedup();
        assert_eq!(seen.len(), 3 * 2 * 2);
    }
}
