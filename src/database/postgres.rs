//! Connections to PostgreSQL.

use std::error::Error as _;
use std::ops::{Deref, DerefMut};
use std::time::Duration;

use ::postgres::config::{SslMode as WireSslMode, SslNegotiation};
use ::postgres::error::SqlState;
use ::postgres::types::Type;
use ::postgres::{Client, Config, Error, GenericClient, SimpleQueryMessage, Statement};
use r2d2::ManageConnection;
use tokio_postgres_rustls::MakeRustlsConnect;

use super::password_file::{self, Login};
use super::url::SslMode;
use super::wire::Wiring;
use super::{PostgresUrl, host_name, patience, tls};
use crate::diagnostic::{Code, Problem};

/// A pool of connections whose search path is the schema `recon`.
pub type PostgresPool = r2d2::Pool<Connector>;

/// Settings of every connection: the schema, and times in UTC. Statements on tables of hundreds of parts take
/// milliseconds, but compiling them takes half a minute. Then the number of its session.
const SETTINGS: &str = "SET search_path = recon; SET TIME ZONE 'UTC'; \
     SET client_min_messages = warning; SET idle_in_transaction_session_timeout = 0; \
     SET statement_timeout = 0; SET jit = off; SELECT pg_backend_pid()";

/// How long a command waits for a connection. After a failed attempt the pool pauses for up to half
/// of this, so that it also bounds how soon a server that came back is found.
pub const POOL_TIMEOUT: Duration = Duration::from_secs(4);
/// How long a connection of the pool may take to show that it is alive, before a request takes a new one.
const ALIVE: Duration = Duration::from_millis(700);
/// Timeout of a connection whose other end is silent.
const SILENCE: Duration = Duration::from_secs(20);

const LOGIN_HELP: &str =
    "give user and password in ~/.pgpass, by PGPASSWORD, or in the store's URL";

/// Makes connections to one database.
#[derive(Clone)]
pub struct Connector {
    config: Config,
    wiring: Wiring,
    time: Duration,
    shown: String,
    is_socket: bool,
}

impl Connector {
    /// Collects user, password and TLS settings for `url`, without connecting.
    ///
    /// # Errors
    /// A password file that others may read, or root certificates that can't be read.
    pub fn new(url: &PostgresUrl) -> Result<Self, Problem> {
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let user = url
            .user
            .clone()
            .or_else(|| variable("PGUSER"))
            .or_else(|| variable("USER"))
            .unwrap_or_else(|| "postgres".to_owned());
        let database = url.database.clone().unwrap_or_else(|| user.clone());
        let password = match url.password.clone().or_else(|| variable("PGPASSWORD")) {
            Some(password) => Some(password),
            None => match password_file::path(variable) {
                Some(path) => {
                    let host = if url.host.starts_with('/') { "localhost" } else { &url.host };
                    let login = Login { host, port: url.port, database: &database, user: &user };
                    password_file::password(&path, login)?
                }
                None => None,
            },
        };
        let mut config = Config::new();
        config
            .user(&user)
            .dbname(&database)
            .host(&url.host)
            .port(url.port)
            .application_name(application_name())
            .connect_timeout(Duration::from_secs(url.connect_timeout_seconds))
            .keepalives_idle(Duration::from_secs(60))
            .keepalives_interval(Duration::from_secs(5))
            .keepalives_retries(3)
            .tcp_user_timeout(SILENCE);
        if url.host.starts_with('/') {
            config.ssl_mode(match url.ssl_mode {
                SslMode::Disable => WireSslMode::Disable,
                SslMode::Prefer => WireSslMode::Prefer,
                SslMode::Require | SslMode::VerifyFull => WireSslMode::Require,
            });
        } else {
            // So the library hands every socket to `Wiring`, which follows the URL.
            config.ssl_mode(WireSslMode::Require).ssl_negotiation(SslNegotiation::Direct);
        }
        if let Some(password) = password {
            config.password(password);
        }
        let tls = MakeRustlsConnect::new(tls::client_config(url)?);
        let wiring = Wiring::new(&config, tls, url.ssl_mode, &url.host, url.port);
        let time = Duration::from_secs(url.connect_timeout_seconds);
        let is_socket = url.host.starts_with('/');
        Ok(Self { config, wiring, time, shown: url.to_string(), is_socket })
    }

