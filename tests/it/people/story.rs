//! Logins on an ordinary day.

use recon::domain::review::{Permission as P, Role};
use recon::review::Directory as _;
use recon::review::RefusalKind;
use recon::review::people::login::LoginResult;
use recon::review::people::{
    NewPerson, StoredDirectory, directory, invitation, proxy, session, staffing, system_random,
    token,
};
use recon::store::transact;

use super::{Accounts, PASSWORD, at, code};
use crate::store::on_both_stores;

on_both_stores! {
    a_person_logs_in_and_out,
    a_session_ends_by_itself,
    passwords_change,
    tokens_have_a_part_of_their_persons_rights,
    the_first_admin_comes_by_a_link,
    a_link_is_void_once_there_is_an_admin,
    a_person_chooses_a_password_by_a_link,
    every_change_is_audited,
    grants_of_masked_fields,
    two_people_are_too_few_for_six_eyes,
    the_workflow_asks_the_directory,
}

fn a_person_logs_in_and_out(place: &super::Place) {
    let accounts = Accounts::new(place);
    let ann = accounts.add_with_password("Ann", &[Role::Analyst]);
    assert_eq!(accounts.log_in("nobody", PASSWORD, at(0)), LoginResult::Wrong);
    assert_eq!(accounts.log_in("Ann", "wrong wrong wrong", at(0)), LoginResult::Wrong);
    let cookie = accounts.cookie("ａnn", at(1));
    let principal = accounts.who(&cookie, at(2)).unwrap();
    assert_eq!(principal.person_id, ann.person_id);
    assert_eq!((principal.login.as_str(), principal.name.as_str()), ("Ann", "Ann"));
    assert_eq!(principal.permissions, Role::Analyst.permissions());
    assert_eq!(principal.actor().auth_method, "session");
    session::close(&*accounts.store, &cookie).unwrap();
    assert_eq!(accounts.who(&cookie, at(3)), None);
    // The stored hashes can't be used to log in.
    let cookie = accounts.cookie("ann", at(4));
    let (id, secret) = cookie.split_once('.').unwrap();
    assert_eq!(accounts.column("SELECT session_id FROM recon.sessions"), [id]);
    let kept = transact::read(&*accounts.store, |tx| {
        tx.query("SELECT secret_hash FROM recon.sessions", &[])?[0].blob(0)
    });
    assert!(!kept.unwrap().unwrap().windows(16).any(|bytes| secret.as_bytes().starts_with(bytes)));
    assert_eq!(accounts.who(&format!("{id}.{}", "0".repeat(32)), at(5)), None);
    session::close(&*accounts.store, &format!("{id}.{}", "0".repeat(32))).unwrap();
    assert!(accounts.who(&cookie, at(5)).is_some(), "half a cookie ends no session");
}

fn a_session_ends_by_itself(place: &super::Place) {
    let accounts = Accounts::new(place);
    accounts.add_with_password("ann", &[Role::Analyst]);
    let idle = accounts.cookie("ann", at(0));
    assert!(accounts.who(&idle, at(session::IDLE - 1)).is_some());
    assert!(accounts.who(&idle, at(2 * session::IDLE - 2)).is_some(), "use keeps it open");
    assert!(accounts.who(&idle, at(3 * session::IDLE)).is_none());
    assert!(accounts.who(&idle, at(3 * session::IDLE - 5)).is_none(), "it stays ended");
    let busy = accounts.cookie("ann", at(0));
    let steps = (0..).map(|step| step * 1_000).take_while(|seconds| *seconds < session::LONGEST);
    for seconds in steps {
        assert!(accounts.who(&busy, at(seconds)).is_some(), "{seconds}");
    }
    assert!(accounts.who(&busy, at(session::LONGEST)).is_none());
    assert_eq!(accounts.column("SELECT session_id FROM recon.sessions"), Vec::<String>::new());
}

