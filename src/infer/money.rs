//! Finds the text around the digits of amounts: currency signs and codes, minus signs, percent signs, debit and
//! credit marks. Only observed forms are configured, so that new ones are noticed.

use std::borrow::Cow;

use crate::normalize::{ArgumentSpec, PercentSpec, StepSpec};

use super::reading::Around;

/// ISO 4217 codes that occur with amounts.
const CODES: &str = "AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BRL \
    BSD BTN BWP BYN BZD CAD CDF CHF CLF CLP CNH CNY COP CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR \
    FJD FKP GBP GBX GEL GHS GIP GMD GNF GTQ GYD HKD HNL HRK HTG HUF IDR ILS INR IQD IRR ISK JMD JOD JPY \
    KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL LYD MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR \
    MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON RSD RUB RWF SAR SBD \
    SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TND TOP TRY TTD TWD TZS UAH UGX USD \
    UYU UZS VES VND VUV WST XAF XAG XAU XCD XOF XPD XPF XPT YER ZAR ZMW ZWL BTC ETH USDT";

/// Common spellings besides the codes.
const NAMES: [&str; 19] = [
    "rs", "rs.", "kr", "kr.", "zł", "kč", "ft", "fr", "fr.", "sfr", "sfr.", "lei", "lv", "din",
    "р", "руб", "руб.", "tl", "rm",
];

/// Signs and names, with the codes that they stand for.
const MEANINGS: [(&str, &str); 34] = [
    ("$", "USD CAD AUD NZD HKD SGD TWD MXN ARS CLP COP BRL"),
    ("us$", "USD"),
    ("usd$", "USD"),
    ("c$", "CAD"),
    ("a$", "AUD"),
    ("r$", "BRL"),
    ("€", "EUR"),
    ("£", "GBP EGP LBP SYP"),
    ("¥", "JPY CNY CNH"),
    ("￥", "JPY CNY CNH"),
    ("\\", "JPY"),
    ("円", "JPY"),
    ("元", "CNY CNH TWD"),
    ("₹", "INR"),
    ("rs", "INR PKR LKR NPR MUR"),
    ("₩", "KRW"),
    ("₪", "ILS"),
    ("₽", "RUB"),
    ("р", "RUB"),
    ("руб", "RUB"),
    ("₺", "TRY"),
    ("tl", "TRY"),
    ("₴", "UAH"),
    ("₫", "VND"),
    ("฿", "THB"),
    ("zł", "PLN"),
    ("kč", "CZK"),
    ("ft", "HUF"),
    ("kr", "SEK NOK DKK ISK"),
    ("fr", "CHF"),
    ("sfr", "CHF"),
    ("lei", "RON MDL"),
    ("lv", "BGN"),
    ("rm", "MYR"),
];

/// Whether two signs, codes or names may stand for the same currency.
pub fn may_be_same(a: &str, b: &str) -> bool {
    let (a, b) = (a.to_lowercase(), b.to_lowercase());
    let stands_for = |sign: &str, code: &str| {
        let code = code.to_uppercase();
        MEANINGS
            .iter()
            .any(|(known, codes)| *known == sign && codes.split(' ').any(|it| it == code))
    };
    a == b || stands_for(&a, &b) || stands_for(&b, &a)
}

/// Pairs of debit and credit marks.
const MARKS: [(&str, &str); 7] = [
    ("DR", "CR"),
    ("DR.", "CR."),
    ("DB", "CR"),
    ("DEBIT", "CREDIT"),
    ("D", "C"),
    ("S", "H"),
    ("SOLL", "HABEN"),
];

/// Maximum number of currencies in a column of amounts.
const CURRENCIES: usize = 12;

/// Signs, codes and marks around the digits of a column's values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Notation {
    pub around: Around,
    /// The debit and credit marks.
    pub debit_credit: Option<(String, String)>,
    /// Steps that remove text that no number format reads.
    pub steps: Vec<StepSpec>,
}

