//! Histories of operations that are done to a store on a simulated disk and to the reference model:
//! commits of every kind, submits, repeated commits, reads, views, listings, background steps, clocks
//! that jump, and every way to end and begin an opening, with the index kept, lost or older. Each
//! answer is the model's.
//!
//! Each three bytes of the input are one operation: the seed from which the test suite's generator
//! makes it.

#![no_main]

use annals::IndexKind;
use annals_env::FaultyFs;
use annals_fuzz::Bounded;
use annals_tests::pair::{Disk, Pair};
use annals_tests::workload::random::{self, Op};
use libfuzzer_sys::fuzz_target;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

#[global_allocator]
static ALLOCATOR: Bounded = Bounded;

/// Most operations of a history.
const OPERATIONS_MAX: usize = 60;

fuzz_target!(|input: &[u8]| {
    let (seeds, rest) = input.as_chunks();
    let history: Vec<Op> = seeds.iter().take(OPERATIONS_MAX).map(operation).collect();
    let disk = Disk::Simulated(FaultyFs::default());
    if let Err(difference) = Pair::new(disk, IndexKind::Memory, !rest.is_empty()).run(&history) {
        panic!("{difference}");
    }
});

fn operation(seed: &[u8; 3]) -> Op {
    let mut whole = [1; 16];
    whole[..seed.len()].copy_from_slice(seed);
    let rng = TestRng::from_seed(RngAlgorithm::XorShift, &whole);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    random::op().new_tree(&mut runner).expect("nothing is filtered out").current()
}
