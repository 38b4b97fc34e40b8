//! `recon user`: the people who review.

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
use super::table::{AnswerFormat, Look, answer};

/// Makes, lists and changes people.
pub fn run(context: &Context, arguments: &User) -> Result<u8, Problems> {
    let by = actor();
    match arguments {
        User::Add(arguments) => add(context, &by, arguments),
        User::List => list(context),
        User::Roles(arguments) => {
            let store = context.store(None)?;
            let roles = Roles::of(arguments.role.iter().copied());
            let person = directory::set_roles(&*store, &by, &arguments.name, roles, now());
            told(context, person, &format!("has the roles {}", listed(roles)))
        }
        User::Disable(arguments) => {
            let store = context.store(None)?;
            let person = directory::set_disabled(&*store, &by, &arguments.name, true, now());
            told(context, person, "is shut out")
        }
        User::Enable(arguments) => {
            let store = context.store(None)?;
            let person = directory::set_disabled(&*store, &by, &arguments.name, false, now());
            told(context, person, "may come in again")
        }
        User::Password(arguments) => {
            let store = context.store(None)?;
            // Nobody should think of a password for a login that there isn't.
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
            told(context, person, "has another password, to be changed at the next log-in")
        }
        User::Invite(arguments) => invite(context, &by, &arguments.name),
        User::Grant(arguments) => grant(context, &by, arguments, true),
        User::Revoke(arguments) => grant(context, &by, arguments, false),
    }
}

/// Whoever runs this program, as the audit trail names them.
pub fn actor() -> Actor {
    Account::of_process().actor()
}

fn add(context: &Context, by: &Actor, arguments: &UserAdd) -> Result<u8, Problems> {
    // The first person may be there before the first run.
    let store = store::open(&context.store_url(None)?, Opening::Create)?;
    // The password of a second login is its person's to choose.
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
        Ok(Person { awaits_consent: true, .. }) => {
            "; it opens nothing until its person agrees to it"
        }
        Ok(Person { must_change: true, .. }) => {
            "; the password is to be changed at the first log-in"
        }
        _ => "",
    };
    told(context, person, &format!("is there, with the roles {}{next}", listed(roles)))
}

/// A link by which the person chooses a password.
fn invite(context: &Context, by: &Actor, name: &str) -> Result<u8, Problems> {
    let store = context.store(None)?;
    let link = invitation::invite(&*store, by, name, now(), &system_random)
        .map_err(Refusal::into_problem)?;
    let path = format!("/review/first?token={link}");
    if context.global.json {
        context.json(&json!({ "login": name, "path": path }))?;
    } else {
        context.console.say(&format!("{path}\n"))?;
        context.console.note(
            "Put the server's address in front of it. It works once, within 7 days; whoever opens it \
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
    let sees = if granted { "sees" } else { "does not see" };
    told(context, person, &format!("{sees} the values of `{field}`"))
}

fn listed(roles: Roles) -> String {
    if roles.is_empty() { "(none)".to_owned() } else { roles.names().replace(',', ", ") }
}

/// Says what became of a person, as JSON or in words.
fn told(context: &Context, person: Result<Person, Refusal>, what: &str) -> Result<u8, Problems> {
    let person = person.map_err(Refusal::into_problem)?;
    if context.global.json {
        context.json(&person.json())?;
    } else {
        context.console.say(&format!("{} {what}\n", person.login))?;
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
    let look = Look { paint: context.console.paint(), clip: context.console.result_is_terminal() };
    context.console.result(|out| {
        let mut sink = answer(AnswerFormat::Table, out, look);
        let columns = ["login", "name", "roles", "comes in by", "sees fields"];
        sink.columns(&columns.map(str::to_owned))?;
        for person in &people {
            let by = match person {
                Person { is_disabled: true, .. } => "nothing (disabled)",
                Person { is_service: true, .. } => "token (program)",
                Person { awaits_consent: true, .. } => "nothing (awaits consent)",
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

/// The longest line that is read as a password.
const MAX_PASSWORD_LINE: u64 = 64 << 10;

/// The password from a file's first line, or from the terminal, asked for twice.
fn password(file: Option<&Path>, login: &str) -> Result<Zeroizing<String>, Problem> {
    let refuse = |message: String| Problem::new(Code::NoPassword, message);
    if let Some(path) = file {
        let read = |source: Box<dyn std::io::BufRead>| {
            // Room for every password: growing would leave copies behind.
            let mut line = Zeroizing::new(String::with_capacity(4_096));
            // Standard input may be a device that never ends a line.
            std::io::Read::take(source, MAX_PASSWORD_LINE).read_line(&mut line)?;
            Ok::<_, std::io::Error>(line)
        };
        let line = if path == Path::new("-") {
            read(Box::new(std::io::stdin().lock()))
        } else {
            crate::files::read(path, crate::files::SMALL)
                .and_then(|bytes| read(Box::new(std::io::Cursor::new(bytes))))
        };
        let line = line.map_err(|error| {
            refuse(format!("the password can't be read: {error}")).in_file(path)
        })?;
        return Ok(Zeroizing::new(line.trim_end_matches(['\r', '\n']).to_owned()));
    }
    if !std::io::stdin().is_terminal() {
        return Err(refuse("there is no terminal to ask for the password".to_owned())
            .help("give a file with --password-file, or `-` for standard input"));
    }
    let ask = |prompt: String| {
        rpassword::prompt_password(prompt)
            .map(Zeroizing::new)
            .map_err(|error| refuse(format!("the password can't be read: {error}")))
    };
    let first = ask(format!("Password for {login}: "))?;
    let again = ask("Once more: ".to_owned())?;
    if first == again {
        Ok(first)
    } else {
        Err(refuse("the two passwords are not the same".to_owned()))
    }
}
