//! The cost of each stage on one thread: `cargo bench --bench stages [NAME]`.
//!
//! All stages work on the same 100,000 trades (benches/trades), each on the previous stage's
//! output. Rows, pairs, differences and records per second are those of one core.

#![expect(clippy::expect_used, reason = "a benchmark may stop where it can't go on")]

#[path = "trades/make.rs"]
mod make;

use std::hint::black_box;
use std::path::Path;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use recon::align::{
    BlockRows, Gathered, Partitioning, Partitions, Placed, SpillRoom, align, row_of,
};
use recon::attribute::{Attributor, Machine};
use recon::config::{self, Surroundings};
use recon::database::StoreUrl;
use recon::domain::{Cells, Date, DiffType, DifferenceContext, FieldRef, Instant, RowRef, RunId};
use recon::domain::{RunStatus, Severity, Side, Stage};
use recon::normalize::Normalizer;
use recon::pipeline::Plan;
use recon::store::{Batch, FinishRun, NewRun, Opening, RecordKind, RecordRow, open};

const TRADES: usize = 100_000;

/// The job, with the settings of the whole-run benchmarks.
fn plan(folder: &Path) -> Plan {
    let environment = |_: &str| None;
    let batch_date = Date::from_civil(2026, 1, 15).expect("a day");
    let surroundings = Surroundings { batch_date, environment: &environment };
    let loaded = config::load(&folder.join("recon.yaml"), surroundings).expect("a configuration");
    loaded.plan(&loaded.open_sources().expect("sources")).expect("a plan")
}

/// Calls `each` with the rows of each block of a source, typed.
fn read(plan: &Plan, side: Side, mut each: impl FnMut(u64, &BlockRows)) {
    let (mut blocks, mut parser) = plan.sources[side].open(&[]).expect("a source").blocks();
    let mut normalizer = Normalizer::new(plan.normalize[side].clone()).expect("a normalizer");
    let (mut rows, mut cells) = (BlockRows::default(), Vec::new());
    while let Some(block) = blocks.next_block().expect("a block") {
        rows.clear();
        parser.parse(&block, &mut |raw| {
            let raw = raw.expect("a good row");
            cells.clear();
            normalizer.row(&raw, &mut cells);
            rows.push(&row_of(raw.line, raw.offset, &cells, plan.layout.key_len()));
        });
        each(block.sequence(), &rows);
    }
}

fn partitions(plan: &Plan, how: Partitioning, room: &SpillRoom) -> Partitions {
    let mut gathered = Gathered::new(how, room);
    for side in Side::BOTH {
        read(plan, side, |sequence, rows| {
            gathered.add(side, sequence, rows).expect("room");
        });
    }
    Partitions::new(how, [gathered])
}

fn reading(criterion: &mut Criterion, plan: &Plan) {
    let mut blocks = Vec::new();
    read(plan, Side::A, |sequence, rows| blocks.push((sequence, rows.clone())));
    let rows: u64 = blocks.iter().map(|(_, rows)| rows.len() as u64).sum();

    let mut group = criterion.benchmark_group("rows");
    group.throughput(Throughput::Elements(rows));
    group.bench_function("parse", |bencher| {
        bencher.iter(|| {
            let (mut blocks, mut parser) = plan.sources.a.open(&[]).expect("a source").blocks();
            let mut bytes = 0;
            while let Some(block) = blocks.next_block().expect("a block") {
                parser.parse(&block, &mut |raw| bytes += raw.map_or(0, |raw| raw.written().len()));
            }
            bytes
        });
    });
    group.bench_function("parse and type", |bencher| {
        bencher.iter(|| {
            let mut bytes = 0;
            read(plan, Side::A, |_, rows| bytes += rows.len());
            bytes
        });
    });
    let room = SpillRoom::new(&plan.options.temp_dir);
    let how = Partitioning { bits: 6, share: usize::MAX, part_limit: u64::MAX, together: 1 };
    group.bench_function("partition", |bencher| {
        bencher.iter(|| {
            let mut gathered = Gathered::new(how, &room);
            for (sequence, rows) in &blocks {
                gathered.add(Side::A, *sequence, rows).expect("room");
            }
            Partitions::new(how, [gathered]).len()
        });
    });
    group.finish();
}