/// Texts before and after numbers that no number format reads, and their replacement.
const NOTATIONS: [(&str, &str, &str); 6] = [
    // A spreadsheet formula that keeps a text: `="5.00"`.
    ("=\"", "", "\""),
    ("- ", "-", ""),
    // `5,-` is 5.00.
    ("", "", ",-"),
    ("", "", ".-"),
    ("", "", ",\u{2013}"),
    ("", "", ".\u{2013}"),
];

/// A number without such a notation, and which one it was.
fn plain(value: &str) -> (Cow<'_, str>, Option<usize>) {
    for (at, (before, remains, behind)) in NOTATIONS.into_iter().enumerate() {
        let inside = value.strip_prefix(before).and_then(|rest| rest.strip_suffix(behind));
        let Some(inside) = inside else { continue };
        let unsigned = inside.trim_start_matches(['-', '+']);
        let is_digit = |end: Option<char>| end.is_some_and(|c| c.is_ascii_digit());
        if is_digit(unsigned.chars().next()) && is_digit(unsigned.chars().next_back()) {
            return (Cow::Owned(format!("{remains}{inside}")), Some(at));
        }
    }
    (Cow::Borrowed(value), None)
}

/// A value with full-width digits, as the step `nfkc` makes it.
fn narrowed(value: &str) -> Cow<'_, str> {
    if !value.contains(|c| matches!(c, '\u{ff10}'..='\u{ff19}')) {
        return Cow::Borrowed(value);
    }
    let narrow = |c: char| match c {
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(u32::from(c) - 0xfee0).unwrap_or(c),
        '\u{ffe5}' => '\u{a5}',
        other => other,
    };
    Cow::Owned(value.chars().map(narrow).collect())
}

fn steps((before, remains, behind): (&str, &str, &str)) -> Vec<StepSpec> {
    let text = |text: &str| ArgumentSpec::Text(text.to_owned());
    let mut steps = Vec::new();
    if !remains.is_empty() {
        let change = [("from", before), ("to", remains)];
        let change = change.map(|(key, text)| (key.to_owned(), text.to_owned())).to_vec();
        steps.push(StepSpec::With("replace".to_owned(), ArgumentSpec::Map(change)));
    } else if !before.is_empty() {
        steps.push(StepSpec::With("strip_prefix".to_owned(), text(before)));
    }
    if !behind.is_empty() {
        steps.push(StepSpec::With("strip_suffix".to_owned(), text(behind)));
    }
    steps
}

#[derive(Default)]
struct Parts<'t> {
    /// Texts beside the digits that are not signs.
    words: Vec<&'t str>,
    parentheses: bool,
    trailing_minus: bool,
    unicode_minus: bool,
    percent: bool,
}

/// A word behind all numbers of a column, such as `kg`. Numbers without decimals may be identifiers.
#[derive(Default)]
struct Units {
    word: Option<String>,
    values: usize,
    with_decimals: usize,
    is_other: bool,
}

impl Units {
    const LONGEST: usize = 6;

    fn add(&mut self, value: &str, words: &[&str]) {
        let [word] = words else {
            self.is_other |= !words.is_empty();
            return;
        };
        let is_unit = value.ends_with(word)
            && word.chars().count() <= Self::LONGEST
            && word.chars().all(char::is_alphabetic);
        self.is_other |= !is_unit || self.word.as_ref().is_some_and(|known| known != word);
        self.word.get_or_insert_with(|| (*word).to_owned());
        self.values += 1;
        self.with_decimals += usize::from(value.contains(['.', ',']));
    }

    fn only(self) -> Option<String> {
        let is_one = !self.is_other && self.values >= 3 && self.with_decimals * 2 > self.values;
        self.word.filter(|_| is_one)
    }
}

/// Debit and credit marks beside numbers, and how many of them may be a part of an identifier: `C1001`, `CR-17`.
#[derive(Default)]
struct Marks {
    texts: Vec<String>,
    values: usize,
    /// Whole numbers with the mark right before them, or a single letter right behind them.
    doubtful: usize,
    /// Values that are told to be amounts only by the other mark of the pair.
    alone: usize,
}

