//! Bank statements through the program: their proof, errors, and the places of their rows.

use serde_json::Value as Json;

use crate::postgres;
use crate::program::{Project, Said};

const LEDGER: &str =
    "ref,booked,amount\nE1,2026-01-15,100.50\nE2,2026-01-15,-20.00\nE3,2026-01-16,7.00\n";

/// A job of a statement, read with these options, against a ledger of three postings.
fn job(read: &str, file: &str, statement: impl AsRef<[u8]>) -> Project {
    let project = Project::new();
    project.write(file, statement).write("ledger.csv", LEDGER).write(
        "recon.yaml",
        format!(
            "version: 1\njob: bank\nsources:\n  a:\n    system: BANK\n    read: {{ {read} }}\n    \
             map: {{ ref: end_to_end_id, booked: booking_date, amount: amount }}\n  b:\n    system: LEDGER\n    \
             read: {{ csv: {{ path: ledger.csv }} }}\n    map: {{ ref: ref, booked: booked, amount: amount }}\n\
             key: [ref]\nfields:\n  ref: {{ type: text }}\n  booked: {{ type: date }}\n  amount: {{ type: decimal }}\n"
        ),
    );
    project
}

fn entry(reference: &str, day: u8, amount: &str, mark: &str) -> String {
    format!(
        "<Ntry><Amt Ccy=\"EUR\">{amount}</Amt><CdtDbtInd>{mark}</CdtDbtInd><Sts>BOOK</Sts>\
         <BookgDt><Dt>2026-01-{day}</Dt></BookgDt><NtryDtls><TxDtls><Refs><EndToEndId>{reference}</EndToEndId>\
         </Refs></TxDtls></NtryDtls></Ntry>\n"
    )
}

fn camt() -> String {
    let balance = |kind: &str, amount: &str| {
        format!(
            "<Bal><Tp><CdOrPrtry><Cd>{kind}</Cd></CdOrPrtry></Tp><Amt Ccy=\"EUR\">{amount}</Amt>\
             <CdtDbtInd>CRDT</CdtDbtInd></Bal>\n"
        )
    };
    [
        "<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?>\n<Document xmlns=\"urn:iso:std:iso:20022:tech:xsd:camt.053.001.04\">\
         \n<BkToCstmrStmt>\n<Stmt><Id>00122</Id><Acct><Id><IBAN>DE02120300000000202051</IBAN></Id></Acct>\n",
        &balance("OPBD", "10.00"),
        &balance("CLBD", "110.50"),
        &entry("E1", 15, "100.50", "CRDT"),
        "</Stmt>\n<Stmt><Id>00123</Id><Acct><Id><IBAN>DE02120300000000202051</IBAN></Id></Acct>\n",
        &balance("OPBD", "110.50"),
        &balance("CLBD", "97.50"),
        &entry("E2", 15, "20.00", "DBIT"),
        &entry("E3", 16, "7.00", "CRDT"),
        "</Stmt>\n</BkToCstmrStmt>\n</Document>\n",
    ]
    .concat()
}

const MT940: &str = ":20:REF\r\n:25:NL69INGB0123456789EUR\r\n:28C:00123\r\n:60F:C260114EUR10,00\r\n\
    :61:2601150115C100,50NTRFEREF//B1\r\n:86:/EREF/E1//REMI/USTD//een/\r\n\
    :61:2601150115D20,NTRFEREF//B2\r\n:86:/EREF/E2//REMI/USTD//twee/\r\n\
    :61:2601160116C7,00NTRFEREF//B3\r\n:86:/EREF/E3//REMI/USTD//drie/\r\n\
    :62F:C260116EUR97,50\r\n-\r\n";

const BAI2: &str = "01,S,R,260116,0000,1,,,2/\n02,R,S,1,260115,,USD,2/\n03,4711,,010,1000,,,015,9750,,/\n\
    16,175,10050,,,E1,one/\n16,475,2000,,,E2,two/\n16,175,700,,,E3,three/\n49,23500,5/\n98,23500,1,7/\n99,23500,1,9/\n";

fn figures(summary: &Json) -> [u64; 3] {
    ["a", "matched", "breaks"].map(|name| summary["records"][name].as_u64().unwrap())
}

