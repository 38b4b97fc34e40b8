use encoding_rs::Encoding;

use std::path::Path;

use super::*;

/// A camt.053 of this version around statements.
fn message(version: &str, statements: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Document \
         xmlns=\"urn:iso:std:iso:20022:tech:xsd:camt.053.001.{version}\">\n<BkToCstmrStmt>\n\
         <GrpHdr><MsgId>M1</MsgId><CreDtTm>2026-01-15T20:00:00</CreDtTm></GrpHdr>\n{statements}\n\
         </BkToCstmrStmt>\n</Document>\n"
    )
}

fn balance(kind: &str, amount: &str, mark: &str) -> String {
    format!(
        "<Bal><Tp><CdOrPrtry><Cd>{kind}</Cd></CdOrPrtry></Tp><Amt Ccy=\"EUR\">{amount}</Amt>\
         <CdtDbtInd>{mark}</CdtDbtInd><Dt><Dt>2026-01-15</Dt></Dt></Bal>\n"
    )
}

fn statement(inner: &str) -> String {
    format!(
        "<Stmt>\n<Id>00123</Id>\n<ElctrncSeqNb>12</ElctrncSeqNb>\n\
         <Acct><Id><IBAN>DE02120300000000202051</IBAN></Id><Ccy>EUR</Ccy></Acct>\n{inner}</Stmt>"
    )
}

/// An entry of EUR 10.00, with this within.
fn entry(mark: &str, inner: &str) -> String {
    format!(
        "<Ntry>\n<Amt Ccy=\"EUR\">10.00</Amt><CdtDbtInd>{mark}</CdtDbtInd><Sts>BOOK</Sts>\
         <BookgDt><Dt>2026-01-15</Dt></BookgDt><ValDt><Dt>2026-01-16</Dt></ValDt>\n{inner}</Ntry>\n"
    )
}

/// A statement of one such entry that proves itself.
fn one_entry(mark: &str, inner: &str) -> String {
    let closing = if mark == "CRDT" { "110.00" } else { "90.00" };
    message(
        "04",
        &statement(&format!(
            "{}{}{}",
            balance("OPBD", "100.00", "CRDT"),
            balance("CLBD", closing, "CRDT"),
            entry(mark, inner)
        )),
    )
}

