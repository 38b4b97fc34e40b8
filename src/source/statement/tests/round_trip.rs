//! Statements of any content, written in the three formats by writers that share no code with the readers.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

/// A movement, in cents.
#[derive(Clone, Debug)]
struct Moved {
    cents: i64,
    is_reversal: bool,
    day: u8,
    reference: String,
    text: String,
}

#[derive(Clone, Debug)]
struct Written {
    opening: i64,
    moved: Vec<Moved>,
    /// How far the closing balance is off.
    gap: i64,
}

impl Written {
    fn closing(&self) -> i64 {
        self.opening + self.moved.iter().map(|each| each.cents).sum::<i64>() + self.gap
    }
}

fn written() -> impl Strategy<Value = Vec<Written>> {
    let moved = (
        any::<i32>(),
        any::<bool>(),
        1u8..=28,
        "[A-Z][A-Z0-9]{2,9}",
        "[a-z&<>\"']{1,8}( [a-z]{1,8}){0,4}",
    );
    let moved = moved.prop_map(|(cents, is_reversal, day, reference, text)| Moved {
        cents: i64::from(cents),
        is_reversal,
        day,
        reference,
        text,
    });
    let gap = prop_oneof![4 => Just(0i64), 1 => -5i64..=5];
    let statement = (any::<i32>(), vec(moved, 0..6), gap);
    let statement = statement.prop_map(|(opening, moved, gap)| Written {
        opening: i64::from(opening),
        moved,
        gap,
    });
    vec(statement, 1..4)
}

fn money(cents: i64, point: char) -> String {
    let cents = cents.unsigned_abs();
    format!("{}{point}{:02}", cents / 100, cents % 100)
}

fn camt(statements: &[Written]) -> String {
    let mark = |cents: i64| if cents < 0 { "DBIT" } else { "CRDT" };
    let amount = |cents: i64| {
        format!(
            "<Amt Ccy=\"EUR\">{}</Amt><CdtDbtInd>{}</CdtDbtInd>",
            money(cents, '.'),
            mark(cents)
        )
    };
    let escaped = |text: &str| {
        text.chars()
            .map(|one| {
                if one.is_ascii_lowercase() || one == ' ' {
                    one.to_string()
                } else {
                    format!("&#{};", u32::from(one))
                }
            })
            .collect::<String>()
    };
    let mut text = String::from("<Document><BkToCstmrStmt>");
    for (number, statement) in statements.iter().enumerate() {
        text += &format!("<Stmt><Id>S{number}</Id><Acct><Id><IBAN>XX{number}</IBAN></Id></Acct>");
        for (kind, cents) in [("OPBD", statement.opening), ("CLBD", statement.closing())] {
            text += &format!(
                "<Bal><Tp><CdOrPrtry><Cd>{kind}</Cd></CdOrPrtry></Tp>{}</Bal>",
                amount(cents)
            );
        }
        for each in &statement.moved {
            text += &format!(
                "\n<Ntry>{}<RvslInd>{}</RvslInd><Sts>BOOK</Sts><BookgDt><Dt>2026-03-{:02}</Dt></BookgDt>\
                 <AcctSvcrRef>{}</AcctSvcrRef><NtryDtls><TxDtls><RmtInf><Ustrd>{}</Ustrd></RmtInf></TxDtls>\
                 </NtryDtls></Ntry>",
                amount(each.cents),
                each.is_reversal,
                each.day,
                each.reference,
                escaped(&each.text)
            );
        }
        text += "</Stmt>";
    }
    text + "</BkToCstmrStmt></Document>"
}

fn mt940(statements: &[Written]) -> String {
    let balance = |cents: i64| {
        let mark = if cents < 0 { 'D' } else { 'C' };
        format!("{mark}260301EUR{}", money(cents, ','))
    };
    let mut text = String::new();
    for (number, statement) in statements.iter().enumerate() {
        text += &format!(
            ":20:REF\r\n:25:XX{number}\r\n:28C:S{number}\r\n:60F:{}\r\n",
            balance(statement.opening)
        );
        for each in &statement.moved {
            // A reversal of a credit is a debit.
            let mark = match (each.cents < 0, each.is_reversal) {
                (false, false) => "C",
                (true, false) => "D",
                (true, true) => "RC",
                (false, true) => "RD",
            };
            text += &format!(
                ":61:2603{:02}03{:02}{mark}{}NTRFNONREF//{}\r\n:86:{}\r\n",
                each.day,
                each.day,
                money(each.cents, ','),
                each.reference,
                each.text
            );
        }
        text += &format!(":62F:{}\r\n-\r\n", balance(statement.closing()));
    }
    text
}