fn passwords_change(place: &super::Place) {
    let accounts = Accounts::new(place);
    accounts.add_with_password("ann", &[Role::Analyst]);
    let cookie = accounts.cookie("ann", at(0));
    let ann = accounts.who(&cookie, at(0)).unwrap();
    let change = |present: &str, new: &str| {
        let (store, hashing) = (&*accounts.store, &accounts.hashing);
        directory::change_password(store, hashing, &ann, present, new, at(1), &system_random)
    };
    assert_eq!(code(change("not this one at all", "another four words")), "password-wrong");
    assert_eq!(code(change(PASSWORD, "short")), "password-short");
    assert_eq!(code(change(PASSWORD, "ann-password-2026")), "password-common");
    assert!(accounts.who(&cookie, at(1)).is_some());
    change(PASSWORD, "another four words").unwrap();
    assert!(accounts.who(&cookie, at(2)).is_none(), "other windows are logged out");
    assert_eq!(accounts.log_in("ann", PASSWORD, at(3)), LoginResult::Wrong);
    assert!(matches!(accounts.log_in("ann", "another four words", at(4)), LoginResult::In { .. }));
    let by = &accounts.cli;
    let set = |login: &str| {
        let (store, hashing) = (&*accounts.store, &accounts.hashing);
        directory::set_password(
            store,
            hashing,
            by,
            login,
            "of the admin's choice",
            at(5),
            &system_random,
        )
    };
    set("ANN").unwrap();
    assert!(matches!(
        accounts.log_in("ann", "of the admin's choice", at(6)),
        LoginResult::In { .. }
    ));
    assert_eq!(code(set("bob")), "no-such-login");
}

fn tokens_have_a_part_of_their_persons_rights(place: &super::Place) {
    let accounts = Accounts::new(place);
    accounts.add_with_password("sue", &[Role::Supervisor]);
    let sue = accounts.who(&accounts.cookie("sue", at(0)), at(0)).unwrap().actor();
    let (token, text) = accounts.token(&sue, "sue", &[P::View, P::Check], 30).unwrap();
    let principal = accounts.bearer(&text, at(1)).unwrap();
    // A token can't approve, regardless of its owner.
    assert_eq!(principal.permissions.iter().collect::<Vec<_>>(), [P::View]);
    let named = token::authenticate(&*accounts.store, &text, &|name| name == "etl", at(1)).unwrap();
    assert!(named.unwrap().permissions.contains(P::Check));
    assert_eq!(principal.actor().auth_method, format!("token:{}", token.id));
    assert_eq!(principal.person_id, sue.person_id);
    assert_eq!(code(accounts.token(&sue, "sue", &[P::Authorize], 30)), "bad-scope");
    assert_eq!(code(accounts.token(&sue, "sue", &[P::View], 91)), "bad-expiry");
    assert_eq!(code(accounts.token(&sue, "sue", &[P::View], 0)), "bad-expiry");
    assert_eq!(code(accounts.token(&sue, "sue", &[], 1)), "bad-scope");
    // A token can't create or revoke tokens.
    let by_token = principal.actor();
    assert_eq!(code(accounts.token(&by_token, "sue", &[P::View], 1)), "token-by-token");
    let revoked = token::revoke(&*accounts.store, &by_token, &token.id, at(1));
    assert_eq!(code(revoked), "token-by-token");
    let list = |now| token::list(&*accounts.store, &sue, None).map(|all| all[0].used == Some(now));
    assert_eq!(list(at(1)), Ok(true));
    assert!(accounts.bearer(&text, at(30)).is_some());
    assert_eq!(list(at(1)), Ok(true), "not every request writes");
    assert!(accounts.bearer(&text, at(70)).is_some());
    assert_eq!(list(at(70)), Ok(true));
    // A revoked role is also gone from the token.
    accounts.set_roles(&accounts.cli, "sue", &[Role::Analyst]).unwrap();
    assert!(!accounts.bearer(&text, at(71)).unwrap().permissions.contains(P::Check));
    assert!(accounts.bearer(&text, at(30 * 86_400 - 1)).is_some());
    assert_eq!(accounts.bearer(&text, at(30 * 86_400)), None);
    token::revoke(&*accounts.store, &sue, &token.id, at(2)).unwrap();
    token::revoke(&*accounts.store, &sue, &token.id, at(3)).unwrap();
    assert_eq!(accounts.bearer(&text, at(80)), None);
    assert!(token::list(&*accounts.store, &sue, None).unwrap()[0].revoked == Some(at(2)));
    // A service account can't approve unless the policy names its token.
    let new = NewPerson { login: "etl", is_service: true, ..NewPerson::default() };
    accounts.add_new(&accounts.cli, &new).unwrap();
    accounts.set_roles(&accounts.cli, "etl", &[Role::Supervisor]).unwrap();
    let (_, text) = accounts.token(&accounts.cli, "etl", &[P::View, P::Check], 1).unwrap();
    assert!(!accounts.bearer(&text, at(1)).unwrap().permissions.contains(P::Check));
    let named = token::authenticate(&*accounts.store, &text, &|name| name == "etl", at(1)).unwrap();
    assert!(named.unwrap().permissions.contains(P::Check));
    assert_eq!(code(accounts.set_roles(&accounts.cli, "etl", &[Role::Admin])), "service-roles");
}

