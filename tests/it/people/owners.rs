//! A login belongs to its owner: no one else can keep its password, take its name, or make a second one.

use recon::diagnostic::Code;
use recon::domain::review::Role;
use recon::review::Directory as _;
use recon::review::people::login::LoginResult;
use recon::review::people::{
    NewPerson, StoredDirectory, directory, invitation, proxy, system_random,
};
use recon::store::transact;

use super::{Accounts, PASSWORD, Place, at, code};
use crate::store::on_both_stores;

on_both_stores! {
    a_password_chosen_by_another_user_must_be_changed,
    a_second_login_waits_for_its_person,
    names_that_look_alike_are_one,
    a_login_made_before_full_case_folding_still_opens,
    a_role_that_was_lost_and_given_back_is_new,
    possible_impersonations_are_found,
}

fn a_password_chosen_by_another_user_must_be_changed(place: &Place) {
    let accounts = Accounts::new(place);
    let made = accounts.add_with_given_password(&accounts.cli, "ann", &[Role::Analyst]);
    assert!(made.must_change);
    let cookie = accounts.cookie("ann", at(1));
    let ann = accounts.who(&cookie, at(1)).unwrap();
    assert!(ann.must_change);
    let change = |of, present: &str, new: &str| {
        let (store, hashing) = (&*accounts.store, &accounts.hashing);
        directory::change_password(store, hashing, of, present, new, at(2), &system_random)
    };
    assert_eq!(code(change(&ann, PASSWORD, PASSWORD)), "password-same");
    assert!(!change(&ann, PASSWORD, "four words of my own").unwrap().must_change);
    assert_eq!(accounts.who(&cookie, at(3)), None, "what the first password opened has ended");
    let enter = |now| match accounts.log_in("ann", "four words of my own", now) {
        LoginResult::In { principal, .. } => principal,
        other => panic!("{other:?}"),
    };
    assert!(!enter(at(3)).must_change);
    // A reset counts as such a password, and is recorded in the trail.
    let (store, hashing) = (&*accounts.store, &accounts.hashing);
    let reset = "of the admin's choice";
    directory::set_password(store, hashing, &accounts.cli, "ann", reset, at(4), &system_random)
        .unwrap();
    match accounts.log_in("ann", reset, at(5)) {
        LoginResult::In { principal, .. } => assert!(principal.must_change),
        other => panic!("{other:?}"),
    }
    let told = accounts.column(
        "SELECT actor_id || CAST(new_value AS text) FROM recon.audit_trail \
         WHERE action_type = 'SET_PASSWORD' ORDER BY seq",
    );
    let told: Vec<String> = told.iter().map(|text| text.replace(' ', "")).collect();
    assert_eq!(
        told,
        [
            format!(r#"{}{{"login":"ann","must_change_password":false}}"#, ann.person_id),
            r#"cli:root{"login":"ann","must_change_password":true}"#.to_owned(),
        ]
    );
    // With a link the user chooses.
    let link = invitation::invite(store, &accounts.cli, "ann", at(6), &system_random).unwrap();
    let by_link =
        invitation::accept(store, hashing, &link, "", "chosen by a link", at(7), &system_random);
    assert!(!by_link.unwrap().must_change);
}

fn a_second_login_waits_for_its_person(place: &Place) {
    let accounts = Accounts::new(place);
    let cat = accounts.add_with_password("cat", &[Role::Manager]);
    accounts.add_with_password("ann", &[Role::Analyst]);
    let second = |password| NewPerson {
        login: "cat.mobile",
        same_person_as: Some("cat"),
        password,
        ..NewPerson::default()
    };
    assert_eq!(code(accounts.add_new(&accounts.cli, &second(Some(PASSWORD)))), "not-your-password");
    let made = accounts.add_new(&accounts.cli, &second(None)).unwrap();
    assert!(made.awaits_consent && made.person_id == cat.person_id);
    // Its creator can neither set its password nor log in.
    let (store, hashing) = (&*accounts.store, &accounts.hashing);
    let set = directory::set_password(
        store,
        hashing,
        &accounts.cli,
        "cat.mobile",
        PASSWORD,
        at(1),
        &system_random,
    );
    assert_eq!(code(set), "awaits-consent");
    let link = invitation::invite(store, &accounts.cli, "cat.mobile", at(1), &system_random);
    assert_eq!(code(link), "awaits-consent");
    assert_eq!(proxy::authenticate(store, "cat.mobile").unwrap(), None);
    assert_eq!(accounts.log_in("cat.mobile", PASSWORD, at(1)), LoginResult::Wrong);
    let agree = |of, password| {
        directory::agree(store, hashing, of, "CAT.mobile", password, at(2), &system_random)
    };
    let ann = accounts.who(&accounts.cookie("ann", at(1)), at(1)).unwrap();
    assert_eq!(code(agree(&ann, Some(PASSWORD))), "no-such-login");
    let cat = accounts.who(&accounts.cookie("cat", at(1)), at(1)).unwrap();
    let by_token = recon::review::people::Principal {
        method: recon::review::people::AuthMethod::Token("t".to_owned()),
        ..cat.clone()
    };
    assert_eq!(code(agree(&by_token, Some(PASSWORD))), "session-required");
    assert_eq!(code(agree(&cat, Some("short"))), "password-short");
    let agreed = agree(&cat, Some("words for the telephone")).unwrap();
    assert!(!agreed.awaits_consent && !agreed.must_change && agreed.has_password);
    assert_eq!(code(agree(&cat, None)), "no-such-login");
    assert!(matches!(
        accounts.log_in("cat.mobile", "words for the telephone", at(3)),
        LoginResult::In { .. }
    ));
    let told =
        accounts.column("SELECT actor_id FROM recon.audit_trail WHERE action_type = 'AGREE_LOGIN'");
    assert_eq!(told, [cat.person_id]);
}

fn names_that_look_alike_are_one(place: &Place) {
    let accounts = Accounts::new(place);
    for name in ["Straße", "Iris", "ann1", "scope"] {
        accounts.add(&accounts.cli, name, &[Role::Analyst]).unwrap();
    }
    for (alike, of) in [
        ("STRAẞE", "taken"),
        ("strasse", "taken"),
        ("lris", "looks like `Iris`"),
        ("annl", "looks like `ann1`"),
        ("\u{455}\u{441}\u{43e}\u{440}\u{435}", "looks like `scope`"),
    ] {
        let refusal = accounts.add(&accounts.cli, alike, &[Role::Supervisor]).unwrap_err();
        assert_eq!(refusal.code, Code::LoginTaken, "{alike}");
        assert!(refusal.message.contains(of), "{alike}: {}", refusal.message);
    }
    for name in ["STRASSE", "STRAẞE", "straße"] {
        assert_eq!(proxy::authenticate(&*accounts.store, name).unwrap().unwrap().login, "Straße");
    }
    assert_eq!(proxy::authenticate(&*accounts.store, "lris").unwrap(), None, "it is not Iris");
}

fn a_login_made_before_full_case_folding_still_opens(place: &Place) {
    let accounts = Accounts::new(place);
    accounts.add_with_password("STRAẞE", &[Role::Analyst]);
    let schema = if place.is_sqlite() { "" } else { "recon." };
    // As stored before: folded letter by letter.
    place.execute(&format!("DELETE FROM {schema}invitations"));
    place.execute(&format!("DELETE FROM {schema}sessions"));
    place.execute(&format!(
        "UPDATE {schema}logins SET login_key = 'straße' WHERE login_key = 'strasse'"
    ));
    for name in ["straße", "STRASSE", "STRAẞE"] {
        let cookie = accounts.cookie(name, at(1));
        assert_eq!(accounts.who(&cookie, at(1)).unwrap().login, "STRAẞE");
    }
    assert_eq!(code(accounts.add(&accounts.cli, "Straße", &[Role::Supervisor])), "login-taken");
    assert_eq!(code(accounts.add(&accounts.cli, "strasse", &[Role::Supervisor])), "login-taken");
}

fn a_role_that_was_lost_and_given_back_is_new(place: &Place) {
    let accounts = Accounts::new(place);
    let bob = accounts.add(&accounts.cli, "bob", &[Role::Supervisor]).unwrap();
    let since = |seconds| {
        transact::read(&*accounts.store, |tx| {
            StoredDirectory.roles_since(tx, &bob.person_id, at(seconds))
        })
        .unwrap()
    };
    assert!(since(0).contains(Role::Supervisor));
    accounts.set_roles(&accounts.cli, "bob", &[Role::Analyst]).unwrap();
    directory::set_roles(
        &*accounts.store,
        &accounts.cli,
        "bob",
        recon::domain::review::Roles::of([Role::Supervisor]),
        at(9),
    )
    .unwrap();
    assert!(since(5).is_empty(), "what was held before does not count");
    assert!(since(9).contains(Role::Supervisor));
    for (disabled, seconds) in [(true, 11), (false, 12)] {
        directory::set_disabled(&*accounts.store, &accounts.cli, "bob", disabled, at(seconds))
            .unwrap();
    }
    assert!(since(10).is_empty(), "nor does what was held before being disabled");
    assert!(since(12).contains(Role::Supervisor));
}

fn possible_impersonations_are_found(place: &Place) {
    let accounts = Accounts::new(place);
    accounts.add_with_password("root", &[Role::Admin]);
    let root = accounts.who(&accounts.cookie("root", at(0)), at(0)).unwrap().actor();
    let ann = accounts.add_with_given_password(&root, "ann", &[Role::Analyst]);
    let bob = accounts.add(&root, "bob", &[Role::Supervisor]).unwrap();
    let given = |person: &str| {
        let given =
            transact::read(&*accounts.store, |tx| StoredDirectory.credentials_given(tx, person))
                .unwrap();
        given.into_iter().map(|one| one.by).collect::<Vec<_>>()
    };
    assert_eq!(given(&ann.person_id), [root.person_id.as_str()]);
    assert!(given(&bob.person_id).is_empty(), "nobody knows a password that there is not");
    invitation::invite(&*accounts.store, &root, "bob", at(1), &system_random).unwrap();
    assert_eq!(given(&bob.person_id), [root.person_id.as_str()]);
}
