//! Delimited text files: any delimiter, quote and encoding, plain or compressed.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use encoding_rs::{Encoding, UTF_8};
use schemars::JsonSchema;
use serde::Deserialize;

use super::blocks::{Records, TextBlocks, Window};
use super::columns;
use super::dialect::{Dialect, Fields, PieceKind};
use super::input::{Input, Inputs};
use super::kind::{Kind, OpenContext, Opening};
use super::parse::CsvParser;
use super::trailer::{Figure, Trailer};
use super::{KindSpec, SourcePlan};
use crate::diagnostic::{Code, Place, Problem, SpecProblem, nearest};
use crate::domain::{OneOrMany, Written};

/// The options of `read: { csv: … }`.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CsvSpec {
    /// The file, relative to `recon.yaml`, or a list of files; each may be a glob such as
    /// `in/trades_*.csv`. `.gz`, `.zst` and `.zip` are read as they are; `-` is standard input.
    pub path: OneOrMany,
    /// The character between fields, one ASCII character or `\t`. Default `,`.
    pub delimiter: Option<String>,
    /// The character around fields that contain the delimiter. Default `"`.
    pub quote: Option<String>,
    /// A WHATWG encoding label such as `windows-1252`. Default UTF-8, with or without BOM.
    pub encoding: Option<String>,
    /// Whether the first row names the columns. Default `true`.
    pub header: Option<Written<bool>>,
    /// The names of the columns where there is no header row.
    pub columns: Option<Vec<String>>,
    /// Lines to skip before the header. Default 0.
    pub skip_rows: Option<Written<u64>>,
    /// Rows to skip at the end: totals, trailers. A row that spans lines is never skipped. Default 0.
    pub skip_footer: Option<Written<u64>>,
    /// Whether a row may have more fields than the header, if the extra ones are empty. Default
    /// `false`: such a row is rejected.
    pub ignore_empty_extras: Option<Written<bool>>,
    /// Whether a row may lack fields at its end, which are then empty. Default `false`: such a row is
    /// rejected.
    pub pad_short_rows: Option<Written<bool>>,
    /// Lines that begin with this character are not data.
    pub comment: Option<String>,
    /// A last line with the number of rows and their sums.
    pub trailer: Option<TrailerSpec>,
    /// Cells that mean null. Default the empty cell; replaces the default.
    pub null_values: Option<Vec<String>>,
}

/// The trailer of a delimited file.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TrailerSpec {
    /// How the line begins.
    pub starts_with: String,
    /// Its field with the number of rows, from 1.
    pub rows: Option<Written<u64>>,
    /// Columns, and the trailer's field with their sum, from 1.
    pub sums: Option<BTreeMap<String, Written<u64>>>,
}

impl TrailerSpec {
    fn resolve(&self, problems: &mut Vec<SpecProblem>) -> Option<Trailer> {
        let mut figure = |path: &[&str], number: Written<u64>| {
            let at = usize::try_from(*number).ok().and_then(|at| at.checked_sub(1));
            if at.is_none() {
                let problem = Problem::new(Code::BadExtent, "fields of the trailer count from 1");
                problems.push(SpecProblem::new(path.iter().copied(), problem));
            }
            at.map(Figure::Field)
        };
        let rows = self.rows.and_then(|number| figure(&["trailer", "rows"], number));
        let sums = self.sums.iter().flatten().filter_map(|(column, number)| {
            Some((column.clone(), figure(&["trailer", "sums", column], *number)?))
        });
        let sums = sums.collect();
        if self.starts_with.is_empty() {
            problems.push(no_prefix());
        }
        let starts_with = self.starts_with.clone();
        Some(Trailer { starts_with, rows, sums, numbers: Vec::new() })
    }
}

/// Complains about a trailer that every line would be.
pub(super) fn no_prefix() -> SpecProblem {
    let problem =
        Problem::new(Code::EmptyPrefix, "`starts_with` is empty: every line would be the trailer");
    SpecProblem::new(["trailer", "starts_with"], problem)
}

/// Where the names of the columns come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Header {
    /// The first row.
    FirstRow,
    Named(Vec<String>),
    /// The columns are counted: `#1`, `#2` and so on.
    Numbered,
}

impl Header {
    /// The words before the number of fields, in a sentence.
    pub(super) fn says(&self) -> &'static str {
        match self {
            Self::FirstRow => "the header has",
            Self::Named(_) => "`columns` has",
            Self::Numbered => "the first row has",
        }
    }
}

