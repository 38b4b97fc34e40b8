//! `recon explain`: traces one record from raw cells to the reason of each difference.

use crate::compare::FieldCompare;
use crate::diagnostic::{Code, Problem};
use crate::domain::gate::Gate;
use crate::domain::run::IdClass;
use crate::domain::{
    CandidateRow, Carried, Cell, Cells, DiffType, FieldRef, Matched, Member, PerSide, Severity,
    Side, Stage, evidence, key, metadata, place,
};
use crate::normalize::{FieldTrace, Normalizer};
use crate::source::read_record;
use crate::store::run::OwnedAttribution;
use crate::store::{OwnedRecord, RecordKind, RunRow, Store};

use super::Plan;
use super::diff::read_matched;

#[derive(Clone, Debug)]
pub struct Explanation {
    pub record_id: uuid::Uuid,
    /// The key parts joined by `|`.
    pub reference: String,
    pub kind: RecordKind,
    /// `None` before attribution.
    pub gate: Option<Gate>,
    pub sides: PerSide<Option<SideExplanation>>,
    /// In layout order.
    pub fields: Vec<FieldExplanation>,
    /// The difference of a missing or duplicate record.
    pub entire: Option<DifferenceExplanation>,
    /// The rejected row with this key on the missing side, if any.
    pub rejected_partner: Option<RejectedPartner>,
    /// How it was matched, or could have been; of a job with `match`.
    pub matched: Option<MatchExplanation>,
    /// Origin of each side's row, if it was carried.
    pub carried: PerSide<Option<Carried>>,
    /// Its fate on later dates, if a row of it took part again.
    pub later: Option<Later>,
}

/// The fate of a record's row on later dates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Later {
    /// The newest date on which it took part.
    pub date: String,
    pub run_id: String,
    /// Its record there.
    pub record_id: uuid::Uuid,
    /// The reference of that record's other side.
    pub partner: Option<String>,
    /// That record has no differences.
    pub is_cleared: bool,
}

/// How a record was matched, or why not.
#[derive(Clone, Debug, Default)]
pub struct MatchExplanation {
    /// The pass; none for a row that stayed open.
    pub pass: Option<String>,
    pub certificate: Option<String>,
    /// Best solutions without it.
    pub alternatives: u32,
    /// The rows of each side, with the amounts that were summed.
    pub members: PerSide<Vec<MemberExplanation>>,
    /// Candidates of an open row.
    pub candidates: Vec<CandidateRow>,
}

