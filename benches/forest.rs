//! Prediction by the compiled forest and by the library's own predict.
//!
//! `cargo bench --bench forest`. Before measuring it verifies that both choose the same class.

#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a benchmark talks on stdout and may stop where it can't go on"
)]

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use recon::attribute::forest::boost::{Boosting, boost};
use recon::attribute::forest::train::{Labelled, Parameters, Reference, grow};

const FEATURES: usize = 100;
const CLASSES: usize = 14;
/// About as many as cross-validation chooses for generated trades.
const ROUNDS: usize = 160;

/// Rows like those of differences: flags, small counts and magnitudes, with 5 % wrong labels.
fn rows(count: usize, seed: u64) -> (Vec<f32>, Vec<u16>) {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut rows = Vec::with_capacity(count * FEATURES);
    let mut labels = Vec::with_capacity(count);
    for _ in 0..count {
        let label = random.usize(..CLASSES);
        for feature in 0..FEATURES {
            let told = feature % CLASSES == label;
            rows.push(match feature % 3 {
                0 => f32::from(random.u8(..10) < if told { 8 } else { 2 }),
                1 => f32::from(random.u8(..8)) + if told { 3.0 } else { 0.0 },
                _ => random.f32() * 10.0 + if told { 4.0 } else { 0.0 },
            });
        }
        labels.push(if random.u8(..20) == 0 { random.u16(..14) } else { label as u16 });
    }
    (rows, labels)
}

fn forest(criterion: &mut Criterion) {
    let (known, labels) = rows(100_000, 1);
    let data = Labelled {
        rows: &known,
        features: FEATURES,
        labels: &labels,
        classes: CLASSES,
        weights: &[],
    };
    let (fresh, _) = rows(20_000, 2);
    let count = fresh.len() / FEATURES;

    let part = Labelled { rows: &known[..4_000 * FEATURES], labels: &labels[..4_000], ..data };
    let reference = Reference::grow(&part, &Parameters::default()).expect("grows");
    let compiled = reference.compile(FEATURES, CLASSES).expect("compiles");
    let theirs = reference.predict(&fresh, FEATURES).expect("predicts");
    let (mut tied, mut same) = (0, 0);
    for (row, theirs) in fresh.chunks(FEATURES).zip(&theirs) {
        let votes = compiled.votes(row);
        let most = votes.iter().max().expect("classes");
        let winners: Vec<_> = (0..CLASSES).filter(|class| votes[*class] == *most).collect();
        if winners.len() > 1 {
            tied += 1;
        } else {
            assert_eq!(winners, [*theirs as usize], "the compiled forest chose another class");
            same += 1;
        }
    }
    println!("{same} of {count} rows: both choose the same class; {tied} votes tied");

    let started = std::time::Instant::now();
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let (stored, bag) =
        grow(&data, &Parameters::default(), threads, &recon::domain::Quiet).expect("grows");
    println!("grown from 100,000 rows on {threads} threads in {:.1?}", started.elapsed());
    let right = bag.probabilities.chunks(CLASSES).zip(&labels).filter(|(row, label)| {
        let best = row.iter().copied().fold(f32::MIN, f32::max);
        row[usize::from(**label)] == best
    });
    println!("out of bag {:.3} right", right.count() as f64 / 100_000.0);
    let full = stored.compile().expect("compiles");
    println!("{} nodes", full.node_count());
    let parameters = Boosting::default().fitting(labels.len());
    let boosted = boost(&data, ROUNDS, &parameters, 1, &recon::domain::Quiet).expect("boosts");
    let boosted = boosted.compile().expect("compiles");
    println!("boosted: {} trees, {} nodes", boosted.tree_count(), boosted.node_count());

    let mut group = criterion.benchmark_group("predict");
    group.sample_size(10);
    group.throughput(Throughput::Elements(count as u64));
    group.bench_function("library", |bencher| bencher.iter(|| reference.predict(&fresh, FEATURES)));
    for (name, forest) in [
        ("compiled, the same forest", &compiled),
        ("compiled, of 100,000 rows", &full),
        ("compiled, boosted", &boosted),
    ] {
        group.bench_function(format!("{name}, one thread"), |bencher| {
            let mut out = Vec::new();
            bencher.iter(|| forest.predict(&fresh, &mut out));
        });
        group.bench_function(format!("{name}, two threads"), |bencher| {
            bencher.iter(|| {
                std::thread::scope(|scope| {
                    for half in fresh.chunks(fresh.len() / 2) {
                        scope.spawn(|| {
                            let mut out = Vec::new();
                            forest.predict(half, &mut out);
                            out
                        });
                    }
                });
            });
        });
    }
    group.finish();
}

criterion_group!(benches, forest);
criterion_main!(benches);
