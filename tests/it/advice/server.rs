//! A refused client that follows the remedy succeeds; `server.txt` has the steps.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use recon::diagnostic::{Code, Shows};
use serde_json::Value as Json;

use crate::api::Served;
use crate::program::Project;
use crate::wire::{Answer, Client};

pub const STORIES: &str = include_str!("server.txt");

/// The codes that a story follows.
pub fn followed() -> impl Iterator<Item = &'static str> {
    let refusals =
        STORIES.lines().filter(|line| line.starts_with("no ") || line.starts_with("again "));
    refusals.filter_map(|line| line.split(' ').nth(1))
}

/// A story's own names for values in responses.
struct Story<'h> {
    served: &'h Served,
    said: BTreeMap<String, String>,
}

/// True if a story calls the difference by this name.
fn is(name: &str, item: &Json) -> bool {
    let reason = item["current_reason"]["code"].as_str().unwrap_or_default();
    let kind = item["difference"]["diff_type"].as_str().unwrap();
    match name {
        "unknown" => reason == "UNKNOWN",
        "only_a" => kind == "MISSING_IN_SOURCE_B",
        "only_b" => kind == "MISSING_IN_SOURCE_A",
        _ => !["UNKNOWN", "DATA_TYPE_MISMATCH"].contains(&reason) && !kind.starts_with("MISSING"),
    }
}

impl Story<'_> {
    fn learn(&mut self, path: &str, value: &Json) {
        let text = match value {
            Json::String(text) => text.clone(),
            other => other.to_string(),
        };
        self.said.insert(path.to_owned(), text);
        for (name, value) in value.as_object().into_iter().flatten() {
            let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
            self.learn(&path, value);
        }
    }

    /// The line with the values of its names.
    fn fill(&mut self, line: &str, used: &mut BTreeSet<String>) -> String {
        let mut filled = String::new();
        let mut rest = line;
        while let Some((before, after)) = rest.split_once('{') {
            filled += before;
            let name = after.split('}').next().unwrap();
            if name.is_empty()
                || !name.bytes().all(|b| b.is_ascii_lowercase() || b"._".contains(&b))
            {
                filled.push('{');
                rest = after;
                continue;
            }
            if ["item", "unknown", "only_a", "only_b", "newer"].contains(&name)
                && !self.said.contains_key(name)
            {
                let queue = self.served.queue("sue", "limit=200");
                let ids = queue.iter().filter(|item| is(name, item));
                let mut ids = ids.map(|item| item["attribution_id"].as_str().unwrap().to_owned());
                let id = ids.find(|id| used.insert(id.clone())).unwrap();
                self.said.insert(name.to_owned(), id);
            }
            filled +=
                self.said.get(name).unwrap_or_else(|| panic!("nothing has said {name}: {line}"));
            rest = &after[name.len() + 1..];
        }
        filled + rest
    }

    fn ask(&self, request: &str) -> Answer {
        let mut parts = request.splitn(4, ' ');
        let (who, method, path) =
            (parts.next().unwrap(), parts.next().unwrap(), parts.next().unwrap());
        let mut body = parts.next().unwrap_or_default();
        let mut headers = Vec::new();
        while let Some(rest) = body.strip_prefix('[') {
            let (header, rest) = rest.split_once(']').unwrap();
            headers.push(header.split_once(": ").unwrap());
            body = rest.trim_start();
        }
        match who {
            "nobody" => {
                if !body.is_empty() {
                    headers.push(("Content-Type", "application/json"));
                }
                Client::to(&self.served.server).ask(method, path, &headers, body).unwrap()
            }
            "bearer" => self.served.bearer(&self.said["token"]).ask(method, path, &headers, body),
            name => self.served.person(name).ask(method, path, &headers, body),
        }
    }

    fn refused(&self, code: &str, line: &str, answer: &Answer) {
        let (status, said) = crate::api::verdict(answer);
        assert_eq!(said, code, "{line}: {}", answer.text());
        let mut codes = Code::SECTIONS.iter().flat_map(|(_, codes)| *codes);
        let known = codes.find(|known| known.name() == code).unwrap();
        assert!(known.shows().contains(&Shows::Http(status)), "{line}: {status}");
    }

    /// Runs a line of the story; `true` if it was meant to succeed.
    fn line(&mut self, line: &str, used: &mut BTreeSet<String>) -> bool {
        let filled = self.fill(line, used);
        let (verb, rest) = filled.split_once(' ').unwrap();
        if verb == "sh" {
            let said = self.served.project().recon(&rest.split(' ').collect::<Vec<_>>());
            assert_eq!(said.code, 0, "{line}: {}", said.err);
            return true;
        }
        if matches!(verb, "no" | "again") {
            let (code, request) = rest.split_once(' ').unwrap();
            if let Some(arguments) = request.strip_prefix("sh ") {
                let said = self.served.project().recon(&arguments.split(' ').collect::<Vec<_>>());
                assert!(said.err.contains(&format!("error[{code}]")), "{line}: {}", said.err);
                return false;
            }
            let is_once = verb == "no";
            let mut answers = (0..500).map(|_| self.ask(request));
            let is_it = |answer: &Answer| is_once || crate::api::verdict(answer).1 == code;
            let answer = answers.find(is_it).unwrap_or_else(|| panic!("{line}: never refused"));
            self.refused(code, line, &answer);
            return false;
        }
        let deadline = Instant::now() + Duration::from_secs(120);
        let mut answer = self.ask(rest);
        while verb == "wait" && answer.status >= 400 && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(200));
            answer = self.ask(rest);
        }
        assert!(answer.status < 400, "{line}: {} {}", answer.status, answer.text());
        if let Ok(document @ Json::Object(_)) = serde_json::from_slice(&answer.body) {
            self.learn("", &document);
        }
        if let Some(tag) = answer.header("etag") {
            self.said.insert("etag".to_owned(), tag.trim_matches('"').to_owned());
        }
        if let Some(cookie) = answer.header("set-cookie") {
            let cookie = cookie.split(';').next().unwrap().to_owned();
            self.said.insert("cookie".to_owned(), cookie);
        }
        true
    }
}

#[test]
fn following_the_remedy_of_a_refusal_gets_further() {
    for group in STORIES.split("\n==").skip(1) {
        let (settings, stories) = group.split_once('\n').unwrap();
        let project = Project::of(".");
        project.write("given", "chosen by somebody else");
        let yaml = std::fs::read_to_string(project.path("recon.yaml")).unwrap();
        project.write("recon.yaml", format!("{yaml}\n{}\n", settings.trim()));
        project.json(&["run", "--json"]);
        let served = Served::of(project, &[]);
        let mut used = BTreeSet::new();
        for story in stories.split("\n\n") {
            let lines = story.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
            let mut story = Story { served: &served, said: BTreeMap::new() };
            let ended_well = lines.map(|line| story.line(line, &mut used)).last();
            assert_ne!(ended_well, Some(false), "a story ends with a refusal");
        }
        if settings.trim().is_empty() {
            served.server.assert_well();
        }
    }
}
