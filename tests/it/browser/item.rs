//! The page of one item: the decision stays in view, amounts are easy to compare, and `Why` shows their sources. Also
//! decisions for many similar items, and a user's own profile.

use serde_json::json;

use super::driver::Browser;
use super::site::Site;

const AMOUNTS: &str = "/review/queue?field_name=amount&view=items";

fn open_first(site: &Site, browser: &Browser, list: &str) {
    browser.open(&site.at(list));
    browser.click(".list.items a.main");
    browser.has("form[data-decide]");
}

#[test]
fn the_decision_is_in_view_on_a_laptop_and_on_a_phone() {
    let site = Site::new(3, 0);
    let browser = Browser::start();
    site.enter(&browser, "ann");
    open_first(&site, &browser, AMOUNTS);
    for (width, height) in [(1280, 800), (390, 844)] {
        browser.resize(width, height);
        browser.reload();
        browser.has("form[data-decide]");
        let outside = browser.run(
            "return ['[data-key=\"1\"]', '#other', '[data-key=r]', '[data-key=y]', 'button.primary']
                .map(selector => [selector, document.querySelector(`form[data-decide] ${selector}`)
                    .getBoundingClientRect()])
                .filter(([, box]) => box.height === 0 || box.top < 0 || box.left < 0
                    || box.bottom > window.innerHeight || box.right > window.innerWidth)
                .map(([selector]) => selector)",
        );
        assert_eq!(outside, json!([]), "out of view at {width}×{height}");
        // The comment appears where it is needed.
        browser.click("label.choice:has([data-key=r])");
        browser.wait(
            "the comment",
            "return document.querySelector('form[data-decide] textarea').offsetHeight > 0",
        );
    }
}

#[test]
fn amounts_stand_above_each_other_with_their_difference() {
    let site = Site::new(1, 0);
    let browser = Browser::start();
    site.enter(&browser, "ann");
    open_first(&site, &browser, AMOUNTS);
    let edges = browser.run(
        "return [...document.querySelectorAll('.versus dd, .apart .num')].map(each => {
            const range = document.createRange(); range.selectNodeContents(each);
            return Math.round(range.getBoundingClientRect().right); })",
    );
    let edges: Vec<i64> = edges.as_array().unwrap().iter().map(|x| x.as_i64().unwrap()).collect();
    assert_eq!(edges.len(), 3, "{edges:?}");
    assert!(edges.iter().all(|edge| (edge - edges[0]).abs() <= 2), "{edges:?} are not aligned");
    let text = browser.run("return document.querySelector('.apart').innerText");
    let text = text.as_str().unwrap();
    assert!(text.contains("−0.25") && text.contains("20.00\u{a0}%"), "{text}");
    assert!(text.contains("BACK − FRONT"), "the systems have names: {text}");
    let shown = browser.run("return document.getElementById('main').innerText");
    assert!(shown.as_str().unwrap().contains("a.csv:2"), "{shown}");
}

#[test]
fn why_shows_cells_steps_and_the_rule_beside_the_item() {
    let site = Site::new(1, 0);
    let browser = Browser::start();
    site.enter(&browser, "ann");
    open_first(&site, &browser, AMOUNTS);
    browser.shows("rule “amount”: Never confident enough");
    browser.press(&["r"]);
    browser.type_text("typed before");
    browser.run("document.activeElement.blur()");
    browser.press(&["y"]);
    browser.has("#why section");
    for text in ["a.csv:2", "column amount", "rules.rhai:", "Never confident enough"] {
        browser.shows(text);
    }
    let kept = browser.run("return document.querySelector('form[data-decide] textarea').value");
    assert_eq!(kept, "typed before", "the panel leaves the form alone");
    browser.press(&["y"]);
    browser.wait("the end of the panel", "return !document.querySelector('#why section')");
    // Without scripts it is a page of its own.
    browser.without_scripts();
    browser.reload();
    browser.click("a[data-panel]");
    browser.shows("Why this cause");
    browser.shows("rules.rhai:");
}

#[test]
fn a_checker_approves_a_hundred_look_alikes_with_few_keys() {
    let site = Site::new(100, 0);
    let browser = Browser::start();
    site.enter(&browser, "ann");
    browser.open(&site.at("/review/queue"));
    // Some at a time: a script has half a minute.
    let mut proposed = 0;
    for _ in 0..5 {
        let done = browser.run_until(
            "const done = arguments[0];
             const send = (path, body) => fetch(path, {method: 'POST', headers:
                {'Content-Type': 'application/json'}, body: JSON.stringify(body)});
             (async () => {
                const list = await fetch('/workflow/queue?field_name=amount&limit=20');
                let count = 0;
                for (const item of await list.json()) {
                    const answer = await send('/workflow/resolve',
                        {attribution_id: item.attribution_id, action: 'APPROVE'});
                    count += answer.status === 200 ? 1 : 0;
                }
                done(count);
             })();",
        );
        proposed += done.as_u64().unwrap();
    }
    assert_eq!(proposed, 100);
    site.change(&browser, "bob");
    browser.open(&site.at("/review/check"));
    browser.shows("100 alike by");
    assert_eq!(browser.run("return document.title"), "Check (100) · recon");
    // A phone shows how far the sides are apart, too.
    browser.resize(390, 844);
    let apart = "return document.querySelector('.list.proposals .delta').innerText";
    assert_eq!(browser.run(apart), "−0.25");
    browser.resize(1280, 900);
    let keys = ["j", "a", "Ctrl+Enter"];
    browser.press(&keys[..2]);
    browser.shows("Approve all of them?");
    browser.press(&keys[2..]);
    browser.shows("Approved: 100 proposals.");
    assert!(keys.len() <= 10);
    let approved = "SELECT count(*) FROM recon.audit_trail WHERE stage = 'CHECKER'";
    assert_eq!(site.count(approved), 100, "each is approved and audited by itself");
    // Settled items keep recon's earlier predictions.
    browser.open(&site.at("/review/queue?status=ACCEPTED&view=items"));
    browser.click(".list.items a.main");
    browser.shows("rule “amount”: Never confident enough");
    browser.open(&site.at("/review/check?state=APPLIED"));
    browser.click(".list.proposals a.main");
    browser.shows("What recon knew");
    browser.shows("rule “amount”");
}

