//! The URL of a store: `sqlite:PATH` or `postgres://user:password@host:port/database?sslmode=…`.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::coding::{escape, unescape};
use crate::diagnostic::{Code, Problem, nearest};

#[derive(Clone, PartialEq, Eq)]
pub enum StoreUrl {
    /// A file of the embedded database.
    Sqlite(PathBuf),
    Postgres(PostgresUrl),
}

/// How the connection to PostgreSQL is protected, as in libpq.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SslMode {
    Disable,
    /// TLS if the server offers it; the server's certificate is not verified.
    #[default]
    Prefer,
    /// TLS is required; the certificate is verified only with `sslrootcert`.
    Require,
    /// TLS with a certificate that is verified and names the host.
    VerifyFull,
}

impl SslMode {
    const ALL: [Self; 4] = [Self::Disable, Self::Prefer, Self::Require, Self::VerifyFull];

    const fn name(self) -> &'static str {
        match self {
            Self::Disable => "disable",
            Self::Prefer => "prefer",
            Self::Require => "require",
            Self::VerifyFull => "verify-full",
        }
    }
}

/// A PostgreSQL database. Parts missing in the URL come from the environment when connecting
/// (`PGUSER`, `PGPASSWORD`, the password file).
#[derive(Clone, PartialEq, Eq)]
pub struct PostgresUrl {
    pub user: Option<String>,
    pub(super) password: Option<String>,
    /// Host name, address, or the folder of a Unix socket.
    pub host: String,
    pub port: u16,
    /// The database; the user's name by default.
    pub database: Option<String>,
    /// How the connection is protected.
    pub ssl_mode: SslMode,
    /// The file of root certificates; the system's by default.
    pub ssl_root_cert: Option<PathBuf>,
    /// Seconds to wait for a connection.
    pub connect_timeout_seconds: u64,
}

const PARAMETERS: [&str; 4] = ["sslmode", "sslrootcert", "connect_timeout", "host"];

fn wrong(message: impl Into<String>) -> Problem {
    Problem::new(Code::StoreUrl, message)
        .help("write sqlite:PATH or postgres://user@host:5432/database?sslmode=verify-full")
}

impl StoreUrl {
    /// Reads a URL; relative paths in it are relative to `base`.
    ///
    /// # Errors The URL is invalid; the message never contains the password.
    pub fn parse(text: &str, base: &Path) -> Result<Self, Problem> {
        let text = text.trim();
        let Some((scheme, rest)) = text.split_once(':') else {
            return Err(if text.is_empty() {
                wrong("the store's URL is empty")
            } else if may_have_password(text) {
                wrong("this is not the URL of a store")
            } else {
                wrong(format!("`{text}` is not the URL of a store"))
                    .help(format!("did you mean `sqlite:{text}`?"))
            });
        };
        match scheme.to_ascii_lowercase().as_str() {
            "sqlite" => Self::parse_sqlite(rest, base),
            "postgres" | "postgresql" => match rest.strip_prefix("//") {
                Some(rest) => PostgresUrl::parse(rest, base).map(Self::Postgres),
                None => Err(wrong(format!("`//` is missing after `{scheme}:`"))),
            },
            other => {
                let problem = wrong(format!("`{other}:` is no kind of store"));
                let known = ["sqlite", "postgres", "postgresql"];
                Err(match nearest(other, known) {
                    Some(meant) => problem.help(format!("did you mean `{meant}:`?")),
                    None => problem,
                })
            }
        }
    }

    fn parse_sqlite(rest: &str, base: &Path) -> Result<Self, Problem> {
        if let Some(path) = rest.strip_prefix("//") {
            let problem = wrong("`sqlite://` is ambiguous: some read a path behind it as absolute");
            return Err(match path.strip_prefix('/').unwrap_or(path) {
                path if may_have_password(path) => problem,
                path => problem.help(format!("write `sqlite:{path}`")),
            });
        }
        if rest.is_empty() || rest == ":memory:" {
            return Err(wrong("the store must be a file: a run is read again by later commands")
                .help("write `sqlite:recon.db`"));
        }
        if rest.contains('\0') {
            return Err(wrong("the store's path contains a NUL character"));
        }
        Ok(Self::Sqlite(base.join(rest)))
    }
}

