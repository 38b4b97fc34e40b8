//! From a maker's decision to an applied one.

use super::driver::Browser;
use super::site::{PASSWORD, Site};

const ITEMS: &str = "/review/queue?field=note&view=items";

/// Opens the first difference of the list and decides it with the mouse.
fn propose_with_the_mouse(site: &Site, browser: &Browser) -> String {
    browser.open(&site.at(ITEMS));
    browser.click(".list.items a.main");
    browser.has("form[data-decide]");
    let item = browser.run("return document.getElementById('main').dataset.item");
    browser.click("#other");
    browser.click("select[name=code] option[value=TIMING_LAG]");
    browser.write("textarea[name=comment]", "Seen in the other system, too.");
    // A decision in the first moments would count for the previous item.
    browser.pause();
    browser.click("form[data-decide] button.primary");
    browser.shows("Proposed:");
    item.as_str().unwrap().to_owned()
}

fn approve_with_the_mouse(site: &Site, browser: &Browser, name: &str) {
    site.change(browser, name);
    browser.open(&site.at("/review/check"));
    browser.click(".list.proposals a.main");
    browser.click("#approve button");
    browser.shows(if name == "bob" { "An authorizer decides." } else { "Settled:" });
}

fn status(site: &Site, item: &str) -> String {
    let query = format!("SELECT status FROM recon.attributions WHERE attribution_id = '{item}'");
    site.sql(&query)[0]["status"].as_str().unwrap().to_owned()
}

fn maker_to_authorizer(scripts: bool) {
    let site = Site::new(0, 8);
    let browser = Browser::start();
    if !scripts {
        browser.without_scripts();
    }
    site.enter(&browser, "ann");
    let item = propose_with_the_mouse(&site, &browser);
    assert_eq!(status(&site, &item), "PENDING");
    browser.click(".toast button");
    browser.shows("Withdrawn.");
    assert_eq!(status(&site, &item), "UNKNOWN", "undone");
    let item = propose_with_the_mouse(&site, &browser);
    // The maker sees no approve button.
    browser.open(&site.at("/review/check?list=mine"));
    browser.click(".list.proposals a.main");
    browser.has(".decision");
    assert_eq!(browser.run("return document.querySelector('#approve')"), serde_json::Value::Null);
    approve_with_the_mouse(&site, &browser, "bob");
    assert_eq!(status(&site, &item), "PENDING", "the first decision of its kind needs six eyes");
    approve_with_the_mouse(&site, &browser, "carl");
    assert_eq!(status(&site, &item), "ACCEPTED");
    // Several selected items.
    site.change(&browser, "ann");
    browser.open(&site.at(ITEMS));
    browser.click("tbody tr:nth-child(1) .box");
    browser.click("tbody tr:nth-child(2) .box");
    browser.click(".dock button.danger");
    browser.shows("for 2 items");
    browser.write("textarea[name=comment]", "Not explained by anything.");
    browser.click(".decision button.primary");
    browser.shows("Proposed: 2 items.");
    let pending = "SELECT count(*) FROM recon.attributions WHERE status = 'PENDING'";
    assert_eq!(site.count(pending), 2);
}

#[test]
fn a_decision_from_maker_to_authorizer_with_the_mouse() {
    maker_to_authorizer(true);
}

#[test]
fn a_decision_from_maker_to_authorizer_without_scripts() {
    maker_to_authorizer(false);
}

/// Logs in without a mouse.
fn type_in(site: &Site, browser: &Browser, name: &str) {
    browser.open(&site.at("/review/login"));
    browser.has("input[name=username]:focus");
    browser.type_text(name);
    browser.press(&["Tab"]);
    browser.type_text(PASSWORD);
    browser.press(&["Enter"]);
    browser.has("header.top");
}

/// Tabs until an element has the focus.
fn tab_to(browser: &Browser, selector: &str) {
    let there = format!("return document.activeElement.matches({})", serde_json::json!(selector));
    for _ in 0..80 {
        if browser.run(&there) == true {
            let ring = "return getComputedStyle(document.activeElement).outlineStyle !== 'none'";
            assert_eq!(browser.run(ring), true, "{selector} has the focus, and nobody sees it");
            return;
        }
        browser.press(&["Tab"]);
    }
    panic!("the keyboard never comes to {selector} at {}", browser.url());
}

