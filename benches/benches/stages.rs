//! Time of each stage by number of published ports: parse, lower, verify, print, encode.

#![expect(clippy::expect_used, reason = "a benchmark may stop")]

use std::hint::black_box;

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use dockfw::policy::{self, Source};
use dockfw_benches::{host, policy_text};
use dockfw_ir::verify::verify;
use dockfw_lower::lower;
use dockfw_netlink::Batch;

const SIZES: [usize; 4] = [100, 1_000, 10_000, 60_000];

fn stages(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("stages");
    group.sample_size(20);
    for ports in SIZES {
        group.throughput(Throughput::Elements(
            u64::try_from(ports).expect("a small number"),
        ));
        let text = policy_text(ports, false).into_bytes();
        let host = host(ports, false).expect("a valid host");
        let ruleset = lower(&host);
        let verified = verify(ruleset.clone()).expect("a valid ruleset");
        group.bench_function(BenchmarkId::new("parse", ports), |bencher| {
            bencher.iter_batched(
                || {
                    vec![Source {
                        name: "bench.toml".to_owned(),
                        bytes: text.clone(),
                    }]
                },
                |sources| black_box(policy::parse(sources)),
                BatchSize::LargeInput,
            );
        });
        group.bench_function(BenchmarkId::new("lower", ports), |bencher| {
            bencher.iter_with_large_drop(|| lower(black_box(&host)));
        });
        group.bench_function(BenchmarkId::new("verify", ports), |bencher| {
            bencher.iter_batched(|| ruleset.clone(), verify, BatchSize::LargeInput);
        });
        group.bench_function(BenchmarkId::new("print", ports), |bencher| {
            bencher.iter_with_large_drop(|| dockfw_ir::print::nft(black_box(&verified)));
        });
        group.bench_function(BenchmarkId::new("encode", ports), |bencher| {
            bencher.iter_with_large_drop(|| Batch::replace(black_box(&verified)));
        });
    }
    group.finish();
}

criterion_group!(benches, stages);
criterion_main!(benches);
