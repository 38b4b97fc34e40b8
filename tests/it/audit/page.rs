//! docs/audit.md is right: an auditor can follow it without recon.

use std::path::Path;
use std::process::{Command, Stdio};

use super::{checkpoint, decide, rows};
use crate::program::Project;
use crate::review::fixture::team;
use crate::store::Place;

/// The first block of this language.
fn block(language: &str) -> String {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/audit.md");
    let text = std::fs::read_to_string(page).unwrap();
    let begin = format!("```{language}\n");
    text.split(&begin).nth(1).unwrap().split("```").next().unwrap().to_owned()
}

fn run(
    project: &Project,
    program: &str,
    arguments: &[&str],
    input: Option<&str>,
) -> (bool, String) {
    let stdin = input.map_or(Stdio::null(), |name| {
        Stdio::from(std::fs::File::open(project.path(name)).unwrap())
    });
    let output = Command::new(program)
        .args(arguments)
        .current_dir(project.path(""))
        .stdin(stdin)
        .output()
        .unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&said).into_owned())
}

#[test]
fn the_trail_can_be_verified_without_recon() {
    for url in [None, Some(crate::postgres::new_database())] {
        let project = Project::new();
        let place = url.as_ref().map(|url| Place::at(url));
        let sqlite = format!("sqlite:{}", project.path("recon.db").display());
        let url = url.unwrap_or(sqlite);
        let place = place.unwrap_or_else(|| Place::at(&url));
        let store = place.open();
        decide(&*store, &team(false));
        let (end, rows) = (checkpoint(&*store), rows(&*store));
        drop(store);
        for key in [
            "genpkey -algorithm ed25519 -out audit.key",
            "pkey -in audit.key -pubout -out audit.pub",
        ] {
            let key: Vec<&str> = key.split_whitespace().collect();
            assert!(run(&project, "openssl", &key, None).0);
        }
        let audit = |arguments: &[&str]| {
            let said = project.recon(&[&["audit"], arguments, &["--store", &url]].concat());
            assert_eq!(said.code, 0, "{}", said.err);
        };
        audit(&["export", "--out", "trail.jsonl"]);
        for _ in 0..2 {
            audit(&["checkpoint", "--out", "audit.checkpoints", "--sign", "audit.key"]);
        }
        project.write("verify.py", block("python"));
        let (fine, said) = run(&project, "python3", &["verify.py"], Some("trail.jsonl"));
        assert!(fine, "{said}");
        assert_eq!(said.trim(), end.head_hash);
        let (fine, said) = run(&project, "sh", &["-euc", &block("sh")], None);
        assert!(fine && said.contains("Verified Successfully"), "{said}");

        let trail = std::fs::read_to_string(project.path("trail.jsonl")).unwrap();
        project.write("trail.jsonl", trail.replace("look again", "look, again"));
        let (fine, said) = run(&project, "python3", &["verify.py"], Some("trail.jsonl"));
        assert!(!fine && said.contains("broken at row 10"), "{said}");
        let kept = std::fs::read_to_string(project.path("audit.checkpoints")).unwrap();
        project.write("audit.checkpoints", kept.replace("\"n\":12", "\"n\":13"));
        assert!(!run(&project, "sh", &["-euc", &block("sh")], None).0);
        assert_eq!(rows.len(), 12);
    }
}
