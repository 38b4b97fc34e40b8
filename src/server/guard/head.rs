//! The head of a request: checked byte by byte as it arrives, then parsed, once.
//!
//! Unambiguous framing, so that no request can be smuggled inside another: a malformed, ambiguous or suspiciously
//! rare form is refused, never repaired.

use std::net::IpAddr;

use zeroize::Zeroizing;

use crate::server::http::{Headers, Method, Request};
use crate::server::target::Target;

use super::limits::{BODY_BYTES, HEADERS, TARGET_BYTES};

/// Headers about the connection, which handlers don't see.
const HOP_BY_HOP: &[&str] =
    &["connection", "keep-alive", "proxy-connection", "te", "trailer", "expect", "content-length"];
/// Headers that must not be repeated.
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

/// A request that the guard answers itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused {
    pub status: u16,
    pub detail: &'static str,
}

impl Refused {
    pub const fn new(status: u16, detail: &'static str) -> Self {
        Self { status, detail }
    }

    const fn malformed(detail: &'static str) -> Self {
        Self::new(400, detail)
    }
}

/// A request whose head has arrived, with the guard's facts about its connection.
#[derive(Debug)]
pub struct Head {
    pub request: Request,
    /// Length of the body in bytes.
    pub length: usize,
    pub keep_alive: bool,
    pub old: bool,
    /// The client waits for `100 Continue` before it sends the body.
    pub waits: bool,
}

/// Checks the bytes of a head as they arrive.
#[derive(Debug, Default)]
pub struct Scan {
    at: usize,
    lines: usize,
    line_start: usize,
}

impl Scan {
    /// Checks the bytes added to `bytes` since the last call; the head's length once it is whole.
    pub fn advance(&mut self, bytes: &[u8]) -> Result<Option<usize>, Refused> {
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
                    return Err(Refused::malformed("a folded header"));
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

/// Parses a whole head that [`Scan`] has passed.
pub fn parse(bytes: &[u8], peer: IpAddr, id: &str) -> Result<Head, Refused> {
    let line = bytes.split(|byte| *byte == b'\r').next().unwrap_or_default();
    let line = std::str::from_utf8(line)
        .map_err(|_| Refused::malformed("a byte in the head that is not printable ASCII"))?;
    let words: Vec<&str> = line.split(' ').collect();
    let [method, target, version] = words.as_slice() else {
        return Err(Refused::malformed(
            "the request line must be a method, a target and a version",
        ));
    };
    let old = match *version {
        "HTTP/1.1" => false,
        "HTTP/1.0" => true,
        other if other.starts_with("HTTP/") => {
            return Err(Refused::new(505, "the version of HTTP must be 1.0 or 1.1"));
        }
        _ => return Err(Refused::malformed("the request line must end with its version")),
    };
    let method = match Method::from_name(method) {
        Some(method) => method,
        None if method.bytes().all(|byte| byte.is_ascii_uppercase()) => {
            return Err(Refused::new(501, "unknown method"));
        }
        None => return Err(Refused::malformed("methods are upper case")),
    };
    if target.len() > TARGET_BYTES {
        return Err(Refused::new(414, "the target is too long"));
    }
    let decoded = Target::parse(target).map_err(Refused::malformed)?;

    let mut headers = [httparse::EMPTY_HEADER; HEADERS];
    let mut parsed = httparse::Request::new(&mut headers);
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
    let mut headers = Headers(headers);
    if ONCE.iter().any(|name| headers.all(name).nth(1).is_some()) {
        return Err(Refused::malformed("a header that must not be repeated is repeated"));
    }
    match headers.one("host") {
        None => return Err(Refused::malformed("the Host header is missing")),
        Some(host) if !is_host(host) => return Err(Refused::malformed("a malformed host")),
        Some(_) => {}
    }
    if headers.has("transfer-encoding") {
        return Err(Refused::malformed("send a Content-Length; chunked bodies are not accepted"));
    }
    let length = match headers.one("content-length") {
        None => 0,
        Some(text) if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) => {
            return Err(Refused::malformed("Content-Length must be digits"));
        }
        // A number that overflows is too long, too.
        Some(text) => match text.parse::<usize>() {
            Ok(length) if length <= BODY_BYTES => length,
            _ => return Err(Refused::new(413, "the body is longer than 1 MiB")),
        },
    };
    let connection = |word: &str| {
        let mut items = headers.all("connection").flat_map(|value| value.split(','));
        items.any(|item| item.trim().eq_ignore_ascii_case(word))
    };
    if headers.has("upgrade") || connection("upgrade") {
        return Err(Refused::malformed("connections can't be upgraded"));
    }
    let waits = match headers.all("expect").next() {
        None => false,
        Some(value) if value.eq_ignore_ascii_case("100-continue") => true,
        Some(_) => return Err(Refused::new(417, "only `Expect: 100-continue` is supported")),
    };
    let keep_alive = !connection("close") && (!old || connection("keep-alive"));
    headers.0.retain(|(name, _)| !HOP_BY_HOP.contains(&name.as_str()));
    let request = Request {
        method,
        url: (*target).to_owned(),
        target: decoded,
        headers,
        body: Zeroizing::default(),
        peer,
        id: id.to_owned(),
    };
    Ok(Head { request, length, keep_alive, old, waits })
}

/// A name or address, and optionally a port.
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(text: &[u8]) -> Result<Head, Refused> {
        match Scan::default().advance(text)? {
            Some(length) => parse(&text[..length], IpAddr::from([9, 9, 9, 9]), "id"),
            None => Err(Refused::new(0, "more")),
        }
    }

    fn status(text: impl AsRef<[u8]>) -> u16 {
        read(text.as_ref()).map_or_else(|refused| refused.status, |_| 200)
    }

    #[test]
    fn a_plain_request_is_parsed() {
        let head = read(
            b"POST /a?b=%20c HTTP/1.1\r\nHost: localhost:8765\r\nContent-Length: 5\r\n\
              Accept:  */* \r\nTE: trailers\r\n\r\nhello",
        )
        .unwrap();
        assert!(head.keep_alive && !head.old && !head.waits);
        assert_eq!(head.length, 5);
        let request = head.request;
        assert_eq!((request.method, request.url.as_str()), (Method::Post, "/a?b=%20c"));
        assert_eq!((request.path(), &request.target.query[0].1[..]), ("/a", " c"));
        assert_eq!((request.peer.to_string().as_str(), request.id.as_str()), ("9.9.9.9", "id"));
        let names: Vec<_> = request.headers.0.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["host", "accept"]);
    }

    #[test]
    fn malformed_and_ambiguous_heads_are_refused() {
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
        fn no_input_panics(bytes: Vec<u8>, cut in 0usize..64) {
            let mut text = b"GET /a HTTP/1.1\r\nHost: a\r\n".to_vec();
            text.truncate(cut);
            text.extend(&bytes);
            text.extend(b"\r\n\r\n");
            let _ = read(&text);
        }

        #[test]
        fn a_head_may_arrive_in_two_pieces(at in 0usize..60) {
            let text = b"GET /a HTTP/1.1\r\nHost: localhost\r\nAccept: */*\r\n\r\nGET";
            let at = at.min(text.len());
            let mut scan = Scan::default();
            let first = scan.advance(&text[..at]).unwrap();
            let end = match first { Some(end) => end, None => scan.advance(text).unwrap().unwrap() };
            prop_assert_eq!(end, text.len() - 3);
        }
    }
}
