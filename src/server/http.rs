//! Requests and answers as plain values, without sockets.

use std::borrow::Cow;
use std::io::{self, Write};
use std::net::IpAddr;

use zeroize::Zeroizing;

use super::target::Target;

macro_rules! methods {
    ($($(#[$doc:meta])* $variant:ident $name:literal,)+) => {
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Method { $($(#[$doc])* $variant,)+ }

        impl Method {
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            /// Method names are upper case.
            pub fn from_name(name: &str) -> Option<Self> {
                match name { $($name => Some(Self::$variant),)+ _ => None }
            }
        }
    };
}

methods! {
    Get "GET",
    Head "HEAD",
    Post "POST",
    Put "PUT",
    Patch "PATCH",
    Delete "DELETE",
    Options "OPTIONS",
    /// No route has it; known so that it is refused with 405.
    Trace "TRACE",
    /// No route has it; known so that it is refused with 405.
    Query "QUERY",
}

impl Method {
    pub const fn is_safe(self) -> bool {
        matches!(self, Self::Get | Self::Head | Self::Options | Self::Trace | Self::Query)
    }
}

/// Names are lower case.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Headers(pub Vec<(String, String)>);

impl Headers {
    /// The value of a header that occurs exactly once.
    pub fn one(&self, name: &str) -> Option<&str> {
        let mut all = self.0.iter().filter(|(own, _)| own == name);
        let (_, value) = all.next()?;
        all.next().is_none().then_some(value.as_str())
    }

    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(own, _)| own == name).map(|(_, value)| value.as_str())
    }

    pub fn has(&self, name: &str) -> bool {
        self.all(name).next().is_some()
    }

    pub fn accepts_gzip(&self) -> bool {
        self.all("accept-encoding").flat_map(|value| value.split(',')).any(|coding| {
            let mut parts = coding.split(';').map(str::trim);
            let name = parts.next().unwrap_or_default();
            let refused = parts.any(|part| matches!(part, "q=0" | "q=0.0" | "q=0.00" | "q=0.000"));
            (name.eq_ignore_ascii_case("gzip") || name == "*") && !refused
        })
    }
}

/// A whole request, of bounded size.
#[derive(Clone, Debug)]
pub struct Request {
    pub method: Method,
    pub url: String,
    pub target: Target,
    pub headers: Headers,
    /// Zeroized: it may hold a password.
    pub body: Zeroizing<Vec<u8>>,
    /// The other end of the connection: the client or its proxy.
    pub peer: IpAddr,
    /// In every log line and audit row about the request.
    pub id: String,
}

impl Request {
    pub fn path(&self) -> &str {
        &self.target.path
    }

    pub fn cookie(&self, name: &str) -> Option<&str> {
        self.headers
            .one("cookie")?
            .split(';')
            .filter_map(|pair| pair.trim().split_once('='))
            .find(|(own, _)| *own == name)
            .map(|(_, value)| value)
    }
}

#[cfg(test)]
impl Request {
    /// A request from this machine without headers or body.
    pub fn new(method: Method, url: &str) -> Result<Self, &'static str> {
        Ok(Self {
            method,
            url: url.to_owned(),
            target: Target::parse(url)?,
            headers: Headers::default(),
            body: Zeroizing::default(),
            peer: IpAddr::from([127, 0, 0, 1]),
            id: uuid::Uuid::now_v7().to_string(),
        })
    }

    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.0.push((name.to_ascii_lowercase(), value.to_owned()));
        self
    }
}

pub type Stream = Box<dyn FnOnce(&mut dyn Write) -> io::Result<()> + Send>;

pub enum Body {
    Empty,
    Bytes(Cow<'static, [u8]>),
    /// Written piece by piece, never held in memory as a whole.
    Stream(Stream),
}

pub struct Response {
    pub status: u16,
    headers: Vec<(&'static str, String)>,
    pub body: Body,
    /// The client is logged in.
    pub known: bool,
}

impl Response {
    pub const fn new(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Body::Empty, known: false }
    }

    pub fn with_body(status: u16, content_type: &str, body: impl Into<Cow<'static, [u8]>>) -> Self {
        Self { body: Body::Bytes(body.into()), ..Self::new(status) }
            .header("content-type", content_type)
    }

    pub fn json(status: u16, value: &impl serde::Serialize) -> Self {
        match serde_json::to_vec(value) {
            Ok(bytes) => Self::with_body(status, "application/json", bytes),
            Err(_) => Self::new(500),
        }
    }

    pub fn html(status: u16, page: String) -> Self {
        Self::with_body(status, "text/html; charset=utf-8", page.into_bytes())
    }

    pub fn stream(content_type: &str, stream: Stream) -> Self {
        Self { body: Body::Stream(stream), ..Self::new(200) }.header("content-type", content_type)
    }

    pub fn see_other(location: &str) -> Self {
        Self::new(303).header("location", location)
    }

    /// Sets or replaces a header. Characters that are not printable ASCII are replaced, so that no
    /// value can start another header.
    #[must_use]
    pub fn header(mut self, name: &'static str, value: impl AsRef<str>) -> Self {
        self.set(name, value.as_ref());
        self
    }

    pub fn set(&mut self, name: &'static str, value: &str) {
        self.headers.retain(|(own, _)| *own != name);
        self.headers.push((name, printable(value)));
    }

    pub fn header_value(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(own, _)| *own == name).map(|(_, value)| value.as_str())
    }

    pub fn bytes(&self) -> &[u8] {
        match &self.body {
            Body::Bytes(bytes) => bytes,
            Body::Empty | Body::Stream(_) => &[],
        }
    }

    /// Leaves the `connection` header to the guard.
    pub fn write(self, out: &mut dyn Write, head_only: bool) -> io::Result<()> {
        let mut head = format!("HTTP/1.1 {} {}\r\n", self.status, phrase(self.status));
        for (name, value) in &self.headers {
            head.extend([name, ": ", value, "\r\n"]);
        }
        let bodyless = matches!(self.status, 204 | 304);
        match &self.body {
            _ if bodyless => {}
            Body::Empty => head.push_str("content-length: 0\r\n"),
            Body::Bytes(bytes) => {
                head.push_str(&format!("content-length: {}\r\n", bytes.len()));
            }
            Body::Stream(_) => head.push_str("transfer-encoding: chunked\r\n"),
        }
        head.push_str("\r\n");
        out.write_all(head.as_bytes())?;
        match self.body {
            _ if bodyless || head_only => {}
            Body::Empty => {}
            Body::Bytes(bytes) => out.write_all(&bytes)?,
            Body::Stream(stream) => {
                let mut chunks = Chunks { out: &mut *out, buffer: Vec::with_capacity(CHUNK) };
                stream(&mut chunks)?;
                chunks.end()?;
            }
        }
        out.flush()
    }
}

fn printable(value: &str) -> String {
    value.chars().map(|c| if matches!(c, ' '..='~') { c } else { '?' }).collect()
}

const CHUNK: usize = 32 * 1024;

struct Chunks<'a> {
    out: &'a mut dyn Write,
    buffer: Vec<u8>,
}