#[test]
fn choosing_with_a_key_leaves_the_values_in_view() {
    let site = Site::new(1, 1);
    let browser = Browser::start();
    site.enter(&browser, "ann");
    browser.resize(1280, 500);
    for list in [AMOUNTS, "/review/queue?field_name=note&view=items"] {
        for key in ["1", "o", "r"] {
            open_first(&site, &browser, list);
            browser.press(&[key]);
            browser
                .wait("the choice", "return !!document.querySelector('.deciding input:checked')");
            browser.run_until("requestAnimationFrame(() => requestAnimationFrame(arguments[0]))");
            let room = "return document.documentElement.scrollHeight > innerHeight";
            assert_eq!(browser.run(room), true, "the page can scroll");
            assert_eq!(browser.run("return scrollY"), 0, "{key} in {list}");
        }
    }
}

#[test]
fn undo_stays_where_it_was_pressed() {
    let site = Site::new(0, 4);
    let browser = Browser::start();
    site.enter(&browser, "ann");
    open_first(&site, &browser, "/review/queue?field_name=note&view=items&sort=-confidence");
    browser.press(&["r"]);
    browser.type_text("Nothing explains it.");
    browser.pause();
    browser.press(&["Ctrl+Enter"]);
    browser.shows("Proposed:");
    // The page that was loaded ahead says its place in the list as it is now.
    browser.wait(
        "the present place",
        "return document.querySelector('.crumbs .place').innerText === '1 of 3' \
         && document.title.startsWith('1 of 3 ')",
    );
    let next = browser.run("return document.getElementById('main').dataset.item");
    browser.click(".toast button");
    browser.shows("Withdrawn.");
    assert_eq!(browser.run("return document.getElementById('main').dataset.item"), next);
    assert!(browser.url().contains("sort=-confidence"), "{}", browser.url());
}

#[test]
fn text_typed_as_a_comment_is_no_shortcut() {
    let site = Site::new(1, 0);
    let browser = Browser::start();
    site.enter(&browser, "ann");
    open_first(&site, &browser, AMOUNTS);
    let before = browser.url();
    browser.press(&["c"]);
    browser.has(".say-it textarea:focus");
    browser.type_text("r1axjkosgqu?/");
    let typed = browser.run("return document.activeElement.value");
    assert_eq!(typed, "r1axjkosgqu?/");
    assert_eq!(browser.url(), before);
    let done = "return document.querySelectorAll('input:checked, dialog, .toast').length";
    assert_eq!(browser.run(done), 0);
}

#[test]
fn the_keyboard_comes_to_a_value_that_scrolls() {
    let site = Site::new(0, 0);
    let browser = Browser::start();
    site.enter(&browser, "ann");
    for (name, stops) in [("L", 2), ("U", 0)] {
        browser.open(&site.at("/review/queue?field_name=name&view=items"));
        let found = browser.run_with(
            "return [...document.querySelectorAll('.list.items a.main')]
                .find(link => link.innerText === arguments[0]).href",
            &json!([name]),
        );
        browser.open(found.as_str().unwrap());
        browser.has(".versus");
        let boxes = browser.run("return document.querySelectorAll('.versus dd[tabindex]').length");
        assert_eq!(boxes, stops, "{name}");
    }
}

#[test]
fn tokens_and_sessions_are_managed_on_the_profile() {
    let site = Site::new(0, 1);
    let (first, second) = Browser::pair();
    site.enter(&first, "ann");
    site.enter(&second, "ann");
    first.open(&site.at("/review/profile"));
    first.shows("You have none.");
    first.click("section[aria-labelledby=tokens] summary");
    first.write("section[aria-labelledby=tokens] input[name=name]", "nightly");
    first.click("section[aria-labelledby=tokens] details button");
    first.shows("it is not shown again");
    let token = first.run("return document.querySelector('.notice code').textContent");
    let seen = |token: &str| {
        let bearer = format!("Bearer {token}");
        let mut client = crate::wire::Client::to(&site.server);
        client.ask("GET", "/auth/me", &[("Authorization", &bearer)], "").unwrap().status
    };
    let token = token.as_str().unwrap();
    assert_eq!(seen(token), 200);
    first.open(&site.at("/review/profile"));
    assert!(!first.run("return document.body.innerText").as_str().unwrap().contains(token));
    first.click("section[aria-labelledby=tokens] li button");
    first.shows("Changed.");
    assert_eq!(seen(token), 401, "a revoked token opens nothing");
    // Of the two sessions, the other one is ended. A fresh page has no "Changed." of the step before.
    first.open(&site.at("/review/profile"));
    first.click("section[aria-labelledby=sessions] li button");
    first.shows("Changed.");
    second.open(&site.at("/review/profile"));
    second.has("input[name=password]");
    first.reload();
    first.shows("Sessions");
}
