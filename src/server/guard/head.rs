//! The head of a request: read byte by byte against every rule, then taken apart.
//!
//! What is here decides what the handlers can ever see: one request whose end nobody can argue
//! about. Whatever is malformed, ambiguous or rare enough to be an attack is refused; nothing is
//! repaired.

use std::time::Duration;

use crate::server::http::Method;
use crate::server::lane::Lane;
use crate::server::target::Target;

use super::limits::{BODY_BYTES, HEADERS, TARGET_BYTES};

/// Names of headers that begin so come from the guard alone.
pub const INTERNAL: &str = "x-recon-guard-";
/// The client's address.
pub const PEER: &str = "x-recon-guard-peer";
/// The id that the guard gave the request.
pub const REQUEST_ID: &str = "x-recon-guard-id";
/// The number of the request's lane.
pub const LANE: &str = "x-recon-guard-lane";
/// For how many milliseconds the request has waited already.
pub const WAITED: &str = "x-recon-guard-waited";

/// Headers that say how the connection is used: they end here.
const HOP_BY_HOP: &[&str] =
    &["connection", "keep-alive", "proxy-connection", "te", "trailer", "expect", "content-length"];
/// Headers that mean something only once.
const ONCE: &[&str] = &[
    "host",
    "content-length",
    "content-type",
    "authorization",
    "origin",
    "sec-fetch-site",
    "if-match",
    "if-none-match",
    "idempotency-key",
    "cookie",
    "referer",
    "user-agent",
];

/// Why a request is not passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The status of the answer.
    pub status: u16,
    /// A sentence for the client.
    pub detail: &'static str,
}

impl Refused {
    /// A refusal with this status.
    pub const fn new(status: u16, detail: &'static str) -> Self {
        Self { status, detail }
    }

    const fn malformed(detail: &'static str) -> Self {
        Self::new(400, detail)
    }
}

/// A head without a doubt in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// The method.
    pub method: Method,
    /// The target as written: a path with perhaps a query.
    pub target: String,
    /// The headers that are passed on, their names in lower case.
    pub headers: Vec<(String, String)>,
    /// Bytes of the body.
    pub length: usize,
    /// Whether the client wants the connection kept.
    pub keep_alive: bool,
    /// Whether the client speaks HTTP/1.0.
    pub old: bool,
    /// Whether the client waits to be told to send the body.
    pub waits: bool,
}

/// Watches the bytes of a head as they come.
#[derive(Debug, Default)]
pub struct Scan {
    at: usize,
    lines: usize,
    line_start: usize,
}

impl Scan {
    /// Looks at the bytes that are new in `bytes`; gives the head's length once it is whole.
    pub fn look(&mut self, bytes: &[u8]) -> Result<Option<usize>, Refused> {
        while let Some(&byte) = bytes.get(self.at) {
            let before = self.at.checked_sub(1).and_then(|at| bytes.get(at)).copied();
            if before == Some(b'\r') && byte != b'\n' {
                return Err(Refused::malformed("a carriage return without its line feed"));
            }
            match byte {
                b'\n' if before != Some(b'\r') => {
                    return Err(Refused::malformed("a line feed without its carriage return"));
                }
                b'\n' => {
                    if self.at - self.line_start == 1 {
                        return if self.lines == 0 {
                            Err(Refused::malformed("an empty request line"))
                        } else {
                            Ok(Some(self.at + 1))
                        };
                    }
                    self.lines += 1;
                    self.line_start = self.at + 1;
                    if self.lines > HEADERS + 1 {
                        return Err(Refused::new(431, "too many headers"));
                    }
                }
                b'\r' => {}
                b' ' | b'\t' if self.at == self.line_start => {
                    return Err(Refused::malformed("a header folded over several lines"));
                }
                b'\t' if self.lines > 0 => {}
                byte if self.at == 0 && !byte.is_ascii_uppercase() => {
                    return Err(Refused::malformed("this is not HTTP"));
                }
                b' '..=b'~' => {}
                _ => {
                    return Err(Refused::malformed(
                        "a byte in the head that is not printable ASCII",
                    ));
                }
            }
            self.at += 1;
            if self.lines == 0 && self.at > TARGET_BYTES + 32 {
                return Err(Refused::new(414, "the target is too long"));
            }
        }
        Ok(None)
    }
}