/// How a delimited text file is read, with everything decided.
#[derive(Clone, Debug)]
pub struct CsvPlan {
    pub(super) inputs: Inputs,
    /// The encoding of the text.
    pub encoding: &'static Encoding,
    /// Where the names of the columns come from.
    pub header: Header,
    /// The lines before the header.
    pub skip_rows: u64,
    /// How many rows at the end are no data.
    pub skip_footer: u64,
    /// Whether extra fields are ignored where they are empty.
    pub ignore_empty_extras: bool,
    /// Whether fields that a row lacks at its end are empty.
    pub pad_short_rows: bool,
    pub(super) null_values: Option<Vec<String>>,
    pub(super) trailer: Option<Trailer>,
    pub(super) dialect: Dialect,
}

impl CsvSpec {
    /// Resolves the piece; a relative path is relative to the folder `base`.
    ///
    /// # Errors
    /// Every problem of the piece.
    pub fn resolve(&self, base: &Path) -> Result<CsvPlan, Vec<SpecProblem>> {
        let mut problems = Vec::new();
        let mut wrong_path = None;
        let mut complain = |key: &str, problem: Problem| {
            problems.push(SpecProblem::new([key], problem));
        };
        let inputs =
            Inputs::resolve(&self.path, base).map_err(|problem| wrong_path = Some(problem));
        let mut dialect = Dialect::default();
        for (key, written, byte) in [
            ("delimiter", &self.delimiter, &mut dialect.delimiter),
            ("quote", &self.quote, &mut dialect.quote),
        ] {
            match written.as_deref().map(|text| one_byte(key, text)) {
                None => {}
                Some(Ok(meant)) => *byte = meant,
                Some(Err(problem)) => complain(key, problem),
            }
        }
        match self.comment.as_deref().map(|text| one_byte("comment", text)) {
            None => {}
            Some(Ok(meant)) => dialect.comment = Some(meant),
            Some(Err(problem)) => complain("comment", problem),
        }
        let mut clash = |key: &str, other: &str, byte: u8| {
            let message = format!("`{key}` and `{other}` are both `{}`", byte.escape_ascii());
            complain(key, Problem::new(Code::SameCharacter, message).help("they must differ"));
        };
        if dialect.quote == dialect.delimiter {
            let key = if self.quote.is_some() { "quote" } else { "delimiter" };
            clash(key, if key == "quote" { "delimiter" } else { "quote" }, dialect.quote);
        }
        if dialect.comment == Some(dialect.delimiter) {
            clash("comment", "delimiter", dialect.delimiter);
        } else if dialect.comment == Some(dialect.quote) {
            clash("comment", "quote", dialect.quote);
        }
        let mut wrong_encoding = Vec::new();
        let encoding = encoding_of(self.encoding.as_deref(), &mut wrong_encoding);
        for each in wrong_encoding {
            complain("encoding", each.problem);
        }
        if self.skip_footer.is_some_and(|rows| *rows > LONGEST_FOOTER) {
            let message = format!("`skip_footer` skips more than {LONGEST_FOOTER} rows");
            let problem = Problem::new(Code::FooterTooLong, message)
                .help("leave rows out with `where` or `filter`");
            complain("skip_footer", problem);
        }
        let has_header = self.header.is_none_or(|header| *header);
        let header = match &self.columns {
            None if has_header => Header::FirstRow,
            None => Header::Numbered,
            Some(names) => {
                if has_header {
                    let message = "`columns` names the columns of a file without a header row";
                    let problem = Problem::new(Code::ColumnsWithHeader, message)
                        .help("add `header: false`, or remove `columns`");
                    complain("columns", problem);
                }
                columns::check_names(names, &mut problems);
                Header::Named(names.clone())
            }
        };
        let trailer = self.trailer.as_ref().and_then(|trailer| trailer.resolve(&mut problems));
        problems.splice(0..0, wrong_path);
        let (Ok(inputs), true) = (inputs, problems.is_empty()) else { return Err(problems) };
        Ok(CsvPlan {
            inputs,
            encoding,
            header,
            skip_rows: self.skip_rows.map_or(0, |rows| *rows),
            skip_footer: self.skip_footer.map_or(0, |rows| *rows),
            ignore_empty_extras: self.ignore_empty_extras.is_some_and(|ignore| *ignore),
            pad_short_rows: self.pad_short_rows.is_some_and(|pad| *pad),
            null_values: self.null_values.clone(),
            trailer,
            dialect,
        })
    }
}

impl KindSpec for CsvSpec {
    fn resolve(&self, base: &Path) -> Result<SourcePlan, Vec<SpecProblem>> {
        self.resolve(base).map(SourcePlan::from)
    }
}

impl From<CsvPlan> for SourcePlan {
    fn from(plan: CsvPlan) -> Self {
        let (inputs, trailer) = (plan.inputs.clone(), plan.trailer.clone());
        Self::new(inputs, plan.null_values.clone().as_ref(), plan).with_trailer(trailer)
    }
}