/// A row of a match.
#[derive(Clone, Debug)]
pub struct MemberExplanation {
    pub reference: String,
    /// Its values in the fields by which it was matched.
    pub values: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RejectedPartner {
    pub file: String,
    /// The first line of the row.
    pub line: u64,
    /// Place, in words.
    pub place: String,
}

/// The origin of one side of a record.
#[derive(Clone, Debug)]
pub struct SideExplanation {
    pub system: String,
    pub file: String,
    /// The first line of the row.
    pub line: u64,
    /// Place, in words.
    pub place: String,
    /// Each field from cell to value; empty if the row can't be read again.
    pub traces: Vec<FieldTrace>,
    /// Why the row can't be read again, or that it has changed since.
    pub unreadable: Option<String>,
}

#[derive(Clone, Debug)]
pub struct FieldExplanation {
    pub name: String,
    /// The stored canonical text of each side; null is `None`.
    pub values: PerSide<Option<String>>,
    /// The tolerance in words, or that the field is part of the key.
    pub comparison: String,
    /// False for informational fields.
    pub compared: bool,
    pub difference: Option<DifferenceExplanation>,
}

#[derive(Clone, Debug)]
pub struct DifferenceExplanation {
    pub diff_id: uuid::Uuid,
    /// Its number in the run.
    pub number: u64,
    /// The checker's name; empty, like the next two, without a human decision.
    pub checker: String,
    pub authorizer: String,
    /// Comments of maker, checker and authorizer.
    pub comment: String,
    pub diff_type: DiffType,
    pub severity: Severity,
    /// The smallest tolerance that would have cleared it, if any.
    pub clearing: Option<String>,
    /// By how much the tolerance was missed, if that is one number.
    pub missed: Option<String>,
    /// `None` before attribution.
    pub attribution: Option<OwnedAttribution>,
    /// File and line of the rule that decided, if it still exists.
    pub rule_place: Option<String>,
    /// The comment above that rule.
    pub rule_words: Option<String>,
}

/// Explains every record of the run with this reference.
pub fn explain(
    store: &dyn Store,
    plan: &Plan,
    run: &RunRow,
    reference: &str,
) -> Result<Vec<Explanation>, Problem> {
    let records = store.records_by_reference(run.id, reference)?;
    if records.is_empty() {
        // A record that can't be read is not found either.
        store.each_record(run.id, &mut |record| {
            cells_of(run, record.a)?;
            cells_of(run, record.b).map(drop)
        })?;
        let mut help = format!(
            "references are the key parts joined by `|`, as in `recon sql \"SELECT source_a_ref_id, \
             source_b_ref_id FROM recon.recon_records WHERE run_id = '{}' LIMIT 20\"`",
            run.id
        );
        if !run.keep_all && run.stage >= Some(Stage::Compared) {
            help =
                format!("this run stored only records with differences (`keep: breaks`); {help}");
        }
        let message = format!("run {} has no record `{reference}`", run.id);
        return Err(Problem::new(Code::NoSuchRecord, message).help(help));
    }
    records
        .iter()
        .map(|record| {
            let explained = explain_record(plan, run, record)?;
            Ok(Explanation { later: later(store, run, record)?, ..explained })
        })
        .collect()
}

/// Follows the open row of a record through the runs of later dates.
fn later(store: &dyn Store, run: &RunRow, record: &OwnedRecord) -> Result<Option<Later>, Problem> {
    let mut found = None;
    let (mut run, mut record) = (run.clone(), record.clone());
    while !record.differences.is_empty() {
        let Some(next) = next_run(store, &run)? else { break };
        let mut taken = None;
        for side in Side::BOTH {
            if taken.is_none() {
                taken = store.record_that_took_over(next.id, side, record.number)?;
            }
        }
        let Some(taken) = taken else { break };
        let matched = taken.matched.as_deref().map(|text| read_matched(taken.number, text));
        let matched = matched.transpose()?.unwrap_or_default();
        // The side that was open is the one that was carried; the other one is its partner.
        let partner = if matched.carried_a.is_some() { Side::B } else { Side::A };
        let values = if partner == Side::A { &taken.a } else { &taken.b };
        let cells = cells_of(&next, values.as_deref())?;
        let of_key = || {
            let key_len = next.layout.key_len();
            cells.as_ref().map(|cells| key::reference(Cells::new(cells), key_len))
        };
        found = Some(Later {
            date: next.batch_date.to_string(),
            run_id: next.id.to_string(),
            record_id: next.id.derived(IdClass::Record, taken.number),
            partner: matched.reference(partner).map(str::to_owned).or_else(of_key),
            is_cleared: taken.differences.is_empty(),
        });
        (run, record) = (next, taken);
    }
    Ok(found)
}

/// The current run that took over the open items of this run.
fn next_run(store: &dyn Store, run: &RunRow) -> Result<Option<RunRow>, Problem> {
    let later = store.later_dates(&run.job, run.batch_date)?;
    let Some(next) = later.first() else { return Ok(None) };
    let next = store.current_run(&run.job, *next)?;
    Ok(next.filter(|next| {
        let rests_on = next.metadata.pointer("/open_items/previous/run");
        rests_on.and_then(serde_json::Value::as_str) == Some(run.id.to_string().as_str())
    }))
}

/// Explains one record, as of its run.
pub fn explain_record(
    plan: &Plan,
    run: &RunRow,
    record: &OwnedRecord,
) -> Result<Explanation, Problem> {
    let cells =
        PerSide { a: cells_of(run, record.a.as_deref())?, b: cells_of(run, record.b.as_deref())? };
    let present = cells.a.as_ref().or(cells.b.as_ref());
    let matched = record.matched.as_deref().map(|text| read_matched(record.number, text));
    let matched = matched.transpose()?;
    let named = matched.as_ref().and_then(|matched| {
        matched.reference(Side::A).or_else(|| matched.reference(Side::B)).map(str::to_owned)
    });
    let by_key = || {
        let key = |cells: &Vec<u8>| key::reference(Cells::new(cells), run.layout.key_len());
        present.map(key).unwrap_or_default()
    };
    let reference = named.unwrap_or_else(by_key);
    // Of a group the first row is followed; its own values are sums.
    let first = |members: &[Member]| match members.first() {
        Some(member) => cells_of(run, Some(member.values.get())),
        None => Ok(None),
    };
    let members = matched.as_ref().map(|matched| (first(&matched.a), first(&matched.b)));
    let (first_a, first_b) = members.map_or((None, None), |(a, b)| (Some(a), Some(b)));
    let (first_a, first_b) = (first_a.transpose()?.flatten(), first_b.transpose()?.flatten());
    let carried = |side: Side| matched.as_ref().and_then(|matched| matched.carried(side)).cloned();
    let carried = PerSide::of(carried);
    let side = |side: Side| {
        let (place, own) = match side {
            Side::A => (record.place_a, first_a.as_deref()),
            Side::B => (record.place_b, first_b.as_deref()),
        };
        explain_side(plan, run, side, place, own.or(cells[side].as_deref()), carried[side].as_ref())
    };
    let differences = |field: FieldRef| {
        record.differences.iter().find(|difference| difference.field == field).map(|found| {
            let rule_place = found
                .attribution
                .as_ref()
                .and_then(|attribution| rule_place(run, &attribution.assigned_by));
            DifferenceExplanation {
                diff_id: run.id.derived(IdClass::Difference, found.number),
                number: found.number,
                checker: String::new(),
                authorizer: String::new(),
                comment: String::new(),
                diff_type: found.diff_type,
                severity: found.severity,
                clearing: measured(plan, run, field, &cells, FieldCompare::clearing),
                missed: measured(plan, run, field, &cells, FieldCompare::missed),
                attribution: found.attribution.clone(),
                rule_words: rule_place.as_deref().and_then(|place| rule_words(plan, place)),
                rule_place,
            }
        })
    };
    // A pass compares no key, and of a group no field in which its rows disagree.
    let is_left_out = |at: usize| {
        matched.as_ref().is_some_and(|matched| {
            matched.skip.contains(&at) || (matched.pass.is_some() && at < run.layout.key_len())
        })
    };
    let fields = run
        .layout
        .fields()
        .iter()
        .enumerate()
        .map(|(at, field)| FieldExplanation {
            name: field.name.clone(),
            compared: field.compared && !is_left_out(at),
            values: PerSide {
                a: text_at(cells.a.as_deref(), at),
                b: text_at(cells.b.as_deref(), at),
            },
            comparison: if is_left_out(at) {
                "not compared".to_owned()
            } else if at < run.layout.key_len() {
                "key".to_owned()
            } else {
                let described =
                    (run.layout == *plan.layout).then(|| plan.comparison.field(at)).flatten();
                described.map_or_else(String::new, |compare| compare.describe())
            },
            difference: differences(FieldRef::Field(u16::try_from(at).unwrap_or(u16::MAX))),
        })
        .collect();
    let missing_place = match record.kind {
        RecordKind::OnlyA | RecordKind::SurplusA => record.place_b,
        RecordKind::OnlyB | RecordKind::SurplusB => record.place_a,
        RecordKind::Pair | RecordKind::Group => None,
    };
    Ok(Explanation {
        record_id: run.id.derived(IdClass::Record, record.number),
        reference,
        kind: record.kind,
        gate: record.gate,
        sides: PerSide::of(side),
        carried: carried.clone(),
        later: None,
        fields,
        entire: differences(FieldRef::EntireRecord),
        matched: matched
            .filter(|_| plan.matching.is_some())
            .map(|matched| explain_match(plan, run, record, &cells, matched)),
        rejected_partner: missing_place.map(|(line, offset)| {
            let is_of_a = matches!(record.kind, RecordKind::OnlyA | RecordKind::SurplusA);
            let source = stored_source(plan, run, if is_of_a { Side::B } else { Side::A });
            let (file, place) = (source.file(offset).to_owned(), source.place(line, offset));
            RejectedPartner { file, line, place }
        }),
    })
}

/// How a record was matched, with the rows of both sides.
fn explain_match(
    plan: &Plan,
    run: &RunRow,
    record: &OwnedRecord,
    cells: &PerSide<Option<Vec<u8>>>,
    matched: Matched,
) -> MatchExplanation {
    let pass = plan
        .matching
        .as_ref()
        .zip(matched.pass.as_ref())
        .and_then(|(matching, name)| matching.passes.iter().find(|pass| pass.name == *name));
    // Summed fields say most; without any, all `near` fields.
    let near = pass.map_or(&[][..], |pass| pass.near.as_slice());
    let summed: Vec<_> = near.iter().filter(|near| near.summed).collect();
    let shown: Vec<usize> = if summed.is_empty() {
        near.iter().map(|near| near.field).collect()
    } else {
        summed.iter().map(|near| near.field).collect()
    };
    let values = |cells: &[u8]| -> Vec<String> {
        shown.iter().filter_map(|field| text_at(Some(cells), *field)).collect()
    };
    let members = |side: Side| -> Vec<MemberExplanation> {
        let (own, place) = match side {
            Side::A => (&matched.a, record.place_a),
            Side::B => (&matched.b, record.place_b),
        };
        if own.is_empty() {
            let reference = matched.reference(side).map(str::to_owned);
            let line = place.map_or(0, |(line, _)| line);
            return cells[side]
                .iter()
                .map(|cells| MemberExplanation {
                    reference: reference.clone().unwrap_or_else(|| {
                        let key_len = run.layout.key_len();
                        if key_len == 0 {
                            format!("{side}:{line}")
                        } else {
                            key::reference(Cells::new(cells), key_len)
                        }
                    }),
                    values: values(cells),
                })
                .collect();
        }
        let member = |member: &Member| MemberExplanation {
            reference: member.reference.clone(),
            values: cells_of(run, Some(member.values.get()))
                .ok()
                .flatten()
                .map_or_else(Vec::new, |cells| values(&cells)),
        };
        own.iter().map(member).collect()
    };
    MatchExplanation {
        members: PerSide { a: members(Side::A), b: members(Side::B) },
        pass: matched.pass,
        certificate: matched.certificate,
        alternatives: matched.alternatives.unwrap_or_default(),
        candidates: matched.candidates,
    }
}

fn cells_of(run: &RunRow, text: Option<&str>) -> Result<Option<Vec<u8>>, Problem> {
    let Some(text) = text else { return Ok(None) };
    let mut cells = Vec::new();
    evidence::read(&run.layout, text, &mut cells).map_err(|reason| {
        Problem::new(Code::Evidence, format!("a record of the store can't be read: {reason}"))
    })?;
    Ok(Some(cells))
}

fn text_at(cells: Option<&[u8]>, at: usize) -> Option<String> {
    Cells::new(cells?).nth(at)?.decode(&mut [0; 36]).text()
}

/// The longest text, in bytes, that is measured against another.
const LONGEST: usize = 10_000;

/// Describes how the two values of a field compare.
fn measured(
    plan: &Plan,
    run: &RunRow,
    field: FieldRef,
    cells: &PerSide<Option<Vec<u8>>>,
    measure: fn(&FieldCompare, Cell<'_>, Cell<'_>) -> Option<String>,
) -> Option<String> {
    let FieldRef::Field(at) = field else { return None };
    let (a, b) = (cells.a.as_deref()?, cells.b.as_deref()?);
    let (a, b) = (Cells::new(a).nth(at.into())?, Cells::new(b).nth(at.into())?);
    let compare = plan.comparison.field(at.into()).filter(|_| run.layout == *plan.layout)?;
    let (mut left, mut right) = ([0; 36], [0; 36]);
    let (a, b) = (a.decode(&mut left), b.decode(&mut right));
    // The similarity of two long texts takes too long to compute.
    let is_long = |cell: &Cell<'_>| matches!(cell, Cell::Text(text) if text.len() > LONGEST);
    if is_long(&a) || is_long(&b) {
        return None;
    }
    measure(compare, a, b)
}

/// The source as recorded in the run's metadata.
fn stored_source(plan: &Plan, run: &RunRow, side: Side) -> metadata::Source {
    let sources = run.metadata.get(metadata::SOURCES);
    let mut source: metadata::Source =
        sources.and_then(|sources| metadata::piece(sources, side.letter())).unwrap_or_default();
    // Relative to where this command runs.
    if source.files.is_empty() {
        source.path = plan.sources[side].path().display().to_string();
    }
    source
}

/// Reads the row from its source again and traces each cell.
fn explain_side(
    plan: &Plan,
    run: &RunRow,
    side: Side,
    place: Option<(u64, u64)>,
    stored: Option<&[u8]>,
    carried: Option<&Carried>,
) -> Option<SideExplanation> {
    let (line, offset) = place.filter(|_| stored.is_some())?;
    let source = stored_source(plan, run, side);
    let mut explained = SideExplanation {
        file: carried.map_or_else(|| source.file(offset).to_owned(), |from| from.file.clone()),
        place: match carried {
            Some(from) => format!("{}, {}", from.file, place::line_words(source.unit, line)),
            None => source.place(line, offset),
        },
        system: source.system,
        line,
        traces: Vec::new(),
        unreadable: None,
    };
    let columns = &plan.normalize[side].columns;
    let file = &explained.file;
    let record = read_record(&plan.sources[side], file, (line, offset), columns, &plan.fill[side]);
    let read_then = carried.map(|from| format!("the values as they were read on {}", from.from));
    let record = match record {
        Ok(Some(record)) => record,
        Ok(None) | Err(_) if read_then.is_some() => {
            explained.unreadable = read_then;
            return Some(explained);
        }
        Ok(None) => {
            explained.unreadable = Some("no row is at this place any more".to_owned());
            return Some(explained);
        }
        Err(problem) => {
            explained.unreadable = Some(problem.message);
            return Some(explained);
        }
    };
    match Normalizer::new(plan.normalize[side].clone()) {
        Ok(mut normalizer) => {
            let mut now = Vec::new();
            let _ = normalizer.row(&record, &mut now);
            let is_same = Some(now.as_slice()) == stored;
            if !is_same && read_then.is_some() {
                // The file of that date is gone, or is another one by now.
                explained.unreadable = read_then;
                return Some(explained);
            }
            if !is_same {
                explained.unreadable =
                    Some("the row, its steps or its types have changed since the run".to_owned());
            }
            explained.traces = normalizer.trace(&record);
        }
        Err(problem) => explained.unreadable = Some(problem.message),
    }
    Some(explained)
}

/// Purpose of a rule of the run: the comment above its function.
pub fn words_of_rule(plan: &Plan, run: &RunRow, function: &str) -> Option<String> {
    rule_words(plan, &rule_place(run, &format!("RULE:{function}"))?)
}

/// Place of the rule `RULE:function` when the run was attributed.
fn rule_place(run: &RunRow, assigned_by: &str) -> Option<String> {
    let function = assigned_by.strip_prefix("RULE:")?;
    let files = run.metadata.get("rules")?.as_array()?;
    files.iter().find_map(|file| {
        let line = file.get("functions")?.get(function)?.as_u64()?;
        Some(format!("{}:{line}", file.get("path")?.as_str()?))
    })
}

/// The comment above the function at `path:line`, if that is one of the plan's rules.
fn rule_words(plan: &Plan, place: &str) -> Option<String> {
    let (path, line) = place.rsplit_once(':')?;
    let known = plan.record.rules.as_array()?;
    if !known.iter().any(|file| file.get("path").and_then(serde_json::Value::as_str) == Some(path))
    {
        return None;
    }
    let text = std::fs::read_to_string(path).ok()?;
    comment_above(&text, line.parse().ok()?)
}

fn comment_above(text: &str, line: usize) -> Option<String> {
    let lines: Vec<&str> = text.lines().take(line).collect();
    let (function, above) = lines.split_last()?;
    if !function.trim_start().starts_with("fn ") {
        return None;
    }
    let comment = above.iter().rev().map_while(|line| line.trim().strip_prefix("//"));
    let mut words: Vec<&str> = comment.map(|line| line.trim_start_matches('/').trim()).collect();
    words.reverse();
    Some(words.join(" ")).filter(|words| !words.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_comment_above_a_rule_is_its_purpose() {
        let text = "let x = 1;\n\n/// One side is the\n/// other rounded.\nfn attribute_a(d) {\n}\nfn b(d) {}\n";
        assert_eq!(comment_above(text, 5).as_deref(), Some("One side is the other rounded."));
        assert_eq!(comment_above(text, 7), None, "it has no comment");
        assert_eq!(comment_above(text, 4), None, "the file has changed");
        assert_eq!(comment_above(text, 99), None);
    }
}
