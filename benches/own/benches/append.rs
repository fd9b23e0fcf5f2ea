//! Appends to a buffered store, with the expected version checked, beside one `write` a call.

use annals::Durability;
use annals_benches::workload::{LABEL, Workload};
use annals_benches::{append, folder};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

fn buffered(criterion: &mut Criterion) {
    println!("{}", folder::describe());
    let workload = Workload::default();
    let mut group = criterion.benchmark_group(format!("buffered append, {LABEL}"));
    group.sample_size(10);
    for batch in [1, 10, 100] {
        group.throughput(Throughput::Elements(batch as u64));
        let label = format!("{batch} a call");
        group.bench_function(BenchmarkId::new("limit", &label), |bencher| {
            bencher.iter_custom(|calls| {
                let (shares, folder) = ([workload.calls(calls as usize, batch)], folder::fresh());
                append::limit(folder.path(), &workload, &shares, Durability::Buffered).1
            });
        });
        group.bench_function(BenchmarkId::new("annals", &label), |bencher| {
            bencher.iter_custom(|calls| {
                let (shares, folder) = ([workload.calls(calls as usize, batch)], folder::fresh());
                append::annals(folder.path(), &workload, &shares, Durability::Buffered).1
            });
        });
    }
    group.finish();
}

criterion_group!(benches, buffered);
criterion_main!(benches);
