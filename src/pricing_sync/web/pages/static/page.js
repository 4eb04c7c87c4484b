// The pages work without this. It keeps an open page current, and adds keys.
"use strict";

const main = document.getElementById("main");
const said = document.getElementById("live");

// The key / leads to the search, unless one is writing.
document.addEventListener("keydown", (event) => {
  const writes = event.target.closest("input, select, textarea, [contenteditable]");
  if (event.key === "/" && !writes && !event.ctrlKey && !event.metaKey && !event.altKey) {
    const search = document.getElementById("search");
    if (search) {
      event.preventDefault();
      search.focus();
      search.select();
    }
  }
  if (event.key === "Escape" && document.activeElement?.id === "search") {
    document.activeElement.blur();
  }
});

// Somebody who has begun to fill in a form or reads a detail is not interrupted.
function isBusy() {
  const fields = main.querySelectorAll("input:not([type=hidden])");
  const options = main.querySelectorAll("option[selected]");
  const touched = [...fields].some((field) => field.value !== field.defaultValue || field.checked !== field.defaultChecked)
    || [...options].some((option) => !option.selected);
  return touched || main.contains(document.activeElement) && document.activeElement !== main
    || main.querySelector("details[open]") !== null || String(getSelection()) !== "";
}

async function refresh() {
  if (isBusy()) {
    said.replaceChildren("Something has changed. ");
    const again = document.createElement("a");
    again.href = location.href;
    again.textContent = "Load again";
    said.append(again);
    return;
  }
  const answer = await fetch(location.href, { headers: { Accept: "text/html" }, redirect: "manual" });
  if (!answer.ok) {
    return;
  }
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const found = page.getElementById("main");
  if (found && !isBusy()) {
    main.replaceChildren(...found.childNodes);
    document.title = page.title;
    address = page.body.dataset.live;
    said.textContent = `Updated ${new Date().toLocaleTimeString()}`;
  }
}

// Changes come in bursts while providers are read: one look for all that came meanwhile.
let isWaiting = false;
function refreshSoon() {
  if (isWaiting) {
    return;
  }
  isWaiting = true;
  setTimeout(() => {
    isWaiting = false;
    refresh().catch(() => {});
  }, 400);
}

// A hidden page is not kept current: a browser has only so many connections to one host.
let address = document.body.dataset.live;
let events = null;
function follow() {
  if (!address || document.hidden) {
    events?.close();
    events = null;
  } else if (events === null) {
    events = new EventSource(address);
    events.addEventListener("changed", refreshSoon);
    events.onerror = () => { said.textContent = "Not connected; trying again"; };
    events.onopen = () => { if (said.textContent.startsWith("Not")) { said.textContent = ""; } };
  }
}
document.addEventListener("visibilitychange", follow);
follow();
