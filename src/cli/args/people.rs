//! Arguments of `recon user` and `recon token`.

use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Subcommand};

use crate::domain::review::{Permission, Role};

#[derive(Clone, Debug, Subcommand)]
pub enum User {
    /// Add a user, or a second login for one with --same-as
    Add(UserAdd),
    /// List all users with their roles
    List,
    /// Replace a user's roles
    Roles(UserRoles),
    /// Disable a user: ends sessions, disables tokens
    Disable(UserName),
    /// Enable a disabled user
    Enable(UserName),
    /// Reset a password: ends sessions; the user must change it at the next login
    Password(UserPassword),
    /// Print a link with which a user chooses a password
    Invite(UserName),
    /// Let a user see the values of a masked field
    Grant(UserField),
    /// Stop a user from seeing the values of a masked field
    Revoke(UserField),
}

#[derive(Clone, Debug, Args)]
pub struct UserAdd {
    /// Login: letters and digits, with `.`, `_`, `-`, `@` or `+` between them
    pub name: String,
    /// Role (repeatable)
    #[arg(long, value_parser = role_parser(), value_name = "ROLE")]
    pub role: Vec<Role>,
    /// Name that others see [default: the login]
    #[arg(long, value_name = "TEXT")]
    pub display_name: Option<String>,
    /// File whose first line is the initial password, to be changed at the first login; `-` is
    /// standard input [default: prompt]
    #[arg(long, value_name = "FILE", conflicts_with_all = ["no_password", "service", "same_as"])]
    pub password_file: Option<PathBuf>,
    /// No password: a trusted proxy authenticates the user, or `recon user invite` lets them choose
    /// one
    #[arg(long)]
    pub no_password: bool,
    /// Existing login of the same person; the new login shares its roles once that person agrees
    #[arg(long, value_name = "NAME", conflicts_with = "service")]
    pub same_as: Option<String>,
    /// Service account for a program: token login only, cannot approve
    #[arg(long)]
    pub service: bool,
}

#[derive(Clone, Debug, Args)]
pub struct UserRoles {
    /// Login
    pub name: String,
    /// Role (repeatable); without any, all roles are removed
    #[arg(long, value_parser = role_parser(), value_name = "ROLE")]
    pub role: Vec<Role>,
}

#[derive(Clone, Debug, Args)]
pub struct UserName {
    /// Login
    pub name: String,
}

#[derive(Clone, Debug, Args)]
pub struct UserPassword {
    /// Login
    pub name: String,
    /// File whose first line is the password; `-` is standard input [default: prompt]
    #[arg(long, value_name = "FILE")]
    pub password_file: Option<PathBuf>,
}

#[derive(Clone, Debug, Args)]
pub struct UserField {
    /// Login
    pub name: String,
    /// Field
    pub field: String,
}

#[derive(Clone, Debug, Subcommand)]
pub enum Token {
    /// Create a token; it is shown only once
    Create(TokenCreate),
    /// List tokens, newest first, without their secrets
    List(TokenList),
    /// Revoke a token
    Revoke(TokenRevoke),
}

#[derive(Clone, Debug, Args)]
pub struct TokenCreate {
    /// Purpose of the token
    pub name: String,
    /// Login whose permissions the token draws on
    #[arg(long, value_name = "NAME")]
    pub user: String,
    /// Permission of the token, at most those of its user (repeatable)
    #[arg(long, value_parser = scope_parser(), value_name = "SCOPE", required = true)]
    pub scope: Vec<Permission>,
    /// Lifetime, at most 90d
    #[arg(long, value_parser = days, value_name = "DAYS", default_value = "30d")]
    pub expires: i64,
}

#[derive(Clone, Debug, Args)]
pub struct TokenList {
    /// Only tokens of this login
    #[arg(long, value_name = "NAME")]
    pub user: Option<String>,
}

#[derive(Clone, Debug, Args)]
pub struct TokenRevoke {
    /// Token id: the part after `rcn_`
    pub id: String,
}

fn role_parser() -> impl TypedValueParser<Value = Role> {
    PossibleValuesParser::new(Role::ALL.iter().map(|role| role.name()))
        .try_map(|name| Role::from_name(&name).ok_or("unknown role"))
}

fn scope_parser() -> impl TypedValueParser<Value = Permission> {
    PossibleValuesParser::new(Permission::ALL.iter().map(|one| one.name()))
        .try_map(|name| Permission::from_name(&name).ok_or("unknown scope"))
}

fn days(text: &str) -> Result<i64, String> {
    let number = text.strip_suffix('d').unwrap_or(text);
    number.parse().map_err(|_| "write a number of days, such as 30d".to_owned())
}