/// Takes a whole head apart.
pub fn parse(bytes: &[u8]) -> Result<Head, Refused> {
    let line = bytes.split(|byte| *byte == b'\r').next().unwrap_or_default();
    let line = std::str::from_utf8(line)
        .map_err(|_| Refused::malformed("a byte in the head that is not printable ASCII"))?;
    let words: Vec<&str> = line.split(' ').collect();
    let [method, target, version] = words.as_slice() else {
        return Err(Refused::malformed("a request line is a method, a target and a version"));
    };
    let old = match *version {
        "HTTP/1.1" => false,
        "HTTP/1.0" => true,
        other if other.starts_with("HTTP/") => {
            return Err(Refused::new(505, "only version 1.1 is spoken here"));
        }
        _ => return Err(Refused::malformed("a request line ends in its version")),
    };
    let method = match Method::from_name(method) {
        Some(method) => method,
        None if method.bytes().all(|byte| byte.is_ascii_uppercase()) => {
            return Err(Refused::new(501, "this method is not known here"));
        }
        None => return Err(Refused::malformed("methods are written in capitals")),
    };
    if target.len() > TARGET_BYTES {
        return Err(Refused::new(414, "the target is too long"));
    }
    Target::parse(target).map_err(Refused::malformed)?;

    let mut places = [httparse::EMPTY_HEADER; HEADERS];
    let mut parsed = httparse::Request::new(&mut places);
    match parsed.parse(bytes) {
        Ok(httparse::Status::Complete(length)) if length == bytes.len() => {}
        Err(httparse::Error::TooManyHeaders) => {
            return Err(Refused::new(431, "too many headers"));
        }
        Ok(_) | Err(_) => return Err(Refused::malformed("a malformed header")),
    }
    let mut headers = Vec::with_capacity(parsed.headers.len());
    for header in &*parsed.headers {
        let value = std::str::from_utf8(header.value)
            .map_err(|_| Refused::malformed("a byte in the head that is not printable ASCII"))?;
        headers
            .push((header.name.to_ascii_lowercase(), value.trim_matches([' ', '\t']).to_owned()));
    }
    Fields(headers).judge(method, (*target).to_owned(), old)
}

struct Fields(Vec<(String, String)>);

impl Fields {
    fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(own, _)| own == name).map(|(_, value)| value.as_str())
    }

    fn lists(&self, name: &str, word: &str) -> bool {
        self.all(name)
            .flat_map(|value| value.split(','))
            .any(|item| item.trim().eq_ignore_ascii_case(word))
    }

    fn judge(mut self, method: Method, target: String, old: bool) -> Result<Head, Refused> {
        for name in ONCE {
            if self.all(name).nth(1).is_some() {
                return Err(Refused::malformed("a header that may stand only once stands twice"));
            }
        }
        let Some(host) = self.all("host").next() else {
            return Err(Refused::malformed("a request names its host"));
        };
        if !is_host(host) {
            return Err(Refused::malformed("a malformed host"));
        }
        if self.all("transfer-encoding").next().is_some() {
            return Err(Refused::malformed("a body comes with its length here, not in chunks"));
        }
        let length = match self.all("content-length").next() {
            None => 0,
            Some(text) if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) => {
                return Err(Refused::malformed("a length is digits"));
            }
            // More digits than a number holds are more bytes than are taken.
            Some(text) => match text.parse::<usize>() {
                Ok(length) if length <= BODY_BYTES => length,
                _ => return Err(Refused::new(413, "the body is too long: 1 MiB is taken")),
            },
        };
        if self.all("upgrade").next().is_some() || self.lists("connection", "upgrade") {
            return Err(Refused::malformed("connections are not upgraded here"));
        }
        let waits = match self.all("expect").next() {
            None => false,
            Some(value) if value.eq_ignore_ascii_case("100-continue") => true,
            Some(_) => return Err(Refused::new(417, "only 100-continue can be expected")),
        };
        let closes = self.lists("connection", "close");
        let keep_alive = !closes && (!old || self.lists("connection", "keep-alive"));
        self.0.retain(|(name, _)| {
            !HOP_BY_HOP.contains(&name.as_str()) && !name.starts_with(INTERNAL)
        });
        Ok(Head { method, target, headers: self.0, length, keep_alive, old, waits })
    }
}

