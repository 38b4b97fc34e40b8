//! JSON, fixed-width text and trailers.

use super::*;

#[test]
fn json_is_exact_and_bad_lines_are_rejected_with_their_place() {
    let b = "id,value\n1,12345678901234567890.1230\n2,\n4,\"{\"\"k\"\":[1,2]}\"\n";
    let project = small("{ json: { path: a.jsonl } }", "{ id: \"a\\\\.b.id\", value: value }", b);
    project.write(
        "a.jsonl",
        "{\"a.b\":{\"id\":1},\"value\":12345678901234567890.1230}\n\
         {\"a.b\":{\"id\":2},\"value\":null}\n\
         {\"a.b\":{\"id\":3},\"value\":}\n\
         {\"a.b\":{\"id\":4},\"value\":{ \"k\" : [1, 2] }}\n\
         [1]\n\
         {\"value\":1,\"value\":2,\"a.b\":{\"id\":6}}\n\
         {\"a.b\":{\"id\":\"\\ud800\"}}\n",
    );
    let summary = run(&project);
    assert_eq!(
        (&summary["records"]["matched"], &summary["records"]["rejected_a"]),
        (&json!(3), &json!(4))
    );
    let rows = project.sql("SELECT line, code, message FROM recon.rejected_rows ORDER BY line");
    let lines: Vec<u64> =
        rows.as_array().unwrap().iter().map(|row| row["line"].as_u64().unwrap()).collect();
    assert_eq!(lines, [3, 5, 6, 7]);
    assert!(rows[2]["message"].as_str().unwrap().contains("`value` is there twice"), "{rows}");
}

#[test]
fn rows_that_are_all_rejected_lack_no_column() {
    let project = small("{ json: { path: a.json } }", SAME, "id,value\n1,x\n");
    project.write("a.json", "{\"id\":1,\"id\":2,\"value\":\"x\"}\n");
    let (code, said) = refused(&project);
    assert_eq!(code, 3, "{said}");
    assert!(said.contains("the name `id` is there twice"), "{said}");
}

#[test]
fn json_arrays_are_whole_or_refused() {
    let b = "id,value\n1,x\n2,y\n";
    let project =
        small("{ json: { path: a.json, records: /data } }", "{ id: id, value: items.1.sku }", b);
    let whole = "{\"n\":2,\n\"data\":[\n{\"id\":1,\"items\":[{},{\"sku\":\"x\"}]},\n{\"id\":2,\"items\":[{},{\"sku\":\"y\"}]}],\"end\":{}}";
    project.write("a.json", whole);
    assert_eq!(run(&project)["records"]["matched"], 2);
    for (text, code, says) in [
        (&whole[..whole.len() - 12], 3, "a.json"),
        (&whole.replace("{\"id\":2", "{\"id\":2,"), 3, "a.json:4"),
        (&whole.replace("}]},\n", "}]}\n"), 3, "comma"),
        (&format!("{whole}x"), 3, "something follows"),
        (&whole.replace("\"data\"", "\"date\""), 2, "did you mean `/date`"),
        (&whole.replace("sku", "skew"), 2, "did you mean `items.1.skew`"),
        ("{\"data\":{\"a\":[]}}", 2, "`/data/a`"),
        ("{\"data\":7}", 2, "`/data` is no array of records"),
    ] as [(&str, i32, &str); 8]
    {
        project.write("a.json", text);
        let (exit, said) = refused(&project);
        assert_eq!(exit, code, "{text}: {said}");
        assert!(said.contains(says), "{text}: {said}");
    }
}

#[test]
fn records_within_the_only_object_are_pointed_out() {
    let project = small("{ json: { path: a.json } }", SAME, "id,value\n1,x\n");
    project.write("a.json", "{\"data\":{\"orders\":[{\"id\":1,\"value\":\"x\"}]}}\n");
    let (code, said) = refused(&project);
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("set `records: /data/orders`"), "{said}");
}

#[test]
fn no_records_are_a_source_without_rows() {
    for text in ["[]", "", "\n"] {
        let project = small("{ json: { path: a.json } }", SAME, "id,value\n1,x\n");
        project.write("a.json", text);
        let summary = run(&project);
        assert_eq!(
            (&summary["records"]["a"], &summary["records"]["missing_in_a"]),
            (&json!(0), &json!(1))
        );
    }
}

#[test]
fn fixed_width_counts_characters_and_rejects_lines_that_end_within_a_cell() {
    let read = "{ fixed: { path: a.txt, columns: [{ name: id, start: 1, width: 3 }, { name: value, start: 4, width: 4 }] } }";
    let project = small(read, SAME, "id,value\n1,äöü\n2,\n3,\n");
    project.write("a.txt", "1  äöü \r\n2  \r\n3      \r\n4  xy\r\n");
    let summary = run(&project);
    assert_eq!(
        (&summary["records"]["matched"], &summary["records"]["rejected_a"]),
        (&json!(3), &json!(1))
    );
    let rows = project.sql("SELECT line, code FROM recon.rejected_rows");
    assert_eq!(rows, json!([{ "line": 4, "code": "SHORT_LINE" }]));
}

