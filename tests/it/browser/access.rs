//! Hostile data stays text, nothing is loaded from elsewhere, and axe finds no problem.

use serde_json::{Value as Json, json};

use super::driver::Browser;
use super::site::{HOSTILE, Site};

/// Every screen of a user with all permissions, after some decisions.
fn screens(site: &Site, browser: &Browser) -> Vec<String> {
    site.enter(browser, "ann");
    // Content: a comment, a proposal, a bulk decision, a reason.
    browser.open(&site.at("/review/queue?field=name&view=items&sort=-confidence"));
    browser.click(".list.items a.main");
    browser.has("form[data-decide]");
    let item =
        browser.run("return location.pathname + location.search").as_str().unwrap().to_owned();
    // Out of the way of the decision.
    browser.run("document.querySelector('.say-it').scrollIntoView({ block: 'center' })");
    browser.click(".say-it summary");
    browser.write(".say-it textarea", &HOSTILE[..6].join(" "));
    browser.run("document.querySelector('.say-it button').scrollIntoView({ block: 'center' })");
    browser.click(".say-it button");
    browser.shows("Comment saved.");
    browser.press(&["r"]);
    browser.write("form[data-decide] textarea", &format!("{} and more", HOSTILE[1]));
    browser.pause();
    browser.press(&["Ctrl+Enter"]);
    browser.shows("Proposed:");
    browser.open(&site.at("/review/check?list=mine"));
    browser.click(".list.proposals a.main");
    browser.has(".decision");
    let proposal = browser.run("return location.pathname").as_str().unwrap().to_owned();
    site.change(browser, "carl");
    let mut paths: Vec<String> = [
        "/review",
        "/review/queue",
        "/review/queue?view=items",
        "/review/queue?view=items&sort=teaches",
        "/review/queue?q=nothing+is+like+it",
        "/review/queue?status=PENDING&view=items",
        "/review/check?list=to_check",
        "/review/check?list=to_authorize",
        "/review/audit",
        "/review/audit?verify=yes",
        "/review/reasons",
        "/review/reports",
        "/review/reports?report=access",
        "/review/reports?report=duties&from=2026-01-01",
        "/review/work",
        "/review/profile",
        "/review/help",
        "/review/bulk?field=name&choice=*",
        "/review/bulk?field=name&choice=code",
        "/review/nowhere",
        "/review/items/0190b5a0-0000-7000-8000-00000000ffff",
    ]
    .map(str::to_owned)
    .into();
    let query = item.split_once('?').map_or("", |(_, query)| query);
    paths.push(item.clone());
    paths.push(format!("{}?{query}&mode=inline&signs=all", item.split('?').next().unwrap()));
    paths.push(format!("{}/why", item.split('?').next().unwrap()));
    paths.push(proposal);
    paths.push(format!("/review/reasons?like={}", item.split(['?', '/']).nth(3).unwrap()));
    let open = site.sql("SELECT attribution_id FROM recon.attributions WHERE status = 'UNKNOWN'");
    for row in open.iter().take(8) {
        paths.push(format!("/review/items/{}", row["attribution_id"].as_str().unwrap()));
    }
    paths
}

/// The browser's error messages, and the addresses requested.
fn complaints(browser: &Browser) -> (Vec<String>, Vec<String>) {
    let said = browser
        .log("browser")
        .iter()
        .map(|entry| entry["message"].as_str().unwrap().to_owned())
        .filter(|text| !text.contains("Failed to load resource"))
        .collect();
    let asked = browser
        .log("performance")
        .iter()
        .filter_map(|entry| serde_json::from_str::<Json>(entry["message"].as_str()?).ok())
        .filter(|message| message["message"]["method"] == "Network.requestWillBeSent")
        .map(|message| message["message"]["params"]["request"]["url"].as_str().unwrap().to_owned())
        .filter(|url| !url.starts_with("data:"))
        .collect();
    (said, asked)
}

