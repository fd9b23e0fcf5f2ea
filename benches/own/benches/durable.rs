//! Appends that survive power loss, one event a call, beside one `fdatasync` a group.

use annals::Durability;
use annals_benches::workload::{LABEL, Workload};
use annals_benches::{append, folder};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

fn durable(criterion: &mut Criterion) {
    println!("{}", folder::describe());
    let workload = Workload::default();
    let mut group = criterion.benchmark_group(format!("durable append, 1 a call, {LABEL}"));
    group.sample_size(10);
    for threads in [1, 8, 64] {
        // One iteration is one call of every thread.
        group.throughput(Throughput::Elements(threads as u64));
        let label = format!("threads {threads}");
        group.bench_function(BenchmarkId::new("limit", &label), |bencher| {
            bencher.iter_custom(|calls| {
                let shares = workload.shares(threads, calls as usize, 1);
                let folder = folder::fresh();
                append::limit(folder.path(), &workload, &shares, Durability::Sync).1
            });
        });
        group.bench_function(BenchmarkId::new("annals", &label), |bencher| {
            bencher.iter_custom(|calls| {
                let shares = workload.shares(threads, calls as usize, 1);
                let folder = folder::fresh();
                append::annals(folder.path(), &workload, &shares, Durability::Sync).1
            });
        });
    }
    group.finish();
}

criterion_group!(benches, durable);
criterion_main!(benches);