#[test]
fn the_padding_of_a_cell_does_not_decide_which_lines_are_data() {
    let read = "{ fixed: { path: a.txt, where: { start: 1, width: 3, equals: D }, \
        columns: [{ name: id, start: 4, width: 1 }, { name: value, start: 5 }] } }";
    let project = small(read, SAME, "id,value\n1,x\n2,y\n");
    project.write("a.txt", "H  3z\nD  1x\n D 2y\nDX 4z\n\n");
    let summary = run(&project);
    assert_eq!((&summary["records"]["a"], &summary["records"]["matched"]), (&json!(2), &json!(2)));
}

#[test]
fn a_trailer_proves_its_file() {
    let read = "{ csv: { path: a.csv, delimiter: \";\", trailer: { starts_with: TRL, rows: 2, sums: { value: 3 } } } }";
    let project = small(read, SAME, "id,value\n1,\"1.234,50\"\n2,\"-0,25\"\n");
    project.replace(
        "recon.yaml",
        "value: { type: text }",
        "value: { type: decimal, numbers: { decimal: \",\", thousands: \".\" } }",
    );
    let rows = "id;value\n1;1.234,50\n2;-0,25\n3;9,00;ragged\n";
    for (file, code, says) in [
        (format!("{rows}TRL;0003;1.243,25\n"), 0, ""),
        (format!("{rows}TRL;2;1.243,25\n"), 3, "counts `2` rows, the file has 3"),
        (
            format!("{rows}TRL;3;1.243,24\n"),
            3,
            "`value` sums up to `1.243,24`, its rows sum up to 1243.25",
        ),
        (rows.to_owned(), 3, "the trailer is missing"),
        (format!("{rows}TRL;3;1.243,25\n4;0,00\n"), 3, "rows follow the trailer"),
        (format!("{rows}TRL;3;1.243,25\nTRL;3;1.243,25\n"), 3, "2 lines begin with `TRL`"),
    ] {
        project.write("a.csv", &file);
        let said = project.recon(&["run", "--json"]);
        assert_eq!(said.code, code, "{file}: {}", said.err);
        assert!(said.err.contains(says), "{file}: {}", said.err);
    }
    project.write("a.csv", format!("{rows}TRL;0003;1.243,25\n"));
    let summary = run(&project);
    assert_eq!(
        (&summary["records"]["a"], &summary["records"]["rejected_a"]),
        (&json!(3), &json!(1))
    );
    assert_eq!(summary["records"]["matched"], 2);
}

#[test]
fn a_trailer_sums_columns_that_there_are() {
    let read = "{ csv: { path: a.csv, trailer: { starts_with: TRL, sums: { valeu: 2 } } } }";
    let project = small(read, SAME, "id,value\n1,x\n");
    project.write("a.csv", "id,value\n1,x\nTRL,0\n");
    let (code, said) = refused(&project);
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("did you mean `value`"), "{said}");
}

#[test]
fn a_fixed_trailer_stands_at_characters() {
    let read = "{ fixed: { path: a.txt, columns: [{ name: id, start: 2, width: 2 }, { name: value, start: 4, width: 6 }], \
        where: { start: 1, width: 1, equals: D }, \
        trailer: { starts_with: T, rows: { start: 2, width: 2 }, sums: { value: { start: 4, width: 6 } } } } }";
    let project = small(read, SAME, "id,value\n1,1.50\n2,2.25\n");
    project.replace("recon.yaml", "value: { type: text }", "value: { type: decimal }");
    project.write("a.txt", "HEAD\nD1   1.50\nD2   2.25\nT 2  3.75\n");
    assert_eq!(run(&project)["records"]["matched"], 2);
    project.write("a.txt", "HEAD\nD1   1.50\nT 2  3.75\n");
    let (code, said) = refused(&project);
    assert_eq!(code, 3, "{said}");
    assert!(said.contains("counts `2` rows, the file has 1"), "{said}");
}

/// How lines of a fixed width are read: a key, and a value behind it.
const KEY_FIRST: &str = "{ fixed: { path: a, columns: [{ name: id, start: 1, width: 1 }, \
    { name: value, start: 2, width: 3 }] } }";

