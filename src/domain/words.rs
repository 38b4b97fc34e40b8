//! Texts compared by their letters, and by their words whatever the order.

use std::collections::BTreeSet;

use bnum::types::I512;

use super::Decimal;

/// The words of a text in alphabetical order, each once, with a space between.
pub fn sorted_words(text: &str) -> String {
    let words: BTreeSet<&str> =
        text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
    words.into_iter().collect::<Vec<_>>().join(" ")
}

/// The Jaro–Winkler similarity of two texts (Winkler 1990, "String Comparator Metrics and Enhanced Decision Rules in the
/// Fellegi-Sunter Model of Record Linkage") as a whole number of units, so that similarities compare and add up exactly.
///
/// Jaro's similarity is a third of a sum of fractions with the lengths of the texts and the number of their common
/// characters as denominators; Winkler adds tenths of what is missing from 1. The unit is 300 times smaller than the
/// least common fraction of 1 to 30: all similarities of texts of up to 30 characters are whole numbers, and so are
/// bounds of up to four decimals. Similarities of longer texts are rounded to a unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Likeness(i64);

impl Likeness {
    /// That of equal texts: 300 × the least common multiple of 1 to 30.
    pub const ONE: Self = Self(698_726_868_840_000);

    /// Winkler's bonus goes to texts that are more alike than this.
    const BONUS_ABOVE: i64 = Self::ONE.0 / 10 * 7;

    pub fn of(a: &str, b: &str) -> Self {
        let jaro = if a.is_ascii() && b.is_ascii() {
            rapidfuzz::distance::jaro::similarity(a.bytes(), b.bytes())
        } else {
            rapidfuzz::distance::jaro::similarity(a.chars(), b.chars())
        };
        // The float is off by less than a quarter of a unit, so that rounding it gives the exact number.
        #[expect(clippy::cast_possible_truncation, reason = "between 0 and ONE")]
        let jaro = (jaro * Self::ONE.to_units()).round() as i64;
        if jaro <= Self::BONUS_ABOVE {
            return Self(jaro);
        }
        let prefix = a.chars().zip(b.chars()).take(4).take_while(|(a, b)| a == b);
        let tenths = prefix.fold(0, |count, _| count + 1);
        Self(jaro + tenths * (Self::ONE.0 - jaro) / 10)
    }

    /// The least similarity that is not below this bound.
    pub fn at_least(bound: Decimal) -> Self {
        let one = I512::from(10u8).pow(bound.scale().into());
        let units = I512::from(bound.coefficient()) * I512::from(Self::ONE.0);
        let above = i64::from(units % one > I512::ZERO);
        Self(i64::try_from(units / one).unwrap_or(i64::MAX).saturating_add(above))
    }

    /// The similarity of texts that are so far apart.
    pub const fn apart(distance: i64) -> Self {
        Self(Self::ONE.0 - distance)
    }

    /// What is missing from 1, in units.
    pub const fn distance(self) -> i64 {
        Self::ONE.0 - self.0
    }

    /// To four decimals: a bound that the similarity meets.
    pub fn rounded_down(self) -> Decimal {
        Decimal::new(i128::from(self.0) * 10_000 / i128::from(Self::ONE.0), 4)
            .unwrap_or(Decimal::ZERO)
    }

    pub fn to_f64(self) -> f64 {
        self.to_units() / Self::ONE.to_units()
    }

    #[expect(clippy::cast_precision_loss, reason = "all up to ONE fit in the 53 bits of a float")]
    const fn to_units(self) -> f64 {
        self.0 as f64
    }
}

/// The Jaro–Winkler similarity of two texts, 0 to 1.
pub fn jaro_winkler(a: &str, b: &str) -> f64 {
    Likeness::of(a, b).to_f64()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The value that Jaro's formula gives exactly, with as many common characters and transpositions as come
    /// nearest to `found`.
    fn exact_jaro(a: usize, b: usize, found: f64) -> i64 {
        let one = Likeness::ONE.0;
        let part = |count: usize, of: usize| {
            assert_eq!(one / 3 % of as i64, 0);
            one / 3 / of as i64 * count as i64
        };
        let common =
            (1..=a.min(b)).flat_map(|common| (0..=common / 2).map(move |off| (common, off)));
        let values = common
            .map(|(common, off)| part(common, a) + part(common, b) + part(common - off, common));
        let away = |value: &i64| (*value as f64 - found * one as f64).abs();
        values.chain([0]).min_by(|x, y| away(x).total_cmp(&away(y))).unwrap()
    }

    proptest! {
        #[test]
        fn similarities_of_texts_up_to_30_characters_are_exact(a in "[a-dé]{1,30}", b in "[a-dé]{1,30}") {
            let (left, right) = (a.chars().count(), b.chars().count());
            let jaro = rapidfuzz::distance::jaro::similarity(a.chars(), b.chars());
            let exact = exact_jaro(left, right, jaro);
            let prefix = a.chars().zip(b.chars()).take(4).take_while(|(a, b)| a == b).count() as i64;
            let missing = Likeness::ONE.0 - exact;
            prop_assert_eq!(missing % 10, 0);
            let bonus = if exact * 10 > Likeness::ONE.0 * 7 { prefix * missing / 10 } else { 0 };
            prop_assert_eq!(Likeness::of(&a, &b).0, exact + bonus);
        }

        #[test]
        fn similarities_are_those_of_rapidfuzz(a in ".{0,80}", b in ".{0,80}", same in ".{0,5}") {
            let (a, b) = (format!("{same}{a}"), format!("{same}{b}"));
            let jaro = rapidfuzz::distance::jaro::similarity(a.chars(), b.chars());
            prop_assume!((jaro - 0.7).abs() > 1e-12);
            let there = rapidfuzz::distance::jaro_winkler::similarity(a.chars(), b.chars());
            prop_assert!((jaro_winkler(&a, &b) - there).abs() < 1e-14);
        }

        #[test]
        fn a_similarity_meets_the_bound_that_it_is_rounded_down_to(a in "[a-c]{0,40}", b in "[a-c]{0,40}") {
            let found = Likeness::of(&a, &b);
            let bound = found.rounded_down();
            prop_assert!(Likeness::at_least(bound) <= found);
            let next = Decimal::new(bound.coefficient() + 1, 4).unwrap();
            prop_assert!(Likeness::at_least(next) > found);
        }
    }

    #[test]
    fn bounds_are_rounded_up() {
        let at_least = |text: &str| Likeness::at_least(text.parse().unwrap()).0;
        let one = Likeness::ONE.0;
        assert_eq!((at_least("0"), at_least("1"), at_least("1.0000")), (0, one, one));
        assert_eq!(at_least("0.8"), one / 5 * 4);
        assert_eq!(at_least("0.9999") * 10_000, one * 9_999);
        assert_eq!(at_least("0.0000000000000000001"), 1);
        assert_eq!(at_least("0.9999999999999999999999999999"), one);
    }

    #[test]
    fn a_tie_at_the_threshold_of_the_bonus_gets_none() {
        // Six common characters of 10 and 12: (6/10 + 6/12 + 6/6) / 3 is 0.7, in floats a little more.
        let found = Likeness::of("abcdef0123", "abcdefuvwxyz");
        assert_eq!(found.rounded_down().to_string(), "0.7000");
        assert_eq!(Likeness::apart(found.distance()), found);
    }
}
