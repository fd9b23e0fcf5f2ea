//! Reads of streams and of everything, beside positional and sequential reads of a plain file.

use annals_benches::folder;
use annals_benches::read::{Loaded, Row};
use annals_benches::workload::{LABEL, Workload};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

/// Events in the store, appended one a call.
const EVENTS: usize = 200_000;

fn read(criterion: &mut Criterion) {
    println!("{EVENTS} events, one a call; {LABEL}; {}", folder::describe());
    let loaded = Loaded::new(&Workload::default(), EVENTS, 1);
    let mut group = criterion.benchmark_group("read, 200k x 256+32 B");
    group.sample_size(10);
    for row in Row::ALL {
        group.throughput(Throughput::Elements(loaded.events(row)));
        group.bench_function(BenchmarkId::new("limit", row.short()), |bencher| {
            bencher.iter(|| loaded.limit(row));
        });
        group.bench_function(BenchmarkId::new("annals", row.short()), |bencher| {
            bencher.iter(|| loaded.annals(row));
        });
    }
    group.finish();
}

criterion_group!(benches, read);
criterion_main!(benches);
