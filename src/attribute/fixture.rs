//! Fixtures for `recon test`: small cases beside the rules, with the expected result.
//!
//! A case is one value, one row or one difference, never a whole run; nothing is read from a source
//! or stored. `config` reads the YAML; this module receives the parsed cases.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::heuristic::{Decision, Rules, RulesPlan};
use crate::domain::row::push_cell;
use crate::domain::{
    CandidateRow, Cell, Cells, Date, Decimal, DiffType, DifferenceContext, Field, FieldRef,
    Instant, Kind, Layout, Matched, Member, PerSide, Row, Severity, Side, Written,
};
use crate::script::{NormalizeScript, ScriptError, ScriptSource};

/// The cases of one file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FixtureSpec {
    /// Calls of functions of `rules.normalize`.
    #[serde(default)]
    pub normalize: Vec<NormalizeCase>,
    /// Differences, and the reason that `rules.attribute` must give.
    #[serde(default)]
    pub attribute: Vec<AttributeCase>,
    /// Rows, and the matches that the passes of `match` must make of them.
    #[serde(default, rename = "match")]
    pub matching: Vec<MatchCase>,
}

/// A call of a normalizing function: of a value (`input`, `output`), of a row (`raw`, `row`,
/// `fields`), or of a filter (`raw`, `output`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NormalizeCase {
    /// Describes the case. Default: the call.
    pub name: Option<String>,
    /// The function.
    pub function: String,
    /// The value it is called with; null is never given to a function, and stays null.
    #[serde(default, deserialize_with = "written")]
    pub input: Option<Option<String>>,
    /// The result; omitted or null for null.
    pub output: Option<String>,
    /// The row as read, column by column, for `row` and for filters.
    pub raw: Option<BTreeMap<String, Option<String>>>,
    /// The mapped canonical fields that `row` is called with.
    pub row: Option<BTreeMap<String, Option<String>>>,
    /// The canonical fields that `row` must return.
    pub fields: Option<BTreeMap<String, Option<String>>>,
    /// A part of the error message, if the call must fail.
    pub error: Option<String>,
    /// The line of the case in its file, set by the reader of the file.
    #[serde(skip)]
    pub line: Option<u64>,
}

/// A key that is written, if only as null.
fn written<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Option<String>>, D::Error> {
    Option::deserialize(from).map(Some)
}

/// A difference, and the reason that the rules must give.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AttributeCase {
    /// Describes the case.
    pub name: String,
    /// The difference.
    pub difference: DifferenceCase,
    /// The reason code, or `none` if no rule may claim the difference.
    pub reason: String,
    /// The exact confidence.
    pub confidence: Option<Written<Decimal>>,
    /// The function that must claim it.
    pub by: Option<String>,
    /// A part of one of the notes.
    pub note: Option<String>,
    /// The line of the case in its file, set by the reader of the file.
    #[serde(skip)]
    pub line: Option<u64>,
}

/// Rows of both sides, and the matches that the passes must make of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MatchCase {
    /// Title of the case.
    pub name: String,
    /// A's rows: canonical fields with their values as read; what is left out is null.
    #[serde(default)]
    pub a: Vec<BTreeMap<String, Option<String>>>,
    /// B's rows.
    #[serde(default)]
    pub b: Vec<BTreeMap<String, Option<String>>>,
    /// All matches that must be made; every other row stays open.
    #[serde(default)]
    pub matches: Vec<ExpectedMatch>,
    /// The line of the case in its file, set by the reader.
    #[serde(skip)]
    pub line: Option<u64>,
}

/// A match that must be made.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExpectedMatch {
    /// Rows of A, counted from 1.
    pub a: Vec<Written<u64>>,
    /// Rows of B, counted from 1.
    pub b: Vec<Written<u64>>,
    /// The pass that must make it. Default: any.
    pub pass: Option<String>,
    /// Required certificate: `UNIQUE`, `TIED` or `UNDETERMINED`. Default: any.
    pub certificate: Option<String>,
}

impl MatchCase {
    /// The rows of both sides; the error names a field that the job does not have.
    pub fn rows(&self, layout: &Layout) -> Result<PerSide<Vec<Row>>, String> {
        let row = |values: &BTreeMap<String, Option<String>>| {
            if let Some(unknown) = values.keys().find(|name| layout.position(name).is_none()) {
                return Err(format!("the case is wrong: there is no field {unknown}"));
            }
            let text = |field: &Field| values.get(&field.name).and_then(Option::as_deref);
            Ok(Row::of(layout.fields().iter().map(|field| parse(field.kind, text(field)))))
        };
        let side = |rows: &[BTreeMap<String, Option<String>>]| -> Result<Vec<Row>, String> {
            rows.iter().map(row).collect()
        };
        Ok(PerSide { a: side(&self.a)?, b: side(&self.b)? })
    }

