// Copy buttons, and regions that follow the chain. Every page works without this file.

const REFRESH_MS = 1000;
const POLL_MS = 2000;
const state = document.getElementById("live-state");

function addCopyButton(place) {
  const text = place.textContent;
  const button = document.createElement("button");
  button.type = "button";
  button.className = "copy";
  button.textContent = "Copy";
  button.setAttribute("aria-label", `Copy ${text.slice(0, 24)}`);
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(text);
    button.textContent = "Copied";
    setTimeout(() => { button.textContent = "Copy"; }, 1500);
  });
  if (place.tagName === "PRE") place.prepend(button);
  else place.after(button);
}

export function addCopyButtons(root) {
  // only pages of this computer, and encrypted ones, may write to the clipboard
  if (navigator.clipboard) root.querySelectorAll("[data-copy]").forEach(addCopyButton);
}

async function refresh() {
  const answer = await fetch(location.href, { headers: { accept: "text/html" } });
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  for (const region of document.querySelectorAll("[data-live]")) {
    const fresh = page.getElementById(region.id);
    // whoever is at a link in there keeps it
    if (!fresh || region.contains(document.activeElement) || fresh.isEqualNode(region)) continue;
    region.replaceWith(fresh);
    addCopyButtons(fresh);
  }
}

let waiting = false;
let stale = false;
async function refreshSoon() {
  if (document.hidden) { stale = true; return; }
  if (waiting) return;
  waiting = true;
  try { await refresh(); } catch { state.textContent = "The node does not answer."; }
  // what comes meanwhile is seen by one more look
  setTimeout(() => { waiting = false; if (stale) { stale = false; refreshSoon(); } }, REFRESH_MS);
}

function told() {
  if (waiting) stale = true;
  else refreshSoon();
}

document.addEventListener("visibilitychange", () => {
  if (!document.hidden && stale) { stale = false; told(); }
});

async function call(method, ...params) {
  const body = JSON.stringify({ jsonrpc: "2.0", id: 1, method, params });
  const answer = await fetch("/", { method: "POST", headers: { "content-type": "application/json" }, body });
  const { result, error } = await answer.json();
  if (error) throw new Error(error.message);
  return result;
}

async function poll() {
  let seen;
  for (;;) {
    try {
      const head = await call("eth_blockNumber");
      if (seen !== undefined && head !== seen) told();
      seen = head;
      state.textContent = "";
    } catch { state.textContent = "The node does not answer."; }
    await new Promise((done) => setTimeout(done, POLL_MS));
  }
}

function follow(topics) {
  const socket = new WebSocket(location.origin.replace(/^http/, "ws"));
  let opened = false;
  socket.addEventListener("open", () => {
    opened = true;
    state.textContent = "";
    [...topics].forEach((topic, id) => {
      socket.send(JSON.stringify({ jsonrpc: "2.0", id, method: "eth_subscribe", params: [topic] }));
    });
  });
  socket.addEventListener("message", ({ data }) => {
    if (JSON.parse(data).method === "eth_subscription") told();
    else state.dataset.follows = "";
  });
  socket.addEventListener("close", () => {
    if (!opened) { poll(); return; }
    state.textContent = "The connection to the node is lost; trying again.";
    setTimeout(() => follow(topics), POLL_MS);
  });
}

document.addEventListener("keydown", (event) => {
  const typing = event.target.closest("input, textarea, select, [contenteditable]");
  if (event.key !== "/" || typing || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  document.getElementById("q").focus();
});

addCopyButtons(document);
const regions = [...document.querySelectorAll("[data-live]")];
if (regions.length) follow(new Set(regions.flatMap((region) => region.dataset.live.split(" "))));
