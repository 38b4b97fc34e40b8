//! Whoever runs this program, as the operating system knows them.
//!
//! Environment variables say nothing here: anybody can set them, and what this says ends up in the
//! audit trail.

use crate::review::Actor;
use crate::review::people::command_line_actor;

/// The account of the process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// The user id.
    pub uid: u32,
    /// Its name; `None` if the system has none for it.
    pub name: Option<String>,
}

impl Account {
    /// The account that this process runs under.
    pub fn of_process() -> Self {
        let uid = uzers::get_current_uid();
        let name = uzers::get_user_by_uid(uid).map(|user| {
            let name = user.name().to_string_lossy();
            name.chars().filter(|c| !c.is_control()).take(64).collect::<String>()
        });
        Self { uid, name: name.filter(|name| !name.is_empty()) }
    }

    /// `1000:ann`, or `1000` where the id has no name.
    pub fn id(&self) -> String {
        match &self.name {
            Some(name) => format!("{}:{name}", self.uid),
            None => self.uid.to_string(),
        }
    }

    /// The person of the audit trail.
    pub fn actor(&self) -> Actor {
        command_line_actor(&self.id())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_is_its_id_and_name() {
        let named = Account { uid: 1000, name: Some("ann".to_owned()) };
        assert_eq!(
            (named.id(), named.actor().person_id),
            ("1000:ann".into(), "cli:1000:ann".into())
        );
        assert_eq!(Account { uid: 7, name: None }.id(), "7");
        assert_eq!(Account::of_process().uid, uzers::get_current_uid());
    }
}