fn the_first_admin_comes_by_a_link(place: &super::Place) {
    let accounts = Accounts::new(place);
    let link = |now| invitation::first_admin_link(&*accounts.store, now, &system_random).unwrap();
    let accept = |link: &str, login: &str, password: &str, now| {
        let (store, hashing) = (&*accounts.store, &accounts.hashing);
        invitation::accept(store, hashing, link, login, password, now, &system_random)
    };
    let first = link(at(0)).unwrap();
    let second = link(at(1)).unwrap();
    assert_eq!(code(accept(&first, "root", PASSWORD, at(2))), "invitation-gone");
    assert_eq!(code(accept(&second, "root", "short", at(2))), "password-short");
    assert_eq!(code(accept(&second, "r oot", PASSWORD, at(2))), "bad-login");
    assert_eq!(code(accept(&second, "root", PASSWORD, at(86_401))), "invitation-gone");
    let root = accept(&second, "Root", PASSWORD, at(3)).unwrap();
    assert!(root.roles.contains(Role::Admin) && root.has_password);
    let again = accept(&second, "other", PASSWORD, at(4)).unwrap_err();
    assert_eq!((again.code.name(), again.kind), ("invitation-gone", RefusalKind::Gone));
    assert_eq!(link(at(5)), None, "there is an admin now");
    assert!(matches!(accounts.log_in("root", PASSWORD, at(6)), LoginResult::In { .. }));
    assert_eq!(code(accounts.set_roles(&accounts.cli, "root", &[])), "last-admin");
}

fn a_link_is_void_once_there_is_an_admin(place: &super::Place) {
    let accounts = Accounts::new(place);
    let link =
        invitation::first_admin_link(&*accounts.store, at(0), &system_random).unwrap().unwrap();
    accounts.add(&accounts.cli, "root", &[Role::Admin]).unwrap();
    let (store, hashing) = (&*accounts.store, &accounts.hashing);
    let eve = invitation::accept(store, hashing, &link, "eve", PASSWORD, at(1), &system_random);
    assert_eq!(code(eve), "invitation-gone");
}