impl Marks {
    fn add(&mut self, value: &str, mark: &str) {
        let digit = |c: char| c.is_ascii_digit();
        let is_glued = match (value.strip_prefix(mark), value.strip_suffix(mark)) {
            (Some(rest), _) => !rest.starts_with(char::is_whitespace),
            (_, Some(rest)) => !rest.ends_with(char::is_whitespace),
            // A currency or a parenthesis is around it.
            _ => false,
        };
        let is_before = value.find(mark).zip(value.find(digit)).is_some_and(|(at, of)| at < of);
        let is_letter = mark.chars().count() == 1;
        let is_whole = !value.contains(['.', ',']);
        self.values += 1;
        self.doubtful += usize::from(is_whole && is_glued && (is_before || is_letter));
        self.alone += usize::from((is_whole || is_letter) && is_before || is_whole && is_letter);
        if !self.texts.iter().any(|other| other == mark) {
            self.texts.push(mark.to_owned());
        }
    }

    /// The marks of debits and credits.
    fn pair(&self) -> Option<(String, String)> {
        let texts: Vec<&str> = self.texts.iter().map(String::as_str).collect();
        let (debit, credit) = marks(&texts)?;
        let has = |mark: &str| texts.contains(&mark);
        let are_both = has(&debit) && has(&credit);
        let are_marks =
            self.doubtful * 2 <= self.values && (are_both || self.alone * 2 <= self.values);
        are_marks.then_some((debit, credit))
    }
}

/// Inspects a column's trimmed values.
pub fn notation<'v>(values: impl Iterator<Item = &'v str>) -> Notation {
    let mut seen = Notation::default();
    let mut marks = Marks::default();
    let mut notations = [false; NOTATIONS.len()];
    let mut is_wide = false;
    let mut units = Units::default();
    for value in values {
        let narrow = narrowed(value);
        let (value, notation) = plain(&narrow);
        let Some(parts) = parts(&value) else { continue };
        if let Some(is_used) = notation.and_then(|at| notations.get_mut(at)) {
            *is_used = true;
        }
        is_wide |= matches!(narrow, Cow::Owned(_));
        let (words, markings): (Vec<&str>, Vec<&str>) =
            parts.words.iter().partition(|word| !is_mark(word));
        if markings.is_empty() {
            units.add(&value, &words);
        }
        if words.len() > 1 || markings.len() > 1 || words.iter().any(|word| !is_currency(word)) {
            continue;
        }
        let around = &mut seen.around;
        around.parentheses |= parts.parentheses;
        around.trailing_minus |= parts.trailing_minus;
        around.unicode_minus |= parts.unicode_minus;
        if parts.percent {
            around.percent = Some(PercentSpec::AsWritten);
        }
        markings.into_iter().for_each(|mark| marks.add(&value, mark));
        for word in words {
            if !seen.around.currency.iter().any(|other| other == word) {
                seen.around.currency.push(word.to_owned());
            }
        }
    }
    let used = notations.into_iter().zip(NOTATIONS).filter(|(is_used, _)| *is_used);
    let wide = is_wide.then(|| StepSpec::Function("nfkc".to_owned()));
    seen.steps = wide.into_iter().chain(used.flat_map(|(_, notation)| steps(notation))).collect();
    if seen.around.currency.len() > CURRENCIES {
        seen.around.currency.clear();
    }
    if seen.around.currency.is_empty() {
        seen.around.currency.extend(units.only());
    }
    seen.around.currency.sort();
    seen.debit_credit = marks.pair();
    seen
}

/// The debit and credit marks, if all texts are such marks.
pub fn marks(texts: &[&str]) -> Option<(String, String)> {
    let is_one = |text: &str, mark: &str| text.to_uppercase() == mark;
    let (debit, credit) = MARKS.iter().find(|(debit, credit)| {
        !texts.is_empty() && texts.iter().all(|text| is_one(text, debit) || is_one(text, credit))
    })?;
    let written = |mark: &str| {
        let found = texts.iter().find(|text| is_one(text, mark));
        found.map_or_else(|| mark.to_owned(), |text| (*text).to_owned())
    };
    Some((written(debit), written(credit)))
}

