use super::*;

const MT_COLUMNS: [&str; 5] =
    ["booking_date", "value_date", "amount", "currency", "transaction_code"];
const WHO: [&str; 6] = [
    "bank_reference",
    "end_to_end_id",
    "customer_reference",
    "counterparty",
    "counterparty_account",
    "remittance",
];

#[test]
fn mt940_german_with_numbered_parts() {
    let text = ":20:STARTUMSE\r\n:25:87052000/123456789\r\n:28C:00123/001\r\n:60F:C260114EUR194,57\r\n\
                :61:2601150115DR20,00N037NONREF//BR-7788\r\n\
                :86:106?00KARTENZAHLUNG?109262?20EREF+E-2026-15?21SVWZ+2026-01-15T20.10 Tanks\r\n\
                ?22telle?30DRESDEFF430?31DE31954308008308020292?32ARAL AG?33 CHEMNITZ?34011\r\n\
                :61:2601160116CR1500,5NTRFKREF+\r\n\
                :86:166?00GUTSCHRIFT?20KREF+MIETE-01?21SVWZ+Miete?22Januar?30NTSBDEB1XXX\r\n\
                ?31DE12345678901234567890?32Max Mustermann\r\n\
                :61:2601160116RCR5,07NRTINONREF\r\n\
                :86:159?00RETOURE?20SVWZ+zurueck?32Wer\r\n\
                :62F:C260116EUR1670,\r\n:64:C260116EUR1670,\r\n:86:Hinweis der Bank\r\n-\r\n";
    let rows = read(MT, text);
    assert_eq!(
        table(&rows, &MT_COLUMNS),
        [
            "2026-01-15 | 2026-01-15 | -20.00 | EUR | N037",
            "2026-01-16 | 2026-01-16 | 1500.5 | EUR | NTRF",
            "2026-01-16 | 2026-01-16 | -5.07 | EUR | NRTI",
        ]
    );
    assert_eq!(
        table(&rows, &WHO),
        [
            "BR-7788 | E-2026-15 | - | ARAL AG CHEMNITZ | DE31954308008308020292 | 2026-01-15T20.10 Tankstelle",
            "- | - | MIETE-01 | Max Mustermann | DE12345678901234567890 | Miete Januar",
            "- | - | - | Wer | - | zurueck",
        ]
    );
    assert_eq!(
        table(&rows, &["account", "statement", "status", "reversal"]),
        [
            "87052000/123456789 | 00123/001 | BOOK | false",
            "87052000/123456789 | 00123/001 | BOOK | false",
            "87052000/123456789 | 00123/001 | BOOK | true",
        ]
    );
    assert_eq!((rows[2].entry, rows[2].line), (3, 11));
    let wrong = problem(MT, &text.replace("EUR1670,\r\n:64", "EUR1670,01\r\n:64"));
    assert_eq!(
        wrong.message,
        "statement 00123/001 of account 87052000/123456789: opening balance 194.57 and booked movements of \
         1475.43 give 1670.00 EUR, but the closing balance is 1670.01: a gap of 0.01 EUR"
    );
}

#[test]
fn mt940_unicredit_breaks_the_lines_before_the_parts() {
    let text = ":20:951110\n:25:70020270/0012345678\n:28C:00027/001\n:60F:D260114EUR10,\n\
                :61:2601150115C10,NSTONONREF//POS 1\n:86:051?00UEBERWEISUNG\n?10931\n?20EREF+X1\n?21SVWZ+SAMMLER\n\
                ?22 TEIL 2\n?30HYVEDEMMXXX\n?31DE55\n?32FIRMA\n?60UND MEHR\n:62F:C260115EUR0,\n-\n";
    let rows = read(MT, text);
    assert_eq!(table(&rows, &WHO), ["POS 1 | X1 | - | FIRMA | DE55 | SAMMLER TEIL 2 UND MEHR"]);
}

