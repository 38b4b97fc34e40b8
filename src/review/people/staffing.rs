//! Checks that there are enough users: with two, a six-eye decision never completes.

use crate::diagnostic::Problem;
use crate::domain::review::{Permission, Permissions, Roles};
use crate::store::people;
use crate::store::transact::{self, Transact};

/// Number of stages that can be filled with different people.
pub fn distinct(stages: &[Permission], people: &[Permissions]) -> usize {
    // Three stages at most: trying everybody for each is simple, and quick enough for any firm.
    let Some((first, rest)) = stages.split_first() else { return 0 };
    let without = distinct(rest, people);
    let mut best = without;
    // People with the same permissions are interchangeable.
    let mut tried: Vec<Permissions> = Vec::new();
    for (at, person) in people.iter().enumerate() {
        if !person.contains(*first) || tried.contains(person) {
            continue;
        }
        tried.push(*person);
        let mut others = people.to_vec();
        others.swap_remove(at);
        best = best.max(1 + distinct(rest, &others));
    }
    best
}

/// The warning that decisions with this many eyes can never complete; `None` if they can.
///
/// # Errors
/// Errors of the store.
pub fn warning(store: &dyn Transact, eyes: u8) -> Result<Option<String>, Problem> {
    let (stages, names): (&[Permission], _) = match eyes {
        2 => (&[Permission::Propose], "maker"),
        4 => (&[Permission::Propose, Permission::Check], "maker/checker"),
        _ => (
            &[Permission::Propose, Permission::Check, Permission::Authorize],
            "maker/checker/authorizer",
        ),
    };
    let roles = transact::read(store, |tx| people::all_roles(tx))?;
    let people: Vec<Permissions> = roles.into_iter().map(Roles::permissions).collect();
    let found = distinct(stages, &people);
    Ok((found < stages.len()).then(|| {
        format!(
            "the policy needs {} distinct people with the roles {names}; found {found}",
            stages.len()
        )
    }))
}

/// The decisions that the present users cannot complete; `None` if they can complete all.
///
/// # Errors
/// Errors of the store.
pub fn light(store: &dyn Transact) -> Result<Option<&'static str>, Problem> {
    let roles = transact::read(store, |tx| people::all_roles(tx))?;
    Ok(lacking(&roles.into_iter().map(Roles::permissions).collect::<Vec<_>>()))
}

fn lacking(people: &[Permissions]) -> Option<&'static str> {
    use Permission::{Authorize, Check, Propose};
    let nobody = |may| !people.iter().any(|person| person.contains(may));
    if distinct(&[Propose, Check], people) < 2 {
        Some(if nobody(Check) {
            "No checker: decisions cannot be settled."
        } else {
            "Too few people: a decision needs two, a maker and a checker."
        })
    } else if distinct(&[Propose, Check, Authorize], people) < 3 {
        Some(if nobody(Authorize) {
            "No authorizer: six-eye items cannot be settled."
        } else {
            "Too few people: six-eye items need three, a maker, a checker and an authorizer."
        })
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::review::Role;

    #[test]
    fn the_warning_names_the_missing_roles() {
        let lacking = |people: &[Role]| {
            lacking(&people.iter().map(|role| role.permissions()).collect::<Vec<_>>())
        };
        let said = |people: &[Role]| lacking(people).unwrap_or_default();
        assert!(said(&[Role::Analyst, Role::Admin]).starts_with("No checker"));
        assert!(said(&[Role::Supervisor]).starts_with("Too few people: a decision"));
        assert!(said(&[Role::Analyst, Role::Supervisor]).starts_with("No authorizer"));
        assert!(said(&[Role::Analyst, Role::Manager]).starts_with("Too few people: six-eye"));
        assert_eq!(lacking(&[Role::Analyst, Role::Supervisor, Role::Manager]), None);
    }

    #[test]
    fn one_person_is_one_pair_of_eyes() {
        let stages = [Permission::Propose, Permission::Check, Permission::Authorize];
        let found = |people: &[Role]| {
            let people: Vec<_> = people.iter().map(|role| role.permissions()).collect();
            distinct(&stages, &people)
        };
        assert_eq!(found(&[]), 0);
        assert_eq!(found(&[Role::Admin, Role::Auditor]), 0);
        assert_eq!(found(&[Role::Manager]), 1);
        assert_eq!(found(&[Role::Manager, Role::Manager]), 2);
        assert_eq!(found(&[Role::Manager, Role::Analyst]), 2);
        assert_eq!(found(&[Role::Analyst, Role::Supervisor, Role::Manager]), 3);
        assert_eq!(found(&[Role::Manager, Role::Supervisor, Role::Analyst]), 3);
        // Only managers may authorize, and analysts only make proposals.
        assert_eq!(found(&[Role::Analyst, Role::Analyst, Role::Manager]), 2);
        assert_eq!(found(&[Role::Supervisor, Role::Supervisor, Role::Supervisor]), 2);
        assert_eq!(found(&[Role::Supervisor; 300]), 2);
    }
}
