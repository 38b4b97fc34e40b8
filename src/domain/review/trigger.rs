//! Six-eye triggers: one of them is enough.
//!
//! They are evaluated when a proposal is made, amended and approved; the number of eyes never
//! decreases.

use serde::{Deserialize, Serialize};

use super::policy::Policy;
use super::state::{Action, Eyes, ProposalKind, serde_names};
use crate::domain::difference::names;
use crate::domain::{Decimal, DiffType};

names! {
    /// A reason for six eyes.
    Trigger {
        /// A reason code is new or changes.
        ReasonCode = "REASON_CODE" = 1,
        /// A prediction that was quite sure is overridden.
        ConfidentOverride = "CONFIDENT_OVERRIDE" = 2,
        /// The amount is large, or unknown where thresholds are given.
        Amount = "AMOUNT" = 3,
        /// The field or type is regulatory.
        Regulatory = "REGULATORY" = 4,
        /// The first decision about this group of look-alikes.
        FirstOfSignature = "FIRST_OF_SIGNATURE" = 5,
        /// A functional reason becomes a non-functional one, or the reverse.
        FunctionalChange = "FUNCTIONAL_CHANGE" = 6,
        /// Tolerance, matching or policy change.
        Policy = "POLICY" = 7,
        /// An earlier decision is reopened.
        Reopen = "REOPEN" = 8,
        /// Many items, or a large sum, at once.
        Bulk = "BULK" = 9,
        /// One maker's proposals about one group of look-alikes add up to a large amount.
        Splitting = "SPLITTING" = 10,
    }
}
serde_names!(Trigger);

/// A trigger that fired, with its values.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Fired {
    /// The rule that asks for six eyes.
    pub trigger: Trigger,
    /// The value that fired it, such as `1200 items`.
    pub value: String,
}

/// The facts about an item of a proposal.
#[derive(Clone, Debug)]
pub struct ItemFacts<'a> {
    pub field: &'a str,
    pub diff_type: DiffType,
    pub monetary: bool,
    /// |delta|, if known.
    pub amount: Option<Decimal>,
    /// The currency of the amount.
    pub currency: Option<&'a str>,
    /// The machine's confidence.
    pub confidence: f64,
    /// True for a functional suggestion, false for a non-functional one; `None` if it is not a cause.
    pub predicted: Option<bool>,
    pub decided_by_people: bool,
    /// Such a difference was decided by people before.
    pub signature_known: bool,
}

/// A maker's other proposals about the group of look-alikes within the last 24 hours.
#[derive(Clone, Debug, Default)]
pub struct Recent {
    pub items: u64,
    /// Sums of amounts by currency, in the currency's own units.
    pub sums: Vec<(String, f64)>,
}

#[derive(Clone, Copy, Debug)]
pub struct Decided {
    /// The proposal's subject.
    pub kind: ProposalKind,
    /// The decision about its items, if it has items.
    pub action: Option<Action>,
    /// True for a functional new reason; `None` for REJECT.
    pub functional: Option<bool>,
}

