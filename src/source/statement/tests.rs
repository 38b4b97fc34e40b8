//! Statements as banks write them, in memory.

use encoding_rs::Encoding;

use super::*;

/// The rows, the names of the statements, and the warnings.
fn read_as(format: Format, text: &str, prove: Prove) -> Result<(Vec<Row>, Vec<Problem>), Problem> {
    let mut reader = format.rows(text.as_bytes(), prove);
    let mut rows = Vec::new();
    while let Some(row) = reader.next_row()? {
        rows.push(row);
    }
    let parts = reader.parts();
    assert!(rows.iter().all(|row| row.part < parts.len()), "{parts:?}");
    Ok((rows, reader.warnings()))
}

fn read(format: Format, text: &str) -> Vec<Row> {
    let (rows, warnings) = read_as(format, text, Prove::On).unwrap();
    assert_eq!(warnings, []);
    rows
}

fn problem(format: Format, text: &str) -> Problem {
    read_as(format, text, Prove::On).unwrap_err()
}

/// The cells of these columns, null as `-`.
fn cells(row: &Row, columns: &[&str]) -> String {
    let cells = row.clone().into_cells();
    let cell = |name: &&str| {
        let at = COLUMNS.iter().position(|column| column == name).unwrap();
        cells[at].clone().unwrap_or_else(|| "-".to_owned())
    };
    columns.iter().map(cell).collect::<Vec<_>>().join(" | ")
}

fn table(rows: &[Row], columns: &[&str]) -> Vec<String> {
    rows.iter().map(|row| cells(row, columns)).collect()
}

const CAMT: Format = Format::Camt053(Level::Transaction);
const ENTRIES: Format = Format::Camt053(Level::Entry);

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
    // One row for each entry: what its transactions have not in common is not told.
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

/// The warnings, or the error, of files that are read one after the other.
fn read_files(files: &[String]) -> Result<Vec<Problem>, Problem> {
    let mut open = OpenPages::new();
    for text in files {
        let mut rows = CAMT.rows(text.as_bytes(), Prove::On);
        *rows.open_pages().unwrap() = open;
        while rows.next_row()?.is_some() {}
        open = std::mem::take(rows.open_pages().unwrap());
    }
    camt053::prove_rest(open, Prove::On)
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
    assert_eq!(read_files(&pages("130.00")), Ok(Vec::new()));
    let [one, two, three] = pages("130.00");
    assert_eq!(read_files(&[three.clone(), one.clone(), two]), Ok(Vec::new()));
    let gap = |files: &[String]| read_files(files).unwrap_err().message;
    assert!(gap(&pages("130.50")).ends_with("a gap of 0.50 EUR"));
    assert!(gap(&[one.clone(), three]).ends_with("a gap of 10.00 EUR"), "a page is missing");
    assert_eq!(read_files(&[one]).unwrap()[0].code, Code::StatementWithoutBalances);
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
fn what_is_no_camt_is_a_clear_error() {
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

const MT: Format = Format::Mt940;
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
    // What is expected is not booked.
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
fn what_is_no_mt940_is_a_clear_error() {
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

const BAI: Format = Format::Bai2;

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
fn what_is_no_bai2_is_a_clear_error() {
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

#[test]
fn lines_that_are_not_utf_8_name_their_encoding() {
    for (format, bytes) in
        [(MT, &b":20:X\n:86:M\xfcller\n"[..]), (BAI, &b"01,1,2/\n02,M\xfcller\n"[..])]
    {
        let mut reader = format.rows(bytes, Prove::On);
        let problem = reader.next_row().unwrap_err();
        assert_eq!((problem.code, problem.place.unwrap().line), (Code::WrongEncoding, 2));
    }
}

/// Statements of any content, written in the three formats by writers that know nothing of the readers.
mod round_trip {
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
            text +=
                &format!("<Stmt><Id>S{number}</Id><Acct><Id><IBAN>XX{number}</IBAN></Id></Acct>");
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
            text += &format!(
                "03,XX{number},,010,{},,,015,{},,/\n",
                statement.opening,
                statement.closing()
            );
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
}
