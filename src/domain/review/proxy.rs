//! Trusted proxies and their headers: headers count only from a listed address.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use ipnet::IpNet;

use crate::diagnostic::{Code, Problem};

/// The trusted proxies, and the header in which they name the user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustedProxies {
    networks: Vec<IpNet>,
    header: String,
}

/// The user's header occurs twice: a client may have sent one of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ambiguous;

impl TrustedProxies {
    /// Reads addresses and networks (`10.0.0.7`, `10.1.0.0/16`) and the name of the header.
    ///
    /// # Errors
    /// No network, one that covers everybody, or a malformed network or header name.
    pub fn new(networks: &[String], header: &str) -> Result<Self, Problem> {
        let refuse = |message: String| Problem::new(Code::TrustedProxy, message);
        let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        if header.is_empty() || !header.bytes().all(is_token) {
            let message = format!("`{}` is not a header name", header.escape_debug());
            return Err(Problem::new(Code::ProxyHeader, message));
        }
        if means_something_else(&header.to_ascii_lowercase().replace('_', "-")) {
            let message = format!("{header} has another meaning and can't name a user");
            return Err(Problem::new(Code::ProxyHeader, message).help(
                "use a header that only the proxy sets, such as X-Forwarded-User or Remote-User",
            ));
        }
        if networks.is_empty() {
            let message = format!("without a trusted proxy, any client could send {header}");
            return Err(refuse(message).help("name the proxy's address, such as 127.0.0.1"));
        }
        let read = |text: &String| {
            let network = text.parse::<IpNet>();
            let network = network.or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
            match network {
                Ok(network) if network.prefix_len() > 0 => Ok(network.trunc()),
                _ if text == "*" || network.is_ok() => Err(refuse(format!(
                    "`{text}` trusts everybody: any client could log in as any user by sending {header}"
                ))
                .help("name the proxy's address, such as 127.0.0.1 or 10.1.0.0/16")),
                _ => Err(refuse(format!("`{}` is not an address or network", text.escape_debug()))
                    .help("write 10.0.0.7, 10.1.0.0/16 or fd00::/64")),
            }
        };
        let networks = networks.iter().map(read).collect::<Result<Vec<_>, _>>()?;
        // Halves of everything are everything.
        let wide = networks
            .iter()
            .find(|network| network.prefix_len() < if network.addr().is_ipv4() { 8 } else { 16 });
        if let Some(network) = wide {
            return Err(refuse(format!("`{network}` is too wide for the addresses of proxies"))
                .help("name the proxy's address, such as 127.0.0.1 or 10.1.0.0/16"));
        }
        Ok(Self { networks, header: header.to_ascii_lowercase() })
    }

    /// The header, in lower case.
    pub fn header(&self) -> &str {
        &self.header
    }

    /// True for a proxy's address. Only then do its `X-Forwarded-…` headers count.
    pub fn trusts(&self, peer: IpAddr) -> bool {
        let peer = peer.to_canonical();
        self.networks.iter().any(|network| network.contains(&peer))
    }

    /// The login that a trusted peer names; `None` if it names none or is not trusted.
    ///
    /// # Errors The header occurs twice.
    pub fn identity<'h>(
        &self,
        peer: IpAddr,
        values: &[&'h str],
    ) -> Result<Option<&'h str>, Ambiguous> {
        if !self.trusts(peer) {
            return Ok(None);
        }
        match values {
            [] => Ok(None),
            // A list is how some proxies join two headers.
            [one] if one.contains(',') => Err(Ambiguous),
            [one] => Ok(Some(one.trim()).filter(|name| !name.is_empty())),
            _ => Err(Ambiguous),
        }
    }
}

/// Clients send these headers themselves, or the connection needs them, so they can't name a user.
fn means_something_else(header: &str) -> bool {
    const NAMES: &[&str] = &[
        "authorization",
        "connection",
        "cookie",
        "date",
        "dnt",
        "expect",
        "forwarded",
        "host",
        "idempotency-key",
        "keep-alive",
        "origin",
        "pragma",
        "priority",
        "range",
        "referer",
        "set-cookie",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "upgrade-insecure-requests",
        "user-agent",
        "via",
        "warning",
        "x-forwarded-for",
        "x-forwarded-host",
        "x-forwarded-port",
        "x-forwarded-proto",
        "x-forwarded-server",
        "x-http-method-override",
        "x-real-ip",
        "x-request-id",
        "x-requested-with",
    ];
    const FAMILIES: &[&str] =
        &["accept", "access-control-", "cache-", "content-", "if-", "proxy-", "sec-", "x-recon-"];
    NAMES.contains(&header) || FAMILIES.iter().any(|family| header.starts_with(family))
}

/// Placeholder for an unreadable client address from the proxy. It must not be a loopback address,
/// which has privileges.
pub const UNKNOWN: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);

