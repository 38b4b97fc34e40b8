//! A foreign page opened in the browser of a logged-in user.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};

use serde_json::json;

use super::driver::Browser;
use super::site::Site;

/// A server that always returns the same page.
struct Foreign {
    address: SocketAddr,
}

impl Foreign {
    fn serving(page: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        // It ends with the tests. Browsers also open silent connections, so each gets its own
        // thread.
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let page = page.clone();
                std::thread::spawn(move || answer(stream, &page));
            }
        });
        Self { address }
    }

    /// The page under both names of this machine: one is same-site, the other cross-site.
    fn addresses(&self) -> [String; 2] {
        ["127.0.0.1", "localhost"].map(|host| format!("http://{host}:{}/", self.address.port()))
    }
}

fn answer(mut stream: TcpStream, page: &str) {
    let mut request = [0; 4096];
    if stream.read(&mut request).is_ok_and(|read| read > 0) {
        let _ = write!(
            stream,
            "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {}\r\n\
             Connection: close\r\n\r\n{page}",
            page.len()
        );
    }
}

#[test]
fn pages_cannot_be_framed() {
    let site = Site::new(1, 0);
    let browser = Browser::start();
    site.enter(&browser, "ann");
    let foreign = Foreign::serving(format!("<iframe src=\"{}\"></iframe>", site.at("/review")));
    for address in foreign.addresses() {
        browser.open(&address);
        browser.enter_frame("iframe");
        browser.wait("the frame", "return document.readyState === 'complete'");
        let shown = browser.run("return location.href + document.body.innerText");
        let shown = shown.as_str().unwrap();
        assert!(shown.starts_with("chrome-error:"), "{address} shows ours in a frame: {shown}");
        assert!(!shown.contains("Overview"), "{shown}");
    }
}

#[test]
fn cross_site_pages_cannot_act_for_the_user() {
    let site = Site::new(0, 2);
    let browser = Browser::start();
    site.enter(&browser, "ann");
    let row =
        &site.sql("SELECT attribution_id FROM recon.attributions WHERE status = 'UNKNOWN'")[0];
    let item = row["attribution_id"].as_str().unwrap();
    let fields = "<input name=choice value=reject><input name=comment value='not her words'>\
                  <input name=version value=1>";
    let decide = site.at(&format!("/review/items/{item}/decide"));
    let body = json!({"attribution_id": item, "action": "REJECT", "comments": "not her words"});
    let page = format!(
        "<form id=decide method=post action='{decide}' target=into>{fields}</form>\
         <form id=leave method=post action='{}' target=into></form><iframe name=into></iframe>\
         <iframe sandbox='allow-scripts allow-forms' srcdoc=\"<form method=post \
         action='{decide}'>{fields}</form><script>document.forms[0].submit()</script>\"></iframe>\
         <script>const wait = ms => new Promise(done => setTimeout(done, ms));\
         async function attack() {{ \
         decide.submit(); await wait(300); leave.submit(); await wait(300); \
         for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'application/json']) \
         await fetch('{}', {{method: 'POST', mode: type.endsWith('json') ? 'cors' : 'no-cors', \
         credentials: 'include', headers: {{'Content-Type': type}}, body: '{body}'}})\
         .catch(() => 0); document.title = 'over'; }} attack()</script>",
        site.at("/review/logout"),
        site.at("/workflow/resolve"),
    );
    let before = site.count("SELECT count(*) FROM recon.audit_trail");
    let foreign = Foreign::serving(page);
    for address in foreign.addresses() {
        browser.open(&address);
        browser.wait("the end of the attack", "return document.title === 'over'");
    }
    let (posts, through): (Vec<_>, Vec<_>) = site
        .answers()
        .into_iter()
        .filter(|(path, _)| {
            ["/decide", "/logout", "/resolve"].iter().any(|end| path.ends_with(end))
        })
        .partition(|(_, status)| [401, 403, 405, 415].contains(status));
    assert!(through.is_empty(), "{through:?}");
    assert!(posts.len() >= 6, "the attacks did not arrive: {posts:?}");
    assert_eq!(site.count("SELECT count(*) FROM recon.audit_trail"), before);
    assert_eq!(site.count("SELECT count(*) FROM recon.attributions WHERE status = 'PENDING'"), 0);
    browser.open(&site.at("/review/work"));
    browser.has("header.top");
}
