//! What is configured about the server, decided; `config` reads it, `cli` adds its options.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4};

use crate::review::people::proxy::TrustedProxies;

/// Where the server listens unless told otherwise.
pub const DEFAULT_BIND: SocketAddr = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 8765));

/// Settings of the server.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Where people reach it, such as `https://recon.example.com`, without a path.
    pub public_url: Option<String>,
    /// Addresses whose connections are a proxy's.
    pub proxies: Option<TrustedProxies>,
    /// Whether the proxy's header names who is logged in.
    pub proxy_names_people: bool,
    /// Origins whose pages may call the API.
    pub origins: Vec<String>,
    /// Whether the document and its page are only for who is logged in.
    pub docs_need_login: bool,
    /// Requests a second for each person; 0 for no limit.
    pub requests_per_second: f64,
    /// One person may decide alone.
    pub solo: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            public_url: None,
            proxies: None,
            proxy_names_people: false,
            origins: Vec::new(),
            docs_need_login: false,
            requests_per_second: 50.0,
            solo: false,
        }
    }
}

impl Settings {
    /// Whether a connection from there is a trusted proxy's.
    pub fn trusts(&self, address: IpAddr) -> bool {
        self.proxies.as_ref().is_some_and(|proxies| proxies.trusts(address))
    }
}

/// A scheme and a host, as browsers name an origin: `https://recon.example.com`.
pub fn origin(text: &str) -> Option<String> {
    let (scheme, host) = text.strip_suffix('/').unwrap_or(text).split_once("://")?;
    let (name, port) = match host.rsplit_once(':') {
        Some((name, port)) if !port.contains(']') => (name, Some(port)),
        _ => (host, None),
    };
    let plain =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-[]:".contains(&byte);
    let good = matches!(scheme, "http" | "https")
        && !name.is_empty()
        && name.bytes().all(plain)
        && port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port > 0));
    good.then(|| format!("{scheme}://{host}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_a_scheme_and_a_host() {
        assert_eq!(origin("https://a.example/"), Some("https://a.example".into()));
        assert_eq!(origin("http://127.0.0.1:8765"), Some("http://127.0.0.1:8765".into()));
        assert_eq!(origin("http://[::1]:80"), Some("http://[::1]:80".into()));
        for text in [
            "",
            "*",
            "null",
            "a.example",
            "ftp://a",
            "https://a/b",
            "https://",
            "https://A",
            "https://a:x",
            "https://a:0",
            "https://u@a",
        ] {
            assert_eq!(origin(text), None, "{text}");
        }
    }
}