#[test]
fn camt_version_2_has_amounts_in_amount_details() {
    let text = message(
        "02",
        &statement(
            "<Bal><Tp><CdOrPrtry><Cd>PRCD</Cd></CdOrPrtry></Tp><Amt Ccy=\"EUR\">1000.00</Amt>\
             <CdtDbtInd>CRDT</CdtDbtInd><Dt><Dt>2026-01-14</Dt></Dt></Bal>\n\
             <Bal><Tp><CdOrPrtry><Cd>CLBD</Cd></CdOrPrtry></Tp><Amt Ccy=\"EUR\">1150.50</Amt>\
             <CdtDbtInd>CRDT</CdtDbtInd><Dt><Dt>2026-01-15</Dt></Dt></Bal>\n\
             <Ntry>\n<Amt Ccy=\"EUR\">300.50</Amt>\n<CdtDbtInd>CRDT</CdtDbtInd>\n<Sts>BOOK</Sts>\n\
             <BookgDt><Dt>2026-01-15</Dt></BookgDt>\n<ValDt><DtTm>2026-01-15T08:00:00+01:00</DtTm></ValDt>\n\
             <AcctSvcrRef>BANK-1</AcctSvcrRef>\n\
             <BkTxCd><Domn><Cd>PMNT</Cd><Fmly><Cd>RCDT</Cd><SubFmlyCd>ESCT</SubFmlyCd></Fmly></Domn>\
             <Prtry><Cd>NTRF+166</Cd></Prtry></BkTxCd>\n\
             <NtryDtls>\n<TxDtls>\n<Refs><EndToEndId>RE-1</EndToEndId></Refs>\
             <AmtDtls><TxAmt><Amt Ccy=\"EUR\">100.50</Amt></TxAmt></AmtDtls>\
             <RltdPties><Dbtr><Nm>M&#252;ller &amp; S\u{f6}hne</Nm><PstlAdr><Ctry>DE</Ctry></PstlAdr></Dbtr>\
             <DbtrAcct><Id><IBAN>DE89370400440532013000</IBAN></Id></DbtrAcct>\
             <Cdtr><Nm>Wir</Nm></Cdtr></RltdPties>\
             <RmtInf><Ustrd>Rechnung 1</Ustrd><Ustrd>vom 10.01.</Ustrd></RmtInf></TxDtls>\n\
             <TxDtls>\n<Refs><AcctSvcrRef>BANK-2</AcctSvcrRef><InstrId>I2</InstrId>\
             <EndToEndId>NOTPROVIDED</EndToEndId></Refs>\
             <AmtDtls><TxAmt><Amt Ccy=\"EUR\">200.00</Amt></TxAmt></AmtDtls>\
             <RmtInf><Strd><CdtrRefInf><Tp/><Ref>RF18539007547034</Ref></CdtrRefInf></Strd></RmtInf></TxDtls>\n\
             </NtryDtls>\n</Ntry>\n\
             <Ntry>\n<Amt Ccy=\"EUR\">150.00</Amt><CdtDbtInd>DBIT</CdtDbtInd><Sts>BOOK</Sts>\
             <BookgDt><Dt>2026-01-15</Dt></BookgDt><BkTxCd><Prtry><Cd>NMSC+201</Cd></Prtry></BkTxCd></Ntry>\n",
        ),
    );
    let rows = read(CAMT, &text);
    assert_eq!(
        table(
            &rows,
            &["account", "statement", "booking_date", "value_date", "amount", "currency", "status"]
        ),
        [
            "DE02120300000000202051 | 00123 | 2026-01-15 | 2026-01-15 | 100.50 | EUR | BOOK",
            "DE02120300000000202051 | 00123 | 2026-01-15 | 2026-01-15 | 200.00 | EUR | BOOK",
            "DE02120300000000202051 | 00123 | 2026-01-15 | - | -150.00 | EUR | BOOK",
        ]
    );
    assert_eq!(
        table(
            &rows,
            &[
                "bank_reference",
                "end_to_end_id",
                "customer_reference",
                "remittance",
                "transaction_code"
            ]
        ),
        [
            "BANK-1 | RE-1 | - | Rechnung 1 vom 10.01. | PMNT-RCDT-ESCT",
            "BANK-2 | - | I2 | RF18539007547034 | PMNT-RCDT-ESCT",
            "- | - | - | - | NMSC+201",
        ]
    );
    assert_eq!(
        table(&rows, &["counterparty", "counterparty_account", "reversal"]),
        [
            "M\u{fc}ller & S\u{f6}hne | DE89370400440532013000 | false",
            "- | - | false",
            "- | - | false"
        ]
    );
    let lines: Vec<_> = rows.iter().map(|row| (row.entry, row.line)).collect();
    let line_of = |part: &str| 1 + text[..text.find(part).unwrap()].matches('\n').count() as u64;
    assert_eq!(lines[0], (1, line_of("<TxDtls>")));
    assert_eq!(lines[1], (2, line_of("<Refs><AcctSvcrRef>BANK-2") - 1));
    assert_eq!(lines[2], (3, line_of("150.00") - 1));
    // One row for each entry, without values in which its transactions differ.
    let rows = read(ENTRIES, &text);
    assert_eq!(
        table(&rows, &["amount", "bank_reference", "end_to_end_id", "remittance"]),
        ["300.50 | BANK-1 | - | -", "-150.00 | - | - | -"]
    );
}