#[test]
fn a_decision_from_maker_to_authorizer_with_the_keyboard() {
    let site = Site::new(0, 4);
    let browser = Browser::start();
    type_in(&site, &browser, "ann");
    browser.press(&["g", "q"]);
    browser.has("[data-row]");
    // The notes are a group; `o` decides all of it, Enter opens it.
    browser.press(&["f"]);
    browser.has(".facets[open] select:focus");
    browser.press(&["Escape"]);
    browser.open(&site.at(ITEMS));
    browser.has("[data-row]");
    browser.press(&["j", "k", "j", "Enter"]);
    browser.has("form[data-decide]");
    let item = browser.run("return document.getElementById('main').dataset.item");
    let item = item.as_str().unwrap();
    browser.press(&["o"]);
    browser.has("select[name=code]:focus");
    browser.type_text("TIMING");
    tab_to(&browser, "form[data-decide] textarea");
    browser.type_text("It comes a day later, every Monday.");
    browser.pause();
    browser.press(&["Ctrl+Enter"]);
    browser.shows("Proposed:");
    assert_eq!(status(&site, item), "PENDING");
    for (name, after) in [("bob", "An authorizer decides."), ("carl", "Settled:")] {
        browser.press(&["g", "w"]);
        browser.shows("My work");
        tab_to(&browser, "a.me");
        browser.press(&["Enter"]);
        tab_to(&browser, ".leave button");
        browser.press(&["Enter"]);
        type_in(&site, &browser, name);
        browser.press(&["g", "c"]);
        browser.has("[data-row]");
        browser.press(&["Enter"]);
        browser.has("#approve");
        browser.press(&["a", "Enter"]);
        browser.shows(after);
    }
    assert_eq!(status(&site, item), "ACCEPTED");
    // The key map opens over the page and closes.
    browser.press(&["?"]);
    browser.has("dialog[open] kbd");
    browser.press(&["Escape"]);
    browser.wait("the page", "return !document.querySelector('dialog')");
}

#[test]
fn a_thousand_similar_items_with_the_keyboard_alone() {
    let site = Site::new(1_000, 0);
    let browser = Browser::start();
    site.enter(&browser, "ann");
    browser.open(&site.at("/review/queue"));
    browser.has("[data-row]");
    let seen = site.requests().len();
    // Four keys of the maker.
    browser.press(&["j", "1"]);
    browser.shows("for 1,000 items");
    browser.press(&["Space", "Ctrl+Enter"]);
    browser.shows("Proposed: 1,000 items.");
    // Three of each approver.
    for (name, after) in [("bob", "An authorizer decides."), ("carl", "Settled: 1,000 items.")] {
        site.change(&browser, name);
        browser.open(&site.at("/review/check"));
        browser.has("[data-row]");
        browser.press(&["Enter"]);
        browser.has("#approve");
        browser.press(&["a", "Ctrl+Enter"]);
        browser.shows(after);
    }
    let accepted = "SELECT count(*) FROM recon.attributions WHERE status = 'ACCEPTED'";
    assert_eq!(site.count(accepted), 1_000);
    for stage in ["MAKER", "CHECKER", "AUTHORIZER"] {
        let query = format!(
            "SELECT count(*) FROM recon.audit_trail WHERE stage = '{stage}' \
             AND attribution_id IS NOT NULL"
        );
        assert_eq!(site.count(&query), 1_000, "{stage}");
    }
    let steps = ["/review/bulk", "/review/bulk/commit"];
    let spent: f64 = site.requests()[seen..]
        .iter()
        .filter(|(path, _)| steps.contains(&path.as_str()) || path.ends_with("/approve"))
        .map(|(_, ms)| ms)
        .sum();
    println!(
        "1,000 look-alikes: 4 actions of the maker, 3 of each approver; {spent:.0} ms of server time"
    );
}

#[test]
fn a_concurrent_decision_is_reported_and_the_comment_kept() {
    let site = Site::new(0, 3);
    let (first, second) = Browser::pair();
    site.enter(&first, "ann");
    site.enter(&second, "amy");
    for browser in [&first, &second] {
        browser.open(&site.at(ITEMS));
        browser.click(".list.items a.main");
        browser.has("form[data-decide]");
    }
    let words = "What amy wrote & nobody else";
    second.press(&["r"]);
    second.write("textarea[name=comment]", words);
    first.press(&["r"]);
    first.write("textarea[name=comment]", "Quick, and first.");
    first.pause();
    first.press(&["Ctrl+Enter"]);
    first.shows("Proposed:");
    let began = std::time::Instant::now();
    second.press(&["Ctrl+Enter"]);
    second.shows("was faster");
    println!("the second of two saw the conflict after {} ms", began.elapsed().as_millis());
    second.shows(words);
    assert_eq!(
        site.count("SELECT count(*) FROM recon.attributions WHERE status = 'PENDING'"),
        1,
        "nothing of the second decision was stored"
    );
}

#[test]
fn back_returns_to_the_same_row_of_the_list() {
    let site = Site::new(0, 40);
    let browser = Browser::start();
    site.enter(&browser, "ann");
    browser.open(&site.at("/review/queue?field=note&view=items&sort=-confidence"));
    browser.has("[data-row]");
    browser.click("nav.pages a[rel=next]");
    browser.wait("the second page", "return location.search.includes('cursor')");
    browser.press(&["j", "j", "j"]);
    let focused = "return document.activeElement.closest('[data-row]')?.dataset.row ?? null";
    let row = browser.run(focused);
    let list = browser.url();
    browser.press(&["Enter"]);
    browser.has("form[data-decide]");
    let item = browser.url();
    assert!(item.contains("sort=-confidence") && item.contains("cursor"), "{item}");
    browser.reload();
    assert_eq!(browser.url(), item, "a reload shows the same item");
    browser.back();
    browser.has(".list.items");
    assert_eq!(browser.url(), list);
    browser.wait("the row", &format!("return ({}) === {row}", &focused["return ".len()..]));
    println!("list, page and row are there after the way back");
}
