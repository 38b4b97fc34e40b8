//! `recon user`: users of the review server.

use std::io::{BufRead as _, IsTerminal as _};
use std::path::Path;

use serde_json::json;

use crate::diagnostic::{Code, Problem, Problems};
use crate::domain::review::Roles;
use crate::review::people::invitation;
use crate::review::people::{Hashing, NewPerson, Person, directory, system_random};
use crate::review::{Actor, Refusal};
use crate::store::{self, Opening, SqlValue, Store};
use zeroize::Zeroizing;

use super::account::Account;
use super::args::{User, UserAdd, UserField};
use super::context::{Context, now};
use super::table::{ResultFormat, TableStyle, answer};

pub fn run(context: &Context, arguments: &User) -> Result<u8, Problems> {
    let by = actor();
    match arguments {
        User::Add(arguments) => add(context, &by, arguments),
        User::List => list(context),
        User::Roles(arguments) => {
            let store = context.store(None)?;
            let roles = Roles::of(arguments.role.iter().copied());
            let person = directory::set_roles(&*store, &by, &arguments.name, roles, now());
            report(context, person, "User", &format!(" has the roles {}", listed(roles)))
        }
        User::Disable(arguments) => {
            let store = context.store(None)?;
            let person = directory::set_disabled(&*store, &by, &arguments.name, true, now());
            report(context, person, "Disabled user", "")
        }
        User::Enable(arguments) => {
            let store = context.store(None)?;
            let person = directory::set_disabled(&*store, &by, &arguments.name, false, now());
            report(context, person, "Enabled user", "")
        }
        User::Password(arguments) => {
            let store = context.store(None)?;
            // Check that the login exists before prompting for a password.
            directory::show(&*store, &arguments.name).map_err(Refusal::into_problem)?;
            let password = password(arguments.password_file.as_deref(), &arguments.name)?;
            let hashing = Hashing::default();
            let name = &arguments.name;
            let person = directory::set_password(
                &*store,
                &hashing,
                &by,
                name,
                &password,
                now(),
                &system_random,
            );
            report(
                context,
                person,
                "Reset the password of",
                "; it must be changed at the next login",
            )
        }
        User::Invite(arguments) => invite(context, &by, &arguments.name),
        User::Grant(arguments) => grant(context, &by, arguments, true),
        User::Revoke(arguments) => grant(context, &by, arguments, false),
    }
}

/// The current account, as the audit trail records it.
pub fn actor() -> Actor {
    Account::of_process().actor()
}

fn add(context: &Context, by: &Actor, arguments: &UserAdd) -> Result<u8, Problems> {
    // A user may be added before the first run.
    let store = store::open(&context.store_url(None)?, Opening::Create)?;
    // The owner of a second login chooses its password.
    let second = arguments.same_as.is_some() && arguments.password_file.is_none();
    let password = if arguments.no_password || arguments.service || second {
        None
    } else {
        Some(password(arguments.password_file.as_deref(), &arguments.name)?)
    };
    let roles = Roles::of(arguments.role.iter().copied());
    let new = NewPerson {
        login: &arguments.name,
        name: arguments.display_name.as_deref(),
        roles,
        password: password.as_deref().map(String::as_str),
        same_person_as: arguments.same_as.as_deref(),
        is_service: arguments.service,
    };
    let hashing = Hashing::default();
    let person = directory::add(&*store, &hashing, by, &new, now(), &system_random);
    let roles = person.as_ref().map_or(roles, |person| person.roles);
    let next = match &person {
        Ok(Person { awaits_consent: true, .. }) => "; the login works once its owner agrees to it",
        Ok(Person { must_change: true, .. }) => "; the password must be changed at the first login",
        _ => "",
    };
    report(context, person, "Created user", &format!(" ({}){next}", listed(roles)))
}

/// Prints a link with which the user chooses a password.
fn invite(context: &Context, by: &Actor, name: &str) -> Result<u8, Problems> {
    let store = context.store(None)?;
    let link = invitation::invite(&*store, by, name, now(), &system_random)
        .map_err(Refusal::into_problem)?;
    let path = format!("/review/first?token={link}");
    if context.global.json {
        context.json(&json!({ "login": name, "path": path }))?;
    } else {
        context.console.print(&format!("{path}\n"))?;
        context.console.note(
            "Prefix the server's address. The link works once, within 7 days; the person who opens it \
             chooses the password.",
        );
    }
    Ok(0)
}