#[test]
fn hostile_cells_stay_text_on_every_screen() {
    let site = Site::new(3, 3);
    let browser = Browser::start();
    let mut shown = String::new();
    for path in screens(&site, &browser) {
        browser.open(&site.at(&path));
        assert!(!browser.has_dialog(), "{path} opened a dialog");
        let scripts = browser.run("return document.scripts.length");
        assert_eq!(scripts, 1, "{path} has our script and no other");
        let strange = browser.run(
            "return document.querySelectorAll('img, iframe, object, [onload], [onerror], [style], \
             a[href^=\"javascript\"], main b, main i').length",
        );
        assert_eq!(strange, 0, "{path} has elements that only data can have brought");
        shown.push_str(browser.run("return document.body.innerText").as_str().unwrap());
        browser.widen(360);
        let wide = browser.run(
            "const width = document.documentElement.clientWidth;
             if (document.documentElement.scrollWidth <= width) return [];
             return [...document.querySelectorAll('body *')]
                 .filter(each => each.getBoundingClientRect().right > width)
                 .map(each => each.outerHTML.slice(0, 200))",
        );
        assert_eq!(wide, json!([]), "{path} is wider than a narrow window");
        browser.widen(1280);
    }
    for text in &HOSTILE[..6] {
        assert!(shown.contains(text), "{text} is nowhere to be read");
    }
    assert!(shown.contains("RLO") && shown.contains("ZWSP"), "what deceives is not marked");
    assert!(!shown.contains('\u{202e}'), "an override is in force");
    let (said, asked) = complaints(&browser);
    assert!(said.is_empty(), "{said:#?}");
    let elsewhere: Vec<&String> =
        asked.iter().filter(|url| !url.starts_with(&site.at(""))).collect();
    assert!(elsewhere.is_empty(), "{elsewhere:#?}");
}

#[test]
fn a_page_needs_three_requests() {
    let site = Site::new(60, 30);
    let browser = Browser::start();
    site.enter(&browser, "ann");
    browser.tell("Network.setCacheDisabled", &json!({"cacheDisabled": true}));
    for path in ["/review", "/review/queue", "/review/queue?view=items"] {
        complaints(&browser);
        browser.open(&site.at(path));
        let loaded = browser.run("return performance.getEntriesByType('resource').length + 1");
        let size = browser.run_until(
            "const done = arguments[0]; const all = [location.href, \
             ...performance.getEntriesByType('resource').map(entry => entry.name)]; \
             Promise.all(all.map(url => fetch(url).then(answer => answer.arrayBuffer()) \
             .then(bytes => bytes.byteLength))).then(sizes => done(sizes.reduce((a, b) => a + b)))",
        );
        println!("{path}: {loaded} requests, {size} bytes before compression");
        assert!(loaded.as_u64().unwrap() <= 3, "{path}");
        assert!(size.as_u64().unwrap() <= 100_000, "{path}: {size}");
    }
}

/// axe-core, fetched and pinned by `scripts/test`; not part of the program.
fn axe() -> String {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/target/axe");
    let versions = std::fs::read_dir(folder).map(|entries| {
        entries
            .filter_map(|entry| std::fs::read_to_string(entry.ok()?.path().join("axe.min.js")).ok())
    });
    versions
        .ok()
        .and_then(|mut versions| versions.next())
        .unwrap_or_else(|| panic!("no axe-core in {folder}; ./scripts/test fetches it"))
}

#[test]
fn axe_finds_no_accessibility_problem_in_either_theme() {
    let axe = axe();
    let site = Site::new(30, 3);
    let empty = Site::new(0, 0);
    let browser = Browser::start();
    let mut pages: Vec<String> =
        screens(&site, &browser).iter().take(26).map(|path| site.at(path)).collect();
    let check = |pages: &[String]| {
        let mut found = Vec::new();
        for page in pages {
            browser.open(page);
            browser.run(&axe);
            for theme in ["light", "dark"] {
                browser.prefer(theme);
                let said = browser.run_until(
                    "const done = arguments[0]; axe.run(document, {runOnly: ['wcag2a', 'wcag2aa', \
                     'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']}).then(result => \
                     done(result.violations.map(one => one.id + ' ' + one.nodes.map(node => \
                     node.target.join(' ') + ': ' + node.failureSummary).join('; '))))",
                );
                for one in said.as_array().unwrap() {
                    found.push(format!("{theme} {page}: {}", one.as_str().unwrap()));
                }
            }
        }
        found
    };
    let mut found = check(&pages);
    site.change(&browser, "ann");
    browser.open(&site.at("/review/queue?field=note&view=items"));
    pages = vec![browser.url()];
    empty.enter(&browser, "bob");
    pages
        .extend(["/review", "/review/queue", "/review/check", "/review/work"].map(|p| empty.at(p)));
    pages.push(empty.at("/review/first?token=none"));
    found.extend(check(&pages));
    println!("{} violations", found.len());
    assert!(found.is_empty(), "{}", found.join("\n"));
}