impl PostgresUrl {
    fn parse(rest: &str, base: &Path) -> Result<Self, Problem> {
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, database) = rest.split_once('/').unwrap_or((rest, ""));
        // A password may hold an unescaped `@`; a host never does.
        let (credentials, address) = authority.rsplit_once('@').unwrap_or(("", authority));
        let (user, password) = match credentials.split_once(':') {
            Some((user, password)) => (user, Some(password)),
            None => (credentials, None),
        };
        if database.split_once(':').is_some_and(|(_, rest)| rest.contains('@')) {
            return Err(wrong("a user and a password stand where the name of the database should"));
        }
        let (host, port) = Self::split_address(address)?;
        let mut url = Self {
            user: some_text(decode(user, "user")?),
            password: password.map(|text| decode(text, "password")).transpose()?,
            host: some_text(decode(host, "host")?).unwrap_or_else(|| "localhost".to_owned()),
            port,
            database: some_text(decode(database, "database")?),
            ssl_mode: SslMode::default(),
            ssl_root_cert: None,
            connect_timeout_seconds: 10,
        };
        for parameter in query.split('&').filter(|text| !text.is_empty()) {
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            url.set(name, decode(value, name)?, base)?;
        }
        Ok(url)
    }

    fn split_address(address: &str) -> Result<(&str, u16), Problem> {
        let (host, port) = match address.strip_prefix('[') {
            Some(rest) => {
                let (host, rest) = rest
                    .split_once(']')
                    .ok_or_else(|| wrong("`]` is missing after the store's IPv6 address"))?;
                (host, rest.strip_prefix(':'))
            }
            None => match address.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (address, None),
            },
        };
        if host.contains(',') {
            return Err(wrong("the store's URL names several hosts; one is supported"));
        }
        match port {
            None | Some("") => Ok((host, 5432)),
            Some(text) => match text.parse() {
                Ok(port) if port > 0 => Ok((host, port)),
                // The invalid port may be a piece of a password, so it is not shown.
                _ => Err(wrong("the port in the store's URL is not a number from 1 to 65535")
                    .help("characters such as / ? # in a password are written %2F %3F %23")),
            },
        }
    }

    fn set(&mut self, name: &str, value: String, base: &Path) -> Result<(), Problem> {
        match name {
            "sslmode" => {
                self.ssl_mode = SslMode::ALL
                    .into_iter()
                    .find(|mode| mode.name() == value)
                    .ok_or_else(|| {
                        let help = match value.as_str() {
                            "verify-ca" => "verify-full verifies the host's name as well",
                            "allow" => "use prefer",
                            _ => "it is disable, prefer, require or verify-full",
                        };
                        wrong(format!("sslmode `{value}` is not supported")).help(help)
                    })?;
            }
            "sslrootcert" if value == "system" => self.ssl_root_cert = None,
            "sslrootcert" => self.ssl_root_cert = Some(base.join(value)),
            "connect_timeout" => {
                self.connect_timeout_seconds =
                    value.parse().ok().filter(|seconds| (1..=3600).contains(seconds)).ok_or_else(
                        || wrong(format!("connect_timeout `{value}` is not 1 to 3600 seconds")),
                    )?;
            }
            "host" => self.host = value,
            other => {
                let problem = wrong(format!("the store's URL has an unknown parameter `{other}`"));
                return Err(match nearest(other, PARAMETERS) {
                    Some(meant) => problem.help(format!("did you mean `{meant}`?")),
                    None => problem.help(format!("known are {}", PARAMETERS.join(", "))),
                });
            }
        }
        Ok(())
    }
}

/// True for texts that are not URLs but may contain a password, such as mistyped URLs or connection settings.
fn may_have_password(text: &str) -> bool {
    text.contains(['@', '=', '?'])
}

fn some_text(text: String) -> Option<String> {
    (!text.is_empty()).then_some(text)
}

/// Decodes `%XX`. The problem does not show the text: it may be a password.
fn decode(text: &str, what: &str) -> Result<String, Problem> {
    let bytes = unescape(text).ok_or_else(|| {
        wrong(format!("the {what} in the store's URL has a `%` without two hex digits"))
            .help("write a percent sign as %25")
    })?;
    String::from_utf8(bytes.into_owned())
        .ok()
        .filter(|text| !text.contains('\0'))
        .ok_or_else(|| wrong(format!("the {what} in the store's URL is not UTF-8 text")))
}

/// The URL without its password.
impl fmt::Display for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "sqlite:{}", path.display()),
            Self::Postgres(url) => url.fmt(f),
        }
    }
}