fn grant(
    context: &Context,
    by: &Actor,
    arguments: &UserField,
    granted: bool,
) -> Result<u8, Problems> {
    let store = context.store(None)?;
    let UserField { name, field } = arguments;
    let person = directory::set_grant(&*store, by, name, field, granted, now());
    let may = if granted { "may" } else { "may not" };
    report(context, person, "User", &format!(" {may} see the values of `{field}`"))
}

fn listed(roles: Roles) -> String {
    if roles.is_empty() { "no roles".to_owned() } else { roles.names().replace(',', ", ") }
}

/// Prints the changed user as JSON, or as the sentence `BEFORE login AFTER`.
fn report(
    context: &Context,
    person: Result<Person, Refusal>,
    before: &str,
    after: &str,
) -> Result<u8, Problems> {
    let person = person.map_err(Refusal::into_problem)?;
    if context.global.json {
        context.json(&person.json())?;
    } else {
        context.console.print(&format!("{before} {}{after}\n", person.login))?;
    }
    Ok(0)
}

fn list(context: &Context) -> Result<u8, Problems> {
    let store: Box<dyn Store> = context.store(None)?;
    let people = directory::list(&*store)?;
    if context.global.json {
        let people: Vec<_> = people.iter().map(Person::json).collect();
        context.json(&json!({ "people": people }))?;
        return Ok(0);
    }
    let style =
        TableStyle { paint: context.console.paint(), clip: context.console.result_is_terminal() };
    context.console.result(|out| {
        let mut sink = answer(ResultFormat::Table, out, style);
        let columns = ["login", "name", "roles", "logs in with", "sees fields"];
        sink.columns(&columns.map(str::to_owned))?;
        for person in &people {
            let by = match person {
                Person { is_disabled: true, .. } => "disabled",
                Person { is_service: true, .. } => "token (service)",
                Person { awaits_consent: true, .. } => "not yet (awaits consent)",
                Person { must_change: true, .. } => "password (to be changed)",
                Person { has_password: true, .. } => "password",
                _ => "proxy",
            };
            let grants = person.grants.iter().cloned().collect::<Vec<_>>().join(", ");
            let cells = [
                person.login.clone(),
                person.name.clone(),
                person.roles.names().replace(',', ", "),
                by.to_owned(),
                grants,
            ];
            sink.row(&cells.map(SqlValue::Text))?;
        }
        sink.finish()?;
        Ok(())
    })?;
    Ok(0)
}

/// Maximum length of a password line.
const MAX_PASSWORD_LINE: u64 = 64 << 10;

/// The password from a file's first line, or prompted for twice.
fn password(file: Option<&Path>, login: &str) -> Result<Zeroizing<String>, Problem> {
    let refuse = |message: String| Problem::new(Code::NoPassword, message);
    if let Some(path) = file {
        let read = |source: Box<dyn std::io::BufRead>| {
            // Allocate enough at once: growing would leave copies of the password in memory.
            let mut line = Zeroizing::new(String::with_capacity(4_096));
            // Standard input may be a device that never ends a line.
            std::io::Read::take(source, MAX_PASSWORD_LINE).read_line(&mut line)?;
            Ok::<_, std::io::Error>(line)
        };
        let line = if path == Path::new("-") {
            read(Box::new(std::io::stdin().lock()))
        } else {
            crate::files::read(path, crate::files::SMALL)
                .map(Zeroizing::new)
                .and_then(|bytes| read(Box::new(std::io::Cursor::new(bytes))))
        };
        let line = line
            .map_err(|error| refuse(format!("can't read the password: {error}")).in_file(path))?;
        return Ok(Zeroizing::new(line.trim_end_matches(['\r', '\n']).to_owned()));
    }
    if !std::io::stdin().is_terminal() {
        return Err(refuse("no terminal to prompt for the password".to_owned())
            .help("pass --password-file FILE, or `-` to read standard input"));
    }
    let ask = |prompt: String| {
        rpassword::prompt_password(prompt)
            .map(Zeroizing::new)
            .map_err(|error| refuse(format!("can't read the password: {error}")))
    };
    let first = ask(format!("Password for {login}: "))?;
    let again = ask("Repeat the password: ".to_owned())?;
    if first == again { Ok(first) } else { Err(refuse("the two passwords differ".to_owned())) }
}