#[test]
fn camt_version_8_has_codes_and_parties_one_level_deeper() {
    let text = message(
        "08",
        &statement(&format!(
            "{}{}<Ntry><Amt Ccy=\"EUR\">25.00</Amt><CdtDbtInd>DBIT</CdtDbtInd><Sts><Cd>BOOK</Cd></Sts>\
             <BookgDt><Dt>2026-01-15</Dt></BookgDt><NtryDtls><Btch><PmtInfId>PAYRUN-7</PmtInfId></Btch>\
             <TxDtls><Refs><EndToEndId>E1</EndToEndId></Refs><Amt Ccy=\"EUR\">15.00</Amt>\
             <CdtDbtInd>DBIT</CdtDbtInd><RltdPties><Cdtr><Pty><Nm>Acme</Nm></Pty></Cdtr>\
             <CdtrAcct><Id><Othr><Id>4711</Id></Othr></Id></CdtrAcct></RltdPties></TxDtls>\
             <TxDtls><Refs><EndToEndId>E2</EndToEndId></Refs><Amt Ccy=\"EUR\">10.00</Amt>\
             <CdtDbtInd>DBIT</CdtDbtInd></TxDtls></NtryDtls></Ntry>\
             <Ntry><Amt Ccy=\"EUR\">99.00</Amt><CdtDbtInd>CRDT</CdtDbtInd><Sts><Cd>PDNG</Cd></Sts></Ntry>",
            balance("OPBD", "5.00", "DBIT"),
            balance("CLBD", "30.00", "DBIT"),
        )),
    );
    let columns = [
        "amount",
        "status",
        "end_to_end_id",
        "customer_reference",
        "counterparty",
        "counterparty_account",
    ];
    assert_eq!(
        table(&read(CAMT, &text), &columns),
        [
            "-15.00 | BOOK | E1 | PAYRUN-7 | Acme | 4711",
            "-10.00 | BOOK | E2 | PAYRUN-7 | - | -",
            "99.00 | PDNG | - | - | - | -",
        ]
    );
    assert_eq!(table(&read(ENTRIES, &text), &columns)[0], "-25.00 | BOOK | - | PAYRUN-7 | - | -");
}

#[test]
fn the_sign_is_the_entrys_own_mark_also_of_a_reversal() {
    let parties = "<NtryDtls><TxDtls><RltdPties><Dbtr><Nm>Payer</Nm></Dbtr><Cdtr><Nm>Payee</Nm></Cdtr>\
                   </RltdPties></TxDtls></NtryDtls>";
    let columns = ["amount", "reversal", "counterparty"];
    for (mark, reversal, expected) in [
        ("CRDT", "false", "10.00 | false | Payer"),
        ("DBIT", "false", "-10.00 | false | Payee"),
        // A payment of ours that came back, and one to us that was taken back.
        ("CRDT", "true", "10.00 | true | Payee"),
        ("DBIT", "true", "-10.00 | true | Payer"),
    ] {
        let text = one_entry(mark, &format!("<RvslInd>{reversal}</RvslInd>{parties}"));
        assert_eq!(table(&read(CAMT, &text), &columns), [expected]);
    }
}

