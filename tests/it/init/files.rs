//! Files: headers, footers, encodings, widths and kinds.

use super::*;

#[test]
fn a_header_wider_than_its_rows_is_still_the_header() {
    let project = Project::new();
    let said = init(
        &project,
        "\u{feff}Date Processed,Description,Amount,\nPending,CAFE ROMA   LONDON,£52.10\n\
         14-Nov-2020,HOME COVER  03344,\"£1,046.85\"\n05-Nov-2020,TRAVEL CARD,£2.75\n",
        "day,text,amount\n2020-11-14,HOME COVER 03344,1046.85\n2020-11-05,TRAVEL CARD,2.75\n",
    );
    assert!(!said.contains("cafe_roma_london"), "{said}");
    assert_eq!(run(&project)["records"]["a"], 3);
}

#[test]
fn other_file_kinds_are_recognized() {
    let project = Project::new();
    project.write("ok.csv", "id,amount\n1,2.00\n");
    for (name, text, what) in [
        ("d.ofx", &b"OFXHEADER:100\nDATA:OFXSGML\n<OFX><STMTTRN>"[..], "OFX"),
        ("d.xml", b"<?xml version=\"1.0\"?><a><b>1</b></a>", "XML"),
        ("d.xls", b"<html><body><table><tr><td>1</td></tr></table>", "HTML"),
        ("d.pdf", b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n", "PDF"),
        ("d.parquet", b"PAR1\x15\x04\x15PAR1", "Parquet"),
        ("d.xlsx", b"PK\x03\x04\x14\x00\x06\x00", "zip archive"),
        ("old.xls", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "workbook"),
        ("d.db", b"SQLite format 3\x00\x10\x00", "SQLite"),
    ] {
        project.write(name, text);
        let said = project.recon(&["init", name, "ok.csv"]);
        assert_eq!((said.code, said.out.as_str()), (3, ""), "{name}");
        assert!(said.err.contains(what) && said.err.contains(name), "{name}: {}", said.err);
        assert!(said.err.contains("help:"), "{name}: {}", said.err);
    }
}

#[test]
fn wide_files_are_inferred_and_run() {
    let project = Project::new();
    let columns = 1_200u32;
    let head: String = (0..columns).map(|at| format!(",c{at}")).collect();
    let rows = |extra: u32| -> String {
        (0..20u32)
            .map(|row| {
                let cells: String = (0..columns)
                    .map(|at| {
                        format!(",{}", row * at + if (row, at) == (7, 3) { extra } else { 0 })
                    })
                    .collect();
                format!("W{row}{cells}\n")
            })
            .collect()
    };
    let said = init(&project, format!("id{head}\n{}", rows(0)), format!("id{head}\n{}", rows(1)));
    assert!(said.contains("1201 columns match"), "{said}");
    run(&project);
    assert_eq!(differences(&project), ["W7 c3"]);
}

/// Three times as many columns may take about three times as long, and not nine times. The time is that of the
/// processor, which a shell reports for its children.
#[cfg(unix)]
#[test]
fn guessing_is_linear_in_the_number_of_columns() {
    let seconds = |columns: u32| -> f64 {
        let project = Project::new();
        let head: String = (0..columns).map(|at| format!(",c{at}")).collect();
        let rows: String = (0..20)
            .map(|row| {
                let cells: String =
                    (0..columns).map(|at| format!(",{}", row * at % 9_973)).collect();
                format!("W{row}{cells}\n")
            })
            .collect();
        project
            .write("a.csv", format!("id{head}\n{rows}"))
            .write("b.csv", format!("id{head}\n{rows}"));
        let output = std::process::Command::new("sh")
            .args(["-c", "\"$0\" init a.csv b.csv >/dev/null 2>&1 || exit 1; times"])
            .arg(env!("CARGO_BIN_EXE_recon"))
            .current_dir(project.path(""))
            .output()
            .unwrap();
        assert!(output.status.success(), "{columns}");
        // Two lines: the shell's own times, and those of its children, user and system.
        let times = String::from_utf8(output.stdout).unwrap();
        let child = times.lines().nth(1).unwrap().split_whitespace().next().unwrap();
        let (minutes, seconds) = child.trim_end_matches('s').split_once('m').unwrap();
        minutes.parse::<f64>().unwrap() * 60.0 + seconds.parse::<f64>().unwrap()
    };
    let (some, many) = (seconds(400), seconds(1_200));
    assert!(many < some * 5.0 + 0.2, "{some} s for 400 columns, {many} s for 1200");
}

#[test]
fn columns_of_the_same_name_are_mapped_or_explained() {
    let project = Project::new();
    // `status` has no common values, `amount` has texts on one side.
    let [a, b] = rows(["id,status,amount", "id,status,amount"], 12, |n| {
        let text = if n % 3 == 0 { "see note".to_owned() } else { format!("{n}.50") };
        [format!("K{n:02},left {n},{n}.50"), format!("K{n:02},right {n},{text}")]
    });
    let said = init(&project, a, b);
    let text = configuration(&project);
    assert!(text.contains("status: status") && text.contains("amount: amount"), "{text}");
    assert!(text.contains("amount: { type: decimal"), "{text}");
    assert!(said.contains("0 of 12 joined rows agree"), "{said}");
    let summary = run(&project);
    assert_eq!(summary["differences"]["by_type"]["TYPE_MISMATCH"], 4);
}

#[test]
fn repeated_column_names_are_both_mapped() {
    let project = Project::new();
    let said = init(
        &project,
        "ref,amount,ccy,base,ccy\nx1,-47.00,USD,-41.20,EUR\nx2,1350.40,USD,1120.05,EUR\nx3,5.10,USD,4.00,EUR\n",
        "ref,amount,ccy,base,base_ccy\nx1,-47.00,USD,-41.20,EUR\nx2,1350.40,USD,1120.05,CHF\nx3,5.10,USD,4.00,EUR\n",
    );
    assert!(said.contains("`ccy` repeated"), "{said}");
    run(&project);
    let found = differences(&project);
    assert_eq!(found.len(), 1, "{said}");
    assert!(found[0].starts_with("x2 "), "{found:?}");
}

#[test]
fn exports_in_other_encodings_are_read() {
    for (label, bytes, wanted) in [
        ("windows-1250", &b"id;name\n1;\xa3\xf3d\x9f\n2;Krak\xf3w\n3;\x8cwi\xeatoch\xb3owice\n4;\xafory\n"[..], "Łódź"),
        ("windows-1251", b"id;name\n1;\xcc\xee\xf1\xea\xe2\xe0\n2;\xca\xe0\xe7\xe0\xed\xfc\n3;\xd1\xe0\xec\xe0\xf0\xe0\n4;\xce\xec\xf1\xea\n", "Москва"),
        ("shift_jis", b"id;name\n1;\x93\x8c\x8b\x9e\n2;\x91\xe5\x8d\xe3\n3;\x96\xbc\x8c\xc3\x89\xae\n4;\x8b\x9e\x93s\n", "東京"),
        ("windows-1252", b"id;name\n1;Z\xfcrich\n2;K\xf6ln\n3;M\xfcnchen\n4;Gen\xe8ve\n", "Zürich"),
    ] {
        let project = Project::new();
        let names = encoding_rs::Encoding::for_label(label.as_bytes()).unwrap().decode(bytes).0;
        assert!(names.contains(wanted));
        let said = init(&project, bytes, names.as_bytes());
        assert!(said.contains(&format!(", {label}")), "{label}: {said}");
        assert_eq!(run(&project)["records"]["matched"], 4, "{label}");
    }
}

#[test]
fn a_bank_export_with_a_preamble_is_read() {
    let project = Project::new();
    let mut bank = "\"Kontonummer:\";\"DE12 / Girokonto\";\n\n\"Von:\";\"01.01.2026\";\n\
        \"Kontostand vom 31.01.2026:\";\"1.234,56 EUR\";\n\n\
        \"Buchungstag\";\"Empfänger\";\"Betrag (EUR)\";\"Referenz\";\n"
        .to_owned();
    let mut ledger = "ref,day,payee,amount\n".to_owned();
    for n in 1..=3u32 {
        bank += &format!("\"{n:02}.01.2026\";\"Müller {n}\";\"-1.{n:03},50\";\"A-{n}\";\n");
        ledger += &format!("A-{n},2026-01-{n:02},Müller {n},-1{n:03}.50\n");
    }
    let bank = encoding_rs::WINDOWS_1252.encode(&bank).0.into_owned();
    let said = init(&project, bank, ledger);
    assert!(said.contains("windows-1252"), "{said}");
    let summary = run(&project);
    assert_eq!(
        (&summary["records"]["a"], &summary["records"]["matched"]),
        (&3.into(), &3.into()),
        "{}",
        configuration(&project)
    );
}

/// A file of `count` rows and the same with `between` and `after` its rows.
fn with_lines(count: u32, between: &str, after: &str) -> [String; 2] {
    let [mut a, b] = rows(["ref,day,text,amount"; 2], count, |n| {
        let row = format!("R-{n:03},2026-01-{:02},Payment {n},{n}.50", n % 28 + 1);
        [if n % 2 == 0 { format!("{row}{between}") } else { row.clone() }, row]
    });
    a += after;
    [a, b]
}

#[test]
fn totals_and_trailers_are_skipped_and_printed() {
    // 2,000 rows exceed the sample from which a file's form is inferred.
    for count in [3u32, 30, 2_000] {
        let line = count + 2;
        for (after, skipped, why) in [
            (
                "TOTAL,,,600.00\n",
                1,
                format!(
                    "last 1 row skipped (skip_footer): line {line} begins with `TOTAL` and lacks 2"
                ),
            ),
            (
                "Grand total,,,600.00\nPrinted by the ledger on Monday\n",
                2,
                format!("line {} is text (`Printed by the ledger on Monday`)", line + 1),
            ),
            ("\n(30 rows)\n", 1, format!("line {} is text (`(30 rows)`)", line + 1)),
        ] {
            let project = Project::new();
            let [a, b] = with_lines(count, "", after);
            let said = init(&project, a, b);
            assert!(said.contains(&why), "{why}\n{said}");
            let yaml = configuration(&project);
            assert!(yaml.contains(&format!("skip_footer: {skipped} ")), "{yaml}");
            let count = u64::from(count);
            assert_eq!(figures(&project), [count, count, count, 0, 0], "{after}{yaml}");
        }
    }
}

#[test]
fn a_possible_data_row_at_the_end_is_kept_with_a_note() {
    for count in [3u32, 30] {
        // A company may be called Total; a payment may be truncated.
        for (last, note, rejected) in [
            ("Total,2026-01-31,Payment,600.00\n", "has `Total` and is read as data", 0),
            ("Cd,2026-0", "has 2 fields instead of 4, so it is rejected", 1),
        ] {
            let project = Project::new();
            let [mut a, b] = rows(["company,day,text,amount"; 2], count, |n| {
                let name = ["A", "B", "C", "D", "E", "F"][n as usize % 6].repeat(n as usize);
                let row = format!("{name},2026-01-{:02},Payment {n},{n}.50", n % 28 + 1);
                [row.clone(), row]
            });
            a += last;
            let said = init(&project, a, b);
            assert!(said.contains(note) && said.contains("`skip_footer: 1`"), "{said}");
            let yaml = configuration(&project);
            assert!(!yaml.contains("        skip_footer"), "{yaml}");
            let count = u64::from(count);
            assert_eq!(figures(&project), [count + 1, count, count, rejected, 0]);
        }
    }
}

#[test]
fn a_repeated_header_is_excluded_and_printed() {
    for count in [3u32, 30] {
        let project = Project::new();
        let [a, b] = with_lines(count, "\nref,day,text,amount", "");
        let said = init(&project, a, b);
        let why = match count / 2 {
            1 => "line 4 repeats the header: excluded (where)".to_owned(),
            times => {
                format!("the header is repeated {times} times, first on line 4: excluded (where)")
            }
        };
        assert!(said.contains(&why), "{said}");
        let yaml = configuration(&project);
        assert!(yaml.contains(r#"where: [{ column: "ref", not_equals: ["ref"] }]"#), "{yaml}");
        let rows = u64::from(count);
        assert_eq!(figures(&project), [rows + rows / 2, rows, rows, 0, rows / 2], "{yaml}");
    }
}

#[test]
fn extra_empty_fields_are_allowed() {
    for count in [3u32, 30] {
        let ordinary = with_lines(count, "", "");
        for (header, some, every) in [
            // Every line ends in a delimiter, so a column has no name.
            (";", ";", ";"),
            (";", "", ""),
            ("", ";", ";"),
            // Only some rows do.
            ("", ";", ""),
        ] {
            let project = Project::new();
            let a: String = ordinary[0]
                .replace(',', ";")
                .lines()
                .enumerate()
                .map(|(at, line)| match at {
                    0 => format!("{line}{header}\n"),
                    2 => format!("{line}{some}\n"),
                    _ => format!("{line}{every}\n"),
                })
                .collect();
            let said = init(&project, a, &ordinary[1]);
            let yaml = configuration(&project);
            assert_eq!(yaml.contains("ignore_empty_extras: true"), some != every, "{yaml}");
            assert_eq!(said.contains("ignore_empty_extras"), some != every, "{said}");
            let rows = u64::from(count);
            assert_eq!(figures(&project), [rows, rows, rows, 0, 0], "{said}{yaml}");
        }
    }
}

#[test]
fn short_rows_are_padded() {
    for count in [3u32, 30] {
        let project = Project::new();
        let [a, b] = rows(["ref,day,amount,note"; 2], count, |n| {
            let row = format!("R-{n:03},2026-01-{:02},{n}.50", n % 28 + 1);
            match n % 3 {
                0 => [format!("{row},seen {n}"), format!("{row},seen {n}")],
                _ if n < 3 => [row.clone(), format!("{row},")],
                _ => [format!("{row},new {n}"), format!("{row},new {n}")],
            }
        });
        let said = init(&project, a, b);
        let rows = u64::from(count);
        let yaml = configuration(&project);
        assert!(said.contains("pad_short_rows: 2 rows"), "{said}");
        assert_eq!(figures(&project), [rows, rows, rows, 0, 0], "{said}{yaml}");
    }
}

#[test]
fn of_several_headings_the_names_are_found() {
    for count in [3u32, 30] {
        for (above, says) in [
            ("Trade,,,Money\n", "lines 1 and 2 are both headings: line 2 names the columns"),
            (
                "Trade,Trade,Trade,Money\n",
                "lines 1 and 2 are both headings: line 2 names the columns",
            ),
            ("Which,When,What for,How much\n", "lines 1 and 2 are both headings"),
        ] {
            let project = Project::new();
            let [a, b] = with_lines(count, "", "");
            let said = init(&project, format!("{above}{a}"), b);
            assert!(said.contains(says), "{above}{said}");
            let yaml = configuration(&project);
            assert!(yaml.contains("skip_rows: 1 ") && yaml.contains("key: [ref]"), "{above}{yaml}");
            let count = u64::from(count);
            assert_eq!(figures(&project), [count, count, count, 0, 0], "{above}{yaml}");
        }
        // Below the names: a ruler, and types.
        for below in ["---,----------,-----,----\n", "text,date,text,decimal\n"] {
            let project = Project::new();
            let [a, b] = with_lines(count, "", "");
            let a = a.replacen('\n', &format!("\n{below}"), 1);
            let said = init(&project, a, b);
            assert!(said.contains("line 2, below the names, is"), "{below}{said}");
            let count = u64::from(count);
            assert_eq!(figures(&project), [count, count, count, 0, 0], "{below}");
        }
    }
    // A table drawn with rulers, as an ERP prints it, with its total.
    let project = Project::new();
    let [a, b] = rows(["|Doc. no. |Pstng Date|  Amount |", "doc,date,amount"], 20, |n| {
        let minus = if n % 3 == 0 { "-" } else { "" };
        [
            format!("|49000{n:04}|{n:02}.02.2026|{n:>6},50{minus:1}|", minus = minus),
            format!("49000{n:04},2026-02-{n:02},{minus}{n}.50"),
        ]
    });
    let ruler = "|------------------------------|\n";
    let a = format!(
        "{ruler}{}{ruler}|*        |          |   99,50 |\n{ruler}",
        a.replacen('\n', &format!("\n{ruler}"), 1)
    );
    init(&project, a, b);
    let yaml = configuration(&project);
    assert_eq!(figures(&project), [20, 20, 20, 0, 0], "{yaml}");
    assert!(yaml.contains("Doc. no."), "{yaml}");
}

#[test]
fn empty_rows_and_titles_at_the_end_are_skipped() {
    for after in [
        ",,,\n".repeat(30),
        ",,,\n,Podsumowanie,,\n".to_owned(),
        "\nDisclaimer:\nThis document was generated by the bank.\n".to_owned(),
    ] {
        let project = Project::new();
        let [a, b] = with_lines(12, "", &after);
        init(&project, a, b);
        assert_eq!(figures(&project), [12, 12, 12, 0, 0], "{after}{}", configuration(&project));
    }
}

#[test]
fn quoted_delimiters_make_no_fixed_width() {
    let project = Project::new();
    let [a, b] = rows(["kind,sym,ts,qty", "sym,ts,qty"], 20, |n| {
        let (sign, quantity) = if n % 2 == 0 { ("-", n * 1_001) } else { ("", n * 7) };
        let shown = if quantity > 999 {
            format!("{},{:03}", quantity / 1_000, quantity % 1_000)
        } else {
            quantity.to_string()
        };
        [
            format!("Order,S{n:03},\"2026-01-{n:02}, 10:00:00\",\"{sign}{shown}\""),
            format!("S{n:03},2026-01-{n:02} 10:00:00,{sign}{quantity}"),
        ]
    });
    init(&project, a, b);
    let yaml = configuration(&project);
    assert!(yaml.contains("key: [sym]") && !yaml.contains("fixed:"), "{yaml}");
    let known = run(&project);
    assert_eq!(known["records"]["aligned"], 20, "{yaml}");
    assert!(known["differences"]["by_field"].get("qty").is_none(), "{yaml}");
}

#[test]
fn fixed_width_with_commas_in_numbers_is_no_csv() {
    let project = Project::new();
    let numbers: [fn(u32) -> String; 3] = [
        |n| format!("{},50", n * 7),
        |n| format!("{}.{:03},50", n, n * 7),
        |n| format!("{},{:03}.50", n, n * 7),
    ];
    for number in numbers {
        let [a, b] = rows(["", "nr;row;betrag;tag"], 30, |n| {
            let (number, day) = (number(n), format!("{:02}.02.2026", n % 28 + 1));
            [format!("{n:08}  {n:<4} {number:>12}  {day}"), format!("{n:08};{n};{number};{day}")]
        });
        let said = init_again(&project, a.trim_start(), &b);
        assert!(said.contains("a.csv: 30 rows, fixed width"), "{said}");
        assert_eq!(run(&project)["records"]["matched"], 30, "{said}\n{}", configuration(&project));
    }
    // It says how each file was read.
    project.write("a.csv", "when\n2026-01-01\n2026-01-02\n").write("b.csv", "x;y\nfoo;a\nbar;b\n");
    let said = project.recon(&["init", "a.csv", "b.csv", "--force"]);
    assert_eq!(said.code, 2);
    let told = "B was read as text with the delimiter ';', with 2 columns named x, y";
    assert!(said.err.replace("\n", " ").contains(told), "{}", said.err);
}

#[test]
fn lines_below_a_ruler_are_no_rows() {
    let project = Project::new();
    let [a, b] = rows(["id,name,amount", "id,name,amount"], 12, |n| {
        let row = format!("K{n:02},Client {n},{n}.50");
        [row.clone(), row]
    });
    let said = init(&project, a.clone() + "--------------------------\n共12笔记录\n", &b);
    assert!(said.contains("stands below a ruler"), "{said}");
    assert_eq!(run(&project)["records"]["matched"], 12);
    let said = init_again(&project, &(a.clone() + "\u{1a}"), &b);
    assert!(said.contains("Ctrl-Z"), "{said}");
    assert_eq!(run(&project)["records"]["rejected_a"], 0);
    let said = init_again(&project, &(a + "Zusammen,,\n"), &b);
    assert!(said.contains("begins with `Zusammen`") && said.contains("skip_footer: 1"), "{said}");
}

#[test]
fn rows_of_more_fields_than_names_are_doubted() {
    let project = Project::new();
    let [a, b] = rows(["id,amount,currency", "id,amount,currency"], 12, |n| {
        [format!("K{n:02},{n},50,EUR"), format!("K{n:02},{n}.50,EUR")]
    });
    let said = init(&project, a, b);
    assert!(said.replace('\n', " ").contains("has 3 names, but the rows have 4 fields"), "{said}");
    let summary = run(&project);
    assert_eq!(summary["attributions"]["by_status"]["ACCEPTED"], Json::Null, "{summary}");
}