impl Chunks<'_> {
    fn send(&mut self) -> io::Result<()> {
        if !self.buffer.is_empty() {
            write!(self.out, "{:x}\r\n", self.buffer.len())?;
            self.out.write_all(&self.buffer)?;
            self.out.write_all(b"\r\n")?;
            self.buffer.clear();
        }
        Ok(())
    }

    fn end(mut self) -> io::Result<()> {
        self.send()?;
        self.out.write_all(b"0\r\n\r\n")
    }
}

impl Write for Chunks<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= CHUNK {
            self.send()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.send()?;
        self.out.flush()
    }
}

pub const fn phrase(status: u16) -> &'static str {
    match status {
        200 => "OK",
        201 => "Created",
        204 => "No Content",
        303 => "See Other",
        304 => "Not Modified",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        406 => "Not Acceptable",
        408 => "Request Timeout",
        409 => "Conflict",
        410 => "Gone",
        412 => "Precondition Failed",
        413 => "Content Too Large",
        414 => "URI Too Long",
        415 => "Unsupported Media Type",
        417 => "Expectation Failed",
        421 => "Misdirected Request",
        422 => "Unprocessable Content",
        428 => "Precondition Required",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        503 => "Service Unavailable",
        505 => "HTTP Version Not Supported",
        _ => "Status",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(response: Response, head_only: bool) -> String {
        let mut out = Vec::new();
        response.write(&mut out, head_only).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn header_values_can_not_inject_headers() {
        let response = Response::see_other("/x\r\nSet-Cookie: a=b\u{e9}");
        assert_eq!(
            written(response, false),
            "HTTP/1.1 303 See Other\r\nlocation: /x??Set-Cookie: a=b?\r\ncontent-length: 0\r\n\r\n"
        );
    }

    #[test]
    fn bodies_are_framed() {
        let json = || Response::json(200, &serde_json::json!({"a": 1}));
        assert!(written(json(), false).ends_with("content-length: 7\r\n\r\n{\"a\":1}"));
        assert!(written(json(), true).ends_with("content-length: 7\r\n\r\n"));
        let stream = Response::stream(
            "text/csv",
            Box::new(|out| {
                out.write_all(b"a,b\r\n")?;
                out.flush()?;
                out.write_all(b"1,2\r\n")
            }),
        );
        let expected = "chunked\r\n\r\n5\r\na,b\r\n\r\n5\r\n1,2\r\n\r\n0\r\n\r\n";
        assert!(written(stream, false).ends_with(expected));
        assert!(!written(Response::new(304), false).contains("content-length"));
    }
}