/// The client's address: the last entry of `X-Forwarded-For` that is not a trusted proxy itself; the
/// peer if that header is missing or the peer is not trusted; [`UNKNOWN`] if it can't be read.
pub fn client(proxies: Option<&TrustedProxies>, peer: IpAddr, forwarded_for: &[&str]) -> IpAddr {
    let Some(proxies) = proxies.filter(|proxies| proxies.trusts(peer)) else { return peer };
    let hops = forwarded_for.iter().flat_map(|value| value.split(',')).rev();
    let mut client = peer;
    for hop in hops {
        let Some(address) = hop_address(hop.trim()) else { return UNKNOWN };
        client = address;
        if !proxies.trusts(address) {
            break;
        }
    }
    client
}

/// Some proxies write a hop with its port.
fn hop_address(hop: &str) -> Option<IpAddr> {
    let bare = hop.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(hop);
    let address = bare.parse::<IpAddr>().ok();
    let with_port = || hop.parse::<SocketAddr>().ok().map(|address| address.ip());
    Some(address.or_else(with_port)?.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxies(networks: &[&str]) -> Result<TrustedProxies, Problem> {
        let networks: Vec<String> = networks.iter().map(|text| (*text).to_owned()).collect();
        TrustedProxies::new(&networks, "X-Forwarded-User")
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn trusting_everybody_is_refused() {
        let everybody: &[&[&str]] = &[
            &["*"],
            &["0.0.0.0/0"],
            &["::/0"],
            &["10.0.0.1", "0.0.0.0/0"],
            &["0.0.0.0/1", "128.0.0.0/1"],
            &[],
            &["10.0.0.0/33"],
            &["proxy.example.com"],
            &[""],
        ];
        for networks in everybody {
            assert_eq!(proxies(networks).unwrap_err().code, Code::TrustedProxy, "{networks:?}");
        }
        let network = ["10.0.0.1".to_owned()];
        let meaning = [
            "Cookie",
            "authorization",
            "HOST",
            "X-Forwarded-For",
            "Connection",
            "X-Recon-Guard-Peer",
            "Content-Length",
            "Sec-Fetch-Site",
            "If-Match",
            "Proxy-Authorization",
        ];
        for header in ["", "X User", "X:User", "X\r\nUser"].into_iter().chain(meaning) {
            assert!(TrustedProxies::new(&network, header).is_err(), "{header:?}");
        }
        for header in ["X-Forwarded-User", "Remote-User", "X-Auth-Request-Email"] {
            assert!(TrustedProxies::new(&network, header).is_ok(), "{header}");
        }
    }

    #[test]
    fn only_a_trusted_peer_names_a_user_and_only_once() {
        let proxies = proxies(&["10.1.0.0/16", "127.0.0.1", "fd00::/64"]).unwrap();
        let (inside, outside) = (ip("10.1.2.3"), ip("10.2.0.1"));
        assert_eq!(proxies.identity(outside, &["ann"]), Ok(None));
        assert_eq!(proxies.identity(outside, &["ann", "bob"]), Ok(None));
        assert_eq!(proxies.identity(inside, &["ann"]), Ok(Some("ann")));
        assert_eq!(proxies.identity(inside, &[]), Ok(None));
        assert_eq!(proxies.identity(inside, &[" "]), Ok(None));
        assert_eq!(proxies.identity(inside, &["ann", "ann"]), Err(Ambiguous));
        assert_eq!(proxies.identity(inside, &["ann,bob"]), Err(Ambiguous));
        // A dual-stack socket shows IPv4 peers like this.
        assert!(proxies.trusts(ip("::ffff:10.1.2.3")));
        assert!(proxies.trusts(ip("fd00::7")));
        assert!(!proxies.trusts(ip("fd00:0:0:1::7")));
    }

    #[test]
    fn the_client_is_the_last_address_that_is_not_a_proxy() {
        let proxies = proxies(&["10.0.0.1", "10.0.0.2"]).unwrap();
        let client = |peer: &str, forwarded: &[&str]| {
            client(Some(&proxies), ip(peer), forwarded).to_string()
        };
        assert_eq!(client("10.0.0.1", &["1.2.3.4, 5.6.7.8, 10.0.0.2"]), "5.6.7.8");
        assert_eq!(client("10.0.0.1", &["1.2.3.4", "5.6.7.8"]), "5.6.7.8");
        assert_eq!(client("10.0.0.1", &["1.2.3.4:5678"]), "1.2.3.4");
        assert_eq!(client("10.0.0.1", &["[2001:db8::1]:5678"]), "2001:db8::1");
        assert_eq!(client("10.0.0.1", &["[2001:db8::1]"]), "2001:db8::1");
        for unreadable in ["evil", "unknown", "", "1.2.3.4, ", "1.2.3.4, _hidden", "127.0.0.1x"] {
            assert_eq!(client("10.0.0.1", &[unreadable]), "0.0.0.0", "{unreadable}");
        }
        // Entries before the client's were sent by the client itself.
        assert_eq!(client("10.0.0.1", &["evil, 5.6.7.8"]), "5.6.7.8");
        assert_eq!(client("10.0.0.1", &[]), "10.0.0.1");
        assert_eq!(client("9.9.9.9", &["1.2.3.4"]), "9.9.9.9");
    }
}
