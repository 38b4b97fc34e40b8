//! The report for a terminal, at most 100 columns wide, on narrow terminals 80, unless a name or value is
//! longer. Lines break between words.

use std::fmt::Display;
use std::io::{self, Write};

use super::details::FieldDetails;
use super::figures::{bar, clip, count, pad, percent, share, visible, width};
use super::findings::{
    self, FIELDS_SHOWN, RECORD_TYPES, acceptance, cell, fields_by_count, model_named, next_steps,
    occurring_types, place, rates, reasons_of, row_line, rules_named, sums, time, verdict,
};
use super::statement::Statements;
use super::{Example, NO_STATEMENT, Paint, ReportData, Summary};

/// Widths of the page and of its columns.
#[derive(Clone, Copy, Debug)]
struct Widths {
    page: usize,
    /// Labels, indentation included.
    label: usize,
    number: usize,
    share: usize,
    bar: usize,
    /// Counts of one type of difference.
    cell: usize,
}

const WIDE: Widths = Widths { page: 100, label: 32, number: 12, share: 10, bar: 20, cell: 9 };
const NARROW: Widths = Widths { page: 80, label: 28, number: 10, share: 9, bar: 10, cell: 7 };
/// More types than this need room from the labels.
const MANY_TYPES: usize = 5;
/// Maximum width of commands.
const COMMAND: usize = 60;

/// Writes the report for a terminal with this many columns.
pub fn write_text(
    data: &ReportData,
    out: &mut dyn Write,
    paint: Paint,
    columns: usize,
) -> io::Result<()> {
    let summary = &data.summary;
    let widths = if columns < WIDE.page { NARROW } else { WIDE };
    let mut page = Page { out, paint, widths };
    page.head(summary)?;
    page.warnings(summary, true)?;
    page.rows(summary)?;
    page.records(summary)?;
    page.matches(summary)?;
    if summary.differences.total > 0 {
        page.differences(summary)?;
        if summary.is_attributed() {
            page.reasons(summary)?;
            page.deciders(summary)?;
            page.acceptance(summary)?;
        }
    }
    page.statements(&data.statements, summary)?;
    page.details(&data.details)?;
    page.gate(summary)?;
    page.rejected(summary)?;
    page.unused(summary)?;
    page.warnings(summary, false)?;
    page.time(summary)?;
    page.next(summary, data.example.as_ref())
}

/// Writes only the statement.
pub fn write_statement(
    data: &ReportData,
    out: &mut dyn Write,
    paint: Paint,
    columns: usize,
) -> io::Result<()> {
    let widths = if columns < WIDE.page { NARROW } else { WIDE };
    let mut page = Page { out, paint, widths };
    page.head(&data.summary)?;
    if data.statements.is_empty() {
        writeln!(page.out)?;
        page.wrapped(NO_STATEMENT, 0)?;
        return data.statements.not_added.iter().try_for_each(|one| page.wrapped(one, 2));
    }
    page.statements(&data.statements, &data.summary)
}

struct Page<'w> {
    out: &'w mut dyn Write,
    paint: Paint,
    widths: Widths,
}

