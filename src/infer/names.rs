//! Similarity of column names: words, abbreviations and initials.

use crate::domain::words::jaro_winkler;

/// Synonyms; the first of each group is the canonical word.
const SAME: &[&[&str]] = &[
    &["transaction", "txn", "trx", "tx", "trans", "trade", "deal", "trd"],
    &[
        "id",
        "ref",
        "reference",
        "identifier",
        "no",
        "nr",
        "number",
        "num",
        "key",
        "code",
        "utr",
        "rrn",
        "voucher",
        "doc",
        "document",
        "dokument",
        "documento",
        "beleg",
        "belegnr",
        "belegnummer",
        "belegfeld",
        "referenz",
        "referencia",
        "referência",
        "référence",
        "riferimento",
        "kenmerk",
        "numer",
        "numero",
        "número",
        "номер",
        "документ",
        "番号",
        "取引番号",
        "伝票番号",
        "编号",
        "流水号",
        "交易流水号",
        "凭证号",
    ],
    &["counterparty", "cpty", "cp", "cpy", "ctpy", "ctrparty"],
    &["customer", "client", "cust", "kunde", "debtor"],
    &[
        "currency",
        "ccy",
        "curr",
        "cur",
        "iso",
        "wahrung",
        "waehrung",
        "währung",
        "waluta",
        "devise",
        "moeda",
        "moneda",
        "divisa",
        "валюта",
        "通貨",
        "币种",
    ],
    &[
        "amount",
        "amt",
        "notional",
        "nominal",
        "net",
        "gross",
        "betrag",
        "total",
        "sum",
        "umsatz",
        "montant",
        "importe",
        "importo",
        "bedrag",
        "kwota",
        "金額",
        "金额",
        "сумма",
    ],
    &["value", "val", "valor", "wartość"],
    &["balance", "bal", "saldo", "solde", "kontostand", "остаток", "残高", "余额"],
    &["price", "px", "rate", "mark", "quote", "preis"],
    &["quantity", "qty", "units", "shares", "volume", "menge"],
    &[
        "date",
        "dt",
        "day",
        "datum",
        "on",
        "at",
        "asof",
        "buchungstag",
        "buchungsdatum",
        "valuta",
        "wertstellung",
        "fecha",
        "data",
        "日付",
        "取引日",
        "お取引日",
        "交易日期",
        "日期",
        "дата",
    ],
    &["account", "acct", "acc", "portfolio", "konto"],
    &["accrued", "accrual", "accr"],
    &["interest", "int"],
    &["side", "direction", "bs"],
    &[
        "description",
        "desc",
        "text",
        "note",
        "remark",
        "comment",
        "narrative",
        "notiz",
        "memo",
        "verwendungszweck",
        "verwendung",
        "buchungstext",
        "libellé",
        "concepto",
        "omschrijving",
        "histórico",
        "historico",
        "opis",
        "tytuł",
        "narration",
        "particulars",
        "avisierungstext",
        "descrição",
        "descripción",
        "descrizione",
        "causale",
        "摘要",
        "取引内容",
        "お取引内容",
        "备注",
        "назначение",
        "описание",
    ],
    &[
        "debit",
        "soll",
        "withdrawal",
        "withdrawals",
        "débit",
        "débito",
        "lastschrift",
        "ausgang",
        "dare",
        "uscite",
        "cargo",
        "cargos",
        "debe",
        "saída",
        "obciążenia",
        "obciążenie",
        "wydatki",
        "дебет",
        "расход",
        "списание",
        "出金",
        "出金額",
        "お引出し",
        "引出額",
        "お支払金額",
        "支払金額",
        "借方",
        "借方金額",
        "支出",
        "支出金额",
        "借方金额",
        "借方发生额",
    ],
    &[
        "credit",
        "haben",
        "deposit",
        "deposits",
        "crédit",
        "crédito",
        "gutschrift",
        "eingang",
        "avere",
        "entrate",
        "abono",
        "abonos",
        "haber",
        "entrada",
        "uznania",
        "uznanie",
        "wpływy",
        "кредит",
        "приход",
        "зачисление",
        "поступление",
        "入金",
        "入金額",
        "お預入れ",
        "預入額",
        "お預り金額",
        "貸方",
        "貸方金額",
        "收入",
        "收入金额",
        "贷方",
        "贷方金额",
        "贷方发生额",
    ],
    &["fee", "fees", "charge", "charges", "commission"],
    &["invoice", "inv", "bill", "rechnung"],
    &["settlement", "settle", "stl"],
    &["payment", "pay", "pmt"],
    &["security", "instrument", "isin", "asset"],
    &["booking", "posting", "booked", "posted", "created", "entry"],
    &["status", "state", "stat"],
    &["type", "kind", "typ", "category"],
    &["name", "nm"],
    &["maturity", "mat"],
    &["start", "begin"],
    &["position", "pos", "holding"],
    &["pledged", "encumbered", "blocked"],
    &["movement", "mvmt"],
    &["custodian", "depository"],
    &["external", "ext"],
    &["book", "desk"],
];