    /// The expected result, in the words of [`Self::said`].
    pub fn expected(&self) -> String {
        let numbers = |rows: &[Written<u64>]| rows.iter().map(|row| row.0).collect::<Vec<_>>();
        let said = self.matches.iter().map(|one| {
            let (pass, certificate) = (one.pass.as_deref(), one.certificate.as_deref());
            Self::said(&numbers(&one.a), &numbers(&one.b), pass, certificate)
        });
        Self::listed(said)
    }

    /// The matches made, with no more details than the case asks for.
    pub fn got(&self, made: &[(Vec<u64>, Vec<u64>, &str, &str)]) -> String {
        let said = made.iter().map(|(a, b, pass, certificate)| {
            let same = |one: &&ExpectedMatch| {
                let numbers =
                    |rows: &[Written<u64>]| rows.iter().map(|row| row.0).collect::<Vec<_>>();
                numbers(&one.a) == *a && numbers(&one.b) == *b
            };
            let asked = self.matches.iter().find(same);
            let pass = asked.is_none_or(|one| one.pass.is_some()).then_some(*pass);
            let certificate =
                asked.is_none_or(|one| one.certificate.is_some()).then_some(*certificate);
            Self::said(a, b, pass, certificate)
        });
        Self::listed(said)
    }

    fn said(a: &[u64], b: &[u64], pass: Option<&str>, certificate: Option<&str>) -> String {
        let side = |letter: &str, rows: &[u64]| {
            let rows: Vec<_> = rows.iter().map(|row| format!("{letter}{row}")).collect();
            rows.join(" + ")
        };
        let mut text = format!("{} = {}", side("A", a), side("B", b));
        if let Some(pass) = pass {
            text += &format!(" by {pass}");
        }
        if let Some(certificate) = certificate {
            text += &format!(", {certificate}");
        }
        text
    }

    fn listed(said: impl Iterator<Item = String>) -> String {
        let mut said: Vec<_> = said.collect();
        said.sort_unstable();
        if said.is_empty() { "no match".to_owned() } else { said.join("; ") }
    }
}

/// A difference as written in a case.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DifferenceCase {
    /// The field. Default: the whole record.
    pub field: Option<String>,
    /// The field's type. Default: its type in recon.yaml, else `text`.
    #[serde(rename = "type")]
    pub kind: Option<Kind>,
    /// Side A's value; omitted or null for null. It need not be valid for the type.
    pub a: Option<String>,
    /// Side B's value.
    pub b: Option<String>,
    /// The diff type. Default: the result of comparing the values; required for a whole record.
    pub diff_type: Option<String>,
    /// The severity. Default: that of the diff type.
    pub severity: Option<String>,
    /// Whether a row of the missing side was rejected. Default false.
    pub partner_rejected: Option<Written<bool>>,
    /// The pass that matched the record. Default: the key, or none if a side is missing.
    pub match_pass: Option<String>,
    /// How many rows A's side has, for a group. Default: 1, or 0 if A's side is missing.
    pub members_a: Option<Written<u64>>,
    /// How many rows B's side has.
    pub members_b: Option<Written<u64>>,
    /// Rows that a row which stayed open could have matched, nearest first.
    #[serde(default)]
    pub candidates: Vec<CandidateCase>,
    /// Other fields of A's record; fields of recon.yaml that are left out are null.
    #[serde(default)]
    pub record_a: BTreeMap<String, Option<String>>,
    /// Other fields of B's record.
    #[serde(default)]
    pub record_b: BTreeMap<String, Option<String>>,
    /// The types of those other fields. Default: their type in recon.yaml, else `text`.
    #[serde(default)]
    pub types: BTreeMap<String, Kind>,
}

/// A candidate of a row that stayed open, with the keys that a rule reads.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CandidateCase {
    /// The reference of the other row.
    #[serde(rename = "ref")]
    pub reference: String,
    /// Why it was not taken.
    #[serde(default)]
    pub why: String,
    /// The field whose bound is missed.
    pub field: Option<String>,
    /// By how much.
    pub by: Option<Written<Decimal>>,
    /// The row that has it.
    pub taken_by: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaseResult {
    pub name: String,
    pub passed: bool,
    pub expected: String,
    pub got: String,
    /// The line of the case in its file, if known.
    pub line: Option<u64>,
}

