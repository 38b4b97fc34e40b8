//! The passes of `match`: their names, fields and bounds.

use super::{Checker, below};
use crate::compare::{BaseSpec, CombineSpec};
use crate::config::spec::{AmbiguousSpec, NearSpec, PassSpec, ShapeSpec};
use crate::config::tree::path;
use crate::diagnostic::{Code, PathStep, Problem};
use crate::domain::calendar::Calendar;
use crate::domain::{Decimal, Kind, Layout, PerSide, Side, Written};
use crate::matching::{Base, Bound, EFFORT, Near, Pass, Settings, Shape};
use crate::pipeline::MatchPlan;

/// The most rows of a many side, unless the file says otherwise.
const MAX_ROWS: u32 = 8;

impl Checker<'_> {
    /// How rows without a common key are matched; none without `match`.
    pub(super) fn matching(&mut self, layout: Option<&Layout>) -> Option<MatchPlan> {
        let refs = self.refs(layout);
        let spec = self.spec.matching.clone()?;
        let at = path(["match"]);
        let passes_at = below(&at, "passes");
        let written = spec.passes.unwrap_or_default();
        if written.is_empty() && self.document.has(&passes_at) {
            let problem = Problem::new(Code::NoPasses, "`match` has no pass");
            self.complain_of_key(&passes_at, problem);
        }
        let mut names: Vec<String> = Vec::new();
        let mut passes = Vec::new();
        for (index, pass) in written.iter().enumerate() {
            let at = below(&passes_at, index);
            if let Some(name) = &pass.name {
                self.pass_name(&below(&at, "name"), name, &names);
                names.push(name.clone());
            }
            passes.extend(layout.and_then(|layout| self.pass(&at, pass, layout)));
        }
        let effort = spec.effort.map_or(EFFORT, |effort| effort.0);
        if effort == 0 {
            let problem = Problem::new(Code::PassBound, "`effort` is at least 1");
            self.complain(&below(&at, "effort"), problem);
        }
        let take = spec.ambiguous.unwrap_or_default() == AmbiguousSpec::Take;
        Some(MatchPlan { passes, settings: Settings { take, effort }, refs })
    }

    /// The fields that name a row.
    fn refs(&mut self, layout: Option<&Layout>) -> Vec<usize> {
        let at = path(["ref"]);
        let names = self.spec.reference.clone().unwrap_or_default();
        if !names.is_empty() && self.spec.matching.is_none() {
            let message = "`ref` has no effect without `match`: rows are named by the key";
            self.complain_of_key(&at, Problem::new(Code::RefUnused, message));
        }
        self.positions(&at, &names, layout)
    }

    /// The positions of fields; complains about unknown ones and those named twice.
    fn positions(
        &mut self,
        at: &[PathStep],
        names: &[String],
        layout: Option<&Layout>,
    ) -> Vec<usize> {
        let mut positions = Vec::new();
        for (index, name) in names.iter().enumerate() {
            let here = below(at, index);
            if !self.has_field(name) {
                let problem = self.unknown_field(name);
                self.complain(&here, problem);
            } else if names[..index].contains(name) {
                let message = format!("`{name}` is named twice");
                self.complain(&here, Problem::new(Code::PassField, message));
            }
            positions.extend(layout.and_then(|layout| layout.position(name)));
        }
        positions
    }

    fn pass_name(&mut self, at: &[PathStep], name: &str, before: &[String]) {
        self.name(at, "the pass's name", name);
        if name == "key" {
            let message = "a pass can't be called `key`: that is the pass by the job's key";
            self.complain(at, Problem::new(Code::PassName, message));
        } else if before.iter().any(|other| other == name) {
            let message = format!("there are two passes called `{name}`");
            self.complain(at, Problem::new(Code::PassName, message));
        }
    }

    fn pass(&mut self, at: &[PathStep], spec: &PassSpec, layout: &Layout) -> Option<Pass> {
        let names = |names: &Option<Vec<String>>| names.clone().unwrap_or_default();
        let (equal, sum) = (names(&spec.equal), names(&spec.sum));
        let equal_at = below(at, "equal");
        if equal.is_empty() {
            let message = "this pass has no `equal`: every row is compared with every other";
            let help = "name fields that both sides agree on, such as the currency";
            self.complain_of_key(at, Problem::new(Code::PassWithoutEqual, message).help(help));
        }
        for (index, name) in equal.iter().enumerate() {
            self.needs_both(&below(&equal_at, index), name);
        }
        let mut near = Vec::new();
        for (name, bound) in spec.near.iter().flat_map(|near| near.iter()) {
            let here = below(&below(at, "near"), name);
            if !self.has_field(name) {
                let problem = self.unknown_field(name);
                self.complain_of_key(&here, problem);
            }
            self.needs_both(&here, name);
            let Some(field) = layout.position(name) else { continue };
            let kind = layout.fields()[field].kind;
            let summed = sum.contains(&name.to_owned());
            near.extend(self.bound(&here, kind, bound).map(|bound| Near { field, bound, summed }));
        }
        let group = spec.group.clone().unwrap_or_default();
        let group = PerSide { a: names(&group.a), b: names(&group.b) };
        let shape = spec.shape.unwrap_or_default();
        self.sums(at, spec, &sum, &group, layout);
        let max_rows = spec.max_rows.map_or(MAX_ROWS, |rows| rows.0);
        if max_rows == 0 {
            let problem = Problem::new(Code::PassBound, "`max_rows` is at least 1");
            self.complain(&below(at, "max_rows"), problem);
        }
        let currency = self.currency_field();
        let group_at = below(at, "group");
        for side in Side::BOTH {
            let at = below(&group_at, side.letter());
            for (index, name) in group[side].iter().enumerate() {
                self.needs(&below(&at, index), name, side);
            }
        }
        Some(Pass {
            name: spec.name.clone()?,
            equal: self.positions(&equal_at, &equal, Some(layout)),
            near,
            group: PerSide::of(|side| {
                self.positions(&below(&group_at, side.letter()), &group[side], Some(layout))
            }),
            shape: Shape::from(shape),
            max_rows: max_rows as usize,
            currency: currency.and_then(|name| layout.position(name)),
        })
    }

    /// A pass can only match by fields that both sides have.
    fn needs_both(&mut self, at: &[PathStep], name: &str) {
        Side::BOTH.into_iter().for_each(|side| self.needs(at, name, side));
    }

    fn needs(&mut self, at: &[PathStep], name: &str, side: Side) {
        let mapped = self.document.has(&path(["sources", side.letter(), "map", name]));
        if self.has_field(name) && !mapped && !self.scripts.may_set_fields(side) {
            let message = format!("this pass can never match: source {side} does not map `{name}`");
            let help = format!("map `{name}` in source {side}, or take it out of the pass");
            self.complain(at, Problem::new(Code::PassField, message).help(help));
        }
    }

    fn sums(
        &mut self,
        at: &[PathStep],
        spec: &PassSpec,
        sum: &[String],
        group: &PerSide<Vec<String>>,
        layout: &Layout,
    ) {
        let sum_at = below(at, "sum");
        let many = spec.shape.is_some_and(|shape| shape != ShapeSpec::OneToOne);
        let grouped = !group.a.is_empty() || !group.b.is_empty();
        if many && sum.is_empty() {
            let message = "a shape with a many side needs `sum`";
            let help = "name the amounts that add up, such as `sum: [amount]`";
            let problem = Problem::new(Code::PassShape, message).help(help);
            self.complain_of_key(&below(at, "shape"), problem);
        }
        if !sum.is_empty() && !many && !grouped {
            let message = "`sum` needs a shape with a many side, or `group`";
            let help = "add `shape: one_to_many`, or remove `sum`";
            let problem = Problem::new(Code::PassShape, message).help(help);
            self.complain_of_key(&sum_at, problem);
        }
        for (index, name) in sum.iter().enumerate() {
            let here = below(&sum_at, index);
            if !self.has_field(name) {
                let problem = self.unknown_field(name);
                self.complain(&here, problem);
                continue;
            }
            let kind = layout.position(name).map(|field| layout.fields()[field].kind);
            if kind.is_some_and(|kind| !matches!(kind, Kind::Decimal | Kind::Integer)) {
                let message = format!(
                    "only numbers are summed; `{name}` is {}",
                    super::fields::of(kind.unwrap_or(Kind::Text))
                );
                self.complain(&here, Problem::new(Code::PassField, message));
            }
            if spec.near.as_ref().is_none_or(|near| !near.contains(name)) {
                let message = format!(
                    "`{name}` is summed, but `near` does not say how near the sums must be"
                );
                let help = format!("add `{name}: {{ absolute: 0 }}` to `near`");
                self.complain(&here, Problem::new(Code::PassField, message).help(help));
            }
        }
    }

    /// Resolves a field's bound; without one, both sides must be equal.
    fn bound(&mut self, at: &[PathStep], kind: Kind, spec: &NearSpec) -> Option<Bound> {
        let before = self.problems.len();
        if kind == Kind::Boolean {
            let message = "a boolean can't be near another; name it in `equal`";
            self.complain_of_key(at, Problem::new(Code::PassField, message));
        }
        self.misplaced(at, kind, spec);
        let bound = match kind {
            Kind::Decimal | Kind::Integer => self.number_bound(at, spec),
            Kind::Date => self.date_bound(at, spec),
            Kind::Datetime => {
                let seconds = self.not_negative(at, "seconds", spec.seconds);
                Bound::Nanoseconds(seconds.unwrap_or(Decimal::ZERO).whole_units(9))
            }
            Kind::Text | Kind::Boolean => {
                for (key, least) in [("similarity", spec.similarity), ("token_set", spec.token_set)]
                {
                    self.share(&below(at, key), least);
                }
                if spec.similarity.is_some() && spec.token_set.is_some() {
                    let message = "`similarity` and `token_set` exclude each other";
                    let problem = Problem::new(Code::PassBound, message);
                    self.complain_of_key(&below(at, "token_set"), problem);
                }
                match (spec.similarity, spec.token_set) {
                    (_, Some(least)) => Bound::Words(least.0),
                    (Some(least), None) => Bound::Similarity(least.0),
                    (None, None) => Bound::Similarity(Decimal::ONE),
                }
            }
        };
        (self.problems.len() == before).then_some(bound)
    }

    /// Complains about bounds that the field's type does not have.
    fn misplaced(&mut self, at: &[PathStep], kind: Kind, spec: &NearSpec) {
        let number: &[Kind] = &[Kind::Decimal, Kind::Integer];
        let bounds: [(&str, bool, &[Kind]); 12] = [
            ("absolute", spec.absolute.is_some(), number),
            ("percent", spec.percent.is_some(), number),
            ("base", spec.base.is_some(), number),
            ("combine", spec.combine.is_some(), number),
            ("days", spec.days.is_some(), &[Kind::Date]),
            ("from", spec.from.is_some(), &[Kind::Date]),
            ("to", spec.to.is_some(), &[Kind::Date]),
            ("business_days", spec.business_days.is_some(), &[Kind::Date]),
            ("calendar", spec.calendar.is_some(), &[Kind::Date]),
            ("seconds", spec.seconds.is_some(), &[Kind::Datetime]),
            ("similarity", spec.similarity.is_some(), &[Kind::Text]),
            ("token_set", spec.token_set.is_some(), &[Kind::Text]),
        ];
        let fitting: Vec<_> = bounds
            .iter()
            .filter(|(_, _, kinds)| kinds.contains(&kind))
            .map(|(key, ..)| format!("`{key}`"))
            .collect();
        for (key, given, kinds) in bounds {
            if given && !kinds.contains(&kind) && kind != Kind::Boolean {
                let message = format!("a {kind} field has no bound `{key}`");
                let help = format!("a {kind} field may have {}", fitting.join(", "));
                let problem = Problem::new(Code::PassBound, message).help(help);
                self.complain_of_key(&below(at, key), problem);
            }
        }
    }

    fn number_bound(&mut self, at: &[PathStep], spec: &NearSpec) -> Bound {
        let absolute = self.not_negative(at, "absolute", spec.absolute);
        let percent = self.not_negative(at, "percent", spec.percent);
        let mut complain = |key: &str, message: &str| {
            let problem = Problem::new(Code::PassBound, message);
            self.complain_of_key(&below(at, key), problem);
        };
        match (absolute.is_some() && percent.is_some(), spec.combine) {
            (true, None) => complain(
                "percent",
                "with both `absolute` and `percent`, say how they join: `combine: either` or \
                 `combine: both`",
            ),
            (false, Some(_)) => {
                complain("combine", "`combine` needs both `absolute` and `percent`")
            }
            _ => {}
        }
        if spec.base.is_some() && percent.is_none() {
            complain("base", "`base` needs `percent`");
        }
        let base = match spec.base.unwrap_or_default() {
            BaseSpec::Larger => Base::Larger,
            BaseSpec::Smaller => Base::Smaller,
            BaseSpec::A => Base::A,
            BaseSpec::B => Base::B,
        };
        Bound::Number {
            absolute: absolute.or_else(|| percent.is_none().then_some(Decimal::ZERO)),
            percent: percent.map(|percent| (percent, base)),
            either: matches!(spec.combine, Some(CombineSpec::Either)),
        }
    }

    /// `days`, `business_days`, or `from` and `to`: B − A in days.
    fn date_bound(&mut self, at: &[PathStep], spec: &NearSpec) -> Bound {
        let complain = |checker: &mut Self, key: &str, message: String| {
            let problem = Problem::new(Code::PassBound, message);
            checker.complain_of_key(&below(at, key), problem);
        };
        let range = spec.from.is_some() || spec.to.is_some();
        let forms = [
            ("business_days", spec.business_days.is_some()),
            ("days", spec.days.is_some()),
            (if spec.from.is_some() { "from" } else { "to" }, range),
        ];
        let given: Vec<&str> =
            forms.iter().filter(|(_, given)| *given).map(|(key, _)| *key).collect();
        if let [_, second, ..] = given.as_slice() {
            let message = "`days`, `business_days`, and `from` with `to` exclude each other";
            complain(self, second, message.to_owned());
        }
        if spec.calendar.is_some() && spec.business_days.is_none() {
            complain(self, "calendar", "`calendar` needs `business_days`".to_owned());
        }
        if range {
            let (Some(from), Some(to)) = (spec.from, spec.to) else {
                let key = if spec.from.is_some() { "from" } else { "to" };
                complain(self, key, "`from` and `to` come together".to_owned());
                return Bound::Days(0, 0);
            };
            if from.0 > to.0 {
                complain(self, "from", format!("`from` {} is after `to` {}", from.0, to.0));
            }
            return Bound::Days(from.0.into(), to.0.into());
        }
        if let Some(days) = spec.business_days {
            let base = self.base.clone();
            let calendar = spec.calendar.as_ref().map(|calendar| calendar.resolve(&base));
            let calendar = match calendar.transpose() {
                Ok(calendar) => calendar.unwrap_or_default(),
                Err(problems) => {
                    self.adopt(&below(at, "calendar"), problems);
                    Calendar::default()
                }
            };
            return Bound::BusinessDays(days.0, calendar);
        }
        let days = spec.days.map_or(0, |days| i64::from(days.0));
        Bound::Days(-days, days)
    }

    fn not_negative(
        &mut self,
        at: &[PathStep],
        key: &str,
        bound: Option<Written<Decimal>>,
    ) -> Option<Decimal> {
        let bound = bound?.0;
        if bound < Decimal::ZERO {
            let problem = Problem::new(Code::PassBound, format!("`{key}` can't be negative"));
            self.complain(&below(at, key), problem);
        }
        Some(bound)
    }
}
