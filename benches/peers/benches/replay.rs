//! Replay: one aggregate, one with snapshots, the whole store, beside the limit and peers.

use std::cell::Cell;

use annals_benches::folder;
use annals_peers::history::{ACCOUNT_EVENTS, LABEL};
use annals_peers::replay::{At, Replay, folded};
use criterion::measurement::WallTime;
use criterion::{
    BatchSize, BenchmarkGroup, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main,
};

/// Events in streams of 100.
const EVENTS: usize = 100_000;

fn replay(criterion: &mut Criterion) {
    let replay = Replay::new(EVENTS);
    println!("{} events, {LABEL}; {}", replay.events(), folder::describe());
    let mut group = criterion.benchmark_group("replay, 100k x 256+32 B");
    group.sample_size(10);
    load(&mut group, &replay);
    snapshots(&mut group, &replay);
    projections(&mut group, &replay);
    group.finish();
}

fn load(group: &mut BenchmarkGroup<'_, WallTime>, replay: &Replay) {
    const ROW: &str = "load 100 events";
    let loads = replay.load(0, |stream| folded(&*replay.plain, stream));
    group.throughput(Throughput::Elements((loads * ACCOUNT_EVENTS) as u64));
    group.bench_function(BenchmarkId::new("limit", ROW), |bencher| {
        bencher.iter(|| replay.load(0, |stream| folded(&*replay.plain, stream)));
    });
    group.bench_function(BenchmarkId::new("annals", ROW), |bencher| {
        bencher.iter(|| replay.load(0, |stream| replay.annals(stream)));
    });
    for (name, peer) in &replay.peers {
        group.bench_function(BenchmarkId::new(*name, ROW), |bencher| {
            bencher.iter(|| replay.load(0, |stream| folded(&**peer, stream)));
        });
    }
}

fn snapshots(group: &mut BenchmarkGroup<'_, WallTime>, replay: &Replay) {
    for at in At::ALL {
        let run = Cell::new(0);
        let points = || {
            run.set(run.get() + 1);
            replay.points(run.get(), at)
        };
        let count = replay.long(&points());
        group.throughput(Throughput::Elements(count as u64));
        let row = format!("10,000 events, snapshots, {}", at.label());
        group.bench_function(BenchmarkId::new("annals", row), |bencher| {
            bencher.iter_batched_ref(points, |points| replay.long(points), BatchSize::SmallInput);
        });
    }
}

fn projections(group: &mut BenchmarkGroup<'_, WallTime>, replay: &Replay) {
    group.throughput(Throughput::Elements(replay.events() as u64));
    let row = |name| BenchmarkId::new("annals", name);
    group.bench_function(BenchmarkId::new("limit", "scan of the store"), |bencher| {
        bencher.iter(|| replay.scan());
    });
    group.bench_function(row("projector, by type"), |bencher| {
        bencher.iter(|| replay.project_by_type());
    });
    group.bench_function(row("by type over the store"), |bencher| {
        bencher.iter(|| replay.by_type());
    });
    group.bench_function(row("projector, decoded"), |bencher| {
        bencher.iter(|| replay.project_total());
    });
    for (name, peer) in &replay.peers {
        group.bench_function(BenchmarkId::new(*name, "by type"), |bencher| {
            bencher.iter(|| replay.peer_by_type(&**peer));
        });
        group.bench_function(BenchmarkId::new(*name, "decoded"), |bencher| {
            bencher.iter(|| replay.peer_total(&**peer));
        });
    }
}

criterion_group!(benches, replay);
criterion_main!(benches);
