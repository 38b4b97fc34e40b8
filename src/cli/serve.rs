//! `recon serve`: runs the review server until interrupted.

use std::fs::OpenOptions;
use std::io::Write;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;

use serde_json::json;

use crate::diagnostic::{Code, Problem, Problems};
use crate::domain::review::server::{DEFAULT_BIND, ServerSettings, origin};
use crate::domain::review::{Policy, Role, Roles};
use crate::review::people::directory::StoredDirectory;
use crate::review::people::{AuthMethod, Principal, invitation, staffing, system_random};
use crate::review::{PolicyAdopted, Refusal, ReviewSettings};
use crate::server::log::AccessLog;
use crate::server::{self, App, Parts};
use crate::store::{Store, append_only, transact};

use super::account::Account;
use super::args::Serve;
use super::context::{Context, now};
use super::output::Console;

pub fn run(context: &Context, arguments: &Serve) -> Result<u8, Problems> {
    let loaded = if context.global.store.is_none() || context.global.config.exists() {
        Some(context.load()?)
    } else {
        None
    };
    let (bind, mut settings) = match &loaded {
        Some(loaded) => {
            let server = &loaded.resolved.server;
            (server.bind, server.settings.clone())
        }
        None => (DEFAULT_BIND, ServerSettings::default()),
    };
    let bind = arguments.bind.unwrap_or(bind);
    settings.solo = arguments.solo;
    if let Some(url) = &arguments.public_url {
        settings.public_url = Some(origin(url).ok_or_else(|| {
            Problem::new(Code::Origin, format!("`{url}` is not an origin (scheme and host)"))
                .help("write `https://recon.example.com`, without a path")
        })?);
    }
    check_exposure(bind, &settings)?;
    // An older schema is refused: migrating is a separate step, perhaps by another role.
    let store: Arc<dyn Store> = Arc::from(context.store(loaded.as_ref())?);
    one_role(context, &*store)?;
    let log = access_log(arguments.access_log.as_deref())?;
    let listener = listen(bind)?;
    let address = listener.local_addr().unwrap_or(bind);
    context.listen()?;
    let stop = context.console.progress().interrupt_flag();
    let alone = settings.solo.then(alone);
    let review_settings = ReviewSettings::new(StoredDirectory, now, settings.solo).tracing(
        super::explain::tracer(context.global.config.clone()),
        super::explain::rule_words(context.global.config.clone()),
    );
    let app = Arc::new(App::new(
        Parts { store, settings, review_settings, alone, log, clock: now },
        address,
    ));
    adopt(context, &app, loaded.as_ref().map(|loaded| &loaded.resolved.review))?;
    announce(context, &app, address)?;
    // Recording the trail's length in the log, outside the store, exposes a later truncation.
    server::serve(listener, app, &stop, &|end| {
        context.console.note(&format!(
            "the audit trail has {} rows at {}, hash {}",
            end.n, end.time, end.head_hash
        ));
    })?;
    context.console.note("stopped");
    Ok(0)
}

/// Warns if the database lets this role change the audit trail.
pub(super) fn one_role(context: &Context, store: &dyn Store) -> Result<(), Problem> {
    if let Some(warning) = transact::read(store, |tx| append_only::warning(tx))? {
        context.console.problem(&warning);
    }
    Ok(())
}

/// Puts the configured policy in force, or proposes it if it differs from the one in force. Without
/// a configuration, the policy in force stays.
fn adopt(context: &Context, app: &App, configured: Option<&Policy>) -> Result<(), Problem> {
    if let Some(policy) = configured {
        match app.review().adopt_policy(policy).map_err(Refusal::into_problem)? {
            PolicyAdopted::InForce(_) => {}
            PolicyAdopted::Proposed(proposal) => context.console.note(&format!(
                "the configured `review` differs from the policy in force; proposal {proposal} \
                 to change it awaits a checker and an authorizer"
            )),
        }
    }
    if !app.settings.solo
        && let Some(warning) = staffing::warning(&*app.store, 6)?
    {
        context.console.problem(&Problem::new(Code::TooFewPeople, warning));
    }
    Ok(())
}

