// The review page works without this file. It adds shortcuts, preloading, optimistic decisions, live
// counters and a help overlay. It never builds markup from text: pages come from the server as
// documents, and texts are inserted as text.
"use strict";

(() => {
  const root = document.documentElement;
  root.classList.add("js");

  const GUARD_MS = 250; // ignores keys meant for the previous item
  const TOAST_MS = 10_000;
  const POLL_MS = 10_000;
  const SEQUENCE_MS = 1_200;

  const main = () => document.getElementById("main");
  const say = () => document.getElementById("say");
  const one = (selector, within = document) => within.querySelector(selector);
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];

  let appeared = performance.now();
  let ahead = null; // the next item: { url, page: Promise }
  let prefix = "";
  let prefixTimer = 0;
  let lastPicked = null;
  let hideTimer = 0;
  let sessionTimer = 0;

  // Pages.

  /** Asks for a page. It comes as a document whose scripts do not run. */
  function request(method, url, body, quiet) {
    return new Promise((resolve, reject) => {
      const ask = new XMLHttpRequest();
      ask.open(method, url);
      ask.responseType = "document";
      if (body) ask.setRequestHeader("Content-Type", "application/x-www-form-urlencoded");
      if (quiet) ask.setRequestHeader("X-Recon-Ahead", "1");
      ask.onload = () => resolve({ page: ask.response, status: ask.status, url: ask.responseURL });
      ask.onerror = () => reject(new Error("no answer"));
      ask.send(body ?? null);
    });
  }

  /** Puts a page's content in place of the present one. */
  function show(answer, url, how) {
    const fresh = answer && answer.getElementById("main");
    if (!fresh || !answer.querySelector("header.top")) {
      location.assign(url);
      return;
    }
    if (how === "push") history.pushState({ swapped: true }, "", url);
    if (how === "replace") history.replaceState({ swapped: true }, "", url);
    main().replaceWith(document.adoptNode(fresh));
    for (const selector of ["header.top", "#say"]) {
      const part = one(selector, answer);
      if (part) one(selector).replaceWith(document.adoptNode(part));
    }
    document.title = answer.title;
    window.scrollTo(0, 0);
    main().focus({ preventScroll: true });
    settle();
  }

  /** What every page needs once it is there. */
  function settle() {
    appeared = performance.now();
    ahead = null;
    lastPicked = null;
    for (const phrases of all(".templates[hidden]")) phrases.hidden = false;
    if (navigator.clipboard) for (const copy of all(".copy[hidden]")) copy.hidden = false;
    for (const here of all("nav [aria-current]")) {
      // In a narrow window the present entry may be scrolled out of view.
      const box = here.closest("nav");
      const over = here.getBoundingClientRect().right - box.getBoundingClientRect().right;
      if (over > 0) box.scrollLeft += over + 8;
    }
    picked();
    toast();
    watchSession();
    const address = new URL(location.href);
    const said = address.searchParams.has("said");
    if (said) {
      // Shown once: not again after a reload or in a shared link.
      address.searchParams.delete("said");
      history.replaceState(history.state, "", address);
    }
    if (said && main().dataset.screen === "check") {
      // After an approval the next one is at hand.
      const first = rows()[0];
      if (first) focusRow(first);
    }
    const row = history.state && history.state.row;
    const back = row && all("[data-row]", main()).find((tr) => tr.dataset.row === row);
    if (back) focusRow(back);
    const next = main().dataset.next;
    if (main().dataset.screen === "item" && next) {
      ahead = { url: next, page: request("GET", next, null, true).catch(() => null) };
      ahead.page.then((answer) => { if (ahead && ahead.url === next) ahead.ready = answer; });
    }
    performance.mark("recon:settled");
  }

  // Messages.

  function toast() {
    clearTimeout(hideTimer);
    const said = one(".toast", say());
    if (!said || said.classList.contains("stay")) return;
    const hide = () => {
      if (said.matches(":hover") || said.contains(document.activeElement)) {
        hideTimer = setTimeout(hide, 2_000);
      } else {
        said.remove();
      }
    };
    hideTimer = setTimeout(hide, TOAST_MS);
  }

  function tell(text, tone, stay) {
    const box = document.createElement("div");
    box.className = `toast ${tone}${stay ? " stay" : ""}`;
    const line = document.createElement("p");
    line.textContent = text;
    box.append(line);
    say().replaceChildren(box);
    toast();
    return box;
  }

  /** Says that a decision of some time ago was not stored, and leads back to it. */
  function unsaved(item, text) {
    const box = tell(text, "bad", true);
    const back = document.createElement("a");
    back.href = item.url;
    back.textContent = "Go back";
    box.append(back);
  }

  function watchSession() {
    clearTimeout(sessionTimer);
    const seconds = Number(document.body.dataset.session || 0);
    if (seconds < 180) return;
    sessionTimer = setTimeout(() => {
      const box = tell("Your session ends in two minutes.", "note", true);
      const stay = document.createElement("button");
      stay.type = "button";
      stay.className = "quiet";
      stay.textContent = "Stay logged in";
      stay.addEventListener("click", () => {
        request("GET", "/review/help", null, true).then(() => { box.remove(); watchSession(); });
      });
      box.append(stay);
    }, (seconds - 120) * 1_000);
  }

  // Live counters.

  let version = "";
  async function poll() {
    if (document.visibilityState !== "visible" || !one("[data-count]")) return;
    try {
      const headers = version ? { "If-None-Match": version } : {};
      const answer = await fetch("/workflow/summary", { headers, credentials: "same-origin" });
      if (!answer.ok) return;
      version = answer.headers.get("ETag") || "";
      const counts = await answer.json();
      const numbers = { ...counts, unknown: (counts.by_status || {}).UNKNOWN || 0 };
      numbers.to_check_all = (counts.to_check || 0) + (counts.to_authorize || 0);
      for (const place of all("[data-count]")) {
        const number = numbers[place.dataset.count];
        if (number === undefined) continue;
        const text = Number(number).toLocaleString("en-US");
        if (place.textContent !== text) place.textContent = text;
      }
    } catch {
      // The next poll tries again.
    }
  }
  setInterval(poll, POLL_MS);

  // Rows.

  const rows = () => all("[data-row]", main());
  const row = () => document.activeElement && document.activeElement.closest("[data-row]");

  function focusRow(tr) {
    const target = one("a.main", tr) || one("a, button, input", tr);
    if (!target) return;
    target.focus({ preventScroll: true });
    tr.scrollIntoView({ block: "nearest" });
  }

  function step(by) {
    const list = rows();
    if (list.length === 0) return false;
    const at = list.indexOf(row());
    const to = at < 0 ? (by > 0 ? 0 : list.length - 1) : at + by;
    if (list[to]) focusRow(list[to]);
    return true;
  }

  document.addEventListener("focusin", (event) => {
    const tr = event.target.closest && event.target.closest("[data-row]");
    if (tr && (!history.state || history.state.row !== tr.dataset.row)) {
      history.replaceState({ ...history.state, row: tr.dataset.row }, "");
    }
  });

  const boxes = () => all('.list input[type="checkbox"][name="id"]', main());

  function picked() {
    const dock = one(".dock");
    if (!dock) return;
    const number = boxes().filter((box) => box.checked).length;
    dock.classList.toggle("on", number > 0);
    const text = one("[data-selected]", dock);
    if (text) text.textContent = `${number} selected`;
  }

  function pick(range) {
    const list = boxes();
    const tr = row();
    const box = tr && one('input[name="id"]', tr);
    if (!box) return;
    if (range && lastPicked && list.includes(lastPicked)) {
      const [from, to] = [list.indexOf(lastPicked), list.indexOf(box)].sort((a, b) => a - b);
      for (const each of list.slice(from, to + 1)) each.checked = true;
    } else {
      box.checked = !box.checked;
    }
    lastPicked = box;
    picked();
  }

  document.addEventListener("change", (event) => {
    const target = event.target;
    if (target.name === "id") {
      lastPicked = target;
      picked();
    }
    if ("go" in target.dataset) target.form.requestSubmit();
    if (target.dataset.choose && target.value) {
      const radio = document.getElementById(target.dataset.choose);
      if (radio) radio.checked = true;
    }
  });

  // Deciding.

  /** Whether the words that a choice needs are there. */
  function worded(form) {
    const words = one('textarea[name="comment"]', form);
    const choice = one('input[name="choice"]:checked', form);
    if (!words || !choice) return true;
    const free = choice.dataset.comment === "no" && !form.action.includes("/reopen");
    const enough = free || words.value.trim().length >= 5;
    words.setCustomValidity(enough ? "" : "Give a reason of at least five characters.");
    if (!enough) {
      words.reportValidity();
      words.addEventListener("input", () => words.setCustomValidity(""), { once: true });
    }
    return enough;
  }

  /** Sends a decision and shows the next item at once; if it is refused, the item comes back. */
  async function decide(form, submitter) {
    const body = new URLSearchParams(new FormData(form, submitter)).toString();
    const here = { url: location.href, page: main(), title: document.title };
    const next = ahead && ahead.ready && ahead.ready.status === 200 ? ahead : null;
    const sent = request("POST", form.action, body);
    if (next) {
      performance.mark("recon:key");
      show(next.ready.page, next.url, "push");
    }
    // Late answers must not replace the item the user has moved on to.
    const placed = main();
    const gone = () => next && main() !== placed;
    let answer;
    try {
      answer = await sent;
    } catch {
      if (gone()) {
        unsaved(here, "Not saved: the server does not answer.");
        return;
      }
      if (next) history.back();
      main().replaceWith(here.page);
      document.title = here.title;
      settle();
      delete form.dataset.sent;
      tell("Not saved: the server does not answer. Nothing is lost; try again.", "bad", true);
      return;
    }
    // No header means the log-in page: the session has ended.
    const inside = answer.page && one("header.top", answer.page);
    if (gone() && (answer.status >= 400 || !inside)) {
      const why = answer.page && one(".notice strong, .wrong", answer.page);
      unsaved(here, why ? `Not saved: ${why.textContent}` : "Not saved.");
      return;
    }
    if (answer.status >= 400) {
      show(answer.page, here.url, next ? "replace" : "");
      return;
    }
    const fresh = answer.page && answer.page.getElementById("main");
    const same = next && fresh && fresh.dataset.item === main().dataset.item;
    if (!same && !gone()) {
      show(answer.page, answer.url, next ? "replace" : "push");
      return;
    }
    // The page is already shown; only message, counters and the place in the list are new.
    say().replaceWith(document.adoptNode(one("#say", answer.page)));
    toast();
    if (same) {
      const [placed, place] = [one(".crumbs .place", main()), one(".crumbs .place", fresh)];
      if (placed && place) placed.textContent = place.textContent;
      document.title = answer.page.title;
    }
    const bar = one("header.top", answer.page);
    if (bar) one("header.top").replaceWith(document.adoptNode(bar));
  }

  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (form.method !== "post") return;
    const decides = form.matches("[data-decide]");
    if (form.dataset.sent || (decides && performance.now() - appeared < GUARD_MS)) {
      event.preventDefault();
      return;
    }
    if (decides) {
      event.preventDefault();
      if (!worded(form)) return;
      form.dataset.sent = "yes";
      decide(form, event.submitter);
      return;
    }
    form.dataset.sent = "yes";
    // The form must be usable after going back to this page.
    setTimeout(() => delete form.dataset.sent, 3_000);
  });

  document.addEventListener("click", (event) => {
    const copy = event.target.closest("[data-copy]");
    if (!copy) return;
    navigator.clipboard.writeText(copy.dataset.copy).then(() => tell("Copied.", "good"), () => {});
  });

  document.addEventListener("click", (event) => {
    const phrase = event.target.closest("[data-phrase]");
    if (!phrase) return;
    const words = one('textarea[name="comment"]', phrase.form || one("form[data-commit]", main()) || main());
    if (!words) return;
    words.value = phrase.dataset.phrase;
    words.focus();
  });

  // Panels and help.

  /** Shows the sections of another page within this one, or removes them. */
  async function panel(link) {
    const place = document.getElementById(link.dataset.panel);
    if (place.firstChild) {
      place.replaceChildren();
      return;
    }
    const answer = await request("GET", link.href, null, true).catch(() => null);
    const page = answer && answer.status === 200 && answer.page.getElementById("main");
    if (!page) {
      location.assign(link.href);
      return;
    }
    place.replaceChildren(...all("section", document.adoptNode(page)));
    place.focus({ preventScroll: true });
    place.scrollIntoView({ block: "nearest" });
  }

  document.addEventListener("click", (event) => {
    const link = event.target.closest("[data-panel]");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    panel(link);
  });

  async function help() {
    const open = one("dialog[open]");
    if (open) {
      open.close();
      return;
    }
    const before = document.activeElement;
    const answer = await request("GET", "/review/help", null, true).catch(() => null);
    const page = answer && answer.page && answer.page.getElementById("main");
    if (!page) return;
    const dialog = document.createElement("dialog");
    dialog.setAttribute("aria-label", "Help");
    const shut = document.createElement("button");
    shut.type = "button";
    shut.className = "shut";
    shut.textContent = "Close";
    shut.addEventListener("click", () => dialog.close());
    dialog.append(shut, ...document.adoptNode(page).childNodes);
    dialog.addEventListener("close", () => {
      dialog.remove();
      if (before && before.isConnected) before.focus();
    });
    dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
    document.body.append(dialog);
    dialog.showModal();
  }

  // The keyboard.

  function find(key) {
    const quoted = `[data-key="${CSS.escape(key)}"]`;
    const tr = row();
    return (tr && one(quoted, tr))
      || all(quoted, main()).find((element) => !element.closest("[data-row]"))
      || one(quoted, say())
      || all(quoted).find((element) => !element.closest("main"));
  }

  function press(element) {
    if (element.matches('input[type="radio"]')) {
      element.checked = true;
      const form = element.form;
      const words = form && one('textarea[name="comment"]', form);
      const code = element.id && one(`[data-choose="${CSS.escape(element.id)}"]`);
      const target = code || (element.dataset.comment === "no" || !words ? element : words);
      // The bar is always in view: what the person reads above it must stay where it is.
      target.focus({ preventScroll: Boolean(element.closest(".deciding")) });
    } else if (element.matches('input[type="checkbox"], summary')) {
      element.click();
    } else if (element.matches("input, textarea, select")) {
      element.focus();
      if (element.select) element.select();
    } else if (element.matches("[data-arm]")) {
      element.classList.add("armed");
      element.focus();
    } else {
      element.click();
    }
    const box = element.closest("details");
    if (element.matches("summary") && box && box.open) {
      // What is typed next must not be taken for shortcuts.
      const first = one(box.matches(".facets") ? "select, input, a" : "textarea", box);
      if (first) first.focus();
    }
    if (element.matches("textarea")) {
      const closed = element.closest("details:not([open])");
      if (closed) closed.open = true;
    }
  }

  async function neighbor(element) {
    // Move between items without reloading the page.
    const url = element.getAttribute("href");
    const ready = ahead && ahead.url === url && ahead.ready && ahead.ready.status === 200;
    const answer = ready ? ahead.ready : await request("GET", url).catch(() => null);
    if (answer && answer.status === 200) show(answer.page, url, "push");
    else location.assign(url);
  }

  function escape(target) {
    const panel = one("details.facets[open]");
    if (panel) {
      panel.open = false;
      one("summary", panel).focus();
    } else if (target.matches("input, textarea, select") && !target.matches('[type="radio"], [type="checkbox"]')) {
      target.blur();
    } else {
      const chosen = one('input[type="radio"]:checked', main());
      const armed = one(".armed");
      const back = one('[data-key="Escape"]');
      if (armed) armed.classList.remove("armed");
      else if (chosen && chosen.closest("[data-decide]")) chosen.checked = false;
      else if (back) back.click();
    }
  }

  document.addEventListener("keydown", (event) => {
    if (event.isComposing || event.defaultPrevented || one("dialog[open]")) {
      if (one("dialog[open]") && event.key === "?") help();
      return;
    }
    const target = event.target;
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      if (event.repeat) return;
      const own = target.form && target.form.method === "post" ? target.form : null;
      const form = own || one("form[data-commit]", main());
      if (!form) return;
      event.preventDefault();
      form.requestSubmit();
      return;
    }
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Escape") {
      if (!event.repeat) escape(target);
      return;
    }
    const text = target.closest('input:not([type="checkbox"], [type="radio"]), textarea, select');
    if (text || root.dataset.shortcuts === "off") return;
    const held = event.repeat;
    const radio = target.matches('input[type="radio"]');
    let key = event.key;
    if (key === "Enter" && held) {
      event.preventDefault();
      return;
    }
    if (key === "Enter" && (target === document.body || target === main())) {
      const first = one("[data-row] a.main", main());
      if (first) first.click();
      return;
    }
    if ((key === "ArrowDown" || key === "ArrowUp") && !radio && rows().length > 0) {
      event.preventDefault();
      step(key === "ArrowDown" ? 1 : -1);
      return;
    }
    if (key.length !== 1) return;
    if (key === " ") {
      const looked = one('[data-key=" "]', main());
      if (!looked || held || target.closest("button, a, summary, input")) return;
      event.preventDefault();
      looked.click();
      return;
    }
    if (prefix) {
      key = `${prefix} ${key}`;
      prefix = "";
      clearTimeout(prefixTimer);
      const place = find(key);
      if (place && !held) {
        event.preventDefault();
        place.click();
      }
      return;
    }
    if (key === "g") {
      prefix = "g";
      prefixTimer = setTimeout(() => { prefix = ""; }, SEQUENCE_MS);
      return;
    }
    const item = main().dataset.screen === "item" || main().dataset.screen === "proposal";
    if ((key === "j" || key === "k") && !item) {
      if (step(key === "j" ? 1 : -1)) event.preventDefault();
      return;
    }
    if (held) return; // a held key must not repeat an action
    if (key === "x" || key === "X") {
      pick(key === "X");
      event.preventDefault();
      return;
    }
    if (key === "*") {
      const list = boxes();
      const every = list.every((box) => box.checked);
      for (const box of list) box.checked = !every;
      picked();
      return;
    }
    if (key === ".") {
      const dock = one(".dock.on button");
      if (dock) dock.focus();
      return;
    }
    if (key === "?") {
      event.preventDefault();
      help();
      return;
    }
    const element = find(key);
    if (element) {
      event.preventDefault();
      if (item && (key === "j" || key === "k")) neighbor(element);
      else press(element);
    } else if (key === "u") {
      location.assign("/review/work");
    }
  });

  document.addEventListener("click", (event) => {
    const link = event.target.closest('a[data-key="?"]');
    if (link && !event.ctrlKey && !event.metaKey && !event.shiftKey) {
      event.preventDefault();
      help();
    }
    const open = one("details.facets[open]");
    if (open && !open.contains(event.target)) open.open = false;
  });

  window.addEventListener("popstate", async () => {
    const url = location.href;
    const answer = await request("GET", url).catch(() => null);
    if (answer && answer.status === 200) show(answer.page, url, "");
    else location.reload();
  });

  window.addEventListener("pageshow", (event) => {
    if (event.persisted) for (const form of all("form[data-sent]")) delete form.dataset.sent;
  });

  settle();
})();