/// The triggers that fire, each once, in the order of their numbers.
pub fn evaluate(
    policy: &Policy,
    decided: Decided,
    items: &[ItemFacts<'_>],
    recent: &Recent,
) -> Vec<Fired> {
    let mut fired: Vec<Fired> = Vec::new();
    let mut fire = |trigger: Trigger, value: String| {
        if !fired.iter().any(|one| one.trigger == trigger) {
            fired.push(Fired { trigger, value });
        }
    };
    match decided.kind {
        ProposalKind::ReasonCode => fire(Trigger::ReasonCode, "reason code".to_owned()),
        ProposalKind::Rule => fire(Trigger::Policy, "rule".to_owned()),
        ProposalKind::Policy => fire(Trigger::Policy, "policy".to_owned()),
        ProposalKind::Attribution | ProposalKind::Bulk | ProposalKind::Reopen => {}
    }
    let mut sums = Sums::default();
    for item in items {
        if decided.action == Some(Action::Override) && item.predicted.is_some() {
            // A human decision is not a prediction, however high its confidence.
            if !item.decided_by_people && item.confidence > policy.override_confidence {
                let value = format!("{} > {}", item.confidence, policy.override_confidence);
                fire(Trigger::ConfidentOverride, value);
            }
            if let (Some(before), Some(after)) = (item.predicted, decided.functional)
                && before != after
            {
                let name = |functional| if functional { "functional" } else { "non-functional" };
                fire(Trigger::FunctionalChange, format!("{} → {}", name(before), name(after)));
            }
        }
        if policy.regulatory.covers(item.field, item.diff_type) {
            fire(Trigger::Regulatory, format!("{} {}", item.field, item.diff_type));
        }
        if policy.first_of_signature && !item.signature_known {
            fire(Trigger::FirstOfSignature, item.field.to_owned());
        }
        if item.decided_by_people {
            fire(Trigger::Reopen, "decided by people".to_owned());
        }
        if item.monetary && !policy.thresholds.is_empty() {
            match known_amount(policy, item) {
                Err(why) => fire(Trigger::Amount, why),
                Ok((currency, amount, threshold)) => {
                    if amount >= threshold {
                        fire(Trigger::Amount, format!("{amount} {currency} ≥ {threshold}"));
                    }
                    sums.add(currency, amount);
                }
            }
        }
    }
    let many = items.len() as u64;
    if decided.kind == ProposalKind::Bulk {
        if many >= policy.bulk_six_eye_items {
            fire(Trigger::Bulk, format!("{many} items ≥ {}", policy.bulk_six_eye_items));
        }
        if let Some(value) = sums.beyond(policy) {
            fire(Trigger::Bulk, value);
        }
    }
    if policy.anti_splitting && decided.kind.has_items() {
        let together = many + recent.items;
        if recent.items > 0 && together >= policy.bulk_six_eye_items {
            let value = format!("{together} items within 24 h ≥ {}", policy.bulk_six_eye_items);
            fire(Trigger::Splitting, value);
        }
        if recent.items > 0 {
            for (currency, sum) in &recent.sums {
                sums.add_float(currency, *sum);
            }
            if let Some(value) = sums.beyond(policy) {
                fire(Trigger::Splitting, format!("{value} within 24 h"));
            }
        }
    }
    fired.sort_by_key(|one| one.trigger);
    fired
}

/// The eyes that a decision needs: `two_eye` where the policy allows one person for it.
pub fn eyes(policy: &Policy, decided: Decided, fired: &[Fired], locked: bool) -> Eyes {
    if !fired.is_empty() {
        Eyes::Six
    } else if policy.two_eye_low_risk
        && decided.kind == ProposalKind::Attribution
        && decided.action == Some(Action::Approve)
        && !locked
    {
        Eyes::Two
    } else {
        Eyes::Four
    }
}

/// Currency, amount and threshold; or the names of the unknown ones.
fn known_amount<'a>(
    policy: &Policy,
    item: &ItemFacts<'a>,
) -> Result<(&'a str, Decimal, Decimal), String> {
    let currency = item.currency.ok_or("the currency is unknown")?;
    let threshold = policy.thresholds.get(currency);
    let threshold = threshold.ok_or_else(|| format!("no threshold is set for {currency}"))?.0;
    Ok((currency, item.amount.ok_or("the amount is unknown")?, threshold))
}

/// Sums by currency. They only ever decide between four eyes and six, and a decimal of 38 digits
/// can't hold every sum: so floats, rounded up by a margin far above their error.
#[derive(Default)]
struct Sums(Vec<(String, f64)>);

impl Sums {
    fn add(&mut self, currency: &str, amount: Decimal) {
        self.add_float(currency, amount.to_f64());
    }

    fn add_float(&mut self, currency: &str, amount: f64) {
        match self.0.iter_mut().find(|(name, _)| name == currency) {
            Some((_, sum)) => *sum += amount,
            None => self.0.push((currency.to_owned(), amount)),
        }
    }