/// Runs every case, in file order; functions are looked up in the scripts of `normalize` in their
/// order. A missing or invalid script fails the cases that need it. The records of differences have
/// the fields of `layout`, as in a run.
pub fn run(
    spec: &FixtureSpec,
    normalize: &[ScriptSource],
    rules: Option<&RulesPlan>,
    layout: &Layout,
) -> Vec<CaseResult> {
    let mut results = Vec::with_capacity(spec.normalize.len() + spec.attribute.len());
    if !spec.normalize.is_empty() {
        let mut script =
            NormalizeScript::compile_all(normalize).map_err(|problem| problem.to_string());
        results.extend(spec.normalize.iter().map(|case| case.run(script.as_mut())));
    }
    if !spec.attribute.is_empty() {
        let mut compiled =
            rules.ok_or_else(|| "`rules.attribute` names no script".to_owned()).and_then(|plan| {
                let rules = Rules::new(plan).map_err(|problem| problem.to_string())?;
                Ok((rules, plan))
            });
        results.extend(spec.attribute.iter().map(|case| match &mut compiled {
            Ok((rules, plan)) => case.run(rules, plan, layout),
            Err(reason) => case.result(case.expected(), Err(reason.clone())),
        }));
    }
    results
}

/// Quotes text, so that null and `"null"` differ.
fn shown(value: Option<&str>) -> String {
    value.map_or_else(|| "null".to_owned(), |text| format!("{text:?}"))
}

fn shown_fields<'a>(fields: impl IntoIterator<Item = (&'a String, &'a Option<String>)>) -> String {
    let fields: Vec<_> = fields
        .into_iter()
        .map(|(name, value)| format!("{name}: {}", shown(value.as_deref())))
        .collect();
    format!("{{ {} }}", fields.join(", "))
}

impl NormalizeCase {
    fn run(&self, script: Result<&mut NormalizeScript, &mut String>) -> CaseResult {
        let result = match script {
            Ok(script) => self.call(script),
            Err(reason) => Err(reason.clone()),
        };
        let expected = match (&self.error, &self.fields) {
            (Some(error), _) => format!("an error with {error:?}"),
            (None, Some(fields)) => shown_fields(fields),
            (None, None) => shown(self.output.as_deref()),
        };
        let passed = match (&self.error, &result) {
            (Some(part), Err(error)) => error.contains(part.as_str()),
            (None, Ok(got)) => *got == expected,
            _ => false,
        };
        let name = self.name.clone().unwrap_or_else(|| match &self.input {
            Some(Some(input)) => format!("{}({input:?})", self.function),
            Some(None) => format!("{}(null)", self.function),
            None => format!("{}(…)", self.function),
        });
        let got = result.unwrap_or_else(|error| error);
        CaseResult { name, passed, expected, got, line: self.line }
    }

    fn call(&self, script: &mut NormalizeScript) -> Result<String, String> {
        let Some(raw) = &self.raw else {
            let input = match &self.input {
                Some(Some(input)) => input,
                Some(None) => {
                    return Err(
                        "`input` is null, which stays null: a run calls no function with it. \
                                Remove the case, or write `input: \"\"` for an empty text"
                            .to_owned(),
                    );
                }
                None => return Err("the case has neither `input` nor `raw`".to_owned()),
            };
            let value =
                script.call_value(&self.function, input).map_err(|error| error.to_string())?;
            return Ok(shown(value.as_deref()));
        };
        let raw: Vec<_> =
            raw.iter().map(|(name, value)| (name.as_str(), value.as_deref())).collect();
        if self.function != "row" {
            let takes_part =
                script.call_filter(&self.function, &raw).map_err(|error| error.to_string())?;
            return Ok(shown(Some(if takes_part { "true" } else { "false" })));
        }
        let mut fields: Vec<_> = self.row.clone().unwrap_or_default().into_iter().collect();
        script.call_row(&raw, &mut fields).map_err(|error| error.to_string())?;
        // Sorted by name, like the expected ones.
        let fields: BTreeMap<_, _> = fields.into_iter().collect();
        Ok(shown_fields(&fields))
    }
}

impl AttributeCase {
    fn run(&self, rules: &mut Rules, plan: &RulesPlan, layout: &Layout) -> CaseResult {
        let decided = self.difference.with_context(layout, |d| rules.decide(d));
        let got = match decided {
            Err(wrong) => Err(wrong),
            // The case already names the difference.
            Ok(Decision::Passed { error: Some(error), .. }) => {
                Err(ScriptError { subject: None, ..error }.to_string())
            }
            Ok(Decision::Passed { notes, error: None }) => Ok(CaseOutcome::none(notes)),
            Ok(Decision::Claimed { code, confidence, rule, notes, .. }) => Ok(CaseOutcome {
                reason: plan.codes.get(code).cloned().unwrap_or_default(),
                confidence: confidence.to_string().parse().ok(),
                by: rules.rules().get(rule).map(|info| info.name.clone()),
                notes,
            }),
        };
        self.result(self.expected(), got)
    }

