//! Reason codes and automatic acceptance.

use super::{Checker, below};
use crate::config::resolved::{Accept, ResolvedAttribution};
use crate::config::spec::AttributionSpec;
use crate::config::tree::path;
use crate::diagnostic::{Code, PathStep, Problem};
use crate::domain::attribution::UNKNOWN;
use crate::domain::{Confidence, Decimal, ReasonCode, Written};

/// Default minimum confidence for automatic acceptance.
const DEFAULT_ACCEPT_AT: f64 = 0.90;

impl Checker<'_> {
    /// The reasons in the order of the file, and `UNKNOWN`.
    pub(super) fn reason_codes(&mut self) -> Vec<ReasonCode> {
        let mut codes = Vec::new();
        for (code, spec) in self.spec.reason_codes.iter().flat_map(|codes| codes.iter()) {
            let at = path(["reason_codes", code]);
            if !is_code(code) {
                let message = format!("`{code}` is not a reason code");
                let help = "a code has 2 to 50 characters: capital letters, digits and `_`, and \
                            begins with a letter";
                self.complain_of_key(&at, Problem::new(Code::BadReasonCode, message).help(help));
            }
            if code == UNKNOWN && *spec.functional {
                let message = "`UNKNOWN` can't be functional: it has no explanation";
                let problem = Problem::new(Code::BadReasonCode, message);
                self.complain(&below(&at, "functional"), problem);
            }
            let closes = spec.closes.is_some_and(|closes| closes.0);
            if code == UNKNOWN && closes {
                let message = "`UNKNOWN` can't close: it has no explanation";
                let problem = Problem::new(Code::BadReasonCode, message);
                self.complain(&below(&at, "closes"), problem);
            }
            if spec.description.trim().is_empty() {
                let message = format!("the reason `{code}` has no description");
                let problem = Problem::new(Code::NoDescription, message);
                self.complain_of_key(&below(&at, "description"), problem);
            }
            codes.push(ReasonCode {
                code: code.to_owned(),
                functional: *spec.functional,
                description: spec.description.clone(),
                closes,
            });
        }
        if !codes.iter().any(|code| code.code == UNKNOWN) {
            codes.push(ReasonCode {
                code: UNKNOWN.to_owned(),
                functional: false,
                description: "No cause could be determined with enough confidence".to_owned(),
                closes: false,
            });
        }
        codes
    }

    /// Automatic acceptance.
    pub(super) fn attribution(&mut self) -> ResolvedAttribution {
        let spec = self.spec.attribution.clone().unwrap_or_default();
        let at = path(["attribution"]);
        let sample = self
            .share(&below(&at, "audit_sample"), spec.audit_sample.map(|share| Written(share.0.0)));
        let model = spec.model.clone();
        let overrule = model.as_ref().and_then(|model| model.overrule_below);
        let overrule_at = below(&below(&at, "model"), "overrule_below");
        ResolvedAttribution {
            overrule_below: self.share(&overrule_at, overrule.map(|share| Written(share.0.0))),
            accept_at: self.accept_at(&at, &spec),
            accept: spec.accept.unwrap_or_default(),
            audit_sample: sample.map_or(0.0, Confidence::get),
            model_enabled: model.and_then(|model| model.enabled).is_none_or(|on| *on),
        }
    }

    fn accept_at(&mut self, at: &[PathStep], spec: &AttributionSpec) -> Accept {
        let confidence = self.share(&below(at, "accept_at"), spec.accept_at);
        if let Some(risk) = &spec.accept_risk {
            let here = below(at, "accept_risk");
            if spec.accept_at.is_some() {
                let message = "`accept_at` and `accept_risk` exclude each other";
                let problem = Problem::new(Code::AcceptTwice, message);
                self.complain_of_key(&here, problem.help("keep one of them"));
            }
            for (key, value) in [("max_false", risk.max_false), ("assurance", risk.assurance)] {
                let value = value.0;
                let one = Decimal::new(1, 0).unwrap_or(Decimal::ZERO);
                if value.0 <= Decimal::ZERO || value.0 >= one {
                    let message = format!("`{key}` is above 0 and below 1, not {}", value.0);
                    self.complain(&below(&here, key), Problem::new(Code::NotAShare, message));
                }
            }
            return Accept::Risk { max_false: risk.max_false.0.0, assurance: risk.assurance.0.0 };
        }
        let default = Confidence::new(DEFAULT_ACCEPT_AT).unwrap_or(Confidence::ONE);
        Accept::At(confidence.unwrap_or(default))
    }

    /// A number from 0 to 1.
    pub(super) fn share(
        &mut self,
        at: &[PathStep],
        value: Option<Written<Decimal>>,
    ) -> Option<Confidence> {
        let value = value?;
        let share = Confidence::new(value.0.to_f64());
        if share.is_none() {
            let message = format!("{} is not between 0 and 1", value.0);
            let problem = Problem::new(Code::NotAShare, message);
            self.complain(at, problem.help("90 % is written `0.90`"));
        }
        share
    }
}

/// `^[A-Z][A-Z0-9_]{1,49}$`
fn is_code(code: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_';
    (2..=50).contains(&code.len())
        && code.starts_with(|first: char| first.is_ascii_uppercase())
        && code.bytes().all(allowed)
}
