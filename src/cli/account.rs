//! The operating-system account that runs this process, for the audit trail.
//!
//! Environment variables such as USER are ignored: anyone can set them.

use crate::review::Actor;
use crate::review::people::command_line_actor;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    pub uid: u32,
    /// `None` if the system has no name for the id.
    pub name: Option<String>,
}

impl Account {
    pub fn of_process() -> Self {
        let uid = uzers::get_current_uid();
        let name = uzers::get_user_by_uid(uid).map(|user| {
            let name = user.name().to_string_lossy();
            name.chars().filter(|c| !c.is_control()).take(64).collect::<String>()
        });
        Self { uid, name: name.filter(|name| !name.is_empty()) }
    }

    /// `1000:ann`, or `1000` if the id has no name.
    pub fn id(&self) -> String {
        match &self.name {
            Some(name) => format!("{}:{name}", self.uid),
            None => self.uid.to_string(),
        }
    }

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
