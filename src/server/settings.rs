//! What is configured about the server, decided; `config` reads it, `cli` adds its options.

use std::net::IpAddr;

use super::network::Network;

/// Settings of the server.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Where people reach it, such as `https://recon.example.com`, without a path.
    pub public_url: Option<String>,
    /// Networks whose connections are a proxy's.
    pub proxies: Vec<Network>,
    /// The header in which the proxy names who is logged in.
    pub proxy_user: Option<String>,
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
            proxies: Vec::new(),
            proxy_user: None,
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
        self.proxies.iter().any(|network| network.contains(address))
    }
}