#[test]
fn transactions_that_do_not_sum_to_their_entry_are_one_row() {
    let transactions = |first: &str, second: &str| {
        format!("<NtryDtls><TxDtls>{first}</TxDtls><TxDtls>{second}</TxDtls></NtryDtls>")
    };
    let amount = |text: &str| format!("<Amt Ccy=\"EUR\">{text}</Amt><CdtDbtInd>CRDT</CdtDbtInd>");
    let rows = |inner: String| table(&read(CAMT, &one_entry("CRDT", &inner)), &["amount"]);
    assert_eq!(rows(transactions(&amount("4.00"), &amount("6.00"))), ["4.00", "6.00"]);
    assert_eq!(rows(transactions(&amount("4.00"), &amount("6.01"))), ["10.00"]);
    assert_eq!(rows(transactions(&amount("4.00"), "")), ["10.00"]);
    assert_eq!(
        rows(transactions(&amount("4.00"), &amount("6.00").replace("EUR", "USD"))),
        ["10.00"]
    );
    // A debit among credits counts as one.
    let charge = amount("2.00").replace("CRDT", "DBIT");
    assert_eq!(rows(transactions(&amount("12.00"), &charge)), ["12.00", "-2.00"]);
    // In a foreign currency, with its value in the entry's.
    let foreign = "<Amt Ccy=\"USD\">11.00</Amt><CdtDbtInd>CRDT</CdtDbtInd>\
                   <AmtDtls><TxAmt><Amt Ccy=\"EUR\">9.00</Amt></TxAmt></AmtDtls>";
    assert_eq!(rows(transactions(foreign, &amount("1.00"))), ["9.00", "1.00"]);
}

#[test]
fn a_statement_that_misses_by_a_cent_names_the_gap() {
    let text = one_entry("CRDT", "").replace("110.00", "110.01");
    let problem = problem(CAMT, &text);
    assert_eq!(problem.code, Code::StatementUnproven);
    assert_eq!(
        problem.message,
        "statement 00123 of account DE02120300000000202051: opening balance 100.00 and booked \
         movements of 10.00 give 110.00 EUR, but the closing balance is 110.01: a gap of 0.01 EUR"
    );
    assert_eq!(problem.place.unwrap().line, 5);
    let (rows, warnings) = read_as(CAMT, &text, Prove::Warn).unwrap();
    assert_eq!((rows.len(), warnings.len()), (1, 1));
    assert!(warnings[0].is_warning());
    let (rows, warnings) = read_as(CAMT, &text, Prove::Off).unwrap();
    assert_eq!((rows.len(), warnings.len()), (1, 0));
}

#[test]
fn each_currency_of_a_statement_is_proven() {
    let dollars = |text: &str| text.replace("EUR", "USD");
    let inner = format!(
        "{}{}{}{}{}{}",
        balance("OPBD", "100.00", "CRDT"),
        dollars(&balance("OPBD", "5.00", "DBIT")),
        balance("CLBD", "110.00", "CRDT"),
        dollars(&balance("CLBD", "15.00", "DBIT")),
        entry("CRDT", ""),
        dollars(&entry("DBIT", ""))
    );
    let text = message("04", &statement(&inner));
    assert_eq!(table(&read(CAMT, &text), &["amount", "currency"]), ["10.00 | EUR", "-10.00 | USD"]);
    let wrong = problem(CAMT, &text.replace("\">15.00<", "\">16.00<"));
    assert!(wrong.message.ends_with("a gap of -1.00 USD"), "{}", wrong.message);
}

#[test]
fn a_statement_without_balances_is_a_warning() {
    let text = message("04", &statement(&entry("CRDT", "")));
    let (rows, warnings) = read_as(CAMT, &text, Prove::On).unwrap();
    assert_eq!(rows.len(), 1);
    assert_eq!(warnings[0].code, Code::StatementWithoutBalances);
    assert!(
        warnings[0].message.starts_with("statement 00123 of account"),
        "{}",
        warnings[0].message
    );
    let (_, warnings) = read_as(CAMT, &text, Prove::Off).unwrap();
    assert_eq!(warnings, []);
}

