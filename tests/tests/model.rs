//! Random histories against the reference store, with every way to end and begin an opening:
//! on a simulated disk, and on the machine's own with each kind of index. `PROPTEST_CASES` sets the
//! number of histories (default 1,000; of those on the machine's disk a tenth for each kind of
//! index).

use std::time::Duration;

use annals::IndexKind;
use annals_env::FaultyFs;
use annals_tests::pair::{Disk, Pair};
use annals_tests::workload::random::{self, End, IndexFate, Op, Reopen, STREAMS};
use annals_tests::workload::seeded;
use annals_tests::{budget, kinds, model};
use proptest::prelude::*;
use proptest::test_runner::{Config, FileFailurePersistence};

const CASES: &str = "PROPTEST_CASES";

fn config(share: u32) -> Config {
    let seeds = concat!(env!("CARGO_MANIFEST_DIR"), "/seeds/model.txt");
    Config {
        cases: budget::from_env(CASES, 1_000_u32).div_ceil(share),
        max_shrink_iters: 20_000,
        failure_persistence: Some(Box::new(FileFailurePersistence::Direct(seeds))),
        ..Config::default()
    }
}

proptest! {
    #![proptest_config(config(1))]

    #[test]
    fn the_store_answers_as_the_model_does(
        buffered in any::<bool>(),
        history in random::history(60),
    ) {
        let disk = Disk::Simulated(FaultyFs::default());
        Pair::new(disk, IndexKind::Memory, buffered).run(&history).map_err(TestCaseError::fail)?;
    }
}

proptest! {
    #![proptest_config(config(25))]

    #[test]
    fn so_it_does_on_a_real_disk_with_each_index(
        buffered in any::<bool>(),
        history in random::history(60),
    ) {
        for kind in kinds() {
            let pair = Pair::new(Disk::real(), kind, buffered);
            pair.run(&history).map_err(TestCaseError::fail)?;
        }
    }
}

/// One long history, for what only builds up over many openings and segments.
#[test]
fn a_long_history_of_many_openings() {
    let mut pair = Pair::new(Disk::Simulated(FaultyFs::default()), IndexKind::Memory, true);
    for round in 0..12_u64 {
        for seed in 0..60 {
            let stream = STREAMS[usize::try_from(seed % 8).unwrap()];
            let commit = model::any(stream, seeded::events(round * 1_000 + seed * 5, 3, 250));
            pair.commit(&commit).unwrap();
            pair.act(&Op::Step(seed)).unwrap();
            pair.act(&Op::Advance(Duration::from_millis(7))).unwrap();
        }
        let end = [End::Close, End::Drop, End::Kill][usize::try_from(round % 3).unwrap()];
        let index = if round % 4 == 3 { IndexFate::Lost } else { IndexFate::Kept };
        let reopen =
            Reopen { end, index, kind: 0, buffered: round % 2 == 0, segment_bytes: 16 << 10 };
        pair.act(&Op::Reopen(reopen)).unwrap();
    }
    assert!(pair.store().stats().unwrap().segments_sealed > 10);
    pair.finish().unwrap();
}
