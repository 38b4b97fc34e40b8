//! Fragments of markup for several screens. Only their output is not escaped again, because each is
//! a template that escapes its values.

use askama::Template;
use askama::filters::HtmlSafe;

use crate::review::DeltaCount;

use super::diff::{Mark, Piece, Shown};

#[derive(Clone, Debug, Template)]
#[template(path = "part/bar.html")]
pub struct Bar {
    pub percent: f64,
    pub text: String,
}

impl Bar {
    /// `share` is between 0 and 1.
    pub fn share(share: f64) -> Self {
        let share = share.clamp(0.0, 1.0);
        Self { percent: (share * 1_000.0).round() / 10.0, text: super::labels::percent(share) }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Template)]
#[template(path = "part/value.html")]
pub struct Value {
    pub shown: Shown,
}

impl From<Shown> for Value {
    fn from(shown: Shown) -> Self {
        Self { shown }
    }
}

/// A line chart over the runs; each point is a link.
#[derive(Clone, Debug, Template)]
#[template(path = "part/spark.html")]
pub struct Spark {
    points: Vec<SparkPoint>,
    line: String,
    area: String,
}

#[derive(Clone, Debug)]
struct SparkPoint {
    x: String,
    y: String,
    left: String,
    width: String,
    href: String,
    title: String,
    last: bool,
}

const SPARK: (f64, f64) = (240.0, 56.0);

impl Spark {
    /// True if there are enough runs for a line.
    pub const fn is_course(&self) -> bool {
        self.points.len() > 1
    }

    /// `values`: number, address, title; oldest first.
    pub fn new(values: &[(f64, String, String)]) -> Self {
        let highest = values.iter().map(|(value, ..)| *value).fold(0.0_f64, f64::max);
        let lowest = values.iter().map(|(value, ..)| *value).fold(f64::INFINITY, f64::min);
        let lowest = if lowest.is_finite() { lowest } else { 0.0 };
        let room = (highest - lowest).max(f64::EPSILON);
        let (width, height) = SPARK;
        let inset = 5.0;
        let step =
            if values.len() > 1 { (width - 2.0 * inset) / (values.len() - 1) as f64 } else { 0.0 };
        let last = values.len().saturating_sub(1);
        let points: Vec<SparkPoint> = values
            .iter()
            .enumerate()
            .map(|(at, (value, href, title))| {
                let x = if values.len() > 1 { inset + step * at as f64 } else { width / 2.0 };
                let rise = if highest > lowest { (value - lowest) / room } else { 0.5 };
                let y = height - inset - rise * (height - 2.0 * inset);
                let across = if values.len() > 1 { step } else { width };
                SparkPoint {
                    x: format!("{x:.1}"),
                    y: format!("{y:.1}"),
                    left: format!("{:.1}", x - across / 2.0),
                    width: format!("{across:.1}"),
                    href: href.clone(),
                    title: title.clone(),
                    last: at == last,
                }
            })
            .collect();
        let line = points.iter().map(|p| format!("{},{}", p.x, p.y)).collect::<Vec<_>>().join(" ");
        let area = match (points.first(), points.last()) {
            (Some(first), Some(last)) if points.len() > 1 => {
                format!("{},{height} {line} {},{height}", first.x, last.x)
            }
            _ => String::new(),
        };
        Self { points, line, area }
    }
}

#[derive(Clone, Debug, Template)]
#[template(path = "part/stack.html")]
pub struct Stack {
    parts: Vec<StackPart>,
}

#[derive(Clone, Debug)]
struct StackPart {
    x: String,
    width: String,
    class: &'static str,
}

impl Stack {
    /// Parts with their class; empty ones are left out.
    pub fn new(parts: &[(u64, &'static str)]) -> Self {
        let whole: u64 = parts.iter().map(|(part, _)| part).sum();
        let mut x = 0.0;
        let mut shown = Vec::new();
        for (part, class) in parts.iter().filter(|(part, _)| *part > 0) {
            // Keep small parts visible.
            let width = (*part as f64 / whole.max(1) as f64 * 1_000.0).max(3.0);
            shown.push(StackPart { x: format!("{x:.1}"), width: format!("{width:.1}"), class });
            x += width;
        }
        Self { parts: shown }
    }
}

#[derive(Clone, Debug, Template)]
#[template(path = "part/histogram.html")]
pub struct Histogram {
    bars: Vec<HistogramBar>,
    /// The least and the largest number.
    pub ends: (String, String),
}

#[derive(Clone, Debug)]
struct HistogramBar {
    x: String,
    y: String,
    width: String,
    height: String,
    title: String,
}

const HISTOGRAM: (f64, f64) = (240.0, 56.0);

impl Histogram {
    /// Ranges and their counts; `None` if there is nothing to compare.
    pub fn new(counts: &[DeltaCount]) -> Option<Self> {
        let (first, last) = (counts.first()?, counts.last()?);
        let highest = counts.iter().map(|one| one.count).max().filter(|_| counts.len() > 1)?;
        let (width, height) = HISTOGRAM;
        let step = width / counts.len() as f64;
        let number = |value: f64| super::labels::amount(&format!("{value:.2}"));
        let bars = counts.iter().enumerate().filter(|(_, one)| one.count > 0);
        let bars = bars.map(|(at, one)| {
            let rise = (one.count as f64 / highest.max(1) as f64 * height).max(1.0);
            HistogramBar {
                x: format!("{:.1}", at as f64 * step + 0.5),
                y: format!("{:.1}", height - rise),
                width: format!("{:.1}", step - 1.0),
                height: format!("{rise:.1}"),
                title: format!(
                    "{} to {}: {}",
                    number(one.from),
                    number(one.to),
                    super::labels::items(&one.count)
                ),
            }
        });
        Some(Self { bars: bars.collect(), ends: (number(first.from), number(last.to)) })
    }
}

impl HtmlSafe for Histogram {}
impl HtmlSafe for Bar {}
impl HtmlSafe for Value {}
impl HtmlSafe for Spark {}
impl HtmlSafe for Stack {}