fn failed(project: &Project, expected: &[&str]) -> Said {
    let said = project.recon(&["run", "--json"]);
    assert_eq!((said.code, said.out.as_str()), (3, ""), "{}", said.err);
    for part in expected {
        assert!(said.err.contains(part), "{part}: {}", said.err);
    }
    said
}

#[test]
fn the_same_movements_in_three_formats_match_the_ledger() {
    let bai2 = BAI2.replace("260116,0000", "260115,0000");
    for (read, file, text) in [
        ("camt053: { path: s.xml }", "s.xml", camt()),
        ("mt940: { path: s.sta }", "s.sta", MT940.to_owned()),
    ] {
        let summary = job(read, file, &text).json(&["run", "--json"]);
        assert_eq!(figures(&summary), [3, 3, 0], "{read}");
        assert_eq!(summary["status"], "COMPLETED", "{read}");
    }
    // BAI2 has its references elsewhere, and one date for all.
    let project = job("bai2: { path: s.bai }", "s.bai", bai2);
    project.replace("recon.yaml", "ref: end_to_end_id", "ref: customer_reference");
    assert_eq!(figures(&project.json(&["run", "--json"])), [3, 2, 1]);
}

#[test]
fn a_statement_that_misses_by_a_cent_stops_the_run_on_both_stores() {
    let wrong = camt().replace(">97.50<", ">97.51<");
    let project = job("camt053: { path: s.xml }", "s.xml", &wrong);
    let expected = [
        "s.xml:9",
        "statement 00123 of account DE02120300000000202051",
        "a gap of 0.01 EUR",
        "prove: warn",
    ];
    failed(&project, &expected);
    // None of it is stored.
    let runs = project.sql("SELECT count(*) AS n FROM recon.recon_records");
    assert_eq!(runs[0]["n"], 0);
    let url = postgres::new_database();
    let said = project.recon(&["run", "--json", "--store", &url]);
    assert_eq!(said.code, 3, "{}", said.err);
    let rows = project.json(&[
        "--store",
        &url,
        "sql",
        "SELECT count(*) AS n FROM recon.recon_records",
        "--format",
        "json",
    ]);
    assert_eq!(rows[0]["n"], 0);
    // Read all the same.
    project.replace("recon.yaml", "path: s.xml", "path: s.xml, prove: warn");
    let said = project.recon(&["run", "--json"]);
    assert_eq!(said.code, 0, "{}", said.err);
    assert!(said.err.contains("a gap of 0.01 EUR"), "{}", said.err);
    project.replace("recon.yaml", "prove: warn", "prove: off");
    let said = project.recon(&["run", "--json"]);
    assert!(said.code == 0 && !said.err.contains("a gap"), "{}", said.err);
    for (read, file, text, part) in [
        (
            "mt940: { path: s.sta }",
            "s.sta",
            MT940.replace("97,50", "97,51"),
            "statement 00123 of account NL69",
        ),
        (
            "bai2: { path: s.bai }",
            "s.bai",
            BAI2.replace("49,23500,5", "49,23500,6"),
            "states 6 records, but 5",
        ),
    ] {
        failed(&job(read, file, text), &[part, file]);
    }
}

#[test]
fn a_statement_without_balances_is_read_with_a_warning() {
    let text = MT940.lines().filter(|line| !line.starts_with(":6") || line.starts_with(":61"));
    let text: String = text.map(|line| format!("{line}\n")).collect();
    let project = job("mt940: { path: s.sta }", "s.sta", text);
    let said = project.recon(&["run", "--json"]);
    assert_eq!(said.code, 0, "{}", said.err);
    assert!(
        said.err.contains("statement 00123 of account NL69INGB0123456789EUR lacks an opening"),
        "{}",
        said.err
    );
}

