//! Settings of the review server: `config` reads them, `cli` adds its options, `server` follows them.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4};

use super::proxy::TrustedProxies;
use crate::domain::difference::names;

/// The default address and port.
pub const DEFAULT_BIND: SocketAddr = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 8765));

names! {
    Event {
        /// A run has finished, or failed.
        RunFinished = "run_finished" = 1,
        /// An undecided item's time is over.
        ItemOverdue = "item_overdue" = 2,
        /// A proposal waits for a checker or an authorizer.
        ProposalWaiting = "proposal_waiting" = 3,
    }
}

#[derive(Clone, PartialEq, Eq)]
pub struct Notify {
    /// `http` or `https`.
    pub url: String,
    /// The secret with which webhook bodies are signed.
    pub secret: String,
    /// Events to send; all if empty.
    pub events: Vec<Event>,
}

impl Notify {
    pub fn wants(&self, event: Event) -> bool {
        self.events.is_empty() || self.events.contains(&event)
    }
}

impl std::fmt::Debug for Notify {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Notify").field("events", &self.events).finish_non_exhaustive()
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct ServerSettings {
    /// The address in users' browsers, such as `https://recon.example.com`, without a path.
    pub public_url: Option<String>,
    /// Trusted proxies; only their `X-Forwarded-…` headers count.
    pub proxies: Option<TrustedProxies>,
    /// Whether the proxy logs users in, by its header.
    pub proxy_names_people: bool,
    /// Origins whose pages may call the API (CORS).
    pub origins: Vec<String>,
    /// Whether `/openapi.json` and `/docs/` need a log-in.
    pub docs_need_login: bool,
    /// Requests per second and user; 0 for no limit.
    pub requests_per_second: f64,
    /// Webhook; none by default.
    pub notify: Option<Notify>,
    /// One user decides alone, without log-in.
    pub solo: bool,
}

impl Default for ServerSettings {
    fn default() -> Self {
        Self {
            public_url: None,
            proxies: None,
            proxy_names_people: false,
            origins: Vec::new(),
            docs_need_login: false,
            requests_per_second: 50.0,
            notify: None,
            solo: false,
        }
    }
}

impl ServerSettings {
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
