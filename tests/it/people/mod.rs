//! Users: logins, roles, sessions, tokens and links on both stores, and the commands.

mod attacks;
mod commands;
mod owners;
mod page;
mod secrets;
mod story;

use crate::store::Place;

use std::net::IpAddr;

use recon::domain::Instant;
use recon::domain::review::{Permission, Permissions, Role, Roles};
use recon::review::people::login::{self, Attempt, LoginResult};
use recon::review::people::{
    Hashing, NewPerson, Person, Principal, command_line_actor, directory, invitation, session,
    system_random, token,
};
use recon::review::{Actor, Refusal};
use recon::store::Store;
use recon::store::transact;

/// Ten o'clock on the day of the story, plus some seconds.
fn at(seconds: i64) -> Instant {
    Instant::new(1_768_471_200 + seconds, 0)
}

const PASSWORD: &str = "four words of hers";

struct Accounts {
    store: Box<dyn Store>,
    hashing: Hashing,
    cli: Actor,
}

impl Accounts {
    fn new(place: &Place) -> Self {
        let hashing = Hashing::default();
        Self { store: place.open(), hashing, cli: command_line_actor("root") }
    }

    fn add(&self, by: &Actor, login: &str, roles: &[Role]) -> Result<Person, Refusal> {
        let roles = Roles::of(roles.iter().copied());
        self.add_new(by, &NewPerson { login, roles, ..NewPerson::default() })
    }

    /// With the test password, chosen by the user.
    fn add_with_password(&self, login: &str, roles: &[Role]) -> Person {
        let roles = Roles::of(roles.iter().copied());
        let person =
            self.add_new(&self.cli, &NewPerson { login, roles, ..NewPerson::default() }).unwrap();
        let link = invitation::invite(&*self.store, &self.cli, login, at(0), &system_random);
        let (store, hashing) = (&*self.store, &self.hashing);
        let link = link.unwrap();
        invitation::accept(store, hashing, &link, login, PASSWORD, at(0), &system_random).unwrap();
        person
    }

    /// With a password set by an administrator.
    fn add_with_given_password(&self, by: &Actor, login: &str, roles: &[Role]) -> Person {
        let roles = Roles::of(roles.iter().copied());
        let new = NewPerson { login, roles, password: Some(PASSWORD), ..NewPerson::default() };
        self.add_new(by, &new).unwrap()
    }

    fn add_new(&self, by: &Actor, new: &NewPerson<'_>) -> Result<Person, Refusal> {
        directory::add(&*self.store, &self.hashing, by, new, at(0), &system_random)
    }

    fn set_roles(&self, by: &Actor, login: &str, roles: &[Role]) -> Result<Person, Refusal> {
        directory::set_roles(&*self.store, by, login, Roles::of(roles.iter().copied()), at(1))
    }

    fn log_in(&self, name: &str, password: &str, now: Instant) -> LoginResult {
        self.log_in_from(name, password, None, now)
    }

    fn log_in_from(
        &self,
        name: &str,
        password: &str,
        address: Option<IpAddr>,
        now: Instant,
    ) -> LoginResult {
        let attempt = Attempt { name, password, address, user_agent: Some("test"), cookie: None };
        login::login(&*self.store, &self.hashing, &attempt, now, &system_random).unwrap()
    }

    /// The cookie of a successful login.
    fn cookie(&self, name: &str, now: Instant) -> String {
        match self.log_in(name, PASSWORD, now) {
            LoginResult::In { cookie, .. } => cookie,
            other => panic!("{name}: {other:?}"),
        }
    }

    fn who(&self, cookie: &str, now: Instant) -> Option<Principal> {
        session::authenticate(&*self.store, cookie, now).unwrap().map(|session| session.principal)
    }

    fn token(
        &self,
        by: &Actor,
        login: &str,
        scopes: &[Permission],
        days: i64,
    ) -> Result<(token::Token, String), Refusal> {
        let scopes = Permissions::of(scopes);
        let new = token::NewToken { name: "etl", login, scopes, days };
        token::create(&*self.store, by, &new, at(0), &system_random)
    }

    fn bearer(&self, text: &str, now: Instant) -> Option<Principal> {
        token::authenticate(&*self.store, text, &|_| false, now).unwrap()
    }

    /// One cell of every row of a statement.
    fn column(&self, sql: &str) -> Vec<String> {
        let rows = transact::read(&*self.store, |tx| {
            tx.query(sql, &[])?.iter().map(|row| row.required(0)).collect()
        });
        rows.unwrap()
    }

    /// The full contents of the tables about users.
    fn dump(&self) -> Vec<String> {
        ["people", "logins", "person_roles", "field_grants", "tokens", "invitations", "audit_trail"]
            .iter()
            .flat_map(|table| {
                let rows = transact::read(&*self.store, |tx| {
                    tx.query(&format!("SELECT * FROM recon.{table} ORDER BY 1, 2"), &[])
                });
                rows.unwrap().into_iter().map(|row| format!("{table} {row:?}")).collect::<Vec<_>>()
            })
            .collect()
    }
}

fn code<T: std::fmt::Debug>(result: Result<T, Refusal>) -> &'static str {
    result.expect_err("this should have been refused").code.name()
}
