use super::*;
use crate::domain::Instant;

fn pairs(values: impl IntoIterator<Item = (Value, Value)>) -> Vec<ValuePair> {
    values.into_iter().map(|(a, b)| ValuePair { differs: a != b, a, b }).collect()
}

#[test]
fn multiples_of_a_unit_are_found_at_any_width() {
    for (number, unit, expected) in [
        ("12.50", (5, 1), true),
        ("12.51", (5, 1), false),
        ("-7", (1, 4), true),
        ("0.00001", (1, 4), false),
        ("100000000000000000000000.5", (5, 1), true),
        ("100000000000000000000000.25", (5, 1), false),
        ("99999999999999999999999999999999999999", (1, 4), true),
        ("99999999999999999999999999999999999999", (5, 2), true),
        ("99999999999999999999999999999999999999", (10, 0), false),
        ("99999999999999999999999999999999999990", (10, 0), true),
        ("0.0000000000000000000000000001", (1_000, 0), false),
    ] {
        let unit = Decimal::new(unit.0, unit.1).unwrap();
        assert_eq!(is_multiple(number.parse().unwrap(), unit), expected, "{number} {unit}");
    }
}

fn of<T: AsRef<str>>(values: &[(T, T)], read: fn(&str) -> Value) -> Option<Pattern> {
    let values = values.iter().map(|(a, b)| (read(a.as_ref()), read(b.as_ref())));
    find(&pairs(values)).map(|found| found.pattern)
}

fn decimal(text: &str) -> Value {
    text.parse().map_or_else(|_| Value::Unparsed(text.to_owned()), Value::Decimal)
}

fn day(text: &str) -> Value {
    text.parse().map_or_else(|_| Value::Unparsed(text.to_owned()), Value::Date)
}

fn time(text: &str) -> Value {
    Instant::parse_rfc3339_utc(text).map_or(Value::Null, Value::Instant)
}

fn word(text: &str) -> Value {
    Value::Text(text.to_owned())
}

fn amounts(b_of: impl Fn(f64) -> String) -> Vec<(String, String)> {
    [12.5, 310.25, 4_711.08, 99.99, 0.0, 1_250.0, 77.31]
        .into_iter()
        .map(|a| (format!("{a:.2}"), b_of(a)))
        .collect()
}

#[test]
fn a_turned_sign_a_unit_a_factor_and_an_offset() {
    let factor = |side, text: &str| Some(Pattern::Factor(side, text.to_owned()));
    let sign = amounts(|a| format!("{:.2}", -a));
    assert_eq!(of(&sign, decimal), Some(Pattern::Sign));
    let cents = amounts(|a| format!("{:.0}", a * 100.0));
    assert_eq!(of(&cents, decimal), factor(Side::B, "100"));
    let thousands = amounts(|a| format!("{:.5}", a / 1_000.0));
    assert_eq!(of(&thousands, decimal), factor(Side::A, "1000"));
    let gross = amounts(|a| format!("{:.2}", a * 1.19));
    assert_eq!(of(&gross, decimal), factor(Side::B, "1.19"));
    let fee = amounts(|a| format!("{:.2}", a - 2.5));
    assert_eq!(of(&fee, decimal), Some(Pattern::Offset("-2.5".parse().unwrap())));
}

#[test]
fn a_side_without_signs() {
    let values = [("1.00", "1.00"), ("-2.00", "2.00"), ("-3.00", "3.00"), ("4.00", "4.00")];
    let values = [values, [("-5.00", "5.00"), ("6", "6.00"), ("-7.00", "7"), ("-8", "8")]];
    assert_eq!(of(&values.concat(), decimal), Some(Pattern::Unsigned(Side::B)));
}

#[test]
fn amounts_that_differ_each_in_its_own_way_have_no_pattern() {
    let values = [
        ("100.00", "103.00"),
        ("250.00", "247.50"),
        ("80.00", "80.01"),
        ("1200.00", "1212.00"),
        ("9.99", "99.9"),
        ("431.20", "413.20"),
    ];
    assert_eq!(of(&values, decimal), None);
    let cent = amounts(|a| format!("{:.2}", if a > 99.0 { a + 0.01 } else { a - 0.01 }));
    assert_eq!(of(&cent, decimal), None, "a cent up or down is rounding, no factor");
}

