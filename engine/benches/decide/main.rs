//! How fast the engine decides, lays out a snapshot, and learns. `cargo xtask bench engine`
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    missing_docs,
    reason = "a benchmark fails by panicking and says what it finds"
)]

mod subject;
mod world;

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

use subject::Subject;

fn engine(criterion: &mut Criterion) {
    for offers in [100, 1_000] {
        let mut subject = Subject::new(offers);
        let mut group = criterion.benchmark_group("engine");
        group.bench_function(BenchmarkId::new("decide", offers), |bencher| {
            bencher.iter(|| black_box(subject.decide()));
        });
        group.bench_function(BenchmarkId::new("explain", offers), |bencher| {
            bencher.iter(|| black_box(subject.explain()));
        });
        group.bench_function(BenchmarkId::new("lay_out", offers), |bencher| {
            bencher.iter(|| black_box(subject.lay_out()));
        });
        group.throughput(Throughput::Elements(subject.rows.len() as u64));
        group.bench_function(BenchmarkId::new("fold", offers), |bencher| bencher.iter(|| subject.fold()));
        group.finish();
        println!("snapshot of {offers} offers: {} bytes", subject.compact.len());
    }
}

criterion_group!(benches, engine);
criterion_main!(benches);
