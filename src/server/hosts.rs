//! The host names of this server. Refusing others prevents DNS rebinding: a site could point its
//! own name at our address.

use std::net::{IpAddr, SocketAddr};

use crate::diagnostic::Code;

use super::error::Denied;
use super::http::Request;
use crate::domain::review::server::ServerSettings;

pub struct Hosts {
    names: Vec<(String, Option<u16>)>,
    port: u16,
}

impl Hosts {
    pub fn new(bound: SocketAddr, settings: &ServerSettings) -> Self {
        let port = Some(bound.port());
        let mut names = vec![
            ("localhost".to_owned(), port),
            ("127.0.0.1".to_owned(), port),
            ("[::1]".to_owned(), port),
        ];
        if !bound.ip().is_unspecified() {
            let name = match bound.ip() {
                IpAddr::V4(v4) => v4.to_string(),
                IpAddr::V6(v6) => format!("[{v6}]"),
            };
            names.push((name, port));
        }
        if let Some(url) = &settings.public_url {
            let (scheme, host) = url.split_once("://").unwrap_or(("https", url));
            let (name, port) = split(host);
            let usual = if scheme == "https" { 443 } else { 80 };
            names.push((name.to_ascii_lowercase(), Some(port.unwrap_or(usual))));
            // A proxy may leave out its own port.
            names.push((name.to_ascii_lowercase(), None));
        }
        Self { names, port: bound.port() }
    }

    pub fn admit(&self, request: &Request) -> Result<(), Denied> {
        let host = request.headers.one("host").unwrap_or_default().to_ascii_lowercase();
        let (name, port) = split(&host);
        let known = self.names.iter().any(|(own, its)| {
            own == name
                && (port == *its || (port.is_none() && (*its == Some(80) || self.port == 80)))
        });
        if known {
            Ok(())
        } else {
            Err(Denied::new(Code::Misdirected, "unknown host name; set `server.public_url`"))
        }
    }
}

fn split(host: &str) -> (&str, Option<u16>) {
    match host.rsplit_once(':') {
        Some((name, port)) if !port.contains(']') => match port.parse() {
            Ok(port) => (name, Some(port)),
            Err(_) => (host, None),
        },
        _ => (host, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::http::Method;

    #[test]
    fn only_known_host_names_are_served() {
        let settings = ServerSettings {
            public_url: Some("https://recon.example.com".into()),
            ..ServerSettings::default()
        };
        let admits = |bound: &str, host: &str| {
            let request = Request::new(Method::Get, "/").unwrap().with("Host", host);
            Hosts::new(bound.parse().unwrap(), &settings).admit(&request).is_ok()
        };
        let bound = "127.0.0.1:8765";
        for host in [
            "127.0.0.1:8765",
            "localhost:8765",
            "LOCALHOST:8765",
            "[::1]:8765",
            "recon.example.com",
            "recon.example.com:443",
        ] {
            assert!(admits(bound, host), "{host}");
        }
        for host in [
            "evil",
            "127.0.0.1.nip.io:8765",
            "localhost",
            "localhost:80",
            "127.0.0.1",
            "recon.example.com:8765",
            "recon.example.com.evil",
            "",
            "[::1]",
            "10.0.0.1:8765",
        ] {
            assert!(!admits(bound, host), "{host}");
        }
        assert!(
            admits("10.0.0.1:80", "10.0.0.1") && admits("[2001:db8::1]:80", "[2001:db8::1]:80")
        );
        assert!(!admits("0.0.0.0:8765", "0.0.0.0:8765"));
    }
}