fn bai2(statements: &[Written]) -> String {
    let mut text = String::from("01,S,R,260301,0000,1,,,2/\n");
    let (mut file, mut records) = (0, 2);
    for (number, statement) in statements.iter().enumerate() {
        text += &format!("02,R,S,1,2603{:02},,EUR,2/\n", number + 1);
        text +=
            &format!("03,XX{number},,010,{},,,015,{},,/\n", statement.opening, statement.closing());
        let mut total = statement.opening + statement.closing();
        for each in &statement.moved {
            let code = if each.cents < 0 { 475 } else { 175 };
            let cents = each.cents.abs();
            total += cents;
            text += &format!("16,{code},{cents},,{},,\n88,{}/\n", each.reference, each.text);
        }
        let rows = 2 * statement.moved.len();
        text += &format!("49,{total},{}/\n98,{total},1,{}/\n", rows + 2, rows + 4);
        file += total;
        records += rows + 4;
    }
    format!("{text}99,{file},{},{records}/\n", statements.len())
}

fn expected(statements: &[Written]) -> Vec<String> {
    let rows = statements.iter().enumerate().flat_map(|(number, statement)| {
        statement.moved.iter().map(move |each| {
            let sign = if each.cents < 0 { "-" } else { "" };
            format!(
                "XX{number} | {sign}{} | EUR | BOOK | {} | {}",
                money(each.cents, '.'),
                each.reference,
                each.text
            )
        })
    });
    rows.collect()
}

proptest! {
    #[test]
    fn the_same_statements_in_three_formats_give_the_same_rows_and_proof(statements in written()) {
        let columns = ["account", "amount", "currency", "status", "bank_reference", "remittance"];
        for (format, text) in [(CAMT, camt(&statements)), (MT, mt940(&statements)), (BAI, bai2(&statements))] {
            let (rows, warnings) = read_as(format, &text, Prove::Warn).unwrap();
            prop_assert_eq!(table(&rows, &columns), expected(&statements));
            let wrong: Vec<_> = statements.iter().filter(|each| each.gap != 0).collect();
            prop_assert_eq!(warnings.len(), wrong.len(), "{:?}", warnings);
            for (warning, statement) in warnings.iter().zip(&wrong) {
                let sign = if statement.gap < 0 { "-" } else { "" };
                let gap = format!("a gap of {sign}{} EUR", money(statement.gap, '.'));
                prop_assert!(warning.message.ends_with(&gap), "{}", warning.message);
            }
            let first = wrong.first().map(|_| Code::StatementUnproven);
            prop_assert_eq!(read_as(format, &text, Prove::On).err().map(|problem| problem.code), first);
            if format != BAI {
                let reversals: Vec<_> = rows.iter().map(|row| row.reversal).collect();
                let meant = statements.iter().flat_map(|each| &each.moved);
                prop_assert_eq!(reversals, meant.map(|each| Some(each.is_reversal)).collect::<Vec<_>>());
            }
        }
    }

    #[test]
    fn no_text_makes_a_reader_panic(mut statements in written(), at in any::<usize>(), byte in any::<u8>()) {
        statements.truncate(1);
        for (format, text) in [(CAMT, camt(&statements)), (MT, mt940(&statements)), (BAI, bai2(&statements))] {
            let mut bytes = text.into_bytes();
            let at = at % bytes.len();
            bytes[at] = byte;
            for bytes in [&bytes[..], &bytes[..at]] {
                let mut reader = format.rows(bytes, Prove::Warn);
                while let Ok(Some(_)) = reader.next_row() {}
            }
        }
    }
}