#[test]
fn mt940_dutch_with_words_between_slashes() {
    let ing = "0000 01INGBNL2AXXXX00001\n0000 01INGBNL2AXXXX00001\n940 00\n:20:P260115000000001\n\
               :25:NL69INGB0123456789EUR\n:28C:00015\n:60F:C260114EUR1000,00\n\
               :61:2601150115D25,50NTRFEREF//00000000001005\n/TRCD/00100/\n\
               :86:/EREF/EV12341REP1231456T1234//CNTP/NL32INGB0000012345/INGBNL2A/ING BANK N\n.V.///REMI/USTD//\
               EV10001REP1000000T1000/\n\
               :61:2601150115C12,30NTRFPREF//00000000001006\n/TRCD/00107/\n\
               :86:/PREF/M000000003333333//REMI/USTD//TOTAAL 1 VZ/\n\
               :62F:C260115EUR986,80\n:64:C260115EUR986,80\n:65:C260116EUR986,80\n\
               :86:/SUM/1/1/25,50/12,30/\n-XXX\n";
    assert_eq!(
        table(&read(MT, ing), &WHO),
        [
            "00000000001005 | EV12341REP1231456T1234 | EV12341REP1231456T1234 | ING BANK N.V. | NL32INGB0000012345 | EV10001REP1000000T1000",
            "00000000001006 | - | M000000003333333 | - | - | TOTAAL 1 VZ",
        ]
    );
    let rabobank = ":940:\n:20:940S260115\n:25:NL50RABO0123456789 EUR\n:28C:26015\n:60F:C260114EUR000000001000,00\n\
                    :61:260115D000000000025,00N102EREF            \nNL70ABNA0987654321\n\
                    :86:/EREF/15-01-2026 12:00 003/BENM//NAME/CONTRA ACCOUN\nT HOLDER/REMI//ISDT/2026-01-15\n\
                    :61:260115D000000000010,00N154NONREF          \nP001234567\n\
                    :86:/BENM//NAME/JOHN DOE/REMI/Reference 2026/ISDT/2026-01-15\n\
                    :62F:C260115EUR000000000965,00\n";
    let rows = read(MT, rabobank);
    assert_eq!(
        table(&rows, &WHO),
        [
            "- | 15-01-2026 12:00 003 | 15-01-2026 12:00 003 | CONTRA ACCOUNT HOLDER | NL70ABNA0987654321 | -",
            "- | - | - | JOHN DOE | - | Reference 2026",
        ]
    );
    // Without an entry date the movement was booked on its value date.
    assert_eq!(table(&rows, &MT_COLUMNS)[0], "2026-01-15 | 2026-01-15 | -25.00 | EUR | N102");
    let abn = "ABNANL2A\n940\nABNANL2A\n:20:ABN AMRO BANK NV\n:25:123456789\n:28:13501/1\n:60F:C260114EUR5138,61\n\
               :61:2601150115C500,01N654NONREF\n:86:/TRTP/SEPA OVERBOEKING/IBAN/FR12345678901234/BIC/GEFRADAM\n\
               /NAME/QASD JGRED/REMI/Dit zijn de omschrijvingsregels/EREF/NOTPRO\nVIDED\n:62F:C260115EUR5638,62\n-\n";
    assert_eq!(
        table(&read(MT, abn), &WHO),
        ["- | - | - | QASD JGRED | FR12345678901234 | Dit zijn de omschrijvingsregels"]
    );
    let triodos = ":20:1308728725026/1\n:25:TRIODOSBANK/0390123456\n:28:1\n:60F:C260101EUR15,70\n\
                   :61:260101D15,70N000NONREF\n:86:000>100987654321\n>20ALGEMENE TUSSENREKENING KOS>21TEN VAN \
                   01-10-2025 TOT EN M\n>22ET 31-12-2025>310390123456\n:62F:C260201EUR0,00\n-\n";
    assert_eq!(
        table(&read(MT, triodos), &WHO),
        [
            "- | - | - | - | 0390123456 | ALGEMENE TUSSENREKENING KOSTEN VAN 01-10-2025 TOT EN MET 31-12-2025"
        ]
    );
}

