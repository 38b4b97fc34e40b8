//! The review beyond plain decisions: assigned items, amended proposals, new reasons, hidden values, and numbers that
//! link to their items.

use super::driver::Browser;
use super::site::Site;

#[test]
fn items_can_be_taken_reassigned_and_released() {
    let site = Site::new(0, 2);
    let browser = Browser::start();
    site.enter(&browser, "ann");
    browser.open(&site.at("/review/queue?field=note&view=items"));
    browser.click(".list.items a.main");
    browser.has("form[data-decide]");
    browser.press(&["s"]);
    browser.shows("Assigned to you.");
    browser.shows("with ann <i>senior</i>");
    browser.click(".hand summary");
    browser.write(".hand input[name=to]", "nobody-at-all");
    browser.click(".hand button");
    browser.shows("No user of that name");
    browser.click(".hand summary");
    browser.write(".hand input[name=to]", "amy");
    browser.click(".hand button");
    browser.shows("with amy <i>analyst</i>");
    site.change(&browser, "amy");
    browser.open(&site.at("/review"));
    browser.click(".inbox a[href*=assignee]");
    browser.click(".list.items a.main");
    browser.has("form[data-decide]");
    browser.click(".facts form button.link");
    browser.shows("Unassigned.");
    assert_eq!(site.count("SELECT count(*) FROM recon.assignments"), 0);
    let said = "SELECT count(*) FROM recon.audit_trail WHERE action_type = 'ASSIGN'";
    assert_eq!(site.count(said), 3);
    site.change(&browser, "dora");
    browser.open(&site.at("/review/audit?action=ASSIGN&each=yes"));
    browser.has("[data-row]");
    let named = browser
        .run("return [...document.querySelectorAll('.changes')].map(one => one.innerText).join()");
    let named = named.as_str().unwrap();
    assert!(named.contains("assignee ann <i>senior</i> amy <i>analyst</i>"), "{named}");
}

#[test]
fn a_contributor_cannot_approve_a_proposal() {
    let site = Site::new(0, 2);
    let browser = Browser::start();
    site.enter(&browser, "ann");
    browser.open(&site.at("/review/queue?field=note&view=items"));
    browser.click(".list.items a.main");
    browser.has("form[data-decide]");
    browser.press(&["r"]);
    browser.write("form[data-decide] textarea", "Nothing explains it.");
    browser.pause();
    browser.press(&["Ctrl+Enter"]);
    browser.shows("Proposed:");
    site.change(&browser, "bob");
    browser.open(&site.at("/review/check"));
    browser.click(".list.proposals a.main");
    browser.has("#approve");
    browser.click(".decision details.say-it summary");
    browser.click("#amend-code");
    browser.click(".decision details.say-it option[value=MANUAL_ENTRY_ERR]");
    browser.click(".decision details.say-it button.wide");
    browser.shows("Changed since the last version");
    browser.shows("Nobody approves a proposal they made or amended.");
    assert_eq!(browser.run("return document.querySelector('#approve')"), serde_json::Value::Null);
    site.change(&browser, "carl");
    browser.open(&site.at("/review/check?list=to_check"));
    browser.click(".list.proposals a.main");
    browser.has("#approve");
    browser.shows("also changed by bob");
    browser.click("#approve button");
    browser.shows("Settled:");
}

#[test]
fn a_new_reason_is_simulated_and_can_be_given_after_six_eyes() {
    let site = Site::new(5, 0);
    let browser = Browser::start();
    site.enter(&browser, "ann");
    browser.open(&site.at("/review/queue?field=amount&view=items"));
    browser.click(".list.items a.main");
    browser.has("form[data-decide]");
    browser.click(".alike a[href*=like]");
    browser.write("input[name=code]", "FEE_ROUNDING");
    browser.write("textarea[name=description]", "Fees without decimals");
    browser.click("input[name=functional][value=yes]");
    browser.write("textarea[name=comment]", "Every fee looks like that.");
    browser.click(".decision button.primary");
    browser.shows("5 undecided differences look like the example.");
    browser.open(&site.at("/review/reasons"));
    browser.shows("Awaits a checker");
    for (name, after) in [("bob", "Checked:"), ("carl", "Settled:")] {
        site.change(&browser, name);
        browser.open(&site.at("/review/check"));
        browser.click(".list.proposals a.main");
        browser.shows("5 undecided differences look like the example.");
        browser.click("#approve button");
        browser.shows(after);
    }
    browser.open(&site.at("/review/reasons"));
    browser.shows("FEE_ROUNDING");
    let code = "SELECT count(*) FROM recon.reason_codes WHERE code = 'FEE_ROUNDING' AND is_active";
    assert_eq!(site.count(code), 1);
}

#[test]
fn hidden_values_are_marked_as_hidden() {
    let site = Site::with(0, 2, "review: { masked_fields: [note] }\n");
    let browser = Browser::start();
    site.enter(&browser, "ann");
    for path in ["/review/queue?field=note", "/review/queue?field=note&view=items"] {
        browser.open(&site.at(path));
        browser.shows("hidden from you");
    }
    browser.click(".list.items a.main");
    browser.has("form[data-decide]");
    for mode in ["", "&mode=inline"] {
        let address = browser.url();
        browser.open(&format!("{}{mode}", address.split("&mode").next().unwrap()));
        browser.shows("hidden from you");
        let shown = browser.run("return document.body.innerHTML");
        for value in ["left 0", "right 0", "left 1", "right 1"] {
            assert!(!shown.as_str().unwrap().contains(value), "{mode}: {value} is shown");
        }
    }
    browser.press(&["y"]);
    browser.has("#why section");
    let traced = browser.run("return document.getElementById('why').innerText");
    assert!(!traced.as_str().unwrap().contains("left"), "{traced}");
    site.recon(&["user", "grant", "ann", "note"]);
    // Side by side, because one line cuts the values where they differ.
    browser.open(browser.url().split("&mode").next().unwrap());
    browser.wait("the value", "return document.body.innerText.includes('left')");
}

#[test]
fn every_overview_number_links_to_its_items() {
    let site = Site::new(9, 4);
    let browser = Browser::start();
    site.enter(&browser, "ann");
    // A decided item, a pending one, and one sent back.
    browser.open(&site.at("/review/queue?field=amount"));
    browser.press(&["j", "1"]);
    browser.has("form[data-commit]");
    browser.press(&["Ctrl+Enter"]);
    browser.shows("Proposed:");
    site.change(&browser, "bob");
    browser.open(&site.at("/review/check"));
    browser.click(".list.proposals a.main");
    browser.click("#approve button");
    browser.shows("Settled:");
    browser.open(&site.at("/review"));
    let links = browser.run(
        "return [...document.querySelectorAll('.parts a.num, .mini a.num, .figure a.num')]\
         .map(link => [link.innerText, link.getAttribute('href'), \
         link.closest('div, tr').innerText])",
    );
    let links = links.as_array().unwrap();
    assert!(links.len() > 10, "{links:?}");
    let mut counted = 0;
    for link in links {
        let [number, href, what] = [0, 1, 2].map(|at| link[at].as_str().unwrap());
        let Ok(number) = number.replace(',', "").parse::<usize>() else { continue };
        browser.open(&site.at(href));
        browser.has("h1");
        let rows = browser.run("return document.querySelectorAll('[data-row]').length");
        assert_eq!(rows, number, "{what} leads to {href}");
        counted += 1;
    }
    assert!(counted > 10, "{links:?}");
}