/// Splits a value into digits and their surroundings; `None` if there are no digits of a number.
fn parts(value: &str) -> Option<Parts<'_>> {
    let mut parts = Parts::default();
    let mut rest = value;
    let is_minus = |c: char| matches!(c, '\u{2212}' | '\u{2013}' | '\u{fe63}' | '\u{ff0d}');
    loop {
        rest = rest.trim();
        let first = rest.chars().next()?;
        let last = rest.chars().next_back()?;
        if first.is_ascii_digit() && last.is_ascii_digit() {
            break;
        }
        let has_digits = rest.contains(|c: char| c.is_ascii_digit());
        if !has_digits {
            return None;
        }
        if first == '(' && last == ')' {
            parts.parentheses = true;
            rest = rest.get(1..rest.len() - 1)?;
        } else if matches!(first, '-' | '+') {
            rest = rest.get(1..)?;
        } else if is_minus(first) {
            parts.unicode_minus = true;
            rest = rest.get(first.len_utf8()..)?;
        } else if first == '%' || last == '%' {
            parts.percent = true;
            rest = rest.trim_matches('%');
        } else if last == '-' || is_minus(last) {
            parts.trailing_minus = true;
            parts.unicode_minus |= is_minus(last);
            rest = rest.get(..rest.len() - last.len_utf8())?;
            // `5.-` is 5.00.
            if rest.ends_with(['.', ',']) {
                return None;
            }
        } else if !first.is_ascii_digit() && !matches!(first, '.' | ',' | '(') {
            let end =
                rest.find(|c: char| c.is_ascii_digit() || "-+(\u{2212}\u{2013}".contains(c))?;
            let word = rest.get(..end)?;
            // A point before the digits belongs to them: `$.50`.
            let word = if word.trim_end().chars().any(char::is_alphabetic) {
                word
            } else {
                word.trim_end_matches('.')
            };
            if word.is_empty() {
                return None;
            }
            parts.words.push(word.trim());
            rest = rest.get(word.len()..)?;
        } else if !last.is_ascii_digit() && !matches!(last, '.' | ',') {
            let is_of_number = |c: char| c.is_ascii_digit() || "-)\u{2212}\u{2013}%".contains(c);
            let start = rest.rfind(is_of_number)?;
            let start = start + rest.get(start..)?.chars().next()?.len_utf8();
            let word = rest.get(start..)?;
            parts.words.push(word.trim());
            rest = rest.get(..start)?;
        } else {
            break;
        }
        if parts.words.len() > 2 {
            return None;
        }
    }
    let is_number = rest.chars().all(|c| {
        c.is_ascii_digit() || matches!(c, '.' | ',' | '\'' | '\u{2019}') || c.is_whitespace()
    });
    is_number.then_some(parts)
}

fn is_mark(word: &str) -> bool {
    let word = word.to_uppercase();
    MARKS.iter().any(|(debit, credit)| word == *debit || word == *credit)
}

/// Whether a character is a currency's sign. In Shift_JIS, the byte of `\\` is shown as a yen sign.
pub fn is_sign(c: char) -> bool {
    "$€£¥¢₤₦₨₩₪₫₭₮₱₲₴₵₸₹₺₽₾₿฿៛元円￥￡＄\\".contains(c)
}

