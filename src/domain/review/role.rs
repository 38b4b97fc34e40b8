//! Roles, their permissions, and which roles exclude each other.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::domain::difference::names;

names! {
    Role {
        /// Decides differences as a maker.
        Analyst = "analyst" = 1,
        /// A maker who may also propose reason codes.
        Senior = "senior" = 2,
        /// A checker, who may also be the maker of other decisions.
        Supervisor = "supervisor" = 3,
        /// An authorizer, who may also check and make.
        Manager = "manager" = 4,
        /// Sees everything, changes nothing.
        Auditor = "auditor" = 5,
        /// Manages people and configuration, decides no difference.
        Admin = "admin" = 6,
    }
}

names! {
    /// Something that a role permits.
    Permission {
        /// See the queue, items, runs and reasons.
        View = "view" = 1,
        /// Propose, amend and withdraw decisions: the maker.
        Propose = "propose" = 2,
        ProposeReason = "propose_reason" = 3,
        /// Approve or send back as the second person.
        Check = "check" = 4,
        /// Approve or send back as the third person.
        Authorize = "authorize" = 5,
        /// Propose changes of the policy.
        ProposePolicy = "propose_policy" = 6,
        /// Manage people and tokens of others.
        Administer = "administer" = 7,
        /// Search the audit trail of one's own decisions.
        AuditOwn = "audit_own" = 8,
        /// Search, export and verify the whole audit trail.
        AuditAll = "audit_all" = 9,
        /// See the auditors' reports.
        Reports = "reports" = 10,
        Comment = "comment" = 11,
    }
}

impl Role {
    pub const fn permissions(self) -> Permissions {
        use Permission as P;
        match self {
            Self::Analyst => Permissions::of(&[P::View, P::Propose, P::AuditOwn, P::Comment]),
            Self::Senior => {
                Permissions::of(&[P::View, P::Propose, P::ProposeReason, P::AuditOwn, P::Comment])
            }
            Self::Supervisor => Permissions::of(&[
                P::View,
                P::Propose,
                P::ProposeReason,
                P::Check,
                P::AuditOwn,
                P::AuditAll,
                P::Comment,
            ]),
            Self::Manager => Permissions::of(&[
                P::View,
                P::Propose,
                P::ProposeReason,
                P::Check,
                P::Authorize,
                P::ProposePolicy,
                P::AuditOwn,
                P::AuditAll,
                P::Reports,
                P::Comment,
            ]),
            Self::Auditor => Permissions::of(&[P::View, P::AuditOwn, P::AuditAll, P::Reports]),
            Self::Admin => Permissions::of(&[
                P::View,
                P::ProposePolicy,
                P::Administer,
                P::AuditOwn,
                P::AuditAll,
                P::Comment,
            ]),
        }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Roles(u8);

impl Roles {
    pub const NONE: Self = Self(0);

    pub fn of(roles: impl IntoIterator<Item = Role>) -> Self {
        roles.into_iter().fold(Self::NONE, Self::with)
    }

    /// The set with one more.
    #[must_use]
    pub const fn with(self, role: Role) -> Self {
        Self(self.0 | 1 << role.code())
    }

    pub const fn contains(self, role: Role) -> bool {
        self.0 & 1 << role.code() != 0
    }

    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The roles, in the order of their codes.
    pub fn iter(self) -> impl Iterator<Item = Role> {
        Role::ALL.iter().copied().filter(move |role| self.contains(*role))
    }

    /// The union of their permissions.
    pub fn permissions(self) -> Permissions {
        self.iter().fold(Permissions::NONE, |all, role| all.union(role.permissions()))
    }

    /// The names, joined by commas, as the audit trail keeps them.
    pub fn names(self) -> String {
        self.iter().map(Role::name).collect::<Vec<_>>().join(",")
    }

    /// Reads the output of [`Roles::names`]; `None` if a name is no role.
    pub fn parse(names: &str) -> Option<Self> {
        names
            .split(',')
            .filter(|name| !name.is_empty())
            .try_fold(Self::NONE, |all, name| Some(all.with(Role::from_name(name.trim())?)))
    }

    /// Why one user may not have all these roles: an auditor takes no part in decisions, and an
    /// administrator, who could create the other users, neither.
    pub fn conflict(self) -> Option<&'static str> {
        let others = |role: Role| self.iter().any(|held| held != role);
        if self.contains(Role::Auditor) && others(Role::Auditor) {
            Some("an auditor holds no other role")
        } else if self.contains(Role::Admin) && others(Role::Admin) {
            Some("an admin takes no part in decisions: else one person could create the second one")
        } else {
            None
        }
    }
}

impl fmt::Display for Roles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.names())
    }
}

impl Serialize for Roles {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter().map(Role::name))
    }
}

impl<'de> Deserialize<'de> for Roles {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let names = Vec::<String>::deserialize(deserializer)?;
        Self::parse(&names.join(",")).ok_or_else(|| serde::de::Error::custom("not a role"))
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Permissions(u16);

impl Permissions {
    pub const NONE: Self = Self(0);

    pub const fn of(permissions: &[Permission]) -> Self {
        let mut all = 0;
        let mut rest = permissions;
        while let [first, tail @ ..] = rest {
            all |= 1 << first.code();
            rest = tail;
        }
        Self(all)
    }

    pub const fn contains(self, permission: Permission) -> bool {
        self.0 & 1 << permission.code() != 0
    }

    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The intersection: a token's scopes never exceed its owner's permissions.
    #[must_use]
    pub const fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Without this one.
    #[must_use]
    pub const fn without(self, permission: Permission) -> Self {
        Self(self.0 & !(1 << permission.code()))
    }

    /// The permissions, in the order of their codes.
    pub fn iter(self) -> impl Iterator<Item = Permission> {
        Permission::ALL.iter().copied().filter(move |permission| self.contains(*permission))
    }
}

impl Serialize for Permissions {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter().map(Permission::name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_role_has_its_permissions() {
        let table: Vec<String> = Role::ALL
            .iter()
            .map(|role| {
                let may = role.permissions().iter().map(Permission::name).collect::<Vec<_>>();
                format!("{role}: {}", may.join(" "))
            })
            .collect();
        assert_eq!(
            table,
            [
                "analyst: view propose audit_own comment",
                "senior: view propose propose_reason audit_own comment",
                "supervisor: view propose propose_reason check audit_own audit_all comment",
                "manager: view propose propose_reason check authorize propose_policy audit_own \
                 audit_all reports comment",
                "auditor: view audit_own audit_all reports",
                "admin: view propose_policy administer audit_own audit_all comment",
            ]
        );
    }

    #[test]
    fn auditors_and_administrators_do_not_decide() {
        for role in Role::ALL {
            assert_eq!(Roles::of([*role]).conflict(), None);
            for watching in [Role::Auditor, Role::Admin] {
                let both = Roles::of([*role, watching]);
                assert_eq!(both.conflict().is_some(), *role != watching, "{both}");
            }
        }
        assert_eq!(Roles::of([Role::Analyst, Role::Manager]).conflict(), None);
    }

    #[test]
    fn roles_read_back() {
        let roles = Roles::of([Role::Manager, Role::Analyst]);
        assert_eq!(Roles::parse(&roles.names()), Some(roles));
        assert_eq!(Roles::parse("analyst,king"), None);
        assert_eq!(Roles::parse(""), Some(Roles::NONE));
    }
}