    fn beyond(&self, policy: &Policy) -> Option<String> {
        self.0.iter().find_map(|(currency, sum)| {
            let threshold = policy.thresholds.get(currency)?.0;
            let reached = sum * (1.0 + 1e-12) >= threshold.to_f64();
            reached.then(|| format!("{sum:.2} {currency} ≥ {threshold}"))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::policy::Amount;
    use super::*;

    fn decimal(text: &str) -> Decimal {
        Decimal::parse(text.as_bytes()).unwrap()
    }

    fn strict() -> Policy {
        Policy {
            thresholds: [("USD".to_owned(), Amount(decimal("1000000")))].into(),
            first_of_signature: true,
            anti_splitting: true,
            bulk_six_eye_items: 3,
            regulatory: super::super::policy::Regulatory {
                fields: ["lei".to_owned()].into(),
                diff_types: ["TYPE_MISMATCH".to_owned()].into(),
            },
            ..Policy::default()
        }
    }

    fn item() -> ItemFacts<'static> {
        ItemFacts {
            field: "amount",
            diff_type: DiffType::NumericMismatch,
            monetary: true,
            amount: Some(decimal("10")),
            currency: Some("USD"),
            confidence: 0.8,
            predicted: Some(true),
            decided_by_people: false,
            signature_known: true,
        }
    }

    fn approve(kind: ProposalKind) -> Decided {
        Decided { kind, action: Some(Action::Approve), functional: Some(true) }
    }

    fn fires(decided: Decided, items: &[ItemFacts<'_>]) -> Vec<u8> {
        let fired = evaluate(&strict(), decided, items, &Recent::default());
        fired.iter().map(|one| one.trigger.code()).collect()
    }

    #[test]
    fn each_trigger_alone_asks_for_six_eyes() {
        let one = ProposalKind::Attribution;
        let override_ = Decided { action: Some(Action::Override), ..approve(one) };
        assert_eq!(fires(approve(one), &[item()]), [0u8; 0]);
        assert_eq!(fires(approve(ProposalKind::ReasonCode), &[]), [1]);
        assert_eq!(fires(override_, &[ItemFacts { confidence: 0.91, ..item() }]), [2]);
        assert_eq!(fires(override_, &[ItemFacts { confidence: 0.90, ..item() }]), [0u8; 0]);
        for amount in [Some(decimal("1000000.00")), None] {
            assert_eq!(fires(approve(one), &[ItemFacts { amount, ..item() }]), [3]);
        }
        for currency in [None, Some("XXX")] {
            assert_eq!(fires(approve(one), &[ItemFacts { currency, ..item() }]), [3]);
        }
        let regulated = ItemFacts { field: "lei", monetary: false, ..item() };
        assert_eq!(fires(approve(one), &[regulated]), [4]);
        assert_eq!(fires(approve(one), &[ItemFacts { signature_known: false, ..item() }]), [5]);
        let flipped = Decided { functional: Some(false), ..override_ };
        assert_eq!(fires(flipped, &[item()]), [6]);
        assert_eq!(fires(approve(ProposalKind::Policy), &[]), [7]);
        assert_eq!(fires(approve(one), &[ItemFacts { decided_by_people: true, ..item() }]), [8]);
        let settled = ItemFacts { confidence: 1.0, decided_by_people: true, ..item() };
        assert_eq!(fires(override_, &[settled]), [8], "what people decided is no prediction");
        assert_eq!(fires(approve(ProposalKind::Bulk), &vec![item(); 3]), [9]);
        let half = ItemFacts { amount: Some(decimal("600000")), ..item() };
        assert_eq!(fires(approve(ProposalKind::Bulk), &vec![half; 2]), [9]);
    }

    #[test]
    fn many_small_proposals_count_together() {
        let sixty = ItemFacts { amount: Some(decimal("60000")), ..item() };
        let recent = |items, sum| Recent { items, sums: vec![("USD".to_owned(), sum)] };
        let decided = approve(ProposalKind::Attribution);
        let fired = |recent| evaluate(&strict(), decided, std::slice::from_ref(&sixty), &recent);
        assert!(fired(recent(1, 60_000.0)).is_empty());
        assert_eq!(fired(recent(1, 940_000.0))[0].trigger, Trigger::Splitting);
        assert_eq!(fired(recent(2, 0.0))[0].trigger, Trigger::Splitting);
    }

    #[test]
    fn a_new_installation_needs_two_people_unless_configured_for_one() {
        let decided = approve(ProposalKind::Attribution);
        let unknown = ItemFacts { amount: None, currency: None, signature_known: false, ..item() };
        let policy = Policy::default();
        let fired = evaluate(&policy, decided, &[unknown], &Recent::default());
        assert_eq!(eyes(&policy, decided, &fired, false), Eyes::Four);
        let low_risk = Policy { two_eye_low_risk: true, ..Policy::default() };
        assert_eq!(eyes(&low_risk, decided, &fired, false), Eyes::Two);
        assert_eq!(eyes(&low_risk, decided, &fired, true), Eyes::Four);
        let bulk = approve(ProposalKind::Bulk);
        assert_eq!(eyes(&low_risk, bulk, &fired, false), Eyes::Four);
        let override_ = Decided { action: Some(Action::Override), ..decided };
        assert_eq!(eyes(&low_risk, override_, &fired, false), Eyes::Four);
    }
}
