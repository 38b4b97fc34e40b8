//! Amounts of money and their currency.

use super::{Checker, below};
use crate::config::resolved::ResolvedField;
use crate::config::tree::path;
use crate::diagnostic::{Code, Problem};
use crate::domain::{Layout, MoneyFields};

impl<'a> Checker<'a> {
    /// The field that holds the currency: `currency_field`, or `review.currency_field`.
    pub(super) fn currency_field(&self) -> Option<&'a str> {
        let review = self.spec.review.as_ref().and_then(|review| review.currency_field.as_deref());
        self.spec.currency_field.as_deref().or(review)
    }

    /// Both places name a field that there is, and the same one.
    pub(super) fn currency_fields(&mut self) {
        let at = path(["currency_field"]);
        if let Some(field) = &self.spec.currency_field {
            self.known_field(&at, field);
        }
        let review = self.spec.review.as_ref().and_then(|review| review.currency_field.as_deref());
        let Some(field) = review else { return };
        let here = below(&path(["review"]), "currency_field");
        self.known_field(&here, field);
        if self.spec.currency_field.as_deref().is_some_and(|other| other != field) {
            let message = "`currency_field` and `review.currency_field` name different fields";
            let help = "keep `currency_field` and remove `review.currency_field`";
            self.complain(&here, Problem::new(Code::TwoCurrencyFields, message).help(help));
        }
    }

    /// The amounts of a record and their currency.
    pub(super) fn money(&self, layout: &Layout, fields: &[ResolvedField]) -> MoneyFields {
        let amounts = fields.iter().enumerate().filter(|(_, field)| field.monetary);
        MoneyFields {
            amounts: amounts.map(|(at, _)| at).collect(),
            currency: self.currency_field().and_then(|name| layout.position(name)),
        }
    }
}
