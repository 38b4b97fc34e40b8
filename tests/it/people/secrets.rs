//! Passwords in the memory of a serving program after their use.

use std::io::Write as _;

use serde_json::{Value as Json, json};

use crate::api::Served;
use crate::wire::{Answer, Client};

const FORM: &str = "application/x-www-form-urlencoded";

/// A client whose passwords are searched for at the end.
struct Typist<'a> {
    served: &'a Served,
    typed: Vec<String>,
}

impl Typist<'_> {
    /// A password like no other text in the program.
    fn password(&mut self, word: &str) -> String {
        let password = format!("{word}-quince-{}-gantry", 7_301 + self.typed.len());
        self.typed.push(password.clone());
        password
    }

    fn send(&self, path: &str, cookie: &str, kind: &str, body: &str) -> Answer {
        let origin = format!("http://{}", self.served.server.address);
        let mut headers = vec![("Content-Type", kind), ("Origin", origin.as_str())];
        if !cookie.is_empty() {
            headers.push(("Cookie", cookie));
        }
        Client::to(&self.served.server).ask("POST", path, &headers, body).unwrap()
    }

    fn json(&self, path: &str, cookie: &str, body: &Json) -> Answer {
        self.send(path, cookie, "application/json", &body.to_string())
    }

    fn form(&self, path: &str, cookie: &str, body: &str) -> Answer {
        self.send(path, cookie, FORM, body)
    }

    /// Logs in, and gives the cookie.
    fn log_in(&self, login: &str, password: &str) -> String {
        let body = json!({ "username": login, "password": password });
        cookie(&self.json("/auth/login", "", &body))
    }

    /// Invites a login of its own, which chooses this password.
    fn invite(&self, login: &str, password: &str) {
        let said = self.served.project().recon(&["user", "invite", login, "--json"]);
        assert_eq!(said.code, 0, "{}", said.err);
        let (_, token) = said.out.split_once("token=").unwrap_or_else(|| panic!("{}", said.out));
        let token: String = token.chars().take_while(|at| !matches!(at, '"' | '&')).collect();
        let body = format!("token={token}&username={login}&password={password}&again={password}");
        let made = self.form("/review/first", "", &body);
        assert_eq!(made.status, 303, "{}", made.text());
    }
}

fn cookie(answer: &Answer) -> String {
    assert!(matches!(answer.status, 204 | 303), "{}", answer.text());
    let cookie = answer.header("set-cookie").unwrap_or_else(|| panic!("{:?}", answer.headers));
    cookie.split(';').next().unwrap().to_owned()
}

#[cfg(target_os = "linux")]
#[test]
fn passwords_are_wiped_from_memory_after_use() {
    let served = Served::new();
    let mut typist = Typist { served: &served, typed: Vec::new() };
    let (anns, adms) = (typist.password("anns"), typist.password("adms"));
    typist.invite("ann", &anns);
    typist.invite("adm", &adms);

    // Right and wrong, of known and unknown logins, as JSON and as forms.
    let ann = typist.log_in("ann", &anns);
    let adm = typist.log_in("adm", &adms);
    let wrong = typist.password("wrong");
    let body = json!({ "username": "ann", "password": wrong });
    assert_eq!(typist.json("/auth/login", "", &body).status, 401);
    let unknown = typist.password("unknown");
    assert_eq!(
        typist.form("/review/login", "", &format!("username=who&password={unknown}")).status,
        401
    );
    let body = format!("username=ann&password={}", anns.replace('-', "%2D"));
    assert_eq!(typist.form("/review/login", "", &body).status, 303);

    // Bodies that are not understood, or arrive in pieces, or never as a whole.
    let json = "application/json";
    let escaped = typist.password("escaped");
    let body = format!("{{\"username\":\"bob\",\"password\":\"\\u002d{escaped}\"}}");
    assert_eq!(typist.send("/auth/login", "", json, &body).status, 401);
    let cut = typist.password("cut");
    let body = format!("{{\"username\":\"bob\",\"password\":\"{cut}\"");
    assert_eq!(typist.send("/auth/login", "", json, &body).status, 400);
    let misnamed = typist.password("misnamed");
    let body = format!("{{\"username\":\"bob\",\"pass word\":\"{misnamed}\"}}");
    assert_eq!(typist.send("/auth/login", "", json, &body).status, 422);
    let padded = typist.password("padded");
    let space = " ".repeat(50_000);
    let body = format!("{space}{{\"username\":\"bob\",\"password\":\"{padded}\"}}{space}");
    assert_eq!(typist.send("/auth/login", "", json, &body).status, 401);
    let pieces = typist.password("pieces");
    let body = format!("{{\"username\":\"bob\",\"password\":\"{pieces}\"}}");
    for whole in [true, false] {
        let mut client = Client::to(&served.server);
        let length = body.len() + usize::from(!whole);
        let head = format!(
            "POST /auth/login HTTP/1.1\r\nHost: {}\r\nContent-Type: {json}\r\nContent-Length: {length}\r\n\r\n",
            served.server.address
        );
        let (first, rest) = body.split_at(body.len() - 12);
        client.send(head + first).unwrap();
        // Once the server has answered another client, it has read the earlier request.
        assert_eq!(Client::to(&served.server).get("/health").status, 200);
        client.stream.write_all(rest.as_bytes()).unwrap();
        if whole {
            assert_eq!(client.answer(false).unwrap().status, 401);
        }
    }

    // Changed by the API and on the page, given by an administrator, and chosen at an agreement.
    let second = typist.password("second");
    let body = json!({ "present": anns, "new": second });
    let ann = cookie(&typist.json("/auth/password", &ann, &body));
    let third = typist.password("third");
    let body = format!("present={second}&password={third}&again={third}");
    let ann = cookie(&typist.form("/review/password", &ann, &body));
    let differs = typist.password("differs");
    let body = format!("present={third}&password={differs}&again=x");
    assert_eq!(typist.form("/review/password", &ann, &body).status, 422);
    let given = typist.password("given");
    let body = json!({ "login": "zoe", "roles": ["analyst"], "password": given });
    let made = typist.json("/admin/users", &adm, &body);
    assert_eq!(made.status, 201, "{}", made.text());
    let other = json!({ "login": "ann2", "roles": ["analyst"], "same_person_as": "ann" });
    let made = typist.json("/admin/users", &adm, &other);
    assert_eq!(made.status, 201, "{}", made.text());
    let agreed = typist.password("agreed");
    let body = json!({ "password": agreed });
    let answer = typist.json("/auth/logins/ann2/agree", &ann, &body);
    assert!(answer.status < 300, "{}", answer.text());
    assert!(!typist.log_in("ann2", &agreed).is_empty());

    // Every thread has wiped its memory after serving others.
    let found = served.server.in_memory(&["recon.db", "access.log"]);
    assert_eq!(found.len(), 2, "looking finds what is there: {found:?}");
    let typed: Vec<&str> = typist.typed.iter().map(String::as_str).collect();
    let until = std::time::Instant::now() + std::time::Duration::from_secs(60);
    loop {
        let found = served.server.in_memory(&typed);
        if found.is_empty() {
            break;
        }
        assert!(std::time::Instant::now() < until, "still in memory: {found:?}");
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    served.server.assert_well();
}