#[test]
fn a_missing_page_is_warned_about_with_its_file() {
    let first = MT940.replace("28C:00123", "28C:123/1").replace(":62F:", ":62M:");
    let third = ":20:R\r\n:25:NL69INGB0123456789EUR\r\n:28C:123/3\r\n:60M:C260116EUR90,00\r\n\
        :62F:C260116EUR90,00\r\n-\r\n";
    let project = job("mt940: { path: \"s*.sta\" }", "s1.sta", first);
    project.write("s3.sta", third);
    let said = project.recon(&["run", "--json"]);
    assert_eq!(said.code, 0, "{}", said.err);
    for part in [
        "warning[statement-without-balances]",
        "statement 123 of account",
        "lacks page 2",
        "s1.sta:4",
    ] {
        assert!(said.err.contains(part), "{part}: {}", said.err);
    }
    project.replace("recon.yaml", "sta\" }", "sta\", prove: off }");
    let said = project.recon(&["run", "--json"]);
    assert!(said.code == 0 && !said.err.contains("lacks"), "{}", said.err);
}

#[test]
fn rows_say_statement_entry_and_line() {
    let project = job("camt053: { path: s.xml }", "s.xml", camt());
    project.replace("ledger.csv", "E3,2026-01-16,7.00", "E3,2026-01-16,7.10");
    project.recon(&["run", "-q"]);
    let said = project.recon(&["explain", "E3"]);
    assert_eq!(said.code, 0, "{}", said.err);
    assert!(said.out.contains("statement 00123, entry 2, line 13"), "{}", said.out);
    // A key that cannot be read: the row is rejected, with its place.
    project.write("s.xml", camt().replace(">E3<", ">NOTPROVIDED<"));
    let summary = project.json(&["run", "--json"]);
    assert_eq!(summary["records"]["rejected_a"], 1);
    let said = project.recon(&["report"]);
    assert!(said.out.contains("statement 00123, entry 2, line 13"), "{}", said.out);
}

#[test]
fn attacks_and_damage_are_refused_with_place_and_remedy() {
    let read = "camt053: { path: s.xml }";
    let bomb = camt().replace(
        "<Document",
        "<!DOCTYPE d [<!ENTITY a \"aaaaaaaa\"><!ENTITY b \"&a;&a;&a;&a;\">]>\n<Document",
    );
    failed(&job(read, "s.xml", bomb), &["s.xml:2", "document type"]);
    let external =
        camt().replace("<Document", "<!DOCTYPE d SYSTEM \"file:///etc/passwd\">\n<Document");
    failed(&job(read, "s.xml", external), &["document type"]);
    failed(&job(read, "s.xml", camt().replace("E2<", "&x;<")), &["`&x;`", "never expanded"]);
    failed(
        &job(read, "s.xml", camt().replace("</Stmt>", "").replace("</BkToCstmrStmt>", "")),
        &["XML"],
    );
    let cut = &camt()[..camt().len() - 38];
    failed(&job(read, "s.xml", cut), &["fetch the whole file again"]);
    failed(&job(read, "s.xml", MT940), &["s.xml:1", "not XML"]);
    failed(&job("mt940: { path: s.sta }", "s.sta", camt()), &["no field of an MT940 message"]);
    failed(&job("bai2: { path: s.bai }", "s.bai", LEDGER), &["no record of BAI2"]);
    let pain = "<Document xmlns=\"urn:iso:std:iso:20022:tech:xsd:pain.001.001.03\"><CstmrCdtTrfInitn/></Document>";
    failed(&job(read, "s.xml", pain), &["pain.001.001.03"]);
    // An unknown version is read.
    let tomorrow = camt().replace("053.001.04", "053.001.77");
    assert_eq!(figures(&job(read, "s.xml", tomorrow).json(&["run", "--json"])), [3, 3, 0]);
}

