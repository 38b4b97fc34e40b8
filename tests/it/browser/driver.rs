//! A browser under remote control: chromedriver speaks HTTP and JSON, and that is all it takes.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value as Json, json};

/// How long something may take to appear.
const PATIENCE: Duration = Duration::from_secs(20);

/// A browser with one window.
pub struct Browser {
    port: u16,
    session: String,
    driver: Child,
    _profile: tempfile::TempDir,
}

impl Browser {
    /// Starts one.
    pub fn start() -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let driver = Command::new("chromedriver")
            .args([&format!("--port={port}"), "--silent"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("chromedriver is missing: apt-get install chromium chromium-driver");
        let profile = tempfile::tempdir().unwrap();
        let mut browser = Self { port, session: String::new(), driver, _profile: profile };
        let until = Instant::now() + PATIENCE;
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(Instant::now() < until, "chromedriver does not listen");
            std::thread::sleep(Duration::from_millis(20));
        }
        let folder = format!("--user-data-dir={}", browser._profile.path().display());
        let arguments = [
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--no-first-run",
            "--window-size=1280,900",
            &folder,
        ];
        let made = browser.ask(
            "POST",
            "/session",
            &json!({"capabilities": {"alwaysMatch": {
                "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"},
                "goog:chromeOptions": {"args": arguments},
            }}}),
        );
        browser.session = made.unwrap()["sessionId"].as_str().unwrap().to_owned();
        browser
    }

    fn ask(&self, method: &str, path: &str, body: &Json) -> Result<Json, String> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let body = if method == "GET" { String::new() } else { body.to_string() };
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(body.as_bytes()).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        let start = answer.windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4;
        let document: Json = serde_json::from_slice(&answer[start..]).unwrap();
        let value = document["value"].clone();
        match value.get("error") {
            Some(error) if value.get("message").is_some() => {
                Err(format!("{error}: {}", value["message"]))
            }
            _ => Ok(value),
        }
    }

    fn post(&self, path: &str, body: &Json) -> Json {
        let path = format!("/session/{}{path}", self.session);
        self.ask("POST", &path, body).unwrap_or_else(|error| panic!("{path} {body}: {error}"))
    }

    /// A command of the browser's own protocol.
    pub fn tell(&self, command: &str, parameters: &Json) {
        self.post("/goog/cdp/execute", &json!({"cmd": command, "params": parameters}));
    }

    /// Opens an address.
    pub fn open(&self, url: &str) {
        self.post("/url", &json!({"url": url}));
    }

    /// The present address.
    pub fn url(&self) -> String {
        self.run("return location.href").as_str().unwrap().to_owned()
    }

    /// Goes back.
    pub fn back(&self) {
        self.post("/back", &json!({}));
    }

    /// Loads the page again.
    pub fn reload(&self) {
        self.post("/refresh", &json!({}));
    }

    /// Runs a script and gives what it returns.
    pub fn run(&self, script: &str) -> Json {
        self.run_with(script, &json!([]))
    }

    /// Runs a script with arguments.
    pub fn run_with(&self, script: &str, arguments: &Json) -> Json {
        self.post("/execute/sync", &json!({"script": script, "args": arguments}))
    }

    /// Runs a script that calls its last argument with the result.
    pub fn run_until(&self, script: &str) -> Json {
        self.post("/execute/async", &json!({"script": script, "args": []}))
    }

    /// Waits until a script returns something true.
    pub fn wait(&self, what: &str, script: &str) {
        let until = Instant::now() + PATIENCE;
        let path = format!("/session/{}/execute/sync", self.session);
        loop {
            // A page that is being left has no answer.
            let said = self.ask("POST", &path, &json!({"script": script, "args": []}));
            if said.is_ok_and(|said| said == json!(true)) {
                return;
            }
            if Instant::now() > until {
                let shown = self.run("return document.body.innerText");
                panic!("{what} never came at {}:\n{}", self.url(), shown.as_str().unwrap());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Waits until the page shows a text.
    pub fn shows(&self, text: &str) {
        let script = format!("return document.body.innerText.includes({})", json!(text));
        self.wait(&format!("{text:?}"), &script);
    }

    /// Waits until an element is there.
    pub fn has(&self, selector: &str) {
        let script = format!("return document.querySelector({}) !== null", json!(selector));
        self.wait(selector, &script);
    }

    fn element(&self, selector: &str) -> String {
        self.has(selector);
        let found = self.post("/element", &json!({"using": "css selector", "value": selector}));
        found.as_object().unwrap().values().next().unwrap().as_str().unwrap().to_owned()
    }

    /// Clicks an element with the mouse.
    pub fn click(&self, selector: &str) {
        let id = self.element(selector);
        self.post(&format!("/element/{id}/click"), &json!({}));
    }

    /// Types into an element.
    pub fn write(&self, selector: &str, text: &str) {
        let id = self.element(selector);
        self.post(&format!("/element/{id}/value"), &json!({"text": text}));
    }

    /// Presses keys, one after the other: `j`, `Enter`, `Ctrl+Enter`.
    pub fn press(&self, keys: &[&str]) {
        for chord in keys {
            let parts: Vec<String> =
                if *chord == "+" { vec!["+".into()] } else { chord.split('+').map(code).collect() };
            let down = parts.iter().map(|key| json!({"type": "keyDown", "value": key}));
            let up = parts.iter().rev().map(|key| json!({"type": "keyUp", "value": key}));
            let actions: Vec<Json> = down.chain(up).collect();
            let key = json!({"type": "key", "id": "keyboard", "actions": actions});
            self.post("/actions", &json!({"actions": [key]}));
        }
    }

    /// What the browser noted since the last time: `browser` for its console, `performance` for the
    /// network.
    pub fn log(&self, kind: &str) -> Vec<Json> {
        self.post("/se/log", &json!({"type": kind})).as_array().unwrap().clone()
    }

    /// Whether a dialog is open.
    pub fn has_dialog(&self) -> bool {
        let path = format!("/session/{}/alert/text", self.session);
        self.ask("GET", &path, &Json::Null).is_ok()
    }

    /// Prefers a light or a dark page from now on.
    pub fn prefer(&self, theme: &str) {
        let features = json!([{"name": "prefers-color-scheme", "value": theme}]);
        self.tell("Emulation.setEmulatedMedia", &json!({"features": features}));
    }

    /// Makes the window so wide.
    pub fn widen(&self, width: u32) {
        self.tell(
            "Emulation.setDeviceMetricsOverride",
            &json!({"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": false}),
        );
    }

    /// Pages' own scripts no longer run.
    pub fn without_scripts(&self) {
        self.tell("Emulation.setScriptExecutionDisabled", &json!({"value": true}));
    }
}

fn code(key: &str) -> String {
    let code = match key {
        "Enter" => '\u{E007}',
        "Ctrl" => '\u{E009}',
        "Shift" => '\u{E008}',
        "Escape" => '\u{E00C}',
        "Space" => ' ',
        "ArrowDown" => '\u{E015}',
        "Tab" => '\u{E004}',
        one => return one.to_owned(),
    };
    code.to_string()
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.ask("DELETE", &format!("/session/{}", self.session), &Json::Null);
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}
