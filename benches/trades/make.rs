//! Two extracts of trades with known breaks, a job that reconciles them, and the exact result.
//!
//! Each side keeps 95 % of the true trades, independently. On side B 10 % of the amounts are
//! multiplied by a factor in 0.9999..1.0001, 2 % of the counterparties and 5 % of the trade dates
//! are off, `B`/`S` replaces `BUY`/`SELL`, and the rows are reordered. The result is counted while
//! the noise is generated, never by a join.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::Path;

use fastrand::Rng;

/// A fixed day, so that a seed determines the data set: 2026-01-15.
const BASE_DAY: i32 = 20_468;
const SURNAMES: [&str; 40] = [
    "Adler", "Baker", "Castle", "Dunbar", "Ebert", "Farrow", "Granger", "Hadley", "Ingram",
    "Jarvis", "Keller", "Lowell", "Mercer", "Norwood", "Oakley", "Palmer", "Quimby", "Rowan",
    "Sutton", "Thorne", "Ullman", "Vance", "Walden", "Yardley", "Zeller", "Archer", "Birch",
    "Colby", "Denton", "Ellery", "Fenwick", "Garland", "Hollis", "Irving", "Judd", "Kemp",
    "Langley", "Marsh", "Nolan", "Osborn",
];
const FORMS: [&str; 6] = ["Inc", "and Sons", "LLC", "Group", "PLC", "Ltd"];
const CURRENCIES: [&str; 5] = ["USD", "EUR", "GBP", "JPY", "CAD"];

struct Trade {
    id: [u8; 16],
    day: i32,
    settlement: i32,
    counterparty: u16,
    sell: bool,
    currency: u8,
    cents: i64,
    trader: u16,
}

#[derive(Default)]
pub struct Expected {
    rows_a: u64,
    rows_b: u64,
    aligned: u64,
    missing_in_a: u64,
    missing_in_b: u64,
    amount: u64,
    counterparty: u64,
    trade_date: u64,
    breaks: u64,
}

/// Generates this many true trades from this seed into this folder, and returns the result.
pub fn make(rows: usize, seed: u64, folder: &Path) -> std::io::Result<Expected> {
    fs::create_dir_all(folder)?;
    let mut rng = Rng::with_seed(seed);
    let names = counterparties(&mut rng);
    let mut expected = Expected::default();
    let mut a = extract(folder, "source_a.csv")?;
    let mut side_b: Vec<Trade> = Vec::with_capacity(rows);
    for _ in 0..rows {
        let day = BASE_DAY - rng.i32(0..31);
        let mut trade = Trade {
            id: rng.u128(..).to_be_bytes(),
            day,
            settlement: day + 2,
            counterparty: rng.u16(0..5_000),
            sell: rng.bool(),
            currency: rng.u8(0..5),
            cents: rng.i64(100_000..=100_000_000),
            trader: rng.u16(0..1_000),
        };
        trade.id[6] = trade.id[6] & 0x0f | 0x40;
        trade.id[8] = trade.id[8] & 0x3f | 0x80;
        let (in_a, in_b) = (rng.f64() < 0.95, rng.f64() < 0.95);
        if in_a {
            expected.rows_a += 1;
            let side = if trade.sell { "SELL" } else { "BUY" };
            write_trade(&mut a, &trade, &names, side)?;
        }
        if !in_b {
            expected.missing_in_b += u64::from(in_a);
            continue;
        }
        expected.rows_b += 1;
        let (cents, name, day) = (trade.cents, trade.counterparty, trade.day);
        if rng.f64() < 0.10 {
            let factor = 0.9999 + rng.f64() * 0.0002;
            trade.cents = (trade.cents as f64 * factor).round() as i64;
        }
        if rng.f64() < 0.02 {
            trade.counterparty += 5_000;
        }
        if rng.f64() < 0.05 {
            trade.day += 1;
        }
        if in_a {
            expected.aligned += 1;
            let differs = [trade.cents != cents, trade.counterparty != name, trade.day != day];
            expected.amount += u64::from(differs[0]);
            expected.counterparty += u64::from(differs[1]);
            expected.trade_date += u64::from(differs[2]);
            expected.breaks += u64::from(differs.contains(&true));
        } else {
            expected.missing_in_a += 1;
        }
        side_b.push(trade);
    }
    a.flush()?;
    rng.shuffle(&mut side_b);
    let mut b = extract(folder, "source_b.csv")?;
    for trade in side_b {
        write_trade(&mut b, &trade, &names, if trade.sell { "S" } else { "B" })?;
    }
    b.flush()?;
    expected.breaks += expected.missing_in_a + expected.missing_in_b;
    fs::write(folder.join("recon.yaml"), CONFIGURATION)?;
    fs::write(folder.join("rules.rhai"), RULES)?;
    fs::write(folder.join("expected.json"), expected.json())?;
    Ok(expected)
}

/// 5,000 names, each followed by the same name as someone else would type it.
fn counterparties(rng: &mut Rng) -> Vec<String> {
    let mut names = Vec::with_capacity(10_000);
    let mut seen = std::collections::HashSet::new();
    while names.len() < 5_000 {
        let mut pick = || SURNAMES[rng.usize(0..SURNAMES.len())];
        let (x, y, z) = (pick(), pick(), pick());
        let name = match rng.u8(0..3) {
            0 => format!("{x} {y} {}", FORMS[rng.usize(0..FORMS.len())]),
            1 => format!("{x}-{y} {z}"),
            _ => format!("{x}, {y} and {z}"),
        };
        if seen.insert(name.clone()) {
            names.push(name);
        }
    }
    for at in 0..5_000 {
        let name = &names[at];
        let typo =
            if name.contains("Inc") { name.replace("Inc", "Ltd") } else { format!("{name} Inc") };
        names.push(typo);
    }
    names
}