#[test]
fn a_cell_that_is_no_text_names_its_column_and_leaves_the_key() {
    let (nul, bad) = ("NUL_BYTE", "BAD_ENCODING");
    let json = "{ json: { path: a } }";
    let cases: [(&str, &[u8], &str); 9] = [
        ("{ csv: { path: a } }", b"id,value\n3,a\0b\n1,x\n", nul),
        ("{ csv: { path: a } }", b"id,value\n3,a\xe9b\n1,x\n", bad),
        (KEY_FIRST, b"3a\0b\n1x  \n", nul),
        (KEY_FIRST, b"3a\xe9b\n1x  \n", bad),
        (json, b"{\"value\":\"a\0b\",\"id\":3}\n{\"id\":1,\"value\":\"x\"}\n", nul),
        (json, b"{\"value\":\"a\xe9\\tb\",\"id\":3}\n{\"id\":1,\"value\":\"x\"}\n", bad),
        (json, b"{\"value\":\"a\\u0000b\",\"id\":3}\n{\"id\":1,\"value\":\"x\"}\n", nul),
        (json, b"[{\"value\":\"a\\u0000b\",\"id\":3},\n{\"id\":1,\"value\":\"x\"}]", nul),
        (json, b"{\"value\":\"a\\ud800b\",\"id\":3}\n{\"id\":1,\"value\":\"x\"}\n", "BAD_JSON"),
    ];
    for (read, text, code) in cases {
        let project = small(read, SAME, "id,value\n1,x\n3,a\n");
        project.write("a", text);
        let summary = run(&project);
        assert_eq!(summary["records"]["matched"], 1, "{code} {read}");
        let rows = project.sql("SELECT code, key, message FROM recon.rejected_rows");
        assert_eq!((&rows[0]["code"], &rows[0]["key"]), (&json!(code), &json!("3")), "{rows}");
        assert!(rows[0]["message"].as_str().unwrap().starts_with("column `value`: "), "{rows}");
        let explained = project.json(&["explain", "3", "--json"]);
        assert!(explained["records"][0]["rejected_partner_line"].is_u64(), "{read}: {explained}");
    }
}

#[test]
fn damage_hides_what_lies_behind_it_at_fixed_places_and_drops_no_line() {
    let read = "{ fixed: { path: a.txt, where: { start: 5, width: 1, equals: D }, \
        columns: [{ name: value, start: 1, width: 3 }, { name: id, start: 4, width: 1 }] } }";
    let project = small(read, SAME, "id,value\n1,x\n2,y\n3,z\n4,w\n");
    // A byte that is no character may be half of one, or two: the key behind it is anybody's guess.
    project.write("a.txt", b"x  1D\ny\xe9 2D\nz\0 3D\nno 4H\nw\xe9 4X\nno\09H\n");
    assert_eq!(run(&project)["records"]["matched"], 1);
    let rows = project.sql("SELECT line, code, key FROM recon.rejected_rows ORDER BY line");
    assert_eq!(
        rows,
        json!([
            { "line": 2, "code": "BAD_ENCODING", "key": null },
            { "line": 3, "code": "NUL_BYTE", "key": "3" },
            { "line": 5, "code": "BAD_ENCODING", "key": null },
        ])
    );
}

#[test]
fn a_damaged_line_of_json_keeps_its_damage_and_what_is_no_object_its_fault() {
    let project = small("{ json: { path: a } }", SAME, "id,value\n1,x\n");
    project.write(
        "a",
        b"{\"id\":1,\"value\":\"x\"}\n{\"id\":2,\"value\":\"\xee\x80\x80\xe9\xe9\\n\"}\n\
          {\"id\":3,\"other\xe9\":\"x\"}\n{\"id\":4,\"value\":\xe9}\n\0\n{\"id\":\"\xe9\"}\n",
    );
    assert_eq!(run(&project)["records"]["rejected_a"], 5);
    let rows = project.sql("SELECT code, key, message FROM recon.rejected_rows ORDER BY line");
    let said = |at: usize| {
        let row = &rows[at];
        (row["key"].as_str(), row["message"].as_str().unwrap().to_owned())
    };
    let (key, message) = said(0);
    assert!(key == Some("2") && message.contains("`value`: byte 4 (0xE9) is not UTF-8"), "{rows}");
    let (key, message) = said(1);
    assert!(key == Some("3") && message.starts_with("byte 15 of the line"), "{rows}");
    let (key, message) = said(2);
    assert!(key.is_none() && message.starts_with("byte 17 of the line"), "{rows}");
    let (key, message) = said(3);
    assert!(key.is_none() && message.starts_with("the line has a NUL"), "{rows}");
    let (key, message) = said(4);
    assert!(key.is_none() && message.starts_with("column `id`"), "{rows}");
}

#[test]
fn the_place_of_a_mistake_in_json_is_counted_in_its_line() {
    let map = "{ id: id, value: w.x }";
    let project = small("{ json: { path: a } }", map, "id,value\n1,1\n");
    project.write(
        "a",
        "{\"id\":1,\"w\":{\"x\":1}}\n\
         {\"id\":\"12\",\"v\":1,\"w\":{\"x\":1,\"x\":2}}\n\
         {\"id\":\"é\",\"w\":{\"x\":\"\\ud800\"}}\n\
         {\"id\":\"é\",\"id\":2}\n\
         {\"id\":3,\"w\":{\"x\":1,,}}\n",
    );
    assert_eq!(run(&project)["records"]["rejected_a"], 4);
    let rows = project.sql("SELECT message FROM recon.rejected_rows ORDER BY line");
    for (at, place) in [29, 20, 11, 20].into_iter().enumerate() {
        let message = rows[at]["message"].as_str().unwrap();
        assert!(message.ends_with(&format!(", at character {place}")), "{place}: {message}");
    }
}