impl Kind for CsvPlan {
    fn is_delimited(&self) -> bool {
        true
    }

    fn open(&self, input: &Input, ask: &OpenContext<'_>) -> Result<Opening, Problem> {
        let records = Records::Delimited(self.dialect);
        let mut window = Window::open(input, self.encoding, records, ask.limits)?;
        for _ in 0..self.skip_rows {
            if !window.skip_line()? {
                break;
            }
        }
        let first = loop {
            match window.piece(self.dialect)? {
                Some(piece) if matches!(piece.kind, PieceKind::Blank | PieceKind::Comment) => {
                    window.consume(piece.next);
                }
                first => break first,
            }
        };
        let place = Place { file: input.name.clone(), line: window.line(), ..Place::default() };
        let columns: Vec<String> = match (&self.header, first) {
            (Header::Named(names), _) => names.clone(),
            (_, None) => return Err(self.no_header(input)),
            (header, Some(piece)) => {
                let wrong = match piece.kind {
                    PieceKind::Unclosed => "a quote is opened in the first row and never closed",
                    PieceKind::Stray if self.header == Header::FirstRow => {
                        "text follows a closing quote in the header"
                    }
                    _ => "",
                };
                if !wrong.is_empty() {
                    return Err(bad_header(place, wrong));
                }
                let mut fields = Fields::default();
                self.dialect.piece_with_fields(window.text(), &mut fields);
                if *header == Header::Numbered {
                    (1..=fields.spans.len()).map(|number| format!("#{number}")).collect()
                } else {
                    let mut names = Vec::with_capacity(fields.spans.len());
                    for (at, span) in fields.spans.iter().enumerate() {
                        match std::str::from_utf8(span.of(window.text(), &fields.scratch)) {
                            Ok(name) if !name.contains('\0') => names.push(name.to_owned()),
                            _ => return Err(self.undecodable(place, at + 1)),
                        }
                    }
                    window.consume(piece.next);
                    names
                }
            }
        };
        Ok(Opening {
            size: window.size(),
            parser: Arc::new(CsvParser::new(self, &columns)),
            pieces: Box::new(TextBlocks::new(window, self.skip_footer)),
            columns,
        })
    }
}

impl CsvPlan {
    fn no_header(&self, input: &Input) -> Problem {
        let problem = if self.header == Header::FirstRow {
            Problem::new(Code::NoHeader, "the file has no header row")
                .help("if it has none by design, set `header: false`")
        } else {
            Problem::new(Code::NoHeader, "the file has no rows, so its columns cannot be counted")
                .help("name them with `columns: […]`")
        };
        problem.in_file(&input.name)
    }

    fn undecodable(&self, place: Place, column: usize) -> Problem {
        let encoding = self.encoding.name();
        bad_header(place, format!("the name of column {column} is not text in {encoding}"))
            .help("set `encoding:` to that of the file, such as windows-1252 or utf-16le")
    }
}

fn bad_header(place: Place, message: impl Into<String>) -> Problem {
    Problem::new(Code::BadHeader, message).at(place).help("check `quote` and `delimiter`")
}

/// A longer footer is a mistake; its rows are held in memory.
const LONGEST_FOOTER: u64 = 1_000;

/// The one byte that a setting means.
fn one_byte(key: &str, text: &str) -> Result<u8, Problem> {
    match text.as_bytes() {
        b"\\t" | b"tab" => Ok(b'\t'),
        [byte] if byte.is_ascii() && !matches!(byte, b'\n' | b'\r' | 0) => Ok(*byte),
        _ => {
            let message = format!("`{key}` is `{}`, not one ASCII character", text.escape_debug());
            Err(Problem::new(Code::NotOneCharacter, message).help(match key {
                "delimiter" => r#"such as `","`, `";"`, `"|"` or `tab`"#,
                "quote" => r#"such as `"'"`"#,
                _ => r##"such as `"#"`"##,
            }))
        }
    }
}

/// The encodings that people ask for, by the labels that they use. The standard has more labels,
/// all of which are understood.
const LABELS: [&str; 26] = [
    "utf-8",
    "utf-16le",
    "utf-16be",
    "windows-1252",
    "windows-1250",
    "windows-1251",
    "windows-1253",
    "windows-1254",
    "windows-1255",
    "windows-1256",
    "windows-1257",
    "windows-1258",
    "windows-874",
    "iso-8859-1",
    "iso-8859-2",
    "iso-8859-5",
    "iso-8859-15",
    "macintosh",
    "ibm866",
    "koi8-r",
    "shift_jis",
    "euc-jp",
    "euc-kr",
    "gbk",
    "gb18030",
    "big5",
];