#[test]
fn pages_of_a_camt_statement_prove_singly_or_together() {
    let page = |number: u32, last: bool, inner: &str| {
        statement(inner).replace(
            "<ElctrncSeqNb>",
            &format!("<StmtPgntn><PgNb>{number}</PgNb><LastPgInd>{last}</LastPgInd></StmtPgntn><ElctrncSeqNb>"),
        )
    };
    let entries = entry("CRDT", "");
    // Interim balances between the pages.
    let first =
        [balance("OPBD", "100.00", "CRDT"), balance("ITBD", "110.00", "CRDT"), entries.clone()]
            .concat();
    let second =
        [balance("ITBD", "110.00", "CRDT"), balance("CLBD", "120.00", "CRDT"), entries.clone()]
            .concat();
    let text = message("08", &[page(1, false, &first), page(2, true, &second)].concat());
    assert_eq!(read(CAMT, &text).len(), 2);
    // The balances of the whole statement on every page.
    let both =
        [balance("OPBD", "100.00", "CRDT"), balance("CLBD", "120.00", "CRDT"), entries].concat();
    let text = message("08", &[page(1, false, &both), page(2, true, &both)].concat());
    assert_eq!(read(CAMT, &text).len(), 2);
    let wrong = problem(CAMT, &text.replace("120.00", "120.50"));
    assert!(wrong.message.ends_with("a gap of 0.50 EUR"), "{}", wrong.message);
    // The last page is in another file.
    let (rows, warnings) =
        read_as(CAMT, &message("08", &page(1, false, &both)), Prove::On).unwrap();
    assert_eq!((rows.len(), warnings), (1, Vec::new()));
}

#[test]
fn pages_of_a_camt_statement_may_be_files_in_any_order() {
    let page = |number: u32, last: bool, closing: &str| {
        let balances = [balance("OPBD", "100.00", "CRDT"), balance("CLBD", closing, "CRDT")];
        let text = statement(&[balances.concat(), entry("CRDT", "")].concat());
        message("08", &text.replace(
            "<ElctrncSeqNb>",
            &format!("<StmtPgntn><PgNb>{number}</PgNb><LastPgInd>{last}</LastPgInd></StmtPgntn><ElctrncSeqNb>"),
        ))
    };
    let pages =
        |closing| [page(1, false, closing), page(2, false, closing), page(3, true, closing)];
    assert_eq!(read_files(CAMT, &pages("130.00")), Ok(Vec::new()));
    let [one, two, three] = pages("130.00");
    assert_eq!(read_files(CAMT, &[three.clone(), one.clone(), two]), Ok(Vec::new()));
    let gap = |files: &[String]| read_files(CAMT, files).unwrap_err().message;
    assert!(gap(&pages("130.50")).ends_with("a gap of 0.50 EUR"));
    assert!(gap(&[one.clone(), three]).ends_with("a gap of 10.00 EUR"), "a page is missing");
    let warnings = read_files(CAMT, &[one]).unwrap();
    assert_eq!(warnings[0].code, Code::StatementWithoutBalances);
    let expected = "statement 00123 of account DE02120300000000202051 lacks the pages after page 1, so nothing \
        proves that it is whole";
    assert_eq!(warnings[0].message, expected);
    assert_eq!(warnings[0].place.as_ref().unwrap().file, Path::new("0.txt"));
}