#[test]
fn mt940_in_the_envelope_of_swift_over_two_pages() {
    let text = "{1:F01POFICHBEAXXX0000000000}{2:I940XXXXXXXXXXXXN}{3:{108:260115CH00000000}}{4:\n\
                :20:2026011508285927\n:25:CH9300762011623852957\n:28C:999/1\n:60F:C260113CHF0,\n\
                :61:2601140114C79,7FMSC01916//NONREF\n20260114007602198765432000000012\n\
                :86:GIRO AUS ONLINE-SIC 80532 AUFTRAGGEBER: JANE DOE EXAMPLESTRASSE12\n 10 MITTEILUNGEN: RECHNUNG\n\
                :62M:C260115CHF79,7\n\
                -}{1:F01POFICHBEAXXX0000000000}{2:I940XXXXXXXXXXXXN}{3:{108:260115CH00000000}}{4:\n\
                :20:2026011508285928\n:25:CH9300762011623852957\n:28C:999/2\n:60M:C260115CHF79,7\n\
                :61:2601150115D79,9FMSC01916//NONREF\n:86:KAUF/DIENSTLEISTUNG\n\
                :62F:D260115CHF,2\n-}{5:{MAC:00000000}{CHK:000000000000}}\n";
    let rows = read(MT, text);
    assert_eq!(
        table(&rows, &["statement", "amount", "customer_reference"]),
        ["999/1 | 79.7 | 01916", "999/2 | -79.9 | 01916"]
    );
    assert_eq!(rows[1].part, 1);
    assert_eq!(rows[1].entry, 1);
    // Each page is proven on its own.
    let wrong = problem(
        MT,
        &text
            .replace(":62M:C260115CHF79,7", ":62M:C260115CHF79,8")
            .replace("60M:C260115CHF79,7", "60M:C260115CHF79,8"),
    );
    assert!(wrong.message.starts_with("statement 999/1 of account CH93"), "{}", wrong.message);
    // Pages that share a message, as some banks write them.
    let joined = ":20:X\n:25:1\n:28C:5\n:60F:C260101EUR1,00\n:61:260102C1,00NTRFA\n:62M:C260102EUR2,00\n\
                  :60M:C260102EUR2,00\n:61:260103C1,00NTRFB\n:62F:C260103EUR3,00\n-\n";
    let rows = read(MT, joined);
    assert_eq!(rows.iter().map(|row| row.entry).collect::<Vec<_>>(), [1, 2]);
}

#[test]
fn a_missing_page_of_an_mt940_statement_is_warned_about() {
    let page = |number: &str, opening: &str, closing: &str| {
        format!(":20:R\n:25:1\n:28C:{number}\n:60{opening}\n:61:260102C10,NTRF\n:62{closing}\n-\n")
    };
    let first = |number| page(number, "F:C260101EUR100,", "M:C260102EUR110,");
    let second = |number| page(number, "M:C260102EUR110,", "M:C260102EUR120,");
    let third = |number| page(number, "M:C260102EUR120,", "F:C260102EUR130,");
    let lacks = |files: &[String]| {
        let warnings = read_files(MT, files).unwrap();
        warnings.first().map(|warning| warning.message.clone()).unwrap_or_default()
    };
    assert_eq!(lacks(&[first("12/1"), second("12/2"), third("12/3")]), "");
    assert_eq!(lacks(&[third("12/3"), [first("12/1"), second("12/2")].concat()]), "");
    assert_eq!(lacks(&[first("12/0"), second("12/1"), third("12/2")]), "");
    assert_eq!(
        lacks(&[first("12/1"), third("12/3")]),
        "statement 12 of account 1 lacks page 2, so nothing proves that it is whole"
    );
    assert!(lacks(&[first("12/1")]).contains(" lacks the pages after page 1,"));
    assert!(lacks(&[second("12/2"), third("12/3")]).contains(" lacks the pages before page 2,"));
    // Without numbers of pages, the balances say it.
    assert_eq!(lacks(&[first("12"), second("13"), third("14")]), "");
    assert!(lacks(&[first("12"), third("14")]).contains(" lacks the page that "));
    assert!(lacks(&[first("12")]).contains(" lacks the page that goes on from 110 EUR,"));
    assert!(lacks(&[third("12")]).contains(" lacks the page that closes with 120 EUR,"));
    let two = lacks(&[first("12/1"), first("13/1")]);
    assert!(
        two.starts_with("2 statements lack pages,") && two.contains("the first, statement 12"),
        "{two}"
    );
}