#[test]
fn a_side_in_fewer_digits() {
    let exact = ["12.57", "310.23", "4711.08", "99.96", "0.31", "1250.44", "77.00"];
    let pattern = |b: [&str; 7]| {
        let values: Vec<_> = exact.into_iter().zip(b).collect();
        of(&values, decimal)
    };
    let rounded = |unit: &str| Some(Pattern::Rounded(Side::B, unit.parse().unwrap()));
    let whole = ["13", "310", "4711", "100", "0", "1250", "77"];
    assert_eq!(pattern(whole), rounded("1"));
    let coins = ["12.55", "310.25", "4711.10", "99.95", "0.30", "1250.45", "77.00"];
    assert_eq!(pattern(coins), rounded("0.05"));
    let cut = ["12", "310", "4711", "99", "0", "1250", "77"];
    assert_eq!(pattern(cut), Some(Pattern::CutTo(Side::B, "1".parse().unwrap())));
    let one_is_wrong = ["13", "310", "4711", "109", "0", "1250", "77"];
    assert_eq!(pattern(one_is_wrong), None);
    let few: Vec<_> = exact.iter().zip(whole).map(|(a, b)| (*a, b)).collect();
    let mut many = few.clone();
    many.extend([("5", "5"); 9]);
    assert_eq!(of(&many, decimal), None, "most numbers are the same");
}

#[test]
fn instants_without_seconds() {
    let values = ["10:15:07.25", "11:20:59.5", "12:00:31.125", "13:59:01.75", "09:07:12.5"];
    let cut = |at: usize, rest: &str| {
        let texts = values.map(|text| {
            let short = format!("{}{rest}", &text[..at]);
            (format!("2026-01-15T{text}Z"), format!("2026-01-15T{short}Z"))
        });
        of(&texts, time)
    };
    assert_eq!(cut(5, ":00"), Some(Pattern::Minutes(Side::B)));
    assert_eq!(cut(8, ""), Some(Pattern::Seconds(Side::B)));
}

#[test]
fn four_pairs_are_too_few_and_a_tenth_may_be_otherwise() {
    let sign = |number: usize| -> Vec<(String, String)> {
        (1..=number).map(|at| (at.to_string(), format!("-{at}"))).collect()
    };
    assert_eq!(of(&sign(4), decimal), None);
    assert_eq!(of(&sign(5), decimal), Some(Pattern::Sign));
    let mut most = sign(18);
    most.extend([("7".to_owned(), "7".to_owned()), ("8".to_owned(), "9".to_owned())]);
    assert_eq!(of(&most, decimal), Some(Pattern::Sign));
    most.push(("9".to_owned(), "9".to_owned()));
    assert_eq!(of(&most, decimal), None);
}

#[test]
fn dates_with_day_and_month_exchanged() {
    // Days beyond 12 can't be read as a month; the third is the same either way.
    let values = [
        ("2026-03-04", "2026-04-03"),
        ("2026-01-05", "2026-05-01"),
        ("2026-02-02", "2026-02-02"),
        ("2026-11-12", "2026-12-11"),
        ("2026-01-15", "15/01/2026"),
        ("2026-01-08", "2026-08-01"),
        ("2026-01-09", "2026-09-01"),
    ];
    assert_eq!(of(&values, day), Some(Pattern::DayAndMonth));
}

#[test]
fn dates_that_are_always_as_far_apart() {
    let values = |days: [i32; 6], read: fn(i32, i32) -> i32| -> Vec<(String, String)> {
        let date = |days| Date::from_days(20_000 + days).to_string();
        days.into_iter().map(|day| (date(day), date(read(day, 0)))).collect()
    };
    let some = [0, 3, 11, 12, 40, 77];
    assert_eq!(of(&values(some, |day, _| day + 2), day), Some(Pattern::Days(2)));
    let years = ["2026-01-31", "2025-07-01", "2024-02-28", "2023-03-09", "2026-12-30"];
    let years: Vec<_> =
        years.iter().map(|text| ((*text).to_owned(), text.replacen("20", "19", 1))).collect();
    assert_eq!(of(&years, day), Some(Pattern::Years(-100)));
    // Two business days after: over a weekend they are four days.
    let settled = [
        ("2026-01-05", "2026-01-07"),
        ("2026-01-06", "2026-01-08"),
        ("2026-01-08", "2026-01-12"),
        ("2026-01-09", "2026-01-13"),
        ("2026-01-14", "2026-01-16"),
    ];
    assert_eq!(of(&settled, day), Some(Pattern::BusinessDays(2)));
}