    fn expected(&self) -> String {
        let mut expected = self.reason.clone();
        if let Some(confidence) = self.confidence {
            expected = format!("{expected} {}", *confidence);
        }
        if let Some(by) = &self.by {
            expected = format!("{expected} by {by}");
        }
        if let Some(note) = &self.note {
            expected = format!("{expected}, noting {note:?}");
        }
        expected
    }

    fn result(&self, expected: String, got: Result<CaseOutcome, String>) -> CaseResult {
        let passed = got.as_ref().is_ok_and(|answer| {
            answer.reason == self.reason
                && self.confidence.is_none_or(|wanted| answer.confidence == Some(*wanted))
                && self.by.as_deref().is_none_or(|by| answer.by.as_deref() == Some(by))
                && self
                    .note
                    .as_deref()
                    .is_none_or(|part| answer.notes.iter().any(|note| note.contains(part)))
        });
        let got = match got {
            Ok(answer) => answer.to_string(),
            Err(error) => error,
        };
        CaseResult { name: self.name.clone(), passed, expected, got, line: self.line }
    }
}

/// The part of the rules' result that a case can test.
struct CaseOutcome {
    reason: String,
    confidence: Option<Decimal>,
    by: Option<String>,
    notes: Vec<String>,
}

impl CaseOutcome {
    fn none(notes: Vec<String>) -> Self {
        Self { reason: "none".to_owned(), confidence: None, by: None, notes }
    }
}

impl std::fmt::Display for CaseOutcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.reason)?;
        if let Some(confidence) = self.confidence {
            write!(f, " {confidence}")?;
        }
        if let Some(by) = &self.by {
            write!(f, " by {by}")?;
        }
        if !self.notes.is_empty() {
            write!(f, ", noting {:?}", self.notes)?;
        }
        Ok(())
    }
}

/// The parsed value, or the unparsed text.
fn parse(kind: Kind, text: Option<&str>) -> Cell<'_> {
    let Some(text) = text else { return Cell::Null };
    let parsed = match kind {
        Kind::Text => Some(Cell::Text(text)),
        Kind::Decimal => text.parse().ok().map(Cell::Decimal),
        Kind::Integer => text.parse().ok().map(Cell::Integer),
        Kind::Date => Date::parse_iso(text.as_bytes()).map(Cell::Date),
        Kind::Datetime => Instant::parse_rfc3339_utc(text).map(Cell::Instant),
        Kind::Boolean => text.parse().ok().map(Cell::Boolean),
    };
    parsed.unwrap_or(Cell::Unparsed(text))
}

/// The most rows of a group in a case: far more than a pass matches.
const MOST_MEMBERS: u64 = 100_000;