#[test]
fn a_missing_page_of_a_camt_statement_is_warned_about_although_the_others_prove_themselves() {
    let page = |number: u32, last: bool, opening: [&str; 2], closing: [&str; 2]| {
        let balances =
            [balance(opening[0], opening[1], "CRDT"), balance(closing[0], closing[1], "CRDT")];
        let text = statement(&[balances.concat(), entry("CRDT", "")].concat());
        message("08", &text.replace(
            "<ElctrncSeqNb>",
            &format!("<StmtPgntn><PgNb>{number}</PgNb><LastPgInd>{last}</LastPgInd></StmtPgntn><ElctrncSeqNb>"),
        ))
    };
    let one = page(1, false, ["OPBD", "100.00"], ["ITBD", "110.00"]);
    let two = page(2, false, ["ITBD", "110.00"], ["ITBD", "120.00"]);
    let three = page(3, true, ["ITBD", "120.00"], ["CLBD", "130.00"]);
    let lacks = |files: &[&String]| {
        let files: Vec<String> = files.iter().map(|file| (*file).clone()).collect();
        let warnings = read_files(CAMT, &files).unwrap();
        let said = warnings.first().map(|warning| warning.message.clone()).unwrap_or_default();
        let (_, said) = said.split_once(" lacks ").unwrap_or_default();
        said.split_once(", so nothing").unwrap_or_default().0.to_owned()
    };
    assert_eq!(lacks(&[&one, &two, &three]), "");
    assert_eq!(lacks(&[&three, &one, &two]), "");
    assert_eq!(lacks(&[&one]), "the pages after page 1");
    assert_eq!(lacks(&[&one, &three]), "page 2");
    assert_eq!(lacks(&[&three]), "pages 1 to 2");
    assert_eq!(lacks(&[&two]), "page 1 and the pages after page 2");
    // The pages of a message need not be those of each of its statements.
    let inner = [balance("OPBD", "100.00", "CRDT"), balance("CLBD", "110.00", "CRDT")].concat();
    let of_message = |closing: &str| {
        let inner = [inner.replace("CLBD", closing), entry("CRDT", "")].concat();
        let header = "<BkToCstmrStmt><GrpHdr><MsgPgntn><PgNb>1</PgNb><LastPgInd>false</LastPgInd></MsgPgntn></GrpHdr>";
        let text = message("08", &statement(&inner));
        let start = text.find("<BkToCstmrStmt>").unwrap();
        let end = text.find("<Stmt>").unwrap();
        format!("{}{header}{}", &text[..start], &text[end..])
    };
    assert_eq!(lacks(&[&of_message("CLBD")]), "");
    assert_eq!(lacks(&[&of_message("ITBD")]), "the pages after page 1");
}

#[test]
fn reports_and_notifications_read_like_statements() {
    let text = one_entry("CRDT", "<AcctSvcrRef>B1</AcctSvcrRef>");
    let report = text.replace("BkToCstmrStmt", "BkToCstmrAcctRpt").replace("Stmt>", "Rpt>");
    assert_eq!(table(&read(CAMT, &report), &["statement", "amount"]), ["00123 | 10.00"]);
    // During the day a balance shows how things stand; no movements of its own explain it.
    let interim = report.replace("CLBD", "ITBD").replace("110.00", "777.00");
    let (_, warnings) = read_as(CAMT, &interim, Prove::On).unwrap();
    assert_eq!(warnings[0].code, Code::StatementWithoutBalances);
    let notification =
        text.replace("BkToCstmrStmt", "BkToCstmrDbtCdtNtfctn").replace("Stmt>", "Ntfctn>");
    assert_eq!(table(&read(CAMT, &notification), &["statement", "bank_reference"]), ["00123 | B1"]);
}

#[test]
fn a_version_of_tomorrow_and_prefixes_read() {
    let text = one_entry("CRDT", "").replace("camt.053.001.04", "camt.053.001.99");
    let text = text.replace("<Ntry>", "<NewThing><Ntry><Amt>1</Amt></Ntry></NewThing><Ntry>");
    assert_eq!(read(CAMT, &text).len(), 1);
    let prefixed = text.replace("</", "\u{1}").replace('<', "<n:").replace('\u{1}', "</n:");
    let prefixed = prefixed.replace("<n:?xml", "<?xml").replace("xmlns=", "xmlns:n=");
    assert_eq!(read(CAMT, &prefixed).len(), 1);
    // In an envelope, and on one line.
    let body = text[text.find("<Document").unwrap()..].replace('\n', "");
    let enveloped = format!("<Envelope><AppHdr><Fr>B</Fr></AppHdr>{body}</Envelope>");
    let rows = read(CAMT, &enveloped);
    assert_eq!((rows[0].line, rows[0].entry), (1, 1));
}