#[test]
fn instants_of_another_time_zone() {
    let values = [
        ("2026-01-15T08:00:00Z", "2026-01-15T09:00:00Z"),
        ("2026-02-15T08:30:00Z", "2026-02-15T09:30:00Z"),
        ("2026-07-15T08:00:00Z", "2026-07-15T10:00:00Z"),
        ("2026-08-15T23:10:05Z", "2026-08-16T01:10:05Z"),
        ("2026-06-15T08:00:00Z", "2026-06-15T10:00:00Z"),
    ];
    assert_eq!(of(&values, time), Some(Pattern::Zone(60)));
    let fixed = values.map(|(a, _)| (a, a)).map(|(a, b)| (a.to_owned(), b.replace(":00Z", ":30Z")));
    assert_eq!(of(&fixed, time), None, "one is not half a minute later");
    let midnight = values.map(|(a, _)| (a.to_owned(), format!("{}T00:00:00Z", &a[..10])));
    assert_eq!(of(&midnight, time), Some(Pattern::Midnight(Side::B)));
}

#[test]
fn no_step_takes_away_signs_and_points() {
    let amounts = ["12.50", "310.25", "47.11", "99.99", "7.31"];
    let spelled = |spell: &dyn Fn(&str) -> String| -> Vec<(String, String)> {
        amounts.iter().map(|amount| ((*amount).to_owned(), spell(amount))).collect()
    };
    let minus = of(&spelled(&|amount| format!("-\\{amount}")), word);
    let cents = of(&spelled(&|amount| amount.replace('.', "")), word);
    assert!(!matches!(minus, Some(Pattern::Steps(_))), "{minus:?}");
    assert!(!matches!(cents, Some(Pattern::Steps(_))), "{cents:?}");
    let accounts = ["12-345-6", "98-765-4", "11-222-3", "55-444-3", "10-200-4"];
    let plain = accounts.map(|account| (account.to_owned(), account.replace('-', "")));
    assert_eq!(of(&plain, word), Some(Pattern::Steps(&["alphanumeric_only"])));
    let signs = [("€", "£"); 6];
    assert!(!matches!(of(&signs, word), Some(Pattern::Steps(_))));
}

#[test]
fn texts_with_another_spelling() {
    let names = ["Acme Ltd", "Globex", "Initech", "Umbrella Co", "Hooli"];
    let spelled = |spell: &dyn Fn(&str) -> String| -> Vec<(String, String)> {
        names.iter().map(|name| ((*name).to_owned(), spell(name))).collect()
    };
    let steps = |steps: &'static [&'static str]| Some(Pattern::Steps(steps));
    assert_eq!(of(&spelled(&|name| format!("{name}  ")), word), steps(&["trim"]));
    assert_eq!(of(&spelled(&str::to_uppercase), word), steps(&["upper"]));
    assert_eq!(of(&spelled(&|name| format!("00{name}")), word), steps(&["strip_leading_zeros"]));
    let prefix = Some(Pattern::Prefix(Side::B, "C-".to_owned()));
    assert_eq!(of(&spelled(&|name| format!("C-{name}")), word), prefix);
    let suffix = Some(Pattern::Suffix(Side::B, "#1".to_owned()));
    assert_eq!(of(&spelled(&|name| format!("{name}#1")), word), suffix);
    assert_eq!(of(&spelled(&|name| name[..4].to_owned()), word), Some(Pattern::Cut(Side::B, 4)));
}

#[test]
fn codes_of_two_lists() {
    let sides = ["B", "S", "B", "B", "S", "S", "B", "S"];
    let values = sides.map(|side| (side, if side == "B" { "BUY" } else { "SELL" }));
    let words = [("B", "BUY"), ("S", "SELL")].map(|(a, b)| (a.to_owned(), b.to_owned()));
    assert_eq!(of(&values, word), Some(Pattern::Words(words.to_vec())));
    let names = ["Ann", "Bob", "Cid", "Dan", "Eve", "Fay"].map(|name| (name, "someone else"));
    assert_eq!(of(&names, word), None, "each name once is no list of codes");
}

#[test]
fn a_column_of_another_type_and_an_empty_one() {
    let unparsed = |a, b| Some(Pattern::Unparsed(PerSide { a, b }));
    let values = [("1.00", "1,00"), ("2.00", "2,00"), ("3.00", "3,00")];
    assert_eq!(of(&values, decimal), unparsed(false, true));
    let same = [("1,00", "1,00"), ("2,00", "2,00"), ("3,00", "3,00")];
    let values: Vec<ValuePair> = pairs(same.map(|(a, b)| (decimal(a), decimal(b))))
        .into_iter()
        .map(|pair| ValuePair { differs: true, ..pair })
        .collect();
    assert_eq!(find(&values).map(|found| found.pattern), unparsed(true, true));
    let mut values: Vec<(Value, Value)> =
        (1..=6).map(|at| (decimal(&at.to_string()), Value::Null)).collect();
    values.push((Value::Null, Value::Null));
    let found = find(&pairs(values)).unwrap();
    assert_eq!((found.pattern, found.alike, found.of), (Pattern::Absent(Side::B), 6, 6));
}