fn a_person_chooses_a_password_by_a_link(place: &super::Place) {
    let accounts = Accounts::new(place);
    accounts.add(&accounts.cli, "ann", &[Role::Analyst]).unwrap();
    assert_eq!(accounts.log_in("ann", "", at(0)), LoginResult::Wrong);
    let invite =
        || invitation::invite(&*accounts.store, &accounts.cli, "ann", at(0), &system_random);
    let old = invite().unwrap();
    let link = invite().unwrap();
    let accept = |link: &str, password: &str| {
        let (store, hashing) = (&*accounts.store, &accounts.hashing);
        invitation::accept(store, hashing, link, "ignored", password, at(1), &system_random)
    };
    assert_eq!(code(accept(&old, PASSWORD)), "invitation-gone");
    let look = invitation::purpose(&*accounts.store, &link, at(1)).unwrap();
    assert_eq!(look, invitation::Purpose::ChoosePassword("ann".to_owned()));
    assert_eq!(accept(&link, PASSWORD).unwrap().login, "ann");
    assert_eq!(code(accept(&link, "and another four words")), "invitation-gone");
    assert!(matches!(accounts.log_in("ann", PASSWORD, at(2)), LoginResult::In { .. }));
}

fn every_change_is_audited(place: &super::Place) {
    let accounts = Accounts::new(place);
    accounts.add_with_password("root", &[Role::Admin]);
    let root = accounts.who(&accounts.cookie("root", at(0)), at(0)).unwrap().actor();
    let ann = accounts.add(&root, "ann", &[Role::Analyst]).unwrap();
    accounts.set_roles(&root, "ann", &[Role::Analyst, Role::Supervisor]).unwrap();
    accounts.set_roles(&root, "ann", &[Role::Analyst, Role::Supervisor]).unwrap();
    directory::set_disabled(&*accounts.store, &root, "ann", true, at(2)).unwrap();
    directory::set_disabled(&*accounts.store, &root, "ann", false, at(3)).unwrap();
    directory::set_grant(&*accounts.store, &root, "ann", "account", true, at(4)).unwrap();
    directory::set_grant(&*accounts.store, &root, "ann", "account", false, at(5)).unwrap();
    let (token, _) = accounts.token(&accounts.cli, "ann", &[P::View], 1).unwrap();
    token::revoke(&*accounts.store, &root, &token.id, at(6)).unwrap();
    let rows = accounts.column(
        "SELECT action_type || ' ' || entity_type || ' ' || actor_id || ' ' || auth_method \
         FROM recon.audit_trail WHERE stage = 'ADMIN' ORDER BY seq",
    );
    let by_root = |action: &str| format!("{action} {} session", root.person_id);
    assert_eq!(
        rows,
        [
            "ADD_PERSON person cli:root cli".to_owned(),
            "INVITE person cli:root cli".to_owned(),
            format!("SET_PASSWORD person {} invitation", root.person_id),
            by_root("ADD_PERSON person"),
            by_root("SET_ROLES person"),
            by_root("DISABLE_PERSON person"),
            by_root("ENABLE_PERSON person"),
            by_root("GRANT_FIELD person"),
            by_root("REVOKE_FIELD person"),
            "CREATE_TOKEN token cli:root cli".to_owned(),
            by_root("REVOKE_TOKEN token"),
        ]
    );
    let values = accounts.column(
        "SELECT CAST(previous_value AS text) || CAST(new_value AS text) FROM recon.audit_trail \
         WHERE action_type = 'SET_ROLES'",
    );
    let values: Vec<String> = values.iter().map(|text| text.replace(' ', "")).collect();
    assert_eq!(values, [r#"{"roles":["analyst"]}{"roles":["analyst","supervisor"]}"#]);
    let secrets = accounts.column(
        "SELECT CAST(new_value AS text) FROM recon.audit_trail WHERE new_value IS NOT NULL",
    );
    assert!(!secrets.iter().any(|text| text.contains("argon2") || text.contains("secret")));
    assert!(accounts.column("SELECT entity_id FROM recon.audit_trail").contains(&ann.person_id));
}

fn grants_of_masked_fields(place: &super::Place) {
    let accounts = Accounts::new(place);
    accounts.add_with_password("ann", &[Role::Manager]);
    let grants = |now| accounts.who(&accounts.cookie("ann", now), now).unwrap().grants;
    assert!(grants(at(0)).is_empty(), "no role implies a grant");
    for (field, granted) in [("account", true), ("kürzel, intern", true), ("account", true)] {
        directory::set_grant(&*accounts.store, &accounts.cli, "ann", field, granted, at(1))
            .unwrap();
    }
    assert_eq!(grants(at(100)).into_iter().collect::<Vec<_>>(), ["account", "kürzel, intern"]);
    let person =
        directory::set_grant(&*accounts.store, &accounts.cli, "ann", "account", false, at(2));
    assert_eq!(person.unwrap().grants.into_iter().collect::<Vec<_>>(), ["kürzel, intern"]);
    for field in ["", "a\u{1f}b"] {
        let refused =
            directory::set_grant(&*accounts.store, &accounts.cli, "ann", field, true, at(3));
        assert_eq!(code(refused), "bad-field-name");
    }
}

fn two_people_are_too_few_for_six_eyes(place: &super::Place) {
    let accounts = Accounts::new(place);
    let warning = |eyes| staffing::warning(&*accounts.store, eyes).unwrap();
    accounts.add(&accounts.cli, "ann", &[Role::Analyst]).unwrap();
    assert!(warning(2).is_none() && warning(4).is_some());
    accounts.add(&accounts.cli, "max", &[Role::Manager]).unwrap();
    assert!(warning(4).is_none());
    assert_eq!(
        warning(6).unwrap(),
        "the policy needs 3 distinct people with the roles maker/checker/authorizer; found 2"
    );
    // A second login can't create a third; nor can a service account.
    let second = NewPerson { login: "sue", same_person_as: Some("ann"), ..NewPerson::default() };
    accounts.add_new(&accounts.cli, &second).unwrap();
    let robot = NewPerson { login: "etl", is_service: true, ..NewPerson::default() };
    accounts.add_new(&accounts.cli, &robot).unwrap();
    accounts.set_roles(&accounts.cli, "etl", &[Role::Supervisor]).unwrap();
    assert!(warning(6).is_some());
    accounts.add(&accounts.cli, "bob", &[Role::Supervisor]).unwrap();
    assert!(warning(6).is_none());
    directory::set_disabled(&*accounts.store, &accounts.cli, "bob", true, at(1)).unwrap();
    assert!(warning(6).is_some());
}

fn the_workflow_asks_the_directory(place: &super::Place) {
    let accounts = Accounts::new(place);
    let ann = accounts.add(&accounts.cli, "Ann", &[Role::Analyst]).unwrap();
    let id = ann.person_id.as_str();
    let ask = || {
        let found = transact::read(&*accounts.store, |tx| {
            let roles = StoredDirectory.roles(tx, id)?;
            assert!(StoredDirectory.roles(tx, "no uuid")?.is_empty());
            assert_eq!(StoredDirectory.name(tx, id)?, "Ann");
            assert_eq!(StoredDirectory.name(tx, "no uuid")?, "no uuid");
            assert_eq!(StoredDirectory.find(tx, "nobody")?, None);
            let by_login = StoredDirectory.find(tx, "ANN")?;
            assert_eq!(StoredDirectory.find(tx, id)?, by_login);
            Ok((roles, by_login))
        });
        found.unwrap()
    };
    assert_eq!(ask(), (ann.roles, Some(id.to_owned())));
    directory::set_disabled(&*accounts.store, &accounts.cli, "ann", true, at(1)).unwrap();
    let (roles, found) = ask();
    assert!(roles.is_empty() && found.is_none());
    assert_eq!(proxy::authenticate(&*accounts.store, "ann").unwrap(), None);
    directory::set_disabled(&*accounts.store, &accounts.cli, "ann", false, at(2)).unwrap();
    let principal = proxy::authenticate(&*accounts.store, "ANN").unwrap().unwrap();
    assert_eq!(
        (principal.person_id.as_str(), principal.actor().auth_method.as_str()),
        (id, "proxy")
    );
    assert_eq!(proxy::authenticate(&*accounts.store, "nobody").unwrap(), None);
}
