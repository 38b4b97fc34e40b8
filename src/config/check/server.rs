//! The review server.

use std::net::SocketAddr;

use super::Checker;
use crate::config::resolved::ResolvedServer;
use crate::config::spec::NotifySpec;
use crate::config::tree::path;
use crate::diagnostic::{Code, PathStep, Problem};
use crate::domain::review::proxy::TrustedProxies;
use crate::domain::review::server::{DEFAULT_BIND, Event, Notify, ServerSettings, origin};

impl Checker<'_> {
    pub(super) fn server(&mut self) -> ResolvedServer {
        let spec = self.spec.server.clone().unwrap_or_default();
        let defaults = ServerSettings::default();
        let bind = spec.bind.as_deref().and_then(|text| self.bind(text)).unwrap_or(DEFAULT_BIND);
        let public_url = spec.public_url.and_then(|text| {
            let at = path(["server", "public_url"]);
            self.origin(&at, &text)
        });
        let proxy_spec = spec.trusted_proxy.unwrap_or_default();
        let header = proxy_spec.user_header.as_deref().unwrap_or("X-Forwarded-User");
        let mut proxies = None;
        if self.spec.server.as_ref().is_some_and(|server| server.trusted_proxy.is_some()) {
            match TrustedProxies::new(&proxy_spec.networks.unwrap_or_default(), header) {
                Ok(trusted) => proxies = Some(trusted),
                Err(problem) if problem.code == Code::ProxyHeader => {
                    self.complain(&path(["server", "trusted_proxy", "user_header"]), problem);
                }
                Err(problem) => self.complain(&path(["server", "trusted_proxy"]), problem),
            }
        }
        let mut origins = Vec::new();
        for (index, text) in spec.cors_origins.iter().flatten().enumerate() {
            let mut at = path(["server", "cors_origins"]);
            at.push(index.into());
            origins.extend(self.origin(&at, text));
        }
        let rate = spec.requests_per_second.map(|rate| rate.0.to_f64());
        if rate.is_some_and(|rate| rate < 0.0) {
            let problem = Problem::new(Code::RateNegative, "a rate is not negative");
            self.complain(&path(["server", "requests_per_second"]), problem);
        }
        let notify = spec.notify.and_then(|notify| self.notify(notify));
        ResolvedServer {
            bind,
            settings: ServerSettings {
                public_url,
                proxies,
                proxy_names_people: proxy_spec.user_header.is_some(),
                origins,
                docs_need_login: spec.docs_need_login.is_some_and(|written| written.0),
                requests_per_second: rate.unwrap_or(defaults.requests_per_second),
                notify,
                solo: false,
            },
        }
    }

    fn notify(&mut self, spec: NotifySpec) -> Option<Notify> {
        let at = |key: &str| path(["server", "notify", key]);
        let url = spec.url.unwrap_or_default();
        let host = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
        let good_url = host.is_some_and(|host| {
            !host.is_empty() && !host.contains('@') && host.chars().all(|c| c.is_ascii_graphic())
        });
        if !good_url {
            let message = "`url` of webhooks is an address without a password";
            let problem = Problem::new(Code::NotifyUrl, message)
                .help("such as `https://hooks.example.com/recon`");
            self.complain(&at("url"), problem);
        }
        let secret = spec.secret.unwrap_or_default();
        if secret.is_empty() {
            let problem = Problem::new(Code::NotifySecret, "webhooks need a `secret` to sign with")
                .help("give it as a variable: `secret: ${RECON_NOTIFY_SECRET}`");
            self.complain(&at("secret"), problem);
        }
        let mut events = Vec::new();
        for (index, name) in spec.events.iter().flatten().enumerate() {
            match Event::from_name(name) {
                Some(event) => events.push(event),
                None => {
                    let names: Vec<&str> = Event::ALL.iter().map(|event| event.name()).collect();
                    let mut at = at("events");
                    at.push(index.into());
                    let problem = Problem::new(
                        Code::NotifyEvent,
                        format!("`{name}` is no event of webhooks"),
                    )
                    .help(format!("events are {}", names.join(", ")));
                    self.complain(&at, problem);
                }
            }
        }
        (good_url && !secret.is_empty()).then_some(Notify { url, secret, events })
    }

    fn bind(&mut self, text: &str) -> Option<SocketAddr> {
        let address = text.parse();
        if address.is_err() {
            let problem =
                Problem::new(Code::Bind, format!("`{text}` is not an address and a port"))
                    .help("such as `127.0.0.1:8765`, or `[::1]:8765`");
            self.complain(&path(["server", "bind"]), problem);
        }
        address.ok()
    }

    fn origin(&mut self, at: &[PathStep], text: &str) -> Option<String> {
        let found = origin(text);
        if found.is_none() {
            let problem =
                Problem::new(Code::Origin, format!("`{text}` is not a scheme and a host"))
                    .help("such as `https://recon.example.com`, without a path");
            self.complain(at, problem);
        }
        found
    }
}