/// Whether this is a name or address with perhaps a port, and nothing else.
fn is_host(host: &str) -> bool {
    let (name, port) = match host.strip_prefix('[') {
        Some(rest) => match rest.split_once(']') {
            Some((inner, rest)) if inner.parse::<std::net::Ipv6Addr>().is_ok() => ("v6", rest),
            _ => return false,
        },
        None => match host.find(':') {
            Some(at) => host.split_at(at),
            None => (host, ""),
        },
    };
    let port = match port.strip_prefix(':') {
        Some(digits) => digits.parse::<u16>().is_ok() && digits.bytes().all(|b| b.is_ascii_digit()),
        None => port.is_empty(),
    };
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    port && !name.is_empty() && name.len() <= 253 && name.bytes().all(plain)
}

impl Head {
    /// The request as the handlers get it: canonical, with what the guard knows, and nothing that the
    /// client could have put in its place.
    pub fn canonical(&self, peer: &str, id: &str, lane: Lane, waited: Duration) -> Vec<u8> {
        let mut text = format!("{} {} HTTP/1.1\r\n", self.method.name(), self.target);
        for (name, value) in &self.headers {
            text.extend([name, ": ", value, "\r\n"]);
        }
        let length = self.length.to_string();
        let (lane, waited) = (lane.index().to_string(), waited.as_millis().to_string());
        for (name, value) in [
            (PEER, peer),
            (REQUEST_ID, id),
            (LANE, &lane),
            (WAITED, &waited),
            ("content-length", &length),
            ("connection", "close"),
        ] {
            text.extend([name, ": ", value, "\r\n"]);
        }
        text.push_str("\r\n");
        text.into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(text: &[u8]) -> Result<Head, Refused> {
        match Scan::default().look(text)? {
            Some(length) => parse(&text[..length]),
            None => Err(Refused::new(0, "more")),
        }
    }

    fn status(text: impl AsRef<[u8]>) -> u16 {
        read(text.as_ref()).map_or_else(|refused| refused.status, |_| 200)
    }

    #[test]
    fn a_plain_request_is_understood() {
        let head = read(
            b"POST /a?b=%20c HTTP/1.1\r\nHost: localhost:8765\r\nContent-Length: 5\r\n\
              X-Recon-Guard-Peer: 1.2.3.4\r\nAccept:  */* \r\nTE: trailers\r\n\r\nhello",
        )
        .unwrap();
        assert_eq!(
            (head.method, head.target.as_str(), head.length),
            (Method::Post, "/a?b=%20c", 5)
        );
        assert!(head.keep_alive && !head.old && !head.waits);
        let names: Vec<_> = head.headers.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["host", "accept"]);
        let canonical =
            String::from_utf8(head.canonical("9.9.9.9", "id", Lane::Work, Duration::ZERO)).unwrap();
        assert_eq!(
            canonical,
            "POST /a?b=%20c HTTP/1.1\r\nhost: localhost:8765\r\naccept: */*\r\n\
             x-recon-guard-peer: 9.9.9.9\r\nx-recon-guard-id: id\r\nx-recon-guard-lane: 3\r\n\
             x-recon-guard-waited: 0\r\ncontent-length: 5\r\nconnection: close\r\n\r\n"
        );
    }

