//! A browser under remote control: chromedriver speaks plain HTTP and JSON.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::{Value as Json, json};

/// How long to wait for something to appear.
const PATIENCE: Duration = Duration::from_secs(60);
/// Time limit for one command.
const ANSWER: Duration = Duration::from_secs(120);

/// Browsers that may run at once: more than processors would only wait for each other.
const AT_ONCE: usize = 2;
static FREE: (Mutex<usize>, Condvar) = (Mutex::new(AT_ONCE), Condvar::new());

/// The permission to run one browser.
struct Slot;

impl Slot {
    /// All at once: holding one while waiting for another could deadlock.
    fn take<const N: usize>() -> [Self; N] {
        let free = FREE.0.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = FREE.1.wait_while(free, |free| *free < N);
        *waited.unwrap_or_else(PoisonError::into_inner) -= N;
        [const { Self }; N]
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        *FREE.0.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        FREE.1.notify_all();
    }
}

/// A browser with one window.
pub struct Browser {
    port: u16,
    session: String,
    driver: Child,
    // In this order: folder and slot are free once the processes are gone.
    _profile: tempfile::TempDir,
    _slot: Slot,
}

impl Browser {
    pub fn start() -> Self {
        let [slot] = Slot::take();
        Self::launch(slot)
    }

    /// Starts two, for two users.
    pub fn pair() -> (Self, Self) {
        let [first, second] = Slot::take();
        (Self::launch(first), Self::launch(second))
    }

