//! Speed of the page. Durations are printed, not asserted: machines are busy.

use super::driver::Browser;
use super::percentile;
use super::site::Site;

/// Records when a key was pressed and when the next item was painted.
const WATCH: &str = "
    window.pressed = 0; window.painted = [];
    document.addEventListener('keydown', event => {
        if (event.key === 'Enter') window.pressed = performance.now();
    }, true);
    new MutationObserver(() => {
        if (!window.pressed) return;
        const pressed = window.pressed; window.pressed = 0;
        requestAnimationFrame(() => setTimeout(() => {
            window.painted.push(performance.now() - pressed);
        }));
    }).observe(document.body, { childList: true });
    return true;";

#[test]
fn the_next_item_appears_immediately() {
    let site = Site::new(40, 0);
    let browser = Browser::start();
    site.enter(&browser, "ann");
    browser.open(&site.at("/review/queue?field=amount&view=items"));
    browser.press(&["j", "Enter"]);
    browser.has("form[data-decide]");
    browser.run(WATCH);
    let decided = 20;
    let mut waited = std::time::Duration::ZERO;
    let began = std::time::Instant::now();
    for _ in 0..decided {
        let item = browser.run("return document.getElementById('main').dataset.item");
        waited += browser.pause();
        browser.press(&["1", "Enter"]);
        browser.wait(
            "the next item",
            &format!("return document.getElementById('main').dataset.item !== {item}"),
        );
    }
    let took = began.elapsed();
    let painted = browser.run("return window.painted");
    let times: Vec<f64> =
        painted.as_array().unwrap().iter().map(|time| time.as_f64().unwrap()).collect();
    assert!(times.len() >= decided / 2, "{times:?}");
    let (half, most) = (percentile(times.clone(), 0.5), percentile(times, 0.95));
    println!("next item painted after {half:.0} ms (half), {most:.0} ms (95 %), two keys each");
    let minute = f64::from(u32::try_from(decided).unwrap()) * 60.0 / took.as_secs_f64();
    println!("{minute:.0} decisions a minute, {} ms of them waiting", waited.as_millis());
    browser.wait("the last decision", "return !document.querySelector('form[data-sent]')");
    let pending = "SELECT count(*) FROM recon.attributions WHERE status = 'PENDING'";
    let until = std::time::Instant::now() + std::time::Duration::from_secs(60);
    while site.count(pending) < decided as u64 && std::time::Instant::now() < until {
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    assert_eq!(site.count(pending), decided as u64, "what was shown as decided is decided");
}

#[test]
fn a_late_response_does_not_replace_the_current_item() {
    let site = Site::new(6, 0);
    let browser = Browser::start();
    site.enter(&browser, "ann");
    browser.open(&site.at("/review/queue?field=amount&view=items"));
    browser.press(&["j", "Enter"]);
    browser.has("form[data-decide]");
    browser.tell(
        "Network.emulateNetworkConditions",
        &serde_json::json!({"offline": false, "latency": 800, "downloadThroughput": -1,
            "uploadThroughput": -1}),
    );
    let item = || browser.run("return document.getElementById('main').dataset.item");
    std::thread::sleep(std::time::Duration::from_secs(3));
    // A response takes a round trip, the preloaded item none: the second decision comes before the
    // first one's response.
    let mut seen = vec![item()];
    for _ in 0..2 {
        browser.press(&["1", "Enter"]);
        let last = seen.last().unwrap().clone();
        browser.wait(
            "the next item",
            &format!("return document.getElementById('main').dataset.item !== {last}"),
        );
        seen.push(item());
        std::thread::sleep(std::time::Duration::from_millis(1_100));
    }
    std::thread::sleep(std::time::Duration::from_secs(3));
    assert_eq!(item(), seen[2], "the page went back to an item that is decided");
    let pending = "SELECT count(*) FROM recon.attributions WHERE status = 'PENDING'";
    assert_eq!(site.count(pending), 2);
}

#[test]
fn pages_are_painted_quickly() {
    let site = Site::new(2_000, 200);
    let browser = Browser::start();
    site.enter(&browser, "ann");
    let (mut paint, mut usable) = (Vec::new(), Vec::new());
    for _ in 0..20 {
        browser.open(&site.at("/review/queue?view=items"));
        browser.wait(
            "the paint",
            "return performance.getEntriesByName('first-contentful-paint').length === 1",
        );
        let times = browser.run(
            "return [performance.getEntriesByName('first-contentful-paint')[0].startTime, \
             performance.getEntriesByType('navigation')[0].domContentLoadedEventEnd]",
        );
        paint.push(times[0].as_f64().unwrap());
        usable.push(times[1].as_f64().unwrap());
    }
    let (paint, usable) = (percentile(paint, 0.95), percentile(usable, 0.95));
    println!("queue of 2,200: painted after {paint:.0} ms, usable after {usable:.0} ms (95 %)");
    for path in ["/review", "/review/queue", "/review/queue?view=items&field=amount"] {
        for _ in 0..20 {
            browser.open(&site.at(path));
        }
    }
    for path in ["/review", "/review/queue"] {
        let times = site.requests().into_iter().filter(|(own, _)| own == path);
        let p95 = percentile(times.map(|(_, ms)| ms).collect(), 0.95);
        println!("{path}: {p95:.1} ms in the server (95 %)");
    }
}