    #[test]
    fn whatever_can_be_read_in_two_ways_is_refused() {
        let with = |lines: &str| format!("POST / HTTP/1.1\r\nHost: a\r\n{lines}\r\n");
        for (lines, expected) in [
            ("Content-Length: +5\r\n", 400),
            ("Content-Length: abc\r\n", 400),
            ("Content-Length: -1\r\n", 400),
            ("Content-Length: 5, 5\r\n", 400),
            ("Content-Length: \r\n", 400),
            ("Content-Length: 5\r\nContent-Length: 5\r\n", 400),
            ("Content-Length: 1048577\r\n", 413),
            ("Content-Length: 99999999999999999999999999\r\n", 413),
            ("Transfer-Encoding: chunked\r\n", 400),
            ("Transfer-Encoding: xchunked\r\n", 400),
            ("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", 400),
            ("Host: b\r\n", 400),
            ("Connection: Upgrade\r\n", 400),
            ("Upgrade: websocket\r\n", 400),
            ("Expect: 200-ok\r\n", 417),
            ("Expect: 100-continue\r\n", 200),
            ("Bad Name: x\r\n", 400),
            ("Name : x\r\n", 400),
            (": x\r\n", 400),
            ("Name: a\r\n folded\r\n", 400),
            ("Name: a\nOther: b\r\n", 400),
            ("Name: a\rb\r\n", 400),
            ("Name: caf\u{e9}\r\n", 400),
            ("Name: nul\0\r\n", 400),
            ("Name: tab\tis fine\r\n", 200),
        ] {
            assert_eq!(status(with(lines)), expected, "{lines:?}");
        }
        for (text, expected) in [
            ("GET / HTTP/1.1\r\n\r\n", 400),
            ("GET / HTTP/1.0\r\nHost: a\r\n\r\n", 200),
            ("GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505),
            ("PRI * HTTP/2.0\r\n\r\n", 505),
            ("GET /\r\nHost: a\r\n\r\n", 400),
            ("GET evil HTTP/1.1\r\nHost: a\r\n\r\n", 400),
            ("GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
            ("GET / HTTP/1.1 x\r\nHost: a\r\n\r\n", 400),
            ("GET http://a/ HTTP/1.1\r\nHost: a\r\n\r\n", 400),
            ("GET /../x HTTP/1.1\r\nHost: a\r\n\r\n", 400),
            ("get / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
            ("FROB / HTTP/1.1\r\nHost: a\r\n\r\n", 501),
            ("CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n", 501),
            ("\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
            ("GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400),
            ("GET / HTTP/1.1\r\nHost: a@b\r\n\r\n", 400),
            ("GET / HTTP/1.1\r\nHost: a:99999\r\n\r\n", 400),
            ("GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", 200),
            ("GET / HTTP/1.1\r\nHost: [::1\r\n\r\n", 400),
            ("\u{16}\u{3}\u{1}", 400),
        ] {
            assert_eq!(status(text), expected, "{text:?}");
        }
        assert_eq!(status(format!("GET /{} HTTP/1.1\r\n", "a".repeat(9000))), 414);
        assert_eq!(status(with(&"a: b\r\n".repeat(64))), 431);
        assert_eq!(status(with(&"a: b\r\n".repeat(63))), 200);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>, cut in 0usize..64) {
            let mut text = b"GET /a HTTP/1.1\r\nHost: a\r\n".to_vec();
            text.truncate(cut);
            text.extend(&bytes);
            text.extend(b"\r\n\r\n");
            let _ = read(&text);
        }

        #[test]
        fn cutting_the_bytes_anywhere_changes_nothing(at in 0usize..60) {
            let text = b"GET /a HTTP/1.1\r\nHost: localhost\r\nAccept: */*\r\n\r\nGET";
            let at = at.min(text.len());
            let mut scan = Scan::default();
            let first = scan.look(&text[..at]).unwrap();
            let end = match first { Some(end) => end, None => scan.look(text).unwrap().unwrap() };
            prop_assert_eq!(end, text.len() - 3);
        }
    }
}
