//! Attacks on users that need no HTTP.

use std::net::IpAddr;
use std::time::Instant as Clock;

use recon::diagnostic::Code;
use recon::domain::review::{Permission as P, Role};
use recon::review::RefusalKind;
use recon::review::people::login::{self, Attempt, LoginResult};
use recon::review::people::{NewPerson, directory, system_random, token};

use super::{Accounts, PASSWORD, Place, at, code};
use crate::store::on_both_stores;

on_both_stores! {
    s1_one_person_stays_one_with_two_logins_and_in_any_spelling,
    s11_disabling_or_removing_roles_ends_access_at_once,
    s12_an_admin_makes_no_second_self,
    s31_guessing_is_slow_and_never_locks_out_for_good,
    s33_a_session_is_new_at_log_in_and_dead_after_log_out,
    s40_other_users_tokens_are_not_found,
    separation_holds_in_sql_too,
    two_admins_cannot_remove_each_other,
}

fn s1_one_person_stays_one_with_two_logins_and_in_any_spelling(place: &Place) {
    let accounts = Accounts::new(place);
    let ann = accounts.add_with_password("Ann", &[Role::Analyst]);
    for same in ["ann", "ANN", "ａnn", "Ａnn"] {
        assert_eq!(code(accounts.add(&accounts.cli, same, &[Role::Supervisor])), "login-taken");
    }
    let second =
        NewPerson { login: "ann.second", same_person_as: Some("ANN"), ..NewPerson::default() };
    let second = accounts.add_new(&accounts.cli, &second).unwrap();
    assert_eq!(second.person_id, ann.person_id);
    let own = accounts.who(&accounts.cookie("ann", at(1)), at(1)).unwrap();
    let (store, hashing) = (&*accounts.store, &accounts.hashing);
    let password = Some(PASSWORD);
    directory::agree(store, hashing, &own, "ann.second", password, at(1), &system_random).unwrap();
    accounts.set_roles(&accounts.cli, "ann.second", &[Role::Analyst, Role::Supervisor]).unwrap();
    let by_first = accounts.who(&accounts.cookie("ann", at(2)), at(2)).unwrap();
    let by_second = accounts.who(&accounts.cookie("ann.second", at(2)), at(2)).unwrap();
    assert_eq!(by_first.person_id, by_second.person_id);
    assert_eq!(by_first.roles, by_second.roles, "roles are the person's, not the login's");
    let (_, text) = accounts.token(&by_second.actor(), "ann.second", &[P::Check], 1).unwrap();
    assert_eq!(accounts.bearer(&text, at(3)).unwrap().person_id, ann.person_id);
}

fn s11_disabling_or_removing_roles_ends_access_at_once(place: &Place) {
    let accounts = Accounts::new(place);
    accounts.add_with_password("sue", &[Role::Supervisor]);
    let cookie = accounts.cookie("sue", at(0));
    let (_, token) = accounts.token(&accounts.cli, "sue", &[P::View, P::Check], 1).unwrap();
    accounts.set_roles(&accounts.cli, "sue", &[Role::Analyst]).unwrap();
    assert_eq!(accounts.who(&cookie, at(2)), None, "roles changed: the old session ends");
    assert!(!accounts.bearer(&token, at(2)).unwrap().permissions.contains(P::Check));
    let cookie = accounts.cookie("sue", at(3));
    directory::set_disabled(&*accounts.store, &accounts.cli, "SUE", true, at(4)).unwrap();
    assert_eq!(accounts.who(&cookie, at(5)), None);
    assert_eq!(accounts.bearer(&token, at(5)), None);
    assert_eq!(accounts.log_in("sue", PASSWORD, at(5)), LoginResult::Wrong);
    directory::set_disabled(&*accounts.store, &accounts.cli, "sue", false, at(6)).unwrap();
    assert_eq!(accounts.who(&cookie, at(7)), None, "the old session stays ended");
    assert!(matches!(accounts.log_in("sue", PASSWORD, at(7)), LoginResult::In { .. }));
}