impl fmt::Debug for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StoreUrl({self})")
    }
}

/// The URL without its password.
impl fmt::Display for PostgresUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("postgres://")?;
        if let Some(user) = &self.user {
            write!(f, "{}@", escape(user))?;
        }
        if self.host.contains(':') {
            write!(f, "[{}]", self.host)?;
        } else {
            write!(f, "{}", escape(&self.host))?;
        }
        write!(f, ":{}", self.port)?;
        if let Some(database) = &self.database {
            write!(f, "/{}", escape(database))?;
        }
        if self.ssl_mode != SslMode::default() {
            write!(f, "?sslmode={}", self.ssl_mode.name())?;
        }
        Ok(())
    }
}

impl fmt::Debug for PostgresUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PostgresUrl({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<StoreUrl, Problem> {
        StoreUrl::parse(text, Path::new("/job"))
    }

    fn postgres(text: &str) -> PostgresUrl {
        match parse(text).unwrap() {
            StoreUrl::Postgres(url) => url,
            StoreUrl::Sqlite(path) => panic!("{}", path.display()),
        }
    }

    #[test]
    fn a_path_is_relative_to_the_file_that_names_it() {
        assert_eq!(parse("sqlite:recon.db"), Ok(StoreUrl::Sqlite("/job/recon.db".into())));
        assert_eq!(parse("sqlite:/x/recon.db"), Ok(StoreUrl::Sqlite("/x/recon.db".into())));
    }

    #[test]
    fn a_password_is_read_and_never_shown() {
        let url = postgres("postgresql://ann%40x:p%2Fw@d@db.example:6543/books?sslmode=require");
        assert_eq!(url.user.as_deref(), Some("ann@x"));
        assert_eq!(url.password.as_deref(), Some("p/w@d"));
        assert_eq!((url.host.as_str(), url.port), ("db.example", 6543));
        assert_eq!(url.database.as_deref(), Some("books"));
        assert_eq!(url.ssl_mode, SslMode::Require);
        let shown = format!("{url} {url:?} {:?}", StoreUrl::Postgres(url.clone()));
        assert!(!shown.contains("p/w") && !shown.contains("p%2Fw"), "{shown}");
        assert_eq!(url.to_string(), "postgres://ann%40x@db.example:6543/books?sslmode=require");
    }

    #[test]
    fn omitted_parts_have_defaults() {
        let url = postgres("postgres://");
        assert_eq!((url.host.as_str(), url.port), ("localhost", 5432));
        assert_eq!((url.user, url.password, url.database), (None, None, None));
        let url = postgres("postgres://[::1]:99/x?host=/run/postgresql&sslrootcert=ca.pem");
        assert_eq!((url.host.as_str(), url.port), ("/run/postgresql", 99));
        assert_eq!(url.ssl_root_cert, Some("/job/ca.pem".into()));
    }

    #[test]
    fn every_mistake_has_its_own_advice() {
        for (text, expected) in [
            ("", "empty"),
            ("recon.db", "did you mean `sqlite:recon.db`"),
            ("postgre://x", "did you mean `postgres:`"),
            ("mysql://x", "no kind of store"),
            ("postgres:x", "`//` is missing"),
            ("sqlite:", "must be a file"),
            ("sqlite::memory:", "must be a file"),
            ("sqlite:///x.db", "write `sqlite:x.db`"),
            ("postgres://u:se/cret@h/d", "port"),
            ("postgres://u:se%zzcret@h/d", "two hex digits"),
            ("postgres://h/d?sslmode=verify-ca", "verify-full"),
            ("postgres://h/d?ssl_mode=require", "did you mean `sslmode`"),
            ("postgres://h/d?connect_timeout=soon", "1 to 3600"),
            ("postgres://a,b/d", "several hosts"),
            ("postgres://[::1/d", "`]` is missing"),
            ("postgres:///u:secret@h/d", "a user and a password stand"),
            ("sqlite://u:secret@h/d", "ambiguous"),
            ("postgres//h?password=secret", "not the URL of a store"),
            ("host=h user=u password=secret", "not the URL of a store"),
            ("u:secret@h/d", "no kind of store"),
        ] {
            let problem = parse(text).unwrap_err().to_string();
            assert!(problem.contains(expected), "{text}: {problem}");
            assert!(!problem.contains("cret"), "{problem}");
        }
    }
}