impl DifferenceCase {
    /// Builds the difference and passes it to `look`; an error describes the mistake in the case.
    fn with_context<T>(
        &self,
        layout: &Layout,
        look: impl FnOnce(&DifferenceContext<'_>) -> T,
    ) -> Result<T, String> {
        let field = self.field.as_deref().filter(|name| *name != FieldRef::ENTIRE_RECORD);
        let layout = self.layout(layout, field);
        let at = field.and_then(|name| layout.position(name));
        let kind = at.and_then(|at| layout.fields().get(at)).map_or(Kind::Text, |field| field.kind);
        let diff_type = match &self.diff_type {
            Some(name) => DiffType::from_name(name)
                .ok_or_else(|| format!("invalid case: unknown diff type {name}"))?,
            None if field.is_some() => self.infer(kind),
            None => return Err("invalid case: neither `field` nor `diff_type` is given".into()),
        };
        let severity = match &self.severity {
            Some(name) => Severity::from_name(name)
                .ok_or_else(|| format!("invalid case: unknown severity {name}"))?,
            None => diff_type.default_severity(),
        };

        let row = |value: &Option<String>, record: &BTreeMap<String, Option<String>>| {
            let mut cells = Vec::new();
            for (place, field) in layout.fields().iter().enumerate() {
                let own = if Some(place) == at { value } else { &None };
                let text = own.as_deref().or_else(|| record.get(&field.name)?.as_deref());
                push_cell(&mut cells, parse(field.kind, text));
            }
            cells
        };
        let (a, b) = (row(&self.a, &self.record_a), row(&self.b, &self.record_b));
        use DiffType::{
            DuplicateInSourceA, DuplicateInSourceB, MissingInSourceA, MissingInSourceB,
        };
        let has_a = !matches!(diff_type, MissingInSourceA | DuplicateInSourceB);
        let has_b = !matches!(diff_type, MissingInSourceB | DuplicateInSourceA);
        let matched = self.matched(PerSide { a: has_a, b: has_b })?;
        let at = at.map(|at| u16::try_from(at).unwrap_or(u16::MAX));
        Ok(look(&DifferenceContext {
            layout: &layout,
            field: at.map_or(FieldRef::EntireRecord, FieldRef::Field),
            diff_type,
            severity,
            a: has_a.then(|| Cells::new(&a)),
            b: has_b.then(|| Cells::new(&b)),
            partner_rejected: self.partner_rejected.is_some_and(|rejected| *rejected),
            matched: matched.as_deref(),
        }))
    }

    /// The fields of recon.yaml in their order, since a rule may read any of them and their order shows in `differing`,
    /// and those that only the case has.
    fn layout(&self, layout: &Layout, field: Option<&str>) -> Layout {
        let mut fields = layout.fields().to_vec();
        let others = self.record_a.keys().chain(self.record_b.keys()).map(String::as_str);
        let own: BTreeSet<&str> = others.chain(field).collect();
        let unknown = own.into_iter().filter(|name| layout.position(name).is_none());
        fields.extend(unknown.map(|name| Field::new(name, Kind::Text)));
        for known in &mut fields {
            let own = self.kind.filter(|_| field == Some(known.name.as_str()));
            if let Some(kind) = own.or_else(|| self.types.get(&known.name).copied()) {
                known.kind = kind;
            }
        }
        let key_len = layout.key_len();
        Layout::new(fields, key_len)
    }

    /// How the record was matched, as a run keeps it.
    fn matched(&self, has: PerSide<bool>) -> Result<Option<String>, String> {
        let members = |side: Side| -> Result<Vec<Member>, String> {
            let given = if side == Side::A { self.members_a } else { self.members_b };
            let Some(count) = given.map(|given| *given) else { return Ok(Vec::new()) };
            let letter = if side == Side::A { "a" } else { "b" };
            if (count > 0) != has[side] {
                let has = if has[side] { "a row" } else { "no row" };
                return Err(format!(
                    "invalid case: `members_{letter}` is {count}, but the diff type says that this side has {has}"
                ));
            }
            if count > MOST_MEMBERS {
                return Err(format!(
                    "invalid case: `members_{letter}` is more than {MOST_MEMBERS}"
                ));
            }
            let member = || Member {
                line: 0,
                offset: 0,
                reference: String::new(),
                values: RawValue::NULL.to_owned(),
                carried: None,
            };
            // Of a single row a run keeps no list.
            Ok((0..count).filter(|_| count > 1).map(|_| member()).collect())
        };
        let candidates = self.candidates.iter().map(|one| CandidateRow {
            reference: one.reference.clone(),
            why: one.why.clone(),
            field: one.field.clone(),
            by: one.by.map(|by| by.to_string()),
            taken_by: one.taken_by.clone(),
            rows: Vec::new(),
        });
        let matched = Matched {
            pass: self.match_pass.clone(),
            a: members(Side::A)?,
            b: members(Side::B)?,
            candidates: candidates.collect(),
            ..Matched::default()
        };
        let says_nothing = matched.pass.is_none()
            && matched.a.is_empty()
            && matched.b.is_empty()
            && matched.candidates.is_empty();
        if says_nothing {
            return Ok(None);
        }
        serde_json::to_string(&matched).map(Some).map_err(|error| error.to_string())
    }

    /// The diff type that comparing the two values gives.
    fn infer(&self, kind: Kind) -> DiffType {
        let (a, b) = (parse(kind, self.a.as_deref()), parse(kind, self.b.as_deref()));
        if a.is_unparsed() || b.is_unparsed() {
            return DiffType::TypeMismatch;
        }
        if a.is_null() || b.is_null() {
            return DiffType::NullMismatch;
        }
        match kind {
            Kind::Text => DiffType::StringMismatch,
            Kind::Decimal | Kind::Integer => DiffType::NumericMismatch,
            Kind::Date | Kind::Datetime => DiffType::DateMismatch,
            Kind::Boolean => DiffType::BooleanMismatch,
        }
    }
}

#[cfg(test)]
mod tests;