/// The lower-case words of a name, split at non-alphanumeric characters and case changes.
fn written_words(name: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut before = ' ';
    for character in name.chars() {
        let is_hump = character.is_uppercase() && before.is_lowercase();
        if (!character.is_alphanumeric() || is_hump) && !word.is_empty() {
            words.push(std::mem::take(&mut word));
        }
        if character.is_alphanumeric() {
            word.extend(character.to_lowercase());
        }
        before = character;
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}

/// The canonical words of a name.
pub fn words(name: &str) -> Vec<String> {
    let written = written_words(name);
    if written == ["as", "of"] {
        return vec!["date".to_owned()];
    }
    written.into_iter().map(|word| meaning(&word).to_owned()).collect()
}

fn meaning(word: &str) -> &str {
    let same = SAME.iter().find(|same| same.contains(&word));
    same.and_then(|same| same.first()).copied().unwrap_or(word)
}

/// Similarity of two names, from 0 to 1.
pub fn likeness(a: &str, b: &str) -> f64 {
    let (written_a, written_b) = (written_words(a), written_words(b));
    if written_a.is_empty() || written_b.is_empty() {
        return 0.0;
    }
    if written_a == written_b {
        return 1.0;
    }
    let initials = |words: &[String]| -> String {
        words.iter().filter_map(|word| word.chars().next()).collect()
    };
    let are_initials = |short: &[String], long: &[String]| {
        long.len() > 1 && short.concat() == initials(long) && short.concat().len() > 1
    };
    if are_initials(&written_a, &written_b) || are_initials(&written_b, &written_a) {
        return 0.9;
    }
    let (words_a, words_b) = (words(a), words(b));
    if words_a == words_b {
        return 0.95;
    }
    let common = words_a.iter().filter(|word| words_b.contains(word)).count();
    #[expect(clippy::cast_precision_loss, reason = "a name has few words")]
    let dice = 2.0 * common as f64 / (words_a.len() + words_b.len()) as f64;
    let spelling = jaro_winkler(&written_a.concat(), &written_b.concat());
    let spelled_alike = if spelling > 0.85 { spelling * 0.9 } else { 0.0 };
    (dice * 0.9).max(spelled_alike)
}

/// Whether a text is a typical column name.
pub fn is_usual(text: &str) -> bool {
    // Words that are as common in data as in headers.
    const ALSO_VALUES: [&str; 12] = [
        "net", "total", "sum", "trade", "client", "fee", "charge", "payment", "interest", "bill",
        "blocked", "end",
    ];
    let written = written_words(text);
    (1..=4).contains(&written.len())
        && written.iter().any(|word| {
            !ALSO_VALUES.contains(&word.as_str())
                && word.len() > 1
                && SAME.iter().any(|same| same.contains(&word.as_str()))
        })
}

/// Whether a name suggests an identifier.
pub fn names_an_identifier(name: &str) -> bool {
    let identifiers = ["id", "account", "security", "invoice", "uuid", "guid", "iban", "lei"];
    words(name).iter().any(|word| identifiers.contains(&word.as_str()))
}

/// Whether a name suggests a text or a party, which may be alone in a small file by chance.
pub fn names_a_description(name: &str) -> bool {
    let descriptions = ["description", "counterparty", "customer", "name"];
    words(name).iter().any(|word| descriptions.contains(&word.as_str()))
}

/// Whether a name suggests a measure.
pub fn names_a_measure(name: &str) -> bool {
    let measures =
        ["amount", "price", "quantity", "fee", "value", "balance", "interest", "accrued"];
    words(name).iter().any(|word| measures.contains(&word.as_str()))
}

/// Whether a name suggests a currency. `iso` alone may as well be a country's code.
pub fn names_a_currency(name: &str) -> bool {
    written_words(name).iter().any(|word| meaning(word) == "currency" && word != "iso")
}

/// Whether a name suggests an amount of money.
pub fn names_an_amount(name: &str) -> bool {
    let amounts = ["amount", "fee", "balance", "interest", "accrued"];
    let others = ["price", "quantity", "percent"];
    let words = words(name);
    let has = |some: &[&str]| words.iter().any(|word| some.contains(&word.as_str()));
    has(&amounts) && !has(&others)
}

/// A name without case, spaces and punctuation.
pub fn plain(name: &str) -> String {
    let plain = written_words(name).concat();
    // A name of punctuation only stays as it is.
    if plain.is_empty() { name.trim().to_owned() } else { plain }
}

/// The canonical field name for a column.
pub fn canonical(name: &str) -> String {
    let words = written_words(name);
    let name = words.join("_");
    if name.chars().next().is_none_or(|first| first.is_numeric()) {
        return format!("field_{name}");
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn currencies_and_amounts_are_known_by_their_names() {
        for (name, currency, amount) in [
            ("ccy", true, false),
            ("Payment Currency", true, false),
            ("country_iso", false, false),
            ("net_amount", false, true),
            ("accrued_interest", false, true),
            ("price", false, false),
            ("interest rate", false, false),
        ] {
            let said = (names_a_currency(name), names_an_amount(name));
            assert_eq!(said, (currency, amount), "{name}");
        }
    }

    #[test]
    fn abbreviations_and_initials_are_understood() {
        for (a, b) in [
            ("transaction_id", "txn_ref"),
            ("trade_date", "trade_dt"),
            ("counterparty", "cpty"),
            ("buy_sell", "B/S"),
            ("currency", "ccy"),
            ("amount", "notional"),
            ("price", "px"),
            ("account", "acct"),
            ("tradeDate", "TRADE_DATE"),
        ] {
            assert!(likeness(a, b) >= 0.9, "{a} {b} {}", likeness(a, b));
            assert!((likeness(a, b) - likeness(b, a)).abs() < f64::EPSILON);
        }
        for (a, b) in [("price", "currency"), ("amount", "cpty"), ("trade_date", "B/S")] {
            assert!(likeness(a, b) < 0.5, "{a} {b} {}", likeness(a, b));
        }
        assert!(likeness("accrued_interest", "accrued") > 0.5);
    }

    #[test]
    fn canonical_names_are_plain() {
        assert_eq!(canonical("Betrag €"), "betrag");
        assert_eq!(canonical("B/S"), "b_s");
        assert_eq!(canonical("tradeDate"), "trade_date");
        assert_eq!(canonical("#1"), "field_1");
        assert_eq!(canonical("€"), "field_");
    }
}
