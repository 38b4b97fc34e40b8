//! Figures of models and rules as tables.

use std::fmt::Write as _;

use crate::attribute::metrics::Evaluation;
use crate::pipeline::learn::Measured;
use crate::report::{Paint, figures};

fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}

pub fn write_figures(rows: &[(&str, &Evaluation)], paint: Paint, out: &mut String) {
    let heading = format!(
        "  {:<14}{:>9}{:>10}{:>10}{:>8}{:>10}{:>8}{:>12}{:>12}",
        "", "n", "macro F1", "accuracy", "ECE", "log loss", "Brier", "at 99 %", "at 99.5 %"
    );
    let _ = writeln!(out, "{}", paint.dim(heading));
    for (name, figures) in rows {
        let covered = |precision: &str| {
            figures.coverage_at.get(precision).map_or_else(String::new, |share| percent(*share))
        };
        let _ = writeln!(
            out,
            "  {name:<14}{:>9}{:>10.4}{:>10}{:>8.4}{:>10.4}{:>8.4}{:>12}{:>12}",
            figures::count(figures.n),
            figures.macro_f1,
            percent(figures.accuracy),
            figures.ece,
            figures.log_loss,
            figures.brier,
            covered("0.99"),
            covered("0.995"),
        );
    }
}

/// The rows of [`write_figures`] for rules, model and both.
pub fn rows(measured: &Measured) -> Vec<(&'static str, &Evaluation)> {
    let mut rows = vec![("rules", &measured.rules.all)];
    rows.extend(measured.model.as_ref().map(|model| ("model", model)));
    rows.push(("combined", &measured.combined));
    rows
}

pub fn write_reasons(evaluation: &Evaluation, paint: Paint, out: &mut String) {
    if evaluation.per_reason.is_empty() {
        return;
    }
    let heading = format!(
        "  {:<24}{:>9}{:>9}{:>11}{:>8}{:>8}  most often taken for",
        "reason", "labelled", "guessed", "precision", "recall", "F1"
    );
    let _ = writeln!(out, "\n{}", paint.dim(heading));
    let confusion = &evaluation.confusion;
    for (reason, figures) in &evaluation.per_reason {
        let at = confusion.reasons.iter().position(|name| name == reason);
        let counts = at.and_then(|at| Some((at, confusion.counts.get(at)?)));
        let mistaken = counts.and_then(|(at, counts)| {
            let others = counts.iter().enumerate().filter(|(other, n)| *other != at && **n > 0);
            let (other, n) = others.max_by_key(|(_, n)| **n)?;
            Some(format!("{} ({})", confusion.reasons.get(other)?, figures::count(*n)))
        });
        let line = format!(
            "  {:<24}{:>9}{:>9}{:>11.4}{:>8.4}{:>8.4}  {}",
            figures::visible(reason),
            figures::count(figures.support),
            figures::count(figures.predicted),
            figures.precision,
            figures.recall,
            figures.f1,
            mistaken.unwrap_or_default(),
        );
        let _ = writeln!(out, "{}", line.trim_end());
    }
}

pub fn write_rules(measured: &Measured, paint: Paint, out: &mut String) {
    if measured.rules.per_rule.is_empty() {
        return;
    }
    let heading = format!(
        "  {:<36}{:>9}{:>9}{:>11}{:>18}{:>9}{:>9}",
        "rule", "fired", "decided", "precision", "95 % bounds", "claims", "given"
    );
    let _ = writeln!(out, "\n{}", paint.dim(heading));
    for (rule, figures) in &measured.rules.per_rule {
        let (precision, bounds, claims, given) = if figures.decided == 0 {
            ("·".to_owned(), "·".to_owned(), "·".to_owned(), "·".to_owned())
        } else {
            (
                format!("{:.4}", figures.precision),
                format!("{:.4} – {:.4}", figures.lower, figures.upper),
                format!("{:.2}", figures.claimed),
                format!("{:.2}", figures.confidence),
            )
        };
        let _ = writeln!(
            out,
            "  {:<36}{:>9}{:>9}{precision:>11}{bounds:>18}{claims:>9}{given:>9}",
            figures::visible(rule),
            figures::count(figures.fired),
            figures::count(figures.decided),
        );
    }
}

/// Claimed against measured confidence.
pub fn write_reliability(evaluation: &Evaluation, paint: Paint, out: &mut String) {
    let heading = format!("  {:<16}{:>9}{:>12}{:>10}", "confidence", "n", "claimed", "right");
    let _ = writeln!(out, "\n{}", paint.dim(heading));
    for bin in evaluation.reliability.iter().filter(|bin| bin.n > 0) {
        let range = format!("{:.2} – {:.2}", bin.from, bin.to);
        let _ = writeln!(
            out,
            "  {range:<16}{:>9}{:>12}{:>10}",
            figures::count(bin.n),
            percent(bin.confidence),
            percent(bin.accuracy)
        );
    }
}
