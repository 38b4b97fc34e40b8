//! A small run whose books close, for the tests of the reports.

use serde_json::json;

use crate::domain::metadata::{Seconds, Warning};
use crate::domain::{
    Books, Date, DiffType, Field, FieldRef, Instant, Kind, Layout, PerSide, RunId, RunStatus, Side,
    Stage, Status,
};
use crate::store::{AttributionCount, RejectedRow, RunRow};

use super::{Example, ReportData, Summary};

pub fn run() -> RunRow {
    let field = |name: &str, kind| Field::new(name, kind);
    RunRow {
        id: RunId::new(1_735_732_821_000, [0xaa; 10]),
        job: "fx_trades_eod".into(),
        system_a: "FRONT_OFFICE".into(),
        system_b: "RISK".into(),
        batch_date: Date::from_civil(2026, 1, 15).unwrap(),
        started: Instant::new(1_768_464_000, 500_000_000),
        ended: None,
        status: RunStatus::CompletedWithErrors,
        stage: Some(Stage::Attributed),
        superseded_by: None,
        total_records: 993,
        total_differences: 240,
        layout: Layout::new(
            vec![
                field("transaction_id", Kind::Text),
                field("counterparty", Kind::Text),
                field("amount", Kind::Decimal),
            ],
            1,
        ),
        keep_all: true,
        metadata: json!({
            "sources": {
                "a": { "path": "front_office.csv", "bytes": 62_669, "sha256": "9f86d081",
                       "rows": 950, "unused_columns": ["trader", "book|desk"] },
                "b": { "path": "risk.csv", "bytes": 59_392, "sha256": "60303ae2", "rows": 948 },
            },
            "warnings": [{
                "code": "ambiguous-dates",
                "message": "two formats of trade_date read 01/02/2026 differently",
                "place": "recon.yaml:21:5",
            }],
        }),
    }
}

pub fn books() -> Books {
    let mut books = Books {
        read: PerSide { a: 950, b: 948 },
        filtered: PerSide { a: 0, b: 3 },
        rejected: PerSide { a: 2, b: 0 },
        duplicates: PerSide { a: 1, b: 0 },
        missing_in: PerSide { a: 45, b: 47 },
        aligned: 900,
        matched: 760,
        within_tolerance: 12,
        breaks: 233,
        ..Books::default()
    };
    for (field, diff_type, count) in [
        (FieldRef::ENTIRE_RECORD, DiffType::MissingInSourceA, 45),
        (FieldRef::ENTIRE_RECORD, DiffType::MissingInSourceB, 47),
        (FieldRef::ENTIRE_RECORD, DiffType::DuplicateInSourceA, 1),
        ("amount", DiffType::NumericMismatch, 90),
        ("amount", DiffType::NullMismatch, 5),
        ("counterparty", DiffType::StringMismatch, 50),
        ("counterparty", DiffType::NullMismatch, 2),
    ] {
        for _ in 0..count {
            books.count_differences(field, diff_type, 1);
        }
    }
    books
}

pub fn attributions() -> Vec<AttributionCount> {
    [
        ("ROUNDING_DIFF", true, Status::Accepted, "RULE:attribute_rounding", 78),
        ("ROUNDING_DIFF", true, Status::Accepted, "maria", 3),
        ("MISSING_SOURCE_A", false, Status::Accepted, "RULE:attribute_missing", 45),
        ("MISSING_SOURCE_B", false, Status::Accepted, "RULE:attribute_missing", 47),
        ("MANUAL_ENTRY_ERR", false, Status::Accepted, "MODEL:3", 47),
        ("MANUAL_ENTRY_ERR", false, Status::Unknown, "MODEL:3", 3),
        ("UNKNOWN", false, Status::Unknown, "NONE", 17),
    ]
    .into_iter()
    .map(|(reason, functional, status, assigned_by, count)| AttributionCount {
        reason: reason.into(),
        functional,
        status,
        assigned_by: assigned_by.into(),
        count,
    })
    .collect()
}

pub fn rejected() -> Vec<RejectedRow> {
    let row = |line, code: &str, message: &str| RejectedRow {
        side: Side::A,
        line,
        offset: 0,
        code: code.into(),
        message: message.into(),
        text: "…".into(),
        key: None,
    };
    vec![
        row(17, "RAGGED_ROW", "5 fields where the header has 6"),
        row(40, "NULL_KEY", "transaction_id is null"),
    ]
}

pub fn summary() -> Summary {
    let seconds = Seconds { total: 0.4123, read: 0.1, align: 0.11, compare: 0.1, store: 0.1 };
    Summary::new(&run(), &books(), &attributions(), Some((838, 155)), &seconds)
        .with_rejected(&rejected())
}

pub fn data() -> ReportData {
    ReportData {
        summary: summary(),
        example: Some(Example {
            reference: "TX|42".into(),
            field: "amount".into(),
            value_a: Some("100.00".into()),
            value_b: None,
        }),
        details: Vec::new(),
        statements: super::statement::Statements::default(),
    }
}

/// A warning that questions the result.
pub fn first_warning() -> Warning {
    Warning {
        code: "same-difference".to_owned(),
        message: "`amount`: B has the opposite sign of A, in all 30 records".to_owned(),
        place: None,
        help: Some(
            "this is what the configuration should say about source B, as the rows show it; add to \
             `sources.b`: `normalize: { amount: [negate] }`"
                .to_owned(),
        ),
    }
}