#[test]
fn mt940_odd_but_real() {
    let around = |line: &str| {
        format!(":20:R\n:25:A\n:28C:1\n:60F:C260101EUR0,00\n{line}\n:62F:C260131EUR1,00\n-\n")
    };
    let one = |line: &str, columns: &[&str]| table(&read(MT, &around(line)), columns).remove(0);
    let columns =
        ["booking_date", "value_date", "amount", "transaction_code", "customer_reference"];
    // Spaces for the entry date; no kind; no reference.
    assert_eq!(
        one(":61:260115    C1,00NTRFREF", &columns),
        "2026-01-15 | 2026-01-15 | 1.00 | NTRF | REF"
    );
    assert_eq!(one(":61:2601150115C1,00", &columns), "2026-01-15 | 2026-01-15 | 1.00 | - | -");
    assert_eq!(
        one(":61:2601021231C1,00N195REF", &columns),
        "2025-12-31 | 2026-01-02 | 1.00 | N195 | REF"
    );
    assert_eq!(one(":61:2601150115RD1,00NMSCREF", &["amount", "reversal"]), "1.00 | true");
    // A line that is broken before the amount, and lines that end with a carriage return.
    assert_eq!(
        one(":61:2601150115CR\n1,00N062NONREF\n:\n:86:x", &columns),
        "2026-01-15 | 2026-01-15 | 1.00 | N062 | -"
    );
    let text = around(":61:2601150115C1,00NTRFREF").replace('\n', "\r");
    assert_eq!(table(&read(MT, &text), &["amount"]), ["1.00"]);
    // A day that months of 30 days have.
    assert_eq!(
        one(":61:2602300302C1.00NINTREF", &columns),
        "2026-03-02 | 2026-02-30 | 1.00 | NINT | REF"
    );
    // Fields of the bank's own, text that looks like a field, and a line without `:86:`.
    let line = ":61:2601150115C1,00NTRFREF//B1\nSupplement\n:NS:22foo\n:99X:what\n:86:text\n:not a field:\n:1:x";
    assert_eq!(one(line, &["remittance"]), "Supplement");
    let line =
        ":61:2601150115C1,00NTRFREF//B1\nSupplement\n:NS:22foo\n:86:text\n:not a field:\n:1:x";
    assert_eq!(one(line, &["remittance", "bank_reference"]), "text :not a field: :1:x | B1");
    // Expected entries are not booked.
    let line = ":61:2601150115C1,00NTRFA\n:61:2601150115ED7,00NTRFB";
    let rows = read(MT, &around(line));
    assert_eq!(table(&rows, &["amount", "status"]), ["1.00 | BOOK", "-7.00 | PDNG"]);
}

#[test]
fn mt942_and_messages_without_balances_are_read_with_a_warning() {
    let text = ":20:X\n:25:1\n:28C:7/1\n:34F:EURD0,00\n:13D:2601151200+0100\n:61:2601150115C1,00NTRFA\n:86:x\n\
                :90D:0EUR0,\n:90C:1EUR1,\n-\n";
    let (rows, warnings) = read_as(MT, text, Prove::On).unwrap();
    assert_eq!(table(&rows, &["amount", "currency"]), ["1.00 | EUR"]);
    assert_eq!(warnings[0].code, Code::StatementWithoutBalances);
}

#[test]
fn other_files_than_mt940_are_a_clear_error() {
    let says = |text: &str, line: u64, expected: &str| {
        let problem = problem(MT, text);
        assert!(problem.message.contains(expected), "{}", problem.message);
        assert_eq!(problem.place.unwrap().line, line, "{}", problem.message);
    };
    says("id;amount\n1;2\n", 0, "no field of an MT940 message");
    says(":20:X\n:25:1\n:61:hello\n", 3, "does not begin with a date");
    says(":20:X\n:61:2601150115X5,00\n", 2, "no mark");
    says(":20:X\n:61:2601150115C,\n", 2, "no amount");
    says(":20:X\n:60F:C260115EURfive\n", 2, "is no balance");
    says(":20:X\n:61:2613150115C5,00\n", 2, "does not begin with a date");
    says(&format!(":20:X\n:86:{}\n", "x".repeat(3 * 1024 * 1024)), 2, "longer than 1 MiB");
}