#[test]
fn encodings_and_many_files() {
    // As the XML says, and as the configuration says.
    let latin = |text: &str| text.chars().map(|one| one as u8).collect::<Vec<u8>>();
    let text = camt().replace("E3<", "E\u{e9}<");
    let project = job("camt053: { path: s.xml }", "s.xml", latin(&text));
    project.replace("ledger.csv", "E3", "E\u{e9}");
    assert_eq!(figures(&project.json(&["run", "--json"])), [3, 3, 0]);
    let text = latin(&MT940.replace("E3", "E\u{e9}"));
    let project = job("mt940: { path: s.sta }", "s.sta", &text);
    project.replace("ledger.csv", "E3", "E\u{e9}");
    failed(&project, &["s.sta:10", "windows-1252"]);
    project.replace("recon.yaml", "path: s.sta", "path: s.sta, encoding: windows-1252");
    assert_eq!(figures(&project.json(&["run", "--json"])), [3, 3, 0]);
    // A day in each file.
    let text = camt();
    let (first, second) = text.split_once("<Stmt><Id>00123").unwrap();
    let project = job(
        "camt053: { path: \"in/*.xml\" }",
        "in/1.xml",
        format!("{first}</BkToCstmrStmt></Document>"),
    );
    project.write("in/2.xml", format!("<Document><BkToCstmrStmt><Stmt><Id>00123{second}"));
    assert_eq!(figures(&project.json(&["run", "--json"])), [3, 3, 0]);
    project.write(
        "in/2.xml",
        format!("<Document><BkToCstmrStmt><Stmt><Id>00123{}", second.replace("97.50", "97.40")),
    );
    failed(&project, &["in/2.xml", "a gap of -0.10 EUR"]);
}

#[test]
fn options_are_checked() {
    let project = job("camt053: { path: s.xml, level: line, proof: on }", "s.xml", camt());
    let said = project.recon(&["check"]);
    assert_eq!(said.code, 2, "{}", said.err);
    assert!(said.err.contains("proof") && said.err.contains("prove"), "{}", said.err);
    let project = job("camt053: { path: s.xml, level: entry }", "s.xml", camt());
    project.replace("recon.yaml", "ref: end_to_end_id", "ref: reference");
    let said = project.recon(&["check"]);
    assert_eq!(said.code, 2, "{}", said.err);
    assert!(said.err.contains("_reference"), "{}", said.err);
}

#[test]
fn init_recognises_statements() {
    for (file, text, kind) in [("s.xml", camt(), "camt053"), ("s.sta", MT940.to_owned(), "mt940")] {
        let project = Project::new();
        project.write(file, text).write("ledger.csv", LEDGER);
        let said = project.recon(&["init", file, "ledger.csv"]);
        assert_eq!(said.code, 0, "{}", said.err);
        let written = std::fs::read_to_string(project.path("recon.yaml")).unwrap();
        assert!(written.contains(&format!("      {kind}:")), "{written}");
        assert_eq!(project.recon(&["check"]).code, 0, "{written}");
        let summary = project.json(&["run", "--json"]);
        assert_eq!(figures(&summary), [3, 3, 0], "{written}");
    }
    // An encoding that is not UTF-8 is written, too.
    let text = MT940.replace("drie", "prix d\u{e9}j\u{e0} pay\u{e9}");
    let bytes: Vec<u8> = text.chars().map(|one| one as u8).collect();
    let project = Project::new();
    project.write("s.sta", bytes).write("ledger.csv", LEDGER);
    let said = project.recon(&["init", "s.sta", "ledger.csv"]);
    assert_eq!(said.code, 0, "{}", said.err);
    let written = std::fs::read_to_string(project.path("recon.yaml")).unwrap();
    assert!(written.contains("encoding: windows-1252"), "{written}");
    let project = Project::new();
    project.write("s.bai", BAI2).write("ledger.csv", LEDGER.replace("2026-01-16", "2026-01-15"));
    let said = project.recon(&["init", "s.bai", "ledger.csv"]);
    assert_eq!(said.code, 0, "{}", said.err);
    assert_eq!(figures(&project.json(&["run", "--json"])), [3, 3, 0]);
}

#[test]
fn statements_are_read_compressed_from_standard_input_and_over_several_files() {
    use std::io::Write as _;
    let project = job("camt053: { path: \"-\" }", "unused", "");
    let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gz.write_all(camt().as_bytes()).unwrap();
    project.write("s.xml.gz", gz.finish().unwrap());
    let expected = {
        let plain = job("camt053: { path: s.xml }", "s.xml", camt());
        figures(&plain.json(&["run", "--json"]))
    };
    let input = std::fs::File::open(project.path("s.xml.gz")).unwrap();
    let output = crate::program::output(project.command(&["run", "--json"]).stdin(input));
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(figures(&serde_json::from_slice(&output.stdout).unwrap()), expected);
    project.replace("recon.yaml", "path: \"-\"", "path: s.xml.gz");
    assert_eq!(figures(&project.json(&["run", "--json"])), expected);
}