fn joining(criterion: &mut Criterion, plan: &Plan) {
    let room = SpillRoom::new(&plan.options.temp_dir);
    let key_len = plan.layout.key_len();
    let how = Partitioning { bits: 3, share: usize::MAX, part_limit: u64::MAX, together: 1 };
    let parts = partitions(plan, how, &room);
    let mut group = criterion.benchmark_group("records");
    let join = |mut each: Box<dyn FnMut(Placed<'_>) + '_>| {
        for index in 0..parts.len() {
            let looked = parts.look(index, key_len, |rows| {
                align(rows, key_len, &*plan.comparison, &mut each);
                Ok(())
            });
            looked.expect("rows in memory");
        }
    };
    let mut records = 0u64;
    join(Box::new(|_| records += 1));
    group.throughput(Throughput::Elements(records));
    group.bench_function("join", |bencher| {
        bencher.iter(|| join(Box::new(|placed| _ = black_box(placed))));
    });
    group.finish();
}

fn deciding(criterion: &mut Criterion, plan: &Plan) {
    let room = SpillRoom::new(&plan.options.temp_dir);
    let key_len = plan.layout.key_len();
    let how = Partitioning { bits: 0, share: usize::MAX, part_limit: u64::MAX, together: 1 };
    let parts = partitions(plan, how, &room);
    let all = parts.look(0, key_len, |rows| {
        let mut pairs = Vec::new();
        align(rows, key_len, &*plan.comparison, |placed| {
            if let Placed::Pair(a, b) = placed {
                pairs.push((a, b));
            }
        });
        compare(criterion, plan, &pairs);
        rules(criterion, plan, &pairs);
        store(criterion, plan, &pairs);
        Ok(())
    });
    all.expect("rows in memory");
}

type Pairs<'a> = [(RowRef<'a>, RowRef<'a>)];

fn compare(criterion: &mut Criterion, plan: &Plan, pairs: &Pairs<'_>) {
    let mut group = criterion.benchmark_group("pairs");
    group.throughput(Throughput::Elements(pairs.len() as u64));
    group.bench_function("compare", |bencher| {
        bencher.iter(|| {
            let mut different = 0;
            for (a, b) in pairs {
                different += plan.comparison.pair(a.cells(), b.cells(), |_, _, _, _| ()).different;
            }
            different
        });
    });
    group.finish();
}

/// Every difference of the pairs.
fn differences<'a>(plan: &'a Plan, pairs: &Pairs<'a>) -> Vec<DifferenceContext<'a>> {
    let mut found = Vec::new();
    for (a, b) in pairs {
        let (a, b): (Cells<'_>, Cells<'_>) = (a.cells(), b.cells());
        plan.comparison.pair(a, b, |at, diff_type: DiffType, _, _| {
            found.push(DifferenceContext {
                layout: &plan.layout,
                field: FieldRef::Field(at),
                diff_type,
                severity: Severity::Medium,
                a: Some(a),
                b: Some(b),
                partner_rejected: false,
                matched: None,
            });
        });
    }
    found
}

fn rules(criterion: &mut Criterion, plan: &Plan, pairs: &Pairs<'_>) {
    let found = differences(plan, pairs);
    let machine = Machine::default();
    let mut attributor = Attributor::new(&plan.attribution, &machine, &plan.layout).expect("rules");
    let mut group = criterion.benchmark_group("differences");
    group.throughput(Throughput::Elements(found.len() as u64));
    group.bench_function("rules", |bencher| {
        bencher.iter(|| {
            for difference in &found {
                black_box(attributor.decide(difference, &[]));
            }
        });
    });
    group.finish();
}

fn store(criterion: &mut Criterion, plan: &Plan, pairs: &Pairs<'_>) {
    let mut batch = Batch::default();
    for (a, b) in pairs {
        batch.record(&RecordRow {
            kind: RecordKind::Pair,
            a: Some(a.cells()),
            b: Some(b.cells()),
            partner_rejected: false,
            place_a: Some((a.line, a.offset)),
            place_b: Some((b.line, b.offset)),
            matched: None,
        });
    }
    let begin = || {
        let folder = tempfile::tempdir().expect("a folder");
        let url = StoreUrl::parse("sqlite:bench.db", folder.path()).expect("a URL");
        let store = open(&url, Opening::Create).expect("a store");
        let id = RunId::new(1, [1; 10]);
        let run = NewRun {
            id,
            job: plan.job.clone(),
            system_a: String::new(),
            system_b: String::new(),
            batch_date: plan.batch_date,
            started: Instant::new(0, 0),
            layout: (*plan.layout).clone(),
            keep_all: true,
            metadata: serde_json::json!({}),
        };
        store.create_run(&run).expect("a run");
        (store.writer(id).expect("a writer"), folder)
    };
    let outcome = FinishRun {
        ended: Instant::new(1, 0),
        status: RunStatus::Completed,
        stage: Stage::Ingested,
        total_records: pairs.len() as u64,
        total_differences: 0,
        metadata: serde_json::json!({}),
    };
    let mut group = criterion.benchmark_group("records");
    group.throughput(Throughput::Elements(pairs.len() as u64));
    group.sample_size(10);
    group.bench_function("store", |bencher| {
        bencher.iter_batched(
            begin,
            |(mut writer, folder)| {
                writer.write(&batch).expect("written");
                writer.finish(&outcome).expect("finished");
                folder
            },
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

fn stages(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().expect("a folder");
    make::make(TRADES, 42, folder.path()).expect("data");
    let plan = plan(folder.path());
    reading(criterion, &plan);
    joining(criterion, &plan);
    deciding(criterion, &plan);
}

criterion_group!(benches, stages);
criterion_main!(benches);