    /// A connection of its own, outside the pool.
    ///
    /// # Errors
    /// A server that is away or refuses.
    pub fn connect(&self) -> Result<Client, Problem> {
        self.client().map(|(client, _)| client).map_err(|error| self.problem(&error))
    }

    /// Returns a function that cancels the statement running on this connection.
    pub fn canceller(&self, client: &Client) -> impl Fn() + Send + use<> {
        let (token, wiring) = (client.cancel_token(), self.wiring.clone());
        // The connection is given up next, so nothing depends on the answer.
        move || drop(token.cancel_query(wiring.clone()))
    }

    /// A pool; its connections are made when they are needed.
    ///
    /// # Errors
    /// The system gives no thread for it.
    pub fn pool(&self) -> Result<PostgresPool, Problem> {
        crate::threads::probe()?;
        Ok(r2d2::Pool::builder()
            .max_size(24)
            .min_idle(Some(0))
            .connection_timeout(POOL_TIMEOUT)
            .build_unchecked(self.clone()))
    }

    /// True if the server answers. TCP connections find that out themselves, so only a server on a Unix socket is
    /// asked.
    pub fn answers(&self) -> bool {
        !self.is_socket || self.wiring.answers()
    }

    /// Converts an error of PostgreSQL into a problem with advice.
    pub fn problem(&self, error: &Error) -> Problem {
        problem(&self.shown, error)
    }
}

/// A connection of the pool.
pub struct Connection {
    client: Client,
    wiring: Wiring,
    plans: Plans,
}

impl Connection {
    /// Lets the watcher of this thread's work ask about this connection's session.
    pub fn show(&self) {
        let wiring = self.wiring.clone();
        patience::waits_for(move || wiring.is_there());
    }

    /// The connection and the plans of its statements.
    pub const fn parts(&mut self) -> (&mut Client, &mut Plans) {
        (&mut self.client, &mut self.plans)
    }
}

/// The plan of a statement on 400 runs takes 4 MB of the server's memory.
const MOST_PLANS: usize = 12;

/// Statements whose plans are kept, the one used last at the end.
#[derive(Default)]
pub struct Plans(Vec<(String, Statement)>);

impl Plans {
    /// A statement whose parameters' types are left to the server. Planning a statement on a table of 400 parts takes
    /// 50 times as long as reading its first page.
    ///
    /// # Errors
    /// The server's error.
    pub fn get(
        &mut self,
        client: &mut impl GenericClient,
        sql: &str,
        parameters: usize,
    ) -> Result<Statement, Error> {
        let kept = self.0.iter().position(|(text, _)| text == sql);
        let last = match kept {
            Some(at) => self.0.remove(at),
            None => {
                let types = vec![Type::UNKNOWN; parameters];
                (sql.to_owned(), client.prepare_typed(sql, &types)?)
            }
        };
        if self.0.len() == MOST_PLANS {
            self.0.remove(0);
        }
        let statement = last.1.clone();
        self.0.push(last);
        Ok(statement)
    }
}

impl Deref for Connection {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.client
    }
}

impl DerefMut for Connection {
    fn deref_mut(&mut self) -> &mut Client {
        &mut self.client
    }
}

impl ManageConnection for Connector {
    type Connection = Connection;
    type Error = Error;

    fn connect(&self) -> Result<Connection, Error> {
        let (client, wiring) = self.client()?;
        Ok(Connection { client, wiring, plans: Plans::default() })
    }

    fn is_valid(&self, connection: &mut Connection) -> Result<(), Error> {
        if patience::is_limited() {
            connection.show();
            // Closing a connection waits for an answer that is due, so a stopped session is asked nothing.
            if connection.wiring.is_stopped() {
                return Err(Error::__private_api_timeout());
            }
            if self.is_socket {
                return connection.client.is_valid(ALIVE);
            }
            // A session that is cut off must not cost the request its time.
            return patience::strictly(ALIVE, || connection.simple_query("").map(drop));
        }
        connection.simple_query("").map(drop)
    }

