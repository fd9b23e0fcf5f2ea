//! Appends that survive power loss, one event a call, beside one `fdatasync` a group.

use annals::Durability;
use annals_benches::workload::{LABEL, Workload};
use annals_benches::{append, folder};
use criterion::{
    BenchmarkId, Criterion, SamplingMode, Throughput, criterion_group, criterion_main,
};

fn durable(criterion: &mut Criterion) {
    println!("{LABEL}; {}", folder::describe());
    let workload = Workload::default();
    let mut group = criterion.benchmark_group("durable append, 1 a call, 256+32 B");
    group.sample_size(10).sampling_mode(SamplingMode::Flat);
    for (threads, calls) in append::DURABLE {
        let shares = workload.shares(threads, calls / 4, 1);
        group.throughput(Throughput::Elements((threads * calls / 4) as u64));
        let label = format!("threads {threads}");
        group.bench_function(BenchmarkId::new("limit", &label), |bencher| {
            bencher.iter_custom(|runs| {
                folder::each(runs, |folder| {
                    append::limit(folder, &workload, &shares, Durability::Sync).1
                })
            });
        });
        group.bench_function(BenchmarkId::new("annals", &label), |bencher| {
            bencher.iter_custom(|runs| {
                folder::each(runs, |folder| {
                    append::annals(folder, &workload, &shares, Durability::Sync).1
                })
            });
        });
    }
    group.finish();
}

criterion_group!(benches, durable);
criterion_main!(benches);
