//! The rules of the review.

use super::{Checker, below};
use crate::config::spec::ReviewSpec;
use crate::config::tree::path;
use crate::diagnostic::{Code, PathStep, Problem, nearest};
use crate::domain::review::Policy;
use crate::domain::review::policy::{Amount, Regulatory, SlaHours};
use crate::domain::{Decimal, DiffType, FieldRef, Written};

impl Checker<'_> {
    pub(super) fn review(&mut self) -> Policy {
        self.currency_fields();
        let currency_field = self.currency_field().map(str::to_owned);
        let Some(spec) = self.spec.review.clone() else {
            return Policy { currency_field, ..Policy::default() };
        };
        let at = path(["review"]);
        let defaults = Policy::default();
        let hours = spec.sla_hours.clone().unwrap_or_default();
        let sla = below(&at, "sla_hours");
        let SlaHours { low, medium, high, critical } = defaults.sla_hours;
        let yes = |written: Option<Written<bool>>| written.is_some_and(|written| *written);
        let regulatory = spec.regulatory.clone().unwrap_or_default();
        let here = below(&at, "regulatory");
        Policy {
            two_eye_low_risk: yes(spec.two_eye_low_risk),
            thresholds: self.thresholds(&below(&at, "thresholds"), &spec),
            currency_field,
            bulk_six_eye_items: self.at_least_one(
                &below(&at, "bulk_six_eye_items"),
                spec.bulk_six_eye_items,
                defaults.bulk_six_eye_items,
            ),
            override_confidence: self
                .share(
                    &below(&at, "override_confidence"),
                    spec.override_confidence.map(|share| Written(share.0.0)),
                )
                .map_or(defaults.override_confidence, crate::domain::Confidence::get),
            regulatory: Regulatory {
                fields: self
                    .fields_of(&below(&here, "fields"), regulatory.fields.unwrap_or_default())
                    .collect(),
                diff_types: self
                    .types_of(
                        &below(&here, "diff_types"),
                        regulatory.diff_types.unwrap_or_default(),
                    )
                    .collect(),
            },
            first_of_signature: yes(spec.first_of_signature),
            anti_splitting: yes(spec.anti_splitting),
            sla_hours: SlaHours {
                low: self.at_least_one(&below(&sla, "low"), hours.low, low),
                medium: self.at_least_one(&below(&sla, "medium"), hours.medium, medium),
                high: self.at_least_one(&below(&sla, "high"), hours.high, high),
                critical: self.at_least_one(&below(&sla, "critical"), hours.critical, critical),
            },
            expires_after_days: self.at_least_one(
                &below(&at, "expires_after_days"),
                spec.expires_after_days,
                defaults.expires_after_days,
            ),
            blind_suggestions: self
                .share(
                    &below(&at, "blind_suggestions"),
                    spec.blind_suggestions.map(|share| Written(share.0.0)),
                )
                .map_or(defaults.blind_suggestions, crate::domain::Confidence::get),
            masked_fields: self
                .fields_of(&below(&at, "masked_fields"), spec.masked_fields.unwrap_or_default())
                .collect(),
            new_login_hours: spec
                .new_login_hours
                .map_or(defaults.new_login_hours, |written| *written),
            deciding_tokens: self
                .tokens(&below(&at, "deciding_tokens"), spec.deciding_tokens.unwrap_or_default())
                .collect(),
        }
    }

    /// Amounts by currency. Where they can't apply, they are a mistake.
    fn thresholds(
        &mut self,
        at: &[PathStep],
        spec: &ReviewSpec,
    ) -> std::collections::BTreeMap<String, Amount> {
        let Some(written) = &spec.thresholds else { return Default::default() };
        if self.currency_field().is_none() && !written.0.is_empty() {
            let message = "`thresholds` need `currency_field`: else no amount's currency is known";
            let problem = Problem::new(Code::ReviewCurrency, message);
            let help = "name the field that holds the currency: `currency_field: …`";
            self.complain_of_key(at, problem.help(help));
        }
        let monetary = self.spec.fields.as_ref().is_some_and(|fields| {
            fields.iter().any(|(_, field)| field.monetary.is_some_and(|written| *written))
        });
        if !monetary && !written.0.is_empty() {
            let message = "no field is an amount of money, so the thresholds apply to none";
            let problem = Problem::new(Code::NothingMonetary, message);
            self.complain_of_key(at, problem.help("mark the amount's field: `monetary: true`"));
        }
        let mut thresholds = std::collections::BTreeMap::new();
        for (currency, amount) in written.iter() {
            let here = below(at, currency);
            self.name(&here, "the currency", currency);
            if amount.0 <= Decimal::ZERO {
                let message = format!("a threshold is more than 0, not {}", amount.0);
                self.complain(&here, Problem::new(Code::Threshold, message));
            }
            thresholds.insert(currency.to_owned(), Amount(amount.0));
        }
        thresholds
    }

    /// A number of at least 1.
    fn at_least_one<T: Copy + PartialEq + From<u8>>(
        &mut self,
        at: &[PathStep],
        written: Option<Written<T>>,
        default: T,
    ) -> T {
        let Some(Written(number)) = written else { return default };
        if number == T::from(0) {
            let problem = Problem::new(Code::AtLeastOne, "it is a whole number from 1 on");
            self.complain(at, problem);
        }
        number
    }

    pub(super) fn known_field(&mut self, at: &[PathStep], field: &str) {
        if !self.has_field(field) {
            let problem = self.unknown_field(field);
            self.complain(at, problem);
        }
    }

    /// Names of fields, each of which there is.
    fn fields_of(
        &mut self,
        at: &[PathStep],
        fields: Vec<String>,
    ) -> impl Iterator<Item = String> + use<> {
        for (index, field) in fields.iter().enumerate() {
            // A missing record has no value to mask, but may be regulatory.
            let whole =
                field == FieldRef::ENTIRE_RECORD && at.last() == Some(&PathStep::from("fields"));
            if !whole {
                self.known_field(&below(at, index), field);
            }
        }
        fields.into_iter()
    }

    /// Names of types of differences.
    fn types_of(
        &mut self,
        at: &[PathStep],
        types: Vec<String>,
    ) -> impl Iterator<Item = String> + use<> {
        for (index, name) in types.iter().enumerate() {
            if DiffType::from_name(name).is_some() {
                continue;
            }
            let problem = Problem::new(
                Code::UnknownDiffType,
                format!("`{name}` is not a type of difference"),
            );
            let names = || DiffType::ALL.iter().map(|one| one.name());
            let problem = match nearest(name, names()) {
                Some(meant) => problem.help(format!("did you mean `{meant}`?")),
                None => {
                    problem.help(format!("known are {}", names().collect::<Vec<_>>().join(", ")))
                }
            };
            self.complain(&below(at, index), problem);
        }
        types.into_iter()
    }

    /// Names of tokens.
    fn tokens(
        &mut self,
        at: &[PathStep],
        names: Vec<String>,
    ) -> impl Iterator<Item = String> + use<> {
        for (index, name) in names.iter().enumerate() {
            self.name(&below(at, index), "the name of the token", name);
        }
        names.into_iter()
    }
}