/// The single user of `--solo`: the account that runs the program. It is not stored as a user, so
/// no one can log in with it later.
fn alone() -> Principal {
    let account = Account::of_process();
    let name = account.name.unwrap_or_else(|| account.uid.to_string());
    let roles = Roles::of([Role::Manager]);
    Principal {
        person_id: format!("solo:{name}"),
        login: name.clone(),
        name,
        roles,
        permissions: roles.permissions(),
        grants: std::collections::BTreeSet::new(),
        is_service: false,
        must_change: false,
        method: AuthMethod::Cli,
    }
}

/// A server reachable from other machines must have TLS and logins.
fn check_exposure(bind: SocketAddr, settings: &ServerSettings) -> Result<(), Problem> {
    if bind.ip().is_loopback() {
        return Ok(());
    }
    let exposed = |what: &str| {
        Problem::new(
            Code::ServerExposed,
            format!("{bind} is reachable from other machines, {what}"),
        )
        .help(
            "put a TLS proxy in front of 127.0.0.1:8765 (docs/serving.md shows Caddy and nginx), \
                 or declare it in `server.trusted_proxy` and `server.public_url`",
        )
    };
    if settings.solo {
        return Err(exposed("and --solo needs no login"));
    }
    let encrypted = settings.public_url.as_deref().is_some_and(|url| url.starts_with("https://"));
    if settings.proxies.is_none() || !encrypted {
        return Err(exposed("and no TLS proxy is declared"));
    }
    Ok(())
}

fn listen(bind: SocketAddr) -> Result<TcpListener, Problem> {
    TcpListener::bind(bind).map_err(|error| {
        Problem::new(Code::BindFailed, format!("can't listen on {bind}: {error}"))
            .help("another program may use the port; `--bind 127.0.0.1:0` picks a free one")
    })
}

fn access_log(file: Option<&Path>) -> Result<AccessLog, Problem> {
    let out: Option<Box<dyn Write + Send>> = match file {
        None => None,
        Some(path) if path == Path::new("-") => Some(Box::new(std::io::stderr())),
        Some(path) => {
            let file = OpenOptions::new().create(true).append(true).open(path);
            Some(Box::new(file.map_err(|error| super::context::unwritable(path, &error))?))
        }
    };
    Ok(AccessLog::to(out))
}

fn announce(context: &Context, app: &App, address: SocketAddr) -> Result<(), Problem> {
    let url = format!("http://{address}");
    let console: &Console = &context.console;
    if context.global.json {
        // On a line of its own and flushed: scripts wait for it.
        console.print(&format!("{}\n", json!({ "url": url, "store": app.store.url() })))?;
    } else {
        console.print(&format!("recon serves {} at {url}\n", app.store.url()))?;
    }
    if let Some(public) = &app.settings.public_url {
        console.note(&format!("public URL: {public}"));
    }
    // Solo mode creates nothing that outlives the process, so no link either.
    let link = match app.settings.solo {
        true => None,
        false => invitation::first_admin_link(&*app.store, now(), &system_random)?,
    };
    if let Some(link) = link {
        let base = app.settings.public_url.as_deref().unwrap_or(&url);
        console.note(&format!(
            "no administrator yet; the first to open this link within 24 hours becomes one:\n\
             {base}/review/first?token={link}"
        ));
    }
    if app.settings.solo {
        console.note("solo: one user decides alone, and every audit row says so");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::review::proxy::TrustedProxies;

    #[test]
    fn a_server_reachable_from_outside_needs_tls_and_logins() {
        let open: SocketAddr = "0.0.0.0:8765".parse().unwrap();
        let mut settings = ServerSettings::default();
        assert!(check_exposure(DEFAULT_BIND, &settings).is_ok());
        assert!(check_exposure("[::1]:1".parse().unwrap(), &settings).is_ok());
        let code = |settings: &ServerSettings| check_exposure(open, settings).unwrap_err().code;
        assert_eq!(code(&settings), Code::ServerExposed);
        settings.public_url = Some("https://a.example".into());
        assert_eq!(code(&settings), Code::ServerExposed);
        settings.proxies = TrustedProxies::new(&["10.0.0.7".into()], "X-User").ok();
        assert!(check_exposure(open, &settings).is_ok());
        settings.public_url = Some("http://a.example".into());
        assert_eq!(code(&settings), Code::ServerExposed);
        settings.public_url = Some("https://a.example".into());
        settings.solo = true;
        assert_eq!(code(&settings), Code::ServerExposed);
    }
}