    fn launch(slot: Slot) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let profile = tempfile::tempdir().unwrap();
        let chromedriver = Command::new("chromedriver").arg("--version").output();
        chromedriver.expect("chromedriver is missing: ./scripts/test installs chromium-driver");
        // The shell ends its whole process group, browser included, when its input closes, however
        // the test ended.
        let driver = Command::new("sh")
            .args(["-c", "chromedriver \"$@\" & read -r over; kill -9 0", "sh"])
            .args([&format!("--port={port}"), "--silent"])
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let folder = format!("--user-data-dir={}", profile.path().display());
        let mut browser =
            Self { port, session: String::new(), driver, _profile: profile, _slot: slot };
        let until = Instant::now() + PATIENCE;
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(Instant::now() < until, "chromedriver does not listen");
            std::thread::sleep(Duration::from_millis(20));
        }
        let arguments = [
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-crash-reporter",
            "--disable-sync",
            "--no-first-run",
            "--window-size=1280,900",
            &folder,
        ];
        let made = browser.ask(
            "POST",
            "/session",
            &json!({"capabilities": {"alwaysMatch": {
                "timeouts": {"script": 30_000, "pageLoad": 30_000},
                "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"},
                "goog:chromeOptions": {"args": arguments},
            }}}),
        );
        let made = made.unwrap_or_else(|error| panic!("no browser: {error}"));
        browser.session = made["sessionId"].as_str().unwrap().to_owned();
        // Ignore the browser's own first page.
        browser.open("about:blank");
        browser.log("browser");
        browser.log("performance");
        browser
    }

    /// Sends a command. Errors are returned, because the browser must be closed even then.
    fn ask(&self, method: &str, path: &str, body: &Json) -> Result<Json, String> {
        let answer = self
            .exchange(method, path, body)
            .map_err(|error| format!("{method} {path}: chromedriver: {error}"))?;
        let document: Json =
            serde_json::from_slice(&answer).map_err(|error| format!("{method} {path}: {error}"))?;
        let value = document["value"].clone();
        match value.get("error") {
            Some(error) if value.get("message").is_some() => {
                Err(format!("{error}: {}", value["message"]))
            }
            _ => Ok(value),
        }
    }

    /// The response body, read by its length: chromedriver keeps connections open that it announced
    /// to close.
    fn exchange(&self, method: &str, path: &str, body: &Json) -> std::io::Result<Vec<u8>> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
        stream.set_read_timeout(Some(ANSWER))?;
        let body = if method == "GET" { String::new() } else { body.to_string() };
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(request.as_bytes())?;
        let mut answer = BufReader::new(stream);
        let mut length = 0;
        loop {
            let mut line = String::new();
            if answer.read_line(&mut line)? == 0 || line == "\r\n" {
                break;
            }
            if let Some((name, value)) = line.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.trim().parse().map_err(std::io::Error::other)?;
            }
        }
        let mut body = vec![0; length];
        answer.read_exact(&mut body)?;
        Ok(body)
    }

    /// Fails, with the page text and a screenshot.
    fn fail(&self, what: &str) -> ! {
        let run = |script: &str| {
            let path = format!("/session/{}/execute/sync", self.session);
            let said = self.ask("POST", &path, &json!({"script": script, "args": []}));
            said.map_or_else(|error| error, |said| said.as_str().unwrap_or_default().to_owned())
        };
        let (url, text) = (run("return location.href"), run("return document.body.innerText"));
        let picture = self.picture();
        panic!("{what}\n  at {url}\n  picture: {picture}\n{text}");
    }

    /// Saves a screenshot and returns its path.
    fn picture(&self) -> String {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/target/browser");
        let name = std::thread::current().name().unwrap_or("test").replace("::", "-");
        let path = format!("{folder}/{name}.png");
        let shot = self.ask("GET", &format!("/session/{}/screenshot", self.session), &Json::Null);
        let bytes = shot.map(|shot| shot.as_str().and_then(decode).unwrap_or_default());
        match bytes {
            Ok(bytes) if !bytes.is_empty() => std::fs::create_dir_all(folder)
                .and_then(|()| std::fs::write(&path, bytes))
                .map_or_else(|error| error.to_string(), |()| path),
            Ok(_) => "none".to_owned(),
            Err(error) => error,
        }
    }

    fn post(&self, path: &str, body: &Json) -> Json {
        let path = format!("/session/{}{path}", self.session);
        self.ask("POST", &path, body)
            .unwrap_or_else(|error| self.fail(&format!("{path} {body}: {error}")))
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

    pub fn back(&self) {
        self.post("/back", &json!({}));
    }

    /// Loads the page again.
    pub fn reload(&self) {
        self.post("/refresh", &json!({}));
    }

    /// Runs a script and returns its result.
    pub fn run(&self, script: &str) -> Json {
        self.run_with(script, &json!([]))
    }

    pub fn run_with(&self, script: &str, arguments: &Json) -> Json {
        self.post("/execute/sync", &json!({"script": script, "args": arguments}))
    }

    /// Runs a script that calls its last argument with the result.
    pub fn run_until(&self, script: &str) -> Json {
        self.post("/execute/async", &json!({"script": script, "args": []}))
    }

    /// Waits until a script returns true.
    pub fn wait(&self, what: &str, script: &str) {
        let until = Instant::now() + PATIENCE;
        let path = format!("/session/{}/execute/sync", self.session);
        loop {
            // A page being left gives no result.
            let said = self.ask("POST", &path, &json!({"script": script, "args": []}));
            if said.is_ok_and(|said| said == json!(true)) {
                return;
            }
            if Instant::now() > until {
                self.fail(&format!("{what} never came"));
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

    /// Switches into a frame of the page.
    pub fn enter_frame(&self, selector: &str) {
        self.has(selector);
        let frame = self.post("/element", &json!({"using": "css selector", "value": selector}));
        self.post("/frame", &json!({"id": frame}));
    }

    /// Clicks an element with the mouse.
    pub fn click(&self, selector: &str) {
        let id = self.element(selector);
        self.post(&format!("/element/{id}/click"), &json!({}));
    }

    pub fn write(&self, selector: &str, text: &str) {
        let id = self.element(selector);
        self.post(&format!("/element/{id}/value"), &json!({"text": text}));
    }

    /// Presses keys, one after the other: `j`, `Enter`, `Ctrl+Enter`. The page must have its script first: it is in
    /// sight earlier.
    pub fn press(&self, keys: &[&str]) {
        self.wait("the whole page", "return document.readyState === 'complete'");
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

    /// Types into the focused element.
    pub fn type_text(&self, text: &str) {
        let actions: Vec<Json> = text
            .chars()
            .flat_map(|key| ["keyDown", "keyUp"].map(|kind| json!({"type": kind, "value": key})))
            .collect();
        let key = json!({"type": "key", "id": "keyboard", "actions": actions});
        self.post("/actions", &json!({"actions": [key]}));
    }

    /// New log entries: `browser` for the console, `performance` for the network.
    pub fn log(&self, kind: &str) -> Vec<Json> {
        self.post("/se/log", &json!({"type": kind})).as_array().unwrap().clone()
    }

    /// Waits until the page accepts a decision: it ignores keys in the first 250 ms of an item.
    pub fn pause(&self) -> Duration {
        let time = Duration::from_millis(300);
        std::thread::sleep(time);
        time
    }

    pub fn has_dialog(&self) -> bool {
        let path = format!("/session/{}/alert/text", self.session);
        self.ask("GET", &path, &Json::Null).is_ok()
    }

    /// Prefers light or dark from now on.
    pub fn prefer(&self, theme: &str) {
        let features = json!([{"name": "prefers-color-scheme", "value": theme}]);
        self.tell("Emulation.setEmulatedMedia", &json!({"features": features}));
    }

    /// Sets the width of the window.
    pub fn widen(&self, width: u32) {
        self.resize(width, 900);
    }

    /// Sets the size of the window.
    pub fn resize(&self, width: u32, height: u32) {
        self.tell(
            "Emulation.setDeviceMetricsOverride",
            &json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": false}),
        );
    }

    /// Disables the pages' own scripts.
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

fn decode(text: &str) -> Option<Vec<u8>> {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    let (mut bits, mut held) = (0_u32, 0);
    for byte in text.bytes().filter(|byte| *byte != b'=') {
        let six = ALPHABET.iter().position(|own| *own == byte)?;
        bits = bits << 6 | u32::try_from(six).ok()?;
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.push(u8::try_from(bits >> held & 0xff).ok()?);
        }
    }
    Some(bytes)
}

impl Drop for Browser {
    fn drop(&mut self) {
        drop(self.driver.stdin.take());
        let _ = self.driver.wait();
    }
}