/// Whether a text is a currency's sign, code or common name.
pub fn is_currency(word: &str) -> bool {
    let signs = word.chars().filter(|c| is_sign(*c)).count();
    let letters = word.chars().count() - signs;
    match signs {
        0 => {
            CODES.split_whitespace().any(|code| code == word)
                || NAMES.contains(&word.to_lowercase().as_str())
        }
        1 => letters <= 3 && word.chars().all(|c| is_sign(c) || c.is_ascii_alphabetic()),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: &[&str]) -> Notation {
        notation(values.iter().copied())
    }

    #[test]
    fn surroundings_of_digits_are_recognized() {
        let money = of(&["€ 1.234,50", "-€5,00", "7,00 USD", "US$ 3", "Rs. 12,00,000.00"]);
        assert_eq!(money.around.currency, ["Rs.", "US$", "USD", "€"]);
        assert_eq!(money.debit_credit, None);
        let behind = of(&["(1,234.50) EUR"]).around;
        assert!(behind.parentheses && behind.currency == ["EUR"]);
        let minus = of(&["\u{2212}5.00", "(1,234.50)", "7-", "$ (5.00)"]);
        assert!(minus.around.unicode_minus && minus.around.parentheses);
        assert!(minus.around.trailing_minus);
        assert_eq!(minus.around.currency, ["$"]);
        assert_eq!(of(&["-\\5,324", "\\463"]).around.currency, ["\\"]);
        assert_eq!(of(&["5 %", "7%"]).around.percent, Some(PercentSpec::AsWritten));
        let marked = |values: &[&str]| of(values).debit_credit;
        assert_eq!(marked(&["5.00 Dr", "6.00 Cr"]), Some(("Dr".into(), "Cr".into())));
        assert_eq!(marked(&["5,00 S", "6,00 H"]), Some(("S".into(), "H".into())));
        assert_eq!(marked(&["EUR 5,00 DR", "6,00"]), Some(("DR".into(), "CR".into())));
        assert_eq!(marked(&["C12,50", "D7,00"]), Some(("D".into(), "C".into())));
        assert_eq!(marked(&["500 CR", "600 CR"]), Some(("DR".into(), "CR".into())));
        assert_eq!(marked(&["5.00 D", "6.00 D"]), Some(("D".into(), "C".into())));
        assert_eq!(marked(&["500 S", "6 H"]), Some(("S".into(), "H".into())));
    }

    #[test]
    fn a_unit_stands_behind_all_numbers() {
        let units = |values: &[&str]| of(values).around.currency;
        assert_eq!(units(&["2.50 kg", "0.75 kg", "12 kg"]), ["kg"]);
        assert_eq!(units(&["1.234,56 TL", "5,00 TL"]), ["TL"]);
        for values in [&["2.50 kg", "2.50 lb", "3.5 kg"][..], &["5 kg", "6 kg", "7 kg"], &["v 1.2"]]
        {
            assert_eq!(units(values), [""; 0], "{values:?}");
        }
    }

    #[test]
    fn signs_stand_for_codes() {
        assert!(may_be_same("$", "USD") && may_be_same("TRY", "TL") && may_be_same("kr", "NOK"));
        assert!(!may_be_same("€", "USD") && !may_be_same("EUR", "USD") && !may_be_same("€", "£"));
    }

    #[test]
    fn notations_that_no_format_reads_get_steps() {
        let steps = |values: &[&str]| {
            let steps = of(values).steps;
            steps.iter().map(super::super::write::step_text).collect::<Vec<_>>().join(", ")
        };
        assert_eq!(
            steps(&["=\"1,037.25\"", "=\"-5\""]),
            r#"{ strip_prefix: "=\"" }, { strip_suffix: "\"" }"#
        );
        assert_eq!(steps(&["- 5.00", "7.00"]), r#"{ replace: { from: "- ", to: "-" } }"#);
        assert_eq!(steps(&["5,-", "1.204,50"]), r#"{ strip_suffix: ",-" }"#);
        assert_eq!(steps(&["３１８，１４７", "120"]), "nfkc");
        assert_eq!(steps(&["1’204.–"]), r#"{ strip_suffix: ".–" }"#);
        assert_eq!(steps(&["A - 5", "=\"A\"", "5-", "-5", "- € 5", "5,-3", "3 - 5"]), "");
    }

    #[test]
    fn references_are_not_amounts() {
        let nothing = Notation::default();
        for values in [
            &["TRX 5", "TRX 6"][..],
            &["REF123", "AB-12"],
            &["2026-01-05", "5/6/2026"],
            &["EUR", "$"],
            &["12 Main Street"],
            &["14-Jan-2026", "10:30"],
            &["C1", "C2", "C30"],
            &["C1", "D2", "C3", "D4"],
            &["D-1001", "D-1002"],
            &["CR1001", "DR1002"],
            &["CR 1001", "CR 1002"],
            &["3D", "5D"],
            &["5 H", "6 H"],
            &["€£5"],
        ] {
            assert_eq!(of(values), nothing, "{values:?}");
        }
    }
}