    fn has_broken(&self, connection: &mut Connection) -> bool {
        connection.is_closed()
    }
}

impl Connector {
    fn client(&self) -> Result<(Client, Wiring), Error> {
        // The library bounds only the first step, and a frozen server still accepts connections.
        patience::within(self.time, || {
            let wiring = self.wiring.of_one();
            let mut client = self.config.connect(wiring.clone())?;
            let session =
                client.simple_query(SETTINGS)?.into_iter().find_map(|message| match message {
                    SimpleQueryMessage::Row(row) => row.get(0)?.parse().ok(),
                    _ => None,
                });
            wiring.set_session(session.unwrap_or_default());
            Ok((client, wiring))
        })
    }
}

/// Names this process to others that wait for its lock; PostgreSQL keeps 63 bytes.
fn application_name() -> &'static str {
    static NAME: std::sync::OnceLock<String> = std::sync::OnceLock::new();
    NAME.get_or_init(|| {
        let host = host_name();
        let short = host.split('.').next().unwrap_or_default();
        let mut name = format!("recon, process {} on {short}", std::process::id());
        name.retain(|character| character.is_ascii_graphic() || character == ' ');
        name.truncate(63);
        name
    })
}

/// The problem of a database that is a source and not the store; `url` is what the user calls its URL.
#[must_use]
pub fn of_source(problem: Problem, url: &str) -> Problem {
    let in_words = |text: &str| text.replace("the store's URL", url);
    let told = Problem::new(Code::BadQuery, in_words(&problem.message));
    match problem.help {
        Some(help) if help.starts_with("create the database") => {
            told.help(format!("check the name of the database in {url}"))
        }
        Some(help) => told.help(in_words(&help)),
        None => told,
    }
}

fn problem(shown: &str, error: &Error) -> Problem {
    let Some(database_error) = error.as_db_error() else {
        // The crate's own text is terse ("error connecting to server"); its cause says why.
        let cause = error.source().map_or_else(|| error.to_string(), ToString::to_string);
        let (code, help) = if cause.contains("password missing") {
            (Code::StoreLogin, LOGIN_HELP)
        } else if cause.contains("certificate") {
            (
                Code::StoreTls,
                "check sslmode and sslrootcert in the store's URL, and the host's name",
            )
        } else {
            (Code::StoreUnreachable, "check host, port and sslmode, and that the server is up")
        };
        return Problem::new(code, format!("{shown} can't be reached: {cause}")).help(help);
    };
    let said = database_error.message();
    let state = database_error.code();
    let (code, help) = if *state == SqlState::INVALID_PASSWORD
        || *state == SqlState::INVALID_AUTHORIZATION_SPECIFICATION
    {
        (Code::StoreLogin, LOGIN_HELP)
    } else if *state == SqlState::INVALID_CATALOG_NAME {
        (Code::StoreMissing, "create the database first (createdb); recon creates only its schema")
    } else if *state == SqlState::DISK_FULL {
        (Code::DiskFull, "the server needs room; earlier runs are unharmed")
    } else if *state == SqlState::INSUFFICIENT_PRIVILEGE {
        (
            Code::StorePermission,
            "grant this role what it lacks, or use another user in the store's URL",
        )
    } else if *state == SqlState::READ_ONLY_SQL_TRANSACTION {
        (Code::StoreReadOnly, "this server is a read-only replica: name the primary")
    } else if *state == SqlState::TOO_MANY_CONNECTIONS {
        (Code::StoreBusy, "the server has no connection left; try again later")
    } else if *state == SqlState::LOCK_NOT_AVAILABLE {
        (Code::StoreBusy, "another session holds a lock; try again later")
    } else if *state == SqlState::ADMIN_SHUTDOWN
        || *state == SqlState::CRASH_SHUTDOWN
        || *state == SqlState::CANNOT_CONNECT_NOW
    {
        (Code::StoreUnreachable, "the server is going down or starting; try again later")
    } else {
        (Code::StoreFailed, "")
    };
    let problem = Problem::new(code, format!("{shown}: {said} (SQLSTATE {})", state.code()));
    if help.is_empty() { problem } else { problem.help(help) }
}
