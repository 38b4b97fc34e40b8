//! `recon token`: API tokens.

use serde_json::{Value as Json, json};

use crate::diagnostic::Problems;
use crate::domain::review::Permissions;
use crate::review::Refusal;
use crate::review::people::{system_random, token};
use crate::store::SqlValue;

use super::args::{Token, TokenCreate};
use super::context::{Context, now};
use super::table::{ResultFormat, TableStyle, answer};
use super::user::actor;

pub fn run(context: &Context, arguments: &Token) -> Result<u8, Problems> {
    match arguments {
        Token::Create(arguments) => create(context, arguments),
        Token::List(arguments) => list(context, arguments.user.as_deref()),
        Token::Revoke(arguments) => {
            let store = context.store(None)?;
            token::revoke(&*store, &actor(), &arguments.id, now())
                .map_err(Refusal::into_problem)?;
            if context.global.json {
                context.json(&json!({ "token_id": arguments.id, "revoked": true }))?;
            } else {
                context.console.print(&format!("Revoked token {}\n", arguments.id))?;
            }
            Ok(0)
        }
    }
}

fn create(context: &Context, arguments: &TokenCreate) -> Result<u8, Problems> {
    let store = context.store(None)?;
    let new = token::NewToken {
        name: &arguments.name,
        login: &arguments.user,
        scopes: Permissions::of(&arguments.scope),
        days: arguments.expires,
    };
    let (token, text) = token::create(&*store, &actor(), &new, now(), &system_random)
        .map_err(Refusal::into_problem)?;
    if context.global.json {
        let mut shown = as_json(&token);
        shown["token"] = text.into();
        context.json(&shown)?;
    } else {
        context.console.print(&format!("{text}\n"))?;
        context.console.note(&format!(
            "Save the token now; it is not shown again. It expires at {}.",
            token.expires
        ));
    }
    Ok(0)
}

fn list(context: &Context, login: Option<&str>) -> Result<u8, Problems> {
    let store = context.store(None)?;
    let tokens = token::list(&*store, &actor(), login).map_err(Refusal::into_problem)?;
    if context.global.json {
        let tokens: Vec<Json> = tokens.iter().map(as_json).collect();
        context.json(&json!({ "tokens": tokens }))?;
        return Ok(0);
    }
    let style =
        TableStyle { paint: context.console.paint(), clip: context.console.result_is_terminal() };
    context.console.result(|out| {
        let mut sink = answer(ResultFormat::Table, out, style);
        let columns = ["id", "name", "login", "scopes", "expires", "last used", "revoked"];
        sink.columns(&columns.map(str::to_owned))?;
        for token in &tokens {
            let time = |time: Option<crate::domain::Instant>| {
                time.map_or(SqlValue::Null, |time| time.to_string().into())
            };
            sink.row(&[
                (&token.id).into(),
                (&token.name).into(),
                (&token.login).into(),
                token::scope_names(token.scopes).replace(',', ", ").into(),
                time(Some(token.expires)),
                time(token.used),
                time(token.revoked),
            ])?;
        }
        sink.finish()?;
        Ok(())
    })?;
    Ok(0)
}

fn as_json(token: &token::Token) -> Json {
    json!({
        "token_id": token.id,
        "name": token.name,
        "login": token.login,
        "person_id": token.person_id,
        "scopes": token.scopes,
        "created_at": token.created.to_string(),
        "expires_at": token.expires.to_string(),
        "last_used_at": token.used.map(|time| time.to_string()),
        "revoked_at": token.revoked.map(|time| time.to_string()),
    })
}