fn extract(folder: &Path, name: &str) -> std::io::Result<BufWriter<File>> {
    let mut out = BufWriter::with_capacity(1 << 20, File::create(folder.join(name))?);
    out.write_all(
        b"transaction_id,trade_date,settlement_date,counterparty,buy_sell,currency,amount,trader_id\n",
    )?;
    Ok(out)
}

fn write_trade(
    out: &mut impl Write,
    trade: &Trade,
    names: &[String],
    side: &str,
) -> std::io::Result<()> {
    for (at, byte) in trade.id.iter().enumerate() {
        if matches!(at, 4 | 6 | 8 | 10) {
            out.write_all(b"-")?;
        }
        write!(out, "{byte:02x}")?;
    }
    let day = recon::domain::Date::from_days;
    let name = &names[usize::from(trade.counterparty)];
    let quote = if name.contains(',') { "\"" } else { "" };
    writeln!(
        out,
        ",{},{},{quote}{name}{quote},{side},{},{}.{:02},TRADER-{:03}",
        day(trade.day),
        day(trade.settlement),
        CURRENCIES[usize::from(trade.currency)],
        trade.cents / 100,
        trade.cents % 100,
        trade.trader
    )
}

impl Expected {
    fn json(&self) -> String {
        let entire = self.missing_in_a + self.missing_in_b;
        serde_json::json!({
            "records": {
                "a": self.rows_a, "b": self.rows_b, "aligned": self.aligned, "breaks": self.breaks,
                "missing_in_a": self.missing_in_a, "missing_in_b": self.missing_in_b,
            },
            "differences": {
                "total": self.amount + self.counterparty + self.trade_date + entire,
                "by_field": {
                    "ENTIRE_RECORD": entire, "amount": self.amount,
                    "counterparty": self.counterparty, "trade_date": self.trade_date,
                },
            },
        })
        .to_string()
    }
}

const CONFIGURATION: &str = r#"version: 1
job: bench_trades
store: sqlite:${STORE:-recon.db}
sources:
  a:
    system: FRONT_OFFICE
    read: { csv: { path: source_a.csv } }
    map: &map
      transaction_id: transaction_id
      trade_date: trade_date
      settlement_date: settlement_date
      counterparty: counterparty
      buy_sell: buy_sell
      currency: currency
      amount: amount
      trader_id: trader_id
  b:
    system: RISK
    read: { csv: { path: source_b.csv } }
    map: *map
key: [transaction_id]
fields:
  transaction_id: { type: text, normalize: [trim, upper] }
  trade_date: { type: date }
  settlement_date: { type: date }
  counterparty: { type: text, normalize: [trim, upper] }
  buy_sell: { type: text, normalize: [trim, upper, side] }
  currency: { type: text, normalize: [trim, upper] }
  amount: { type: decimal, tolerance: { absolute: 0.005 } }
  trader_id: { type: text, normalize: [trim, upper] }
rules:
  normalize: rules.rhai
  attribute: [rules.rhai]
reason_codes:
  ROUNDING_DIFF: { functional: true, description: "Less than two cents" }
  FX_VARIANCE: { functional: true, description: "Half a percent to three" }
  MANUAL_ENTRY_ERR: { functional: false, description: "The same but for points and commas" }
  MISSING_SOURCE_A: { functional: false, description: "Record exists in B but not in A" }
  MISSING_SOURCE_B: { functional: false, description: "Record exists in A but not in B" }
  DATA_TYPE_MISMATCH: { functional: false, description: "A value that can't be read" }
attribution: { accept_at: 0.90 }
options: { keep: "${KEEP:-all}", memory_limit: "${MEMORY:-4GiB}", threads: "${THREADS:-auto}" }
"#;

const RULES: &str = r#"// The work of the benchmarks: B/S against BUY/SELL, and six rules in one function.
fn side(v) {
    switch v { "B" => "BUY", "S" => "SELL", _ => v }
}

fn attribute(d) {
    switch d.diff_type {
        "MISSING_IN_SOURCE_A" => reason("MISSING_SOURCE_A", 1.0),
        "MISSING_IN_SOURCE_B" => reason("MISSING_SOURCE_B", 1.0),
        "TYPE_MISMATCH" => reason("DATA_TYPE_MISMATCH", 1.0),
        "NUMERIC_MISMATCH" => {
            if d.abs_delta < 0.02 { return reason("ROUNDING_DIFF", 0.95); }
            let percent = d.percent;
            if percent > 0.5 && percent < 3.0 { return reason("FX_VARIANCE", 0.80); }
        }
        "STRING_MISMATCH" => {
            let a = d.a;
            let b = d.b;
            a.replace(".", ""); a.replace(",", ""); a.trim();
            b.replace(".", ""); b.replace(",", ""); b.trim();
            if a == b { return reason("MANUAL_ENTRY_ERR", 0.90); }
        }
        _ => ()
    }
}
"#;
