//! A server with users and differences, and browsers for them.

use serde_json::Value as Json;

use crate::api::browser::{GIVEN, own_password};
use crate::program::Project;
use crate::wire::Server;

use super::driver::Browser;

pub const PASSWORD: &str = "four words of hers";

/// Values that pages must treat as text.
pub const HOSTILE: [&str; 9] = [
    "<script>alert(1)</script>",
    "\"><img src=x onerror=alert(2)>",
    "javascript:alert(3)",
    "{{7*7}}${7*7}",
    "<svg onload=alert(4)>",
    "</textarea><script>alert(5)</script>",
    "abc\u{202e}fed\u{200b}\u{2066}x",
    "p\u{430}ypal\u{0}\u{feff}",
    "lone \\ud800 \\u0000 &#0; %00",
];

const JOB: &str = r#"version: 1
job: site
store: sqlite:recon.db
sources:
  a:
    system: FRONT
    read: { csv: { path: a.csv } }
    map: { id: id, amount: amount, name: name, note: note }
  b:
    system: BACK
    read: { csv: { path: b.csv } }
    map: { id: id, amount: amount, name: name, note: note }
key: [id]
fields:
  id: { type: text }
  amount: { type: decimal }
  name: { type: text }
  note: { type: text }
rules:
  attribute: [rules.rhai]
reason_codes:
  ROUNDING_DIFF: { functional: true, description: "Decimals lost on one side" }
  TIMING_LAG: { functional: true, description: "Booked on another day" }
  MANUAL_ENTRY_ERR: { functional: false, description: "Typed wrongly <b>by a person</b>" }
  UNKNOWN: { functional: false, description: "Nobody knows" }
"#;

const RULES: &str = r#"
// Never confident enough: everything is reviewed.
fn attribute_amount(d) { if d.field == "amount" { return reason("ROUNDING_DIFF", 0.8); } }
fn attribute_name(d) { if d.b == "harmless" { return reason("MANUAL_ENTRY_ERR", 0.4); } }
fn attribute_note(d) { if d.field == "note" { return reason("MANUAL_ENTRY_ERR", 0.3); } }
"#;

/// The server and its project.
pub struct Site {
    pub server: Server,
}

impl Site {
    /// With this many similar amounts, this many different notes, and hostile names.
    pub fn new(amounts: usize, notes: usize) -> Self {
        Self::with(amounts, notes, "")
    }

    /// Like [`Site::new`], with additional configuration.
    pub fn with(amounts: usize, notes: usize, more: &str) -> Self {
        let project = Project::new();
        let (mut a, mut b) =
            ("id,amount,name,note\n".to_owned(), "id,amount,name,note\n".to_owned());
        for at in 1..=amounts {
            a.push_str(&format!("A{at:05},{at}.25,same,same\n"));
            b.push_str(&format!("A{at:05},{at},same,same\n"));
        }
        for at in 0..notes {
            a.push_str(&format!("N{at:05},1,same,left {at}\n"));
            b.push_str(&format!("N{at:05},1,same,right {at}\n"));
        }
        // One unexplained difference, and one too long to display.
        let long = "x".repeat(1 << 20);
        for (id, name) in [("U", "plain"), ("L", long.as_str())] {
            a.push_str(&format!("{id},1,{name},same\n"));
            b.push_str(&format!("{id},1,{name} too,same\n"));
        }
        for (at, text) in HOSTILE.iter().enumerate() {
            let cell = text.replace('"', "\"\"");
            a.push_str(&format!("\"H{at} {cell}\",1,\"{cell}\",same\n"));
            b.push_str(&format!("\"H{at} {cell}\",1,harmless,same\n"));
        }
        // One administrator creates all users here, but six eyes are needed.
        let review = match more.contains("review:") {
            true => "",
            false => "review: { new_login_hours: 0 }\n",
        };
        let yaml = format!("{JOB}{review}{more}");
        project.write("a.csv", a).write("b.csv", b).write("recon.yaml", yaml);
        project.write("rules.rhai", RULES).write("password", format!("{GIVEN}\n"));
        let said = project.recon(&["run", "--store", "sqlite:recon.db"]);
        assert_eq!(said.code, 0, "{}", said.err);
        const PEOPLE: [(&str, &str); 5] = [
            ("ann", "senior"),
            ("amy", "analyst"),
            ("bob", "supervisor"),
            ("carl", "manager"),
            ("dora", "auditor"),
        ];
        for (name, role) in PEOPLE {
            let said = project.recon(&[
                "user",
                "add",
                name,
                "--role",
                role,
                "--password-file",
                "password",
                "--store",
                "sqlite:recon.db",
                "--display-name",
                &format!("{name} <i>{role}</i>"),
            ]);
            assert_eq!(said.code, 0, "{}", said.err);
        }
        let server = Server::serving(project, None, &[]);
        for (name, _) in PEOPLE {
            own_password(&server, name, PASSWORD);
        }
        Self { server }
    }

    /// An address here.
    pub fn at(&self, path: &str) -> String {
        format!("http://{}{path}", self.server.address)
    }

    /// A browser with a logged-in user.
    pub fn enter(&self, browser: &Browser, name: &str) {
        browser.open(&self.at("/review/login"));
        browser.write("input[name=username]", name);
        browser.write("input[name=password]", PASSWORD);
        browser.click("button.primary");
        browser.has("header.top");
    }

    /// Logs out, and another user in.
    pub fn change(&self, browser: &Browser, name: &str) {
        browser.open(&self.at("/review/profile"));
        browser.click(".leave button");
        browser.has("input[name=username]");
        self.enter(browser, name);
    }

    /// Runs the program on its store.
    pub fn recon(&self, arguments: &[&str]) {
        let mut all = arguments.to_vec();
        all.extend(["--store", "sqlite:recon.db"]);
        let said = self.server.project.recon(&all);
        assert_eq!(said.code, 0, "{}", said.err);
    }

    /// The rows of a query.
    pub fn sql(&self, query: &str) -> Vec<Json> {
        let said = self.server.project.recon(&[
            "sql",
            query,
            "--format",
            "json",
            "--store",
            "sqlite:recon.db",
        ]);
        assert_eq!(said.code, 0, "{}", said.err);
        serde_json::from_str::<Json>(&said.out).unwrap().as_array().unwrap().clone()
    }

    pub fn count(&self, query: &str) -> u64 {
        let rows = self.sql(query);
        let number = rows[0].as_object().unwrap().values().next().unwrap().clone();
        number.as_u64().or_else(|| number.as_str()?.parse().ok()).unwrap()
    }

    /// Requests of the access log: path and milliseconds.
    pub fn requests(&self) -> Vec<(String, f64)> {
        let lines = self.log().into_iter();
        lines.map(|line| (path(&line), line["ms"].as_f64().unwrap())).collect()
    }

    /// Requests of the access log: path and status.
    pub fn answers(&self) -> Vec<(String, u64)> {
        let lines = self.log().into_iter();
        lines.map(|line| (path(&line), line["status"].as_u64().unwrap())).collect()
    }

    fn log(&self) -> Vec<Json> {
        let text = std::fs::read_to_string(self.server.project.path("access.log")).unwrap();
        text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }
}

fn path(line: &Json) -> String {
    line["path"].as_str().unwrap().to_owned()
}