fn s12_an_admin_makes_no_second_self(place: &Place) {
    let accounts = Accounts::new(place);
    accounts.add_with_password("root", &[Role::Admin]);
    accounts.add(&accounts.cli, "spare", &[Role::Admin]).unwrap();
    let root = accounts.who(&accounts.cookie("root", at(0)), at(0)).unwrap().actor();
    let before = accounts.dump();
    let refused = |result: Result<_, recon::review::Refusal>, expected: &str| {
        let refusal = result.map(|_: directory::Person| ()).unwrap_err();
        assert_eq!(
            (refusal.code.name(), refusal.kind),
            (expected, RefusalKind::Conflict),
            "{refusal}"
        );
    };
    for role in [Role::Analyst, Role::Supervisor, Role::Manager, Role::Auditor] {
        refused(accounts.set_roles(&root, "root", &[Role::Admin, role]), "separation-of-duties");
        refused(accounts.set_roles(&root, "root", &[role]), "own-roles");
        refused(accounts.add(&root, "x", &[Role::Admin, role]), "separation-of-duties");
        refused(accounts.set_roles(&root, "spare", &[Role::Admin, role]), "separation-of-duties");
    }
    refused(accounts.add(&root, "x", &[Role::Auditor, Role::Analyst]), "separation-of-duties");
    // A second login with a maker's role for themselves.
    let second = NewPerson {
        login: "root2",
        same_person_as: Some("root"),
        roles: recon::domain::review::Roles::of([Role::Analyst]),
        ..NewPerson::default()
    };
    let refusal = accounts.add_new(&root, &second).unwrap_err();
    assert_eq!(refusal.kind, RefusalKind::Conflict);
    // Someone else's token, with which they could impersonate that user.
    accounts.add(&accounts.cli, "sue", &[Role::Supervisor]).unwrap();
    let refusal = accounts.token(&root, "sue", &[P::Check], 1).unwrap_err();
    assert_eq!(refusal.kind, RefusalKind::Forbidden);
    let grant = directory::set_grant(&*accounts.store, &root, "root", "account", true, at(1));
    assert_eq!(code(grant), "own-roles");
    let after: Vec<_> = accounts.dump().into_iter().filter(|row| !row.contains("sue")).collect();
    let new: Vec<_> = after.iter().filter(|row| !before.contains(row)).collect();
    assert!(new.iter().all(|row| row.contains("supervisor")), "nothing changed but sue: {new:?}");
    // Only admins can create users.
    accounts.add_with_password("max", &[Role::Manager]);
    let max = accounts.who(&accounts.cookie("max", at(0)), at(0)).unwrap().actor();
    let before = accounts.dump();
    assert_eq!(accounts.add(&max, "x", &[Role::Analyst]).unwrap_err().kind, RefusalKind::Forbidden);
    assert_eq!(accounts.set_roles(&max, "sue", &[]).unwrap_err().kind, RefusalKind::Forbidden);
    let refusal = directory::set_disabled(&*accounts.store, &max, "root", true, at(1)).unwrap_err();
    assert_eq!(refusal.kind, RefusalKind::Forbidden);
    assert_eq!(accounts.dump(), before);
}

