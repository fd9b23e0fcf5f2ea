//! Appends to a buffered store, with the expected version checked, beside one `write` a call.

use annals::Durability;
use annals_benches::workload::{LABEL, Workload};
use annals_benches::{append, folder};
use criterion::{
    BenchmarkId, Criterion, SamplingMode, Throughput, criterion_group, criterion_main,
};

/// Events of one iteration, which begins with an empty folder.
const EVENTS: usize = 50_000;

fn buffered(criterion: &mut Criterion) {
    println!("{LABEL}; {}", folder::describe());
    let workload = Workload::default();
    let mut group = criterion.benchmark_group("buffered append, 256+32 B");
    group.sample_size(10).sampling_mode(SamplingMode::Flat);
    group.throughput(Throughput::Elements(EVENTS as u64));
    for batch in [1, 10, 100] {
        let shares = [workload.calls(EVENTS / batch, batch)];
        let label = format!("{batch} a call");
        group.bench_function(BenchmarkId::new("limit", &label), |bencher| {
            bencher.iter_custom(|runs| {
                folder::each(runs, |folder| {
                    append::limit(folder, &workload, &shares, Durability::Buffered).1
                })
            });
        });
        group.bench_function(BenchmarkId::new("annals", &label), |bencher| {
            bencher.iter_custom(|runs| {
                folder::each(runs, |folder| {
                    append::annals(folder, &workload, &shares, Durability::Buffered).1
                })
            });
        });
    }
    group.finish();
}

criterion_group!(benches, buffered);
criterion_main!(benches);