#[test]
fn other_files_than_camt_are_a_clear_error() {
    let says = |text: &str, expected: &str| {
        let problem = problem(CAMT, text);
        assert_eq!(problem.class, crate::diagnostic::Class::Source);
        assert!(problem.message.contains(expected), "{}", problem.message);
    };
    let payment = "<Document xmlns=\"urn:iso:std:iso:20022:tech:xsd:pain.001.001.03\"><CstmrCdtTrfInitn/></Document>";
    says(payment, "pain.001.001.03");
    says("<html><body/></html>", "in this `html`");
    says("", "no elements");
    says(":20:STARTUMSE\n:25:1\n", "not XML");
    says(&message("04", ""), "has no `Stmt`");
    let text = one_entry("CRDT", "");
    says(&text[..text.find("</Ntry>").unwrap()], "in the middle");
    says(&text[..text.len() - 3], "before end of input");
    says(&text.replace("</Sts>", "</Stz>"), "not well-formed");
    says(&text.replace("<CdtDbtInd>CRDT</CdtDbtInd><Sts>", "<Sts>"), "no `CdtDbtInd`");
    says(&text.replace(">10.00<", ">10,00<"), "`10,00`: not a number");
}

#[test]
fn entities_are_never_expanded_and_bombs_are_refused() {
    let text = one_entry("CRDT", "<AddtlNtryInf>x</AddtlNtryInf>");
    let doctype = "<!DOCTYPE d [<!ENTITY a \"aaaa\"><!ENTITY b \"&a;&a;\">]>\n<Document";
    assert_eq!(problem(CAMT, &text.replacen("<Document", doctype, 1)).code, Code::XmlDoctype);
    let external = "<!DOCTYPE d SYSTEM \"http://127.0.0.1/x.dtd\">\n<Document";
    assert_eq!(problem(CAMT, &text.replacen("<Document", external, 1)).code, Code::XmlDoctype);
    assert!(problem(CAMT, &text.replace(">x<", ">&b;<")).message.contains("`&b;`"));
    let deep = "<a>".repeat(100_000);
    assert!(problem(CAMT, &text.replace(">x<", &format!(">{deep}<"))).message.contains("deep"));
    let wide = "<a/>".repeat(100_000);
    assert!(problem(CAMT, &text.replace(">x<", &format!(">{wide}<"))).message.contains("elements"));
    let long = "x".repeat(2 * 1024 * 1024);
    assert!(problem(CAMT, &text.replace(">x<", &format!(">{long}<"))).message.contains("1 MiB"));
    assert!(
        problem(CAMT, &text.replace(">x<", &format!("><![CDATA[{long}]]><")))
            .message
            .contains("1 MiB")
    );
    assert!(problem(CAMT, &format!("<a b=\"{long}\"/>")).message.contains("1 MiB"));
    let pieces = "x&amp;".repeat(1024 * 1024);
    assert!(problem(CAMT, &text.replace(">x<", &format!(">{pieces}<"))).message.contains("1 MiB"));
}

#[test]
fn the_encoding_of_xml_is_the_one_it_declares() {
    let declared = |head: &[u8]| camt053::declared_encoding(head).map(Encoding::name);
    assert_eq!(
        declared(b"<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?><D>"),
        Some("windows-1252")
    );
    assert_eq!(declared(b"\xef\xbb\xbf<?xml version='1.0' encoding='utf-8'?>"), Some("UTF-8"));
    assert_eq!(declared(b"<\0?\0x\0"), Some("UTF-16LE"));
    assert_eq!(declared(b"<?xml version=\"1.0\"?><a encoding=\"x\"/>"), None);
    assert_eq!(declared(b"<Document>"), None);
    let problem = format_problem(b"<Document>\n<Nm>M\xfcller</Nm></Document>");
    assert_eq!((problem.code, problem.place.unwrap().line), (Code::WrongEncoding, 2));
}

fn format_problem(bytes: &[u8]) -> Problem {
    let mut reader = CAMT.rows(bytes, Prove::On);
    reader.next_row().unwrap_err()
}