fn s31_guessing_is_slow_and_never_locks_out_for_good(place: &Place) {
    let accounts = Accounts::new(place);
    accounts.add_with_password("ann", &[Role::Analyst]);
    let address = |last: u8| Some(IpAddr::from([10, 0, 0, last]));
    // One account from many addresses.
    let mut wrong = 0;
    for attempt in 0..100u8 {
        match accounts.log_in_from("Ann", "not the password", address(attempt), at(10)) {
            LoginResult::Wrong => wrong += 1,
            LoginResult::Throttled(seconds) => assert!((1..=60).contains(&seconds)),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(wrong, 5);
    let ann =
        accounts.column("SELECT person_id FROM recon.security_log WHERE code = 'wrong-password'");
    assert_eq!(ann.len(), 5, "each is remembered");
    let right = |now| accounts.log_in_from("ann", PASSWORD, address(200), now);
    assert!(matches!(right(at(11)), LoginResult::Throttled(59)), "the right one must wait as well");
    assert!(matches!(right(at(70)), LoginResult::In { .. }), "and then it opens");
    // Continued guessing: the delays grow, up to a limit.
    let mut now = 1_000;
    let mut pauses = Vec::new();
    for _ in 0..6 {
        for _ in 0..5 {
            assert_eq!(accounts.log_in("ann", "not the password", at(now)), LoginResult::Wrong);
        }
        match accounts.log_in("ann", "not the password", at(now)) {
            LoginResult::Throttled(seconds) => {
                pauses.push(seconds);
                now += i64::try_from(seconds).unwrap();
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(pauses, [60, 120, 240, 480, 480, 480]);
    assert!(matches!(accounts.log_in("ann", PASSWORD, at(now)), LoginResult::In { .. }));
    // Many accounts from one address, known and unknown alike; an IPv6 network counts as one
    // address.
    for (network, base) in [("2001:db8::", 10_000), ("2001:db8:1::", 20_000)] {
        let mut wrong = 0;
        for attempt in 0..20 {
            let address = format!("{network}{attempt:x}").parse().unwrap();
            let name = if attempt == 3 { "ann".to_owned() } else { format!("user{base}{attempt}") };
            match accounts.log_in_from(&name, "a usual password", Some(address), at(base)) {
                LoginResult::Wrong => wrong += 1,
                other => assert!(matches!(other, LoginResult::Throttled(_))),
            }
        }
        assert_eq!(wrong, 10);
    }
    // Concurrent attempts don't get more tries.
    accounts.add_with_password("bob", &[Role::Analyst]);
    let tried = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..16)
            .map(|_| scope.spawn(|| accounts.log_in("bob", "not the password", at(30_000))))
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
    });
    assert_eq!(tried.iter().filter(|outcome| **outcome == LoginResult::Wrong).count(), 5);
    // Old counts are forgotten, and typed names are not stored.
    accounts.log_in("somebody", "not the password", at(30_000 + 86_401));
    let kept = accounts.column("SELECT subject FROM recon.login_attempts");
    assert_eq!(kept.len(), 1);
    assert!(kept[0].len() == 64 && !kept[0].contains("somebody"));
    let log = accounts.column("SELECT person_id || what FROM recon.security_log");
    assert!(log.len() > 20 && !log.iter().any(|row| row.contains("somebody")), "{log:?}");
}

fn s33_a_session_is_new_at_log_in_and_dead_after_log_out(place: &Place) {
    let accounts = Accounts::new(place);
    accounts.add_with_password("ann", &[Role::Analyst]);
    accounts.add_with_password("eve", &[Role::Analyst]);
    let eves = accounts.cookie("eve", at(0));
    // Eve planted her cookie in Ann's browser.
    let attempt = Attempt {
        name: "ann",
        password: PASSWORD,
        address: None,
        user_agent: None,
        cookie: Some(&eves),
    };
    let outcome =
        login::login(&*accounts.store, &accounts.hashing, &attempt, at(1), &system_random).unwrap();
    let LoginResult::In { cookie, .. } = outcome else { panic!("{outcome:?}") };
    assert_ne!(cookie.split('.').next(), eves.split('.').next());
    assert_eq!(accounts.who(&eves, at(2)), None, "the planted one is dead");
    assert_eq!(accounts.who(&cookie, at(2)).unwrap().login, "ann");
    let made_up = format!("{}.{}", "a".repeat(32), "b".repeat(32));
    for wrong in ["", ".", &made_up, "' OR 1=1--", "\0", &"x".repeat(10_000)] {
        assert_eq!(accounts.who(wrong, at(2)), None);
    }
}

fn s40_other_users_tokens_are_not_found(place: &Place) {
    let accounts = Accounts::new(place);
    accounts.add_with_password("ann", &[Role::Analyst]);
    accounts.add_with_password("bob", &[Role::Analyst]);
    let actor = |name: &str| accounts.who(&accounts.cookie(name, at(0)), at(0)).unwrap().actor();
    let (ann, bob) = (actor("ann"), actor("bob"));
    let (token, text) = accounts.token(&ann, "ann", &[P::View], 1).unwrap();
    let refusal = token::revoke(&*accounts.store, &bob, &token.id, at(1)).unwrap_err();
    let nothing = token::revoke(&*accounts.store, &bob, "nothing", at(1)).unwrap_err();
    assert_eq!((refusal.code, refusal.kind), (nothing.code, RefusalKind::NotFound));
    assert!(accounts.bearer(&text, at(2)).is_some());
    assert_eq!(token::list(&*accounts.store, &bob, None).unwrap(), []);
    assert!(token::list(&*accounts.store, &bob, Some("ann")).is_err());
    assert_eq!(token::list(&*accounts.store, &ann, None).unwrap().len(), 1);
    assert_eq!(
        accounts.token(&bob, "ann", &[P::View], 1).unwrap_err().kind,
        RefusalKind::Forbidden
    );
}

fn separation_holds_in_sql_too(place: &Place) {
    let accounts = Accounts::new(place);
    let ann = accounts.add(&accounts.cli, "ann", &[Role::Analyst]).unwrap();
    let root = accounts.add(&accounts.cli, "root", &[Role::Admin]).unwrap();
    let schema = if place.is_sqlite() { "" } else { "recon." };
    let insert = |id: &str, role: &str| {
        place.try_execute(&format!(
            "INSERT INTO {schema}person_roles (person_id, role, granted_at, granted_by) \
             VALUES ('{id}', '{role}', '2026-01-15T10:00:00.000000Z', 'x')"
        ))
    };
    for (id, role) in [
        (&ann.person_id, "admin"),
        (&ann.person_id, "auditor"),
        (&ann.person_id, "king"),
        (&root.person_id, "manager"),
    ] {
        assert!(insert(id, role).is_err(), "{role}");
    }
    assert!(insert(&ann.person_id, "manager").is_ok());
    let update = format!("UPDATE {schema}person_roles SET role = 'admin' WHERE role = 'manager'");
    assert!(place.try_execute(&update).is_err());
    let delete = format!("DELETE FROM {schema}people WHERE person_id = '{}'", ann.person_id);
    assert!(place.try_execute(&delete).is_err(), "nobody is ever deleted");
}

fn two_admins_cannot_remove_each_other(place: &Place) {
    let accounts = Accounts::new(place);
    accounts.add(&accounts.cli, "one", &[Role::Admin]).unwrap();
    assert_eq!(code(accounts.set_roles(&accounts.cli, "one", &[])), "last-admin");
    let disable = |login: &str| {
        directory::set_disabled(&*accounts.store, &accounts.cli, login, true, at(1)).map(drop)
    };
    assert_eq!(code(disable("one")), "last-admin");
    accounts.add(&accounts.cli, "two", &[Role::Admin]).unwrap();
    for _ in 0..10 {
        let results = std::thread::scope(|scope| {
            let first = scope.spawn(|| disable("one"));
            let second = scope.spawn(|| accounts.set_roles(&accounts.cli, "two", &[]).map(drop));
            [first.join().unwrap(), second.join().unwrap()]
        });
        let refused: Vec<_> = results.iter().filter_map(|result| result.as_ref().err()).collect();
        assert_eq!(refused.len(), 1, "{results:?}");
        assert_eq!(refused[0].code, Code::LastAdmin);
        directory::set_disabled(&*accounts.store, &accounts.cli, "one", false, at(2)).unwrap();
        accounts.set_roles(&accounts.cli, "two", &[Role::Admin]).unwrap();
    }
}

/// Both compute a hash, which dominates the time.
#[test]
fn an_unknown_name_takes_as_long_as_a_wrong_password() {
    let place = Place::sqlite();
    let accounts = Accounts::new(&place);
    accounts.add_with_password("ann", &[Role::Analyst]);
    accounts.add(&accounts.cli, "without", &[Role::Analyst]).unwrap();
    accounts.add_with_password("gone", &[Role::Analyst]);
    directory::set_disabled(&*accounts.store, &accounts.cli, "gone", true, at(0)).unwrap();
    let names = ["ann", "nobody", "without", "gone"];
    let mut times = vec![Vec::new(); names.len()];
    // Alternating, so that other load affects all alike; each in its own minute.
    for round in 0..40 {
        for (at_name, name) in names.iter().enumerate() {
            let password = if *name == "gone" { PASSWORD } else { "not the password" };
            let now = at(100_000 * (round + 1));
            let begun = Clock::now();
            let outcome = accounts.log_in(name, password, now);
            times[at_name].push(begun.elapsed());
            assert_eq!(outcome, LoginResult::Wrong, "{name}");
        }
    }
    // The quickest round shows the work; the others show how busy the machine was.
    let times: Vec<_> = times.iter().map(|times| *times.iter().min().unwrap()).collect();
    let (least, most) = (times.iter().min().unwrap(), times.iter().max().unwrap());
    assert!(*most < *least * 2, "{names:?} take {times:?}");
}
