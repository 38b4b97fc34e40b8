use super::*;

fn bai2() -> String {
    "01,122099999,123456789,260116,0200,1,80,,2/\n\
     02,031001234,122099999,1,260115,2359,USD,2/\n\
     03,0975312468,,010,500000,,,015,2150000,,,100,1650000,2,0,400,,0/\n\
     16,165,1500000,1,DD1620,CR-7,DEALER PAYMENTS, WEEK 3\n\
     88,DEPOSIT/MISC/\n\
     16,115,250000,S,50000,150000,50000/\n\
     88,AX13612,B096132,AMALGAMATED CORP. LOCKBOX\n\
     88,DEPOSIT-MISC. RECEIVABLES\n\
     16,475,100000,V,260117,1200,,4711,CHECK PAID/\n\
     49,6150000,8/\n\
     03,99,JPY,010,1000,,/\n\
     88,015,400,,,072,-5,,\n\
     16,699,600,D,2,0,300,1,300,BR1,,/\n\
     16,890,,,,,JUST A NOTE/\n\
     49,1995,5/\n\
     98,6151995,2,15/\n\
     99,6151995,1,17/\n"
        .to_owned()
}

#[test]
fn bai2_with_continuations_and_funds_types() {
    let rows = read(BAI, &bai2());
    assert_eq!(
        table(
            &rows,
            &["account", "statement", "booking_date", "value_date", "amount", "currency", "status"]
        ),
        [
            "0975312468 | 2026-01-15 | 2026-01-15 | - | 15000.00 | USD | BOOK",
            "0975312468 | 2026-01-15 | 2026-01-15 | - | 2500.00 | USD | BOOK",
            "0975312468 | 2026-01-15 | 2026-01-15 | 2026-01-17 | -1000.00 | USD | BOOK",
            "99 | 2026-01-15 | 2026-01-15 | - | -600 | JPY | BOOK",
            "99 | 2026-01-15 | 2026-01-15 | - | - | JPY | INFO",
        ]
    );
    assert_eq!(
        table(
            &rows,
            &["transaction_code", "bank_reference", "customer_reference", "remittance", "reversal"]
        ),
        [
            "165 | DD1620 | CR-7 | DEALER PAYMENTS, WEEK 3 DEPOSIT/MISC | -",
            "115 | AX13612 | B096132 | AMALGAMATED CORP. LOCKBOX DEPOSIT-MISC. RECEIVABLES | -",
            "475 | - | 4711 | CHECK PAID | -",
            "699 | BR1 | - | - | -",
            "890 | - | - | JUST A NOTE | -",
        ]
    );
    assert_eq!((rows[3].line, rows[3].entry, rows[3].part), (13, 1, 1));
    let mut reader = BAI.rows(bai2().leak().as_bytes(), Prove::On);
    while reader.next_row().unwrap().is_some() {}
    assert_eq!(reader.parts()[0], "account 0975312468, statement 2026-01-15");
}

#[test]
fn bai2_totals_counts_and_balances_are_proven() {
    let says = |from: &str, to: &str, expected: &str| {
        let problem = problem(BAI, &bai2().replacen(from, to, 1));
        assert_eq!(problem.code, Code::StatementUnproven, "{}", problem.message);
        assert!(problem.message.contains(expected), "{}", problem.message);
    };
    says(
        "49,6150000,8/",
        "49,6150001,8/",
        "record 49 states a total of 6150001, but the amounts read add up to 6150000: a gap of 1",
    );
    says("49,6150000,8/", "49,6150000,9/", "states 9 records, but 8 were read");
    says("98,6151995,2,", "98,6151995,3,", "states 3 accounts, but 2 were read");
    says("98,6151995,2,15/", "98,6151995,2,16/", "states 16 records, but 15 were read");
    says("98,6151995", "98,6151994", "a gap of -1");
    says("99,6151995,1,", "99,6151995,2,", "states 2 groups, but 1 were read");
    says("99,6151995,1,17", "99,6151995,1,18", "states 18 records, but 17 were read");
    // The sums of the file are right, the balance is not.
    let problem = problem(
        BAI,
        &bai2()
            .replace("015,2150000", "015,2150001")
            .replace("6150000,8", "6150001,8")
            .replace("6151995", "6151996"),
    );
    assert_eq!(
        problem.message,
        "statement 2026-01-15 of account 0975312468: opening balance 5000.00 and booked movements of \
         16500.00 give 21500.00 USD, but the closing balance is 21500.01: a gap of 0.01 USD"
    );
    let (rows, warnings) =
        read_as(BAI, &bai2().replace("49,6150000,8", "49,6150001,9"), Prove::Warn).unwrap();
    // The sum, the count, and the group's sum.
    assert_eq!((rows.len(), warnings.len()), (5, 3));
    let (rows, warnings) =
        read_as(BAI, &bai2().replace("49,6150000,8", "49,1,1"), Prove::Off).unwrap();
    assert_eq!((rows.len(), warnings.len()), (5, 0));
}

#[test]
fn bai2_of_a_bank_that_pads_and_shares_lines() {
    let text = "01,103100195,103100195,260115,2112,4,,,2/   02,103100195,103100195,1,260115,2400,USD,2/\n\
                03,1111111,,010,-3500,,,015,-3600,,,100,100,1,,400,200,1,,/\n\
                16,142,100,Z,,,TRANSFER   PAYPAL             PPD/ 16,451,200,Z,,,ACH_SETL 1111111111\n\
                111111111111111        /\n88,       1111111111/         49,-6500,5/\n\
                98,-6500,1,7/\n99,-6500,1,9/";
    let rows = read(BAI, text);
    assert_eq!(
        table(&rows, &["amount", "bank_reference", "remittance"]),
        [
            "1.00 | - | TRANSFER   PAYPAL             PPD",
            "-2.00 | - | ACH_SETL 1111111111 111111111111111 1111111111"
        ]
    );
}

#[test]
fn other_files_than_bai2_are_a_clear_error() {
    let says = |text: &str, expected: &str| {
        let problem = problem(BAI, text);
        assert!(problem.message.contains(expected), "{}", problem.message);
    };
    says("id;amount\n1;2\n", "`id;amount` is no record of BAI2");
    says("", "no record of BAI2");
    says(&bai2().replace("99,6151995,1,17/\n", ""), "before its last record, 99");
    says(&bai2().replace("16,165,1500000", "16,165,15OOOOO"), "`15OOOOO` is no amount");
    says(&bai2().replace("49,6150000,8/\n", ""), "before the one before has ended");
    says(&bai2().replace("16,475", "17,475"), "`17` is no record of BAI2");
    let test = bai2().replace("122099999,1,260115", "122099999,4,260115");
    assert_eq!(table(&read(BAI, &test), &["status"])[0], "TEST");
}