impl Page<'_> {
    fn line(&mut self, text: impl Display) -> io::Result<()> {
        writeln!(self.out, "{text}")
    }

    /// A heading with an optional figure.
    fn heading(&mut self, title: &str, number: Option<u64>) -> io::Result<()> {
        let Widths { label, number: figure, .. } = self.widths;
        let title = match number {
            Some(number) => format!("{title:<label$}{:>figure$}", count(number)),
            None => title.to_owned(),
        };
        writeln!(self.out, "\n{}", self.paint.strong(title))
    }

    /// A label, a figure, its share of the whole, a bar and a remark.
    fn figure(
        &mut self,
        label: &str,
        part: u64,
        whole: u64,
        with_bar: bool,
        remark: &str,
    ) -> io::Result<()> {
        let Widths { share: width_of_share, bar: width_of_bar, page, .. } = self.widths;
        let mut line = self.labelled(label, &count(part));
        line += &format!("{:>width_of_share$}", share(part, whole));
        write!(self.out, "{line}")?;
        let bar = if with_bar { bar(part, whole, width_of_bar) } else { String::new() };
        let mut used = width(&line);
        if !bar.is_empty() {
            write!(self.out, "  {}", self.paint.accent(&bar))?;
            used += 2 + width_of_bar;
        }
        if remark.is_empty() {
            return writeln!(self.out);
        }
        if used + 2 + width(remark) > page {
            writeln!(self.out)?;
            return self.wrapped(remark, 6);
        }
        let space = 2 + if bar.is_empty() { 0 } else { width_of_bar - width(&bar) };
        writeln!(self.out, "{:space$}{}", "", self.paint.dim(remark))
    }

    fn head(&mut self, summary: &Summary) -> io::Result<()> {
        let sources = &summary.sources;
        let title = format!("{}  {}", visible(&summary.job), summary.batch_date);
        let systems = format!(
            "{} (A) against {} (B)",
            visible(&sources.a.system),
            visible(&sources.b.system)
        );
        let fits = width(&title) + 2 + width(&systems) <= self.widths.page;
        let between = if fits { "  " } else { "\n" };
        writeln!(self.out, "{}{between}{systems}", self.paint.strong(title))?;
        let status = match summary.status {
            "COMPLETED" => self.paint.good(summary.status),
            "FAILED" => self.paint.bad(summary.status),
            _ => self.paint.caution(summary.status),
        };
        let stage = summary.stage.unwrap_or("not ingested");
        writeln!(self.out, "run {}  {status}  {stage}", summary.run_id)?;
        if let Some(newer) = &summary.superseded_by {
            let remark = format!("superseded by run {newer}");
            writeln!(self.out, "{}", self.paint.caution(remark))?;
        }
        let sentence = verdict(summary);
        writeln!(self.out)?;
        self.wrapped(&sentence, 0)
    }

    fn rows(&mut self, summary: &Summary) -> io::Result<()> {
        let records = &summary.records;
        let Widths { label: left, number, .. } = self.widths;
        let heading = format!("{:<left$}{:>number$}{:>number$}", "Rows", "A", "B");
        writeln!(self.out, "\n{}", self.paint.strong(heading))?;
        for (at, (name, a, b)) in records.rows().into_iter().enumerate() {
            let sign = ["  ", "    = "].get(at).unwrap_or(&"    + ");
            let label = format!("{sign}{name}");
            self.line(format!("{label:<left$}{:>number$}{:>number$}", count(a), count(b)))?;
        }
        for (at, (name, a, b)) in summary.open_rows().into_iter().enumerate() {
            if at == 0 {
                let heading = format!("{:<left$}{:>number$}{:>number$}", "Open items", "A", "B");
                writeln!(self.out, "\n{}", self.paint.strong(heading))?;
            }
            let label = format!("  {name}");
            self.line(format!("{label:<left$}{:>number$}{:>number$}", count(a), count(b)))?;
        }
        Ok(())
    }

    fn records(&mut self, summary: &Summary) -> io::Result<()> {
        let records = &summary.records;
        let total = records.total();
        self.heading("Records", Some(total))?;
        if !summary.is_compared() {
            return self.line("  not compared yet: recon diff");
        }
        self.figure("  matched", records.matched, total, true, "")?;
        if records.within_tolerance > 0 {
            self.figure("    within tolerance", records.within_tolerance, total, false, "")?;
        }
        self.figure("  breaks", records.breaks, total, true, "")
    }

    fn matches(&mut self, summary: &Summary) -> io::Result<()> {
        let figures = summary.match_figures();
        if figures.is_empty() {
            return Ok(());
        }
        let total = summary.match_total();
        self.heading("Matches", Some(total))?;
        let (left, made) = figures.split_last().map_or((0, &[][..]), |(left, made)| (left.1, made));
        for (name, number) in made {
            self.figure(&format!("  {}", visible(name)), *number, total, true, "")?;
        }
        self.line(self.labelled("  left ambiguous", &count(left)))
    }

    fn differences(&mut self, summary: &Summary) -> io::Result<()> {
        let differences = &summary.differences;
        let types = occurring_types(summary);
        let Widths { cell: width, .. } = self.widths;
        let whole = self.widths;
        if types.len() > MANY_TYPES {
            self.widths.label -= 8;
        }
        let mut heading = self.labelled("Differences", &count(differences.total));
        for (_, name) in &types {
            heading += &format!(" {name:>width$}");
        }
        writeln!(self.out, "\n{}", self.paint.strong(heading))?;
        let fields = fields_by_count(summary);
        for (field, total) in fields.iter().take(FIELDS_SHOWN) {
            let mut line = self.labelled(&format!("  {}", visible(field)), &count(*total));
            for (diff_type, _) in &types {
                let number = cell(summary, field, *diff_type);
                let shown = if number == 0 { "·".to_owned() } else { count(number) };
                line += &format!(" {shown:>width$}");
            }
            self.line(line)?;
        }
        if let Some(rest) = fields.get(FIELDS_SHOWN..).filter(|rest| !rest.is_empty()) {
            let sum = rest.iter().map(|(_, total)| total).sum();
            let label = format!("  {} more fields", rest.len());
            self.line(self.labelled(&label, &count(sum)))?;
        }
        for (diff_type, words) in RECORD_TYPES {
            let number = differences.by_type.get(diff_type.name()).copied().unwrap_or_default();
            if number > 0 {
                self.line(self.labelled(&format!("  {words}"), &count(number)))?;
            }
        }
        self.widths = whole;
        Ok(())
    }

    fn reasons(&mut self, summary: &Summary) -> io::Result<()> {
        let total = summary.differences.total;
        self.heading("Reasons", None)?;
        for (functional, name) in [(true, "  functional"), (false, "  non-functional")] {
            let reasons = reasons_of(summary, functional);
            let sum = reasons.iter().map(|reason| reason.count).sum();
            self.figure(name, sum, total, false, "")?;
            for reason in reasons {
                let open = reason.count - reason.accepted;
                let remark = if open == 0 {
                    String::new()
                } else if reason.accepted == 0 {
                    "not accepted".to_owned()
                } else {
                    format!("{} not accepted", count(open))
                };
                let label = format!("    {}", visible(&reason.code));
                self.figure(&label, reason.count, total, true, &remark)?;
            }
        }
        Ok(())
    }

    fn deciders(&mut self, summary: &Summary) -> io::Result<()> {
        let sources = &summary.attributions.by_source;
        let total = summary.differences.total;
        let (rules, model) = (rules_named(summary), model_named(summary));
        self.heading("Reasons from", None)?;
        for (label, number, remark) in [
            ("  rules", sources.rule, rules.as_str()),
            ("  model", sources.model, model.as_str()),
            ("  users", sources.person, ""),
            ("  none found", sources.none, ""),
        ] {
            if number > 0 {
                self.figure(label, number, total, false, remark)?;
            }
        }
        Ok(())
    }

    fn acceptance(&mut self, summary: &Summary) -> io::Result<()> {
        let lines = acceptance(summary);
        if !lines.is_empty() {
            self.heading("Acceptance", None)?;
        }
        lines.iter().try_for_each(|line| self.wrapped(line, 2))
    }

    fn statements(&mut self, all: &Statements, summary: &Summary) -> io::Result<()> {
        if all.is_empty() {
            return Ok(());
        }
        self.heading("Reconciliation statement", None)?;
        for one in &all.statement {
            self.line(format!("  {}", one.title()))?;
            let side = |system: &str, side: &str| format!("    {} ({side})", visible(system));
            self.amount(&side(&summary.sources.a.system, "A"), &one.shown(&one.a), "")?;
            for functional in [true, false] {
                let mut lines = one.lines.iter().filter(|line| line.functional == functional);
                let Some(first) = lines.next() else { continue };
                self.line(format!("    {}", first.nature()))?;
                for line in std::iter::once(first).chain(lines) {
                    let label = format!("      {}", line.name());
                    self.amount(&label, &one.shown(&line.amount), &line.counted())?;
                    if let Some(link) = all.link(&summary.run_id, one, line) {
                        writeln!(self.out, "        {}", self.paint.dim(&link))?;
                    }
                }
            }
            self.amount(&side(&summary.sources.b.system, "B"), &one.shown(&one.b), "")?;
        }
        if let Some((line, command)) = all.command(&summary.run_id).filter(|_| all.page.is_none()) {
            self.wrapped(&format!("differences with the reason {line}:"), 2)?;
            self.line(format!("    {command}"))?;
        }
        all.not_added.iter().try_for_each(|sentence| self.wrapped(sentence, 2))
    }

    /// A label, an amount and a remark.
    fn amount(&mut self, label: &str, amount: &str, remark: &str) -> io::Result<()> {
        let wide = self.widths.label + self.widths.number + self.widths.share;
        let room = wide.saturating_sub(width(label) + 1);
        let line = format!("{label} {amount:>room$}");
        if remark.is_empty() {
            return self.line(line);
        }
        writeln!(self.out, "{line}  {}", self.paint.dim(remark))
    }

    fn details(&mut self, details: &[FieldDetails]) -> io::Result<()> {
        if details.is_empty() {
            return Ok(());
        }
        self.heading("Amounts and examples", None)?;
        for field in details {
            self.line(self.labelled(&format!("  {}", visible(&field.name)), &count(field.count)))?;
            for sentence in sums(field) {
                self.wrapped(&visible(&sentence), 4)?;
            }
            for (title, rows) in [("largest", &field.largest), ("first", &field.sample)] {
                // A row among both the largest and the first is shown once.
                let rows =
                    rows.iter().filter(|row| title == "largest" || !field.largest.contains(row));
                for row in rows {
                    self.wrapped(&format!("{title:<7}  {}", row_line(row)), 4)?;
                }
            }
        }
        Ok(())
    }

    fn gate(&mut self, summary: &Summary) -> io::Result<()> {
        let Some(gate) = summary.gate else { return Ok(()) };
        let total = summary.records.total();
        self.heading("Data quality gate", None)?;
        self.figure("  PASSED", gate.passed, total, true, "")?;
        self.figure("  BLOCKED", gate.blocked, total, true, "")?;
        if summary.differences.total == 0 {
            return Ok(());
        }
        for (label, rate, meaning) in rates(summary) {
            let label = format!("  {label}");
            let line = self.labelled(&label, &percent(rate));
            if width(&line) + 2 + width(meaning) > self.widths.page {
                self.line(line)?;
                self.wrapped(meaning, 6)?;
            } else {
                writeln!(self.out, "{line}  {}", self.paint.dim(meaning))?;
            }
        }
        Ok(())
    }

    fn rejected(&mut self, summary: &Summary) -> io::Result<()> {
        let total = summary.records.rejected_a + summary.records.rejected_b;
        if total == 0 {
            return Ok(());
        }
        self.heading("Rejected rows", Some(total))?;
        let rows: Vec<(String, &str, &str)> =
            summary.rejected.iter().map(|row| (place(row), &*row.code, &*row.message)).collect();
        let places = rows.iter().map(|(place, ..)| width(place)).max().unwrap_or(0).min(40);
        let codes = rows.iter().map(|(_, code, _)| width(code)).max().unwrap_or(0);
        for (place, code, message) in &rows {
            let start = format!("  {}  {}  ", pad(place, places, false), pad(code, codes, false));
            let message = visible(message);
            if width(&start) + width(&message) <= self.widths.page {
                self.line(format!("{start}{message}"))?;
            } else {
                self.line(start.trim_end())?;
                self.wrapped(&message, 4)?;
            }
        }
        let shown = rows.len() as u64;
        if total > shown {
            let more = format!("  … and {} more, in recon.rejected_rows", count(total - shown));
            writeln!(self.out, "{}", self.paint.dim(more))?;
        }
        Ok(())
    }

    fn unused(&mut self, summary: &Summary) -> io::Result<()> {
        let sources = [("A", &summary.sources.a), ("B", &summary.sources.b)];
        if sources.iter().all(|(_, source)| source.unused_columns.is_empty()) {
            return Ok(());
        }
        self.heading("Unmapped columns", None)?;
        for (side, source) in sources {
            if !source.unused_columns.is_empty() {
                let names = source.unused_columns.join(", ");
                self.wrapped(&format!("{side}: {}", visible(&names)), 2)?;
            }
        }
        Ok(())
    }

    fn warnings(&mut self, summary: &Summary, first: bool) -> io::Result<()> {
        let warnings = findings::warnings(summary, first);
        if warnings.is_empty() {
            return Ok(());
        }
        self.heading(if first { "Check this first" } else { "Warnings" }, None)?;
        for warning in warnings {
            self.wrapped(&visible(&findings::warning(warning)), 2)?;
            if let Some(help) = &warning.help {
                self.wrapped(&visible(help), 4)?;
            }
        }
        Ok(())
    }

    fn time(&mut self, summary: &Summary) -> io::Result<()> {
        self.heading("Time", None)?;
        self.wrapped(&time(summary), 2)
    }

    fn next(&mut self, summary: &Summary, example: Option<&Example>) -> io::Result<()> {
        let commands = next_steps(summary, example);
        if commands.is_empty() {
            return Ok(());
        }
        self.heading("Next steps", None)?;
        let widest = commands.iter().map(|(command, _)| width(command)).max().unwrap_or(0);
        for (command, purpose) in commands {
            let padded = pad(&command, widest.min(COMMAND), false);
            if 4 + width(&padded) + width(&purpose) <= self.widths.page {
                let (command, purpose) = (self.paint.accent(padded), self.paint.dim(purpose));
                writeln!(self.out, "  {command}  {purpose}")?;
            } else {
                writeln!(self.out, "  {}", self.paint.accent(command))?;
                self.wrapped(&purpose, 6)?;
            }
        }
        Ok(())
    }

    /// Wraps a text to the page width, indented. Backticked parts are not broken, so that they can
    /// be copied.
    fn wrapped(&mut self, text: &str, indent: usize) -> io::Result<()> {
        let mut line = String::new();
        let mut in_code = false;
        let is_break = |character: char| {
            in_code ^= character == '`';
            character == ' ' && !in_code
        };
        for word in text.split(is_break) {
            if !line.is_empty() && indent + width(&line) + 1 + width(word) > self.widths.page {
                writeln!(self.out, "{:indent$}{line}", "")?;
                line.clear();
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
        writeln!(self.out, "{:indent$}{line}", "")
    }

    /// A label on the left and a figure right-aligned in its column.
    fn labelled(&self, label: &str, figure: &str) -> String {
        let Widths { label: left, number, .. } = self.widths;
        let label = clip(label, left - 1);
        format!("{}{figure:>number$}", pad(&label, left, false))
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::super::summary::{Differences, Records};
    use super::*;
    use crate::domain::metadata::{Seconds, Warning};
    use crate::domain::{Books, DiffType, PerSide, Stage};

    fn page(data: &ReportData, paint: Paint) -> String {
        let mut out = Vec::new();
        write_text(data, &mut out, paint, 100).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_warning_that_questions_the_result_comes_first_and_keeps_its_code_whole() {
        let mut data = sample::data();
        data.summary.warnings.push(sample::first_warning());
        let text = page(&data, Paint::Plain);
        let first = text.find("Check this first").unwrap();
        assert!(first < text.find("Rows").unwrap(), "{text}");
        assert!(text.contains("`normalize: { amount: [negate] }`"), "{text}");
        assert!(text.find("\nWarnings").unwrap() > first, "{text}");
    }

    #[test]
    fn records_match_only_if_fields_were_compared() {
        let mut data = sample::data();
        data.summary.records =
            Records { a: 30, b: 30, aligned: 30, matched: 30, ..Records::default() };
        data.summary.differences = Differences::default();
        assert_eq!(verdict(&data.summary), "All 30 records match.");
        data.summary.warnings[0].code = "nothing-compared".to_owned();
        assert_eq!(verdict(&data.summary), "30 records have the same key; no field is compared.");
    }

    #[test]
    fn matches_the_sample() {
        let expected = include_str!("sample.txt");
        assert_eq!(page(&sample::data(), Paint::Plain), expected);
        assert!(expected.lines().all(|line| width(line) <= WIDE.page && line == line.trim_end()));
    }

    #[test]
    fn color_does_not_change_the_text() {
        let colored = page(&sample::data(), Paint::Colored);
        assert_ne!(colored, page(&sample::data(), Paint::Plain));
        let stripped = anstream::adapter::strip_str(&colored).to_string();
        assert_eq!(stripped, page(&sample::data(), Paint::Plain));
    }

    #[test]
    fn an_ingested_run_names_the_next_command() {
        let mut run = sample::run();
        run.stage = Some(Stage::Ingested);
        let books = Books { read: PerSide { a: 2, b: 2 }, aligned: 2, ..Books::default() };
        let summary = Summary::new(&run, &books, &[], None, &Seconds::default());
        let text = page(&ReportData { summary, example: None, ..sample::data() }, Paint::Plain);
        assert!(text.contains("\n2 records ingested.\n"), "{text}");
        assert!(text.contains("not compared yet: recon diff"), "{text}");
        assert!(!text.contains("Reasons") && !text.contains("gate"), "{text}");
    }

    #[test]
    fn a_run_without_breaks_has_a_short_report() {
        let mut run = sample::run();
        run.metadata = serde_json::Value::Null;
        let books =
            Books { read: PerSide { a: 2, b: 2 }, aligned: 2, matched: 2, ..Books::default() };
        let summary = Summary::new(&run, &books, &[], Some((2, 0)), &Seconds::default());
        let text = page(&ReportData { summary, example: None, ..sample::data() }, Paint::Plain);
        assert!(text.contains("\nAll 2 records match.\n"), "{text}");
        for absent in ["Differences", "Rejected", "Warnings", "rate", "Next steps"] {
            assert!(!text.contains(absent), "{absent}: {text}");
        }
    }

    #[test]
    fn long_and_external_text_keeps_the_layout() {
        let mut data = sample::data();
        data.summary.rejected[0].message = "a long tale ".repeat(20);
        data.summary.rejected[1].message = "\u{1b}[2J".into();
        data.summary.warnings = vec![Warning {
            code: "w".into(),
            message: "word ".repeat(60),
            place: None,
            help: None,
        }];
        let text = page(&data, Paint::Plain);
        assert!(text.lines().all(|line| width(line) <= WIDE.page), "{text}");
        assert!(text.contains(r"\u{1b}[2J") && !text.contains('\u{1b}'), "{text}");
    }

    #[test]
    fn an_older_run_is_named_in_the_commands() {
        let mut data = sample::data();
        data.summary.superseded_by = Some("newer".into());
        if let Some(example) = &mut data.example {
            example.reference = "-1".into();
        }
        let steps = next_steps(&data.summary, data.example.as_ref());
        let id = &data.summary.run_id;
        assert_eq!(steps[0].0, format!("recon explain --run {id} -- '-1'"));
        assert_eq!(steps[1].0, format!("recon report --run {id} --format csv -o breaks.csv"));
        assert!(page(&data, Paint::Plain).contains("superseded by run newer"));
    }

    #[test]
    fn surplus_fields_are_summed_up() {
        let mut books = sample::books();
        for at in 0..20 {
            books.count_differences(&format!("field_{at:02}"), DiffType::TypeMismatch, 1);
        }
        let run = sample::run();
        let summary = Summary::new(&run, &books, &[], None, &Seconds::default());
        let text = page(&ReportData { summary, example: None, ..sample::data() }, Paint::Plain);
        assert!(text.contains("\n  7 more fields                            7\n"), "{text}");
    }
}