/// The encoding of `encoding`; an error for an unknown label.
pub(super) fn encoding_of(
    label: Option<&str>,
    problems: &mut Vec<SpecProblem>,
) -> &'static Encoding {
    match label.map(encoding) {
        None => UTF_8,
        Some(Ok(encoding)) => encoding,
        Some(Err(problem)) => {
            problems.push(SpecProblem::new(["encoding"], problem));
            UTF_8
        }
    }
}

fn encoding(label: &str) -> Result<&'static Encoding, Problem> {
    Encoding::for_label_no_replacement(label.as_bytes()).ok_or_else(|| {
        let problem =
            Problem::new(Code::UnknownEncoding, format!("`{label}` is not a known encoding"));
        problem.help(match nearest(label, LABELS) {
            Some(label) => format!("did you mean `{label}`?"),
            None => "a WHATWG label such as `windows-1252` or `utf-16le`".into(),
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::PathStep;

    fn spec() -> CsvSpec {
        CsvSpec { path: "a.csv".into(), ..CsvSpec::default() }
    }

    fn some(text: &str) -> Option<String> {
        Some(text.to_owned())
    }

    /// The codes of the problems, with the key and index they are at.
    fn complaints(spec: &CsvSpec) -> Vec<(Vec<PathStep>, Code)> {
        let problems = spec.resolve(Path::new("")).unwrap_err();
        problems.into_iter().map(|each| (each.path, each.problem.code)).collect()
    }

    #[test]
    fn the_defaults_are_those_of_csv() {
        let plan = spec().resolve(Path::new("/data")).unwrap();
        assert_eq!(plan.inputs.name(), Path::new("/data/a.csv"));
        assert_eq!(plan.dialect, Dialect { delimiter: b',', quote: b'"', comment: None });
        assert_eq!(plan.encoding, UTF_8);
        assert_eq!((&plan.header, plan.skip_rows), (&Header::FirstRow, 0));
        assert_eq!(SourcePlan::from(plan).null_values(), [""]);
        let absolute = CsvSpec { path: "/b.csv".into(), ..spec() };
        let plan = absolute.resolve(Path::new("/data")).unwrap();
        assert_eq!(plan.inputs.name(), Path::new("/b.csv"));
    }

    #[test]
    fn a_tab_has_three_names() {
        for name in ["\t", "\\t", "tab"] {
            let spec = CsvSpec { delimiter: some(name), ..spec() };
            assert_eq!(spec.resolve(Path::new("")).unwrap().dialect.delimiter, b'\t');
        }
    }

    #[test]
    fn every_mistake_is_reported() {
        let wrong = CsvSpec {
            path: OneOrMany::from(""),
            delimiter: some("||"),
            quote: some("\u{201c}"),
            encoding: some("utf8-le"),
            columns: Some(vec!["x".into(), "y".into(), "x".into()]),
            comment: some("\n"),
            null_values: Some(Vec::new()),
            ..spec()
        };
        assert_eq!(
            complaints(&wrong),
            [
                (vec!["path".into()], Code::EmptyPath),
                (vec!["delimiter".into()], Code::NotOneCharacter),
                (vec!["quote".into()], Code::NotOneCharacter),
                (vec!["comment".into()], Code::NotOneCharacter),
                (vec!["encoding".into()], Code::UnknownEncoding),
                (vec!["columns".into()], Code::ColumnsWithHeader),
                (vec!["columns".into(), 2.into()], Code::DuplicateColumn),
            ]
        );
        let empty = CsvSpec { columns: Some(Vec::new()), header: Some(Written(false)), ..spec() };
        assert_eq!(complaints(&empty), [(vec!["columns".into()], Code::NoColumns)]);
    }

    #[test]
    fn characters_with_a_meaning_differ() {
        let at = |spec: CsvSpec| complaints(&spec).remove(0);
        let same = Code::SameCharacter;
        let quote = CsvSpec { delimiter: some(";"), quote: some(";"), ..spec() };
        assert_eq!(at(quote), (vec!["quote".into()], same));
        let delimiter = CsvSpec { delimiter: some("\""), ..spec() };
        assert_eq!(at(delimiter), (vec!["delimiter".into()], same));
        for comment in [",", "\""] {
            let comment = CsvSpec { comment: some(comment), ..spec() };
            assert_eq!(at(comment), (vec!["comment".into()], same));
        }
    }

    #[test]
    fn a_misspelled_encoding_is_suggested() {
        let wrong = CsvSpec { encoding: some("windows-1225"), ..spec() };
        let problem = wrong.resolve(Path::new("")).unwrap_err().remove(0).problem;
        assert_eq!(problem.message, "`windows-1225` is not a known encoding");
        assert!(problem.help.unwrap().starts_with("did you mean `windows-125"));
        for label in LABELS {
            assert!(encoding(label).is_ok(), "{label}");
        }
    }
}
