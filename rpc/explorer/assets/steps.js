// Keys that step through a table of instructions, over the ends of its page.

const rows = [...document.querySelectorAll("#steps tbody tr")];
const MOVES = { j: 1, ArrowDown: 1, k: -1, ArrowUp: -1 };
const LINKS = { n: "next", p: "prev" };

function turn(rel) {
  document.querySelector(`.pager a[rel=${rel}]`)?.click();
}

function move(by) {
  const at = rows.indexOf(document.activeElement);
  const row = at < 0 ? rows[by > 0 ? 0 : rows.length - 1] : rows[at + by];
  if (row) row.focus();
  else turn(by > 0 ? "next" : "prev");
}

document.addEventListener("keydown", (event) => {
  const typing = event.target.closest("input, textarea, select, [contenteditable]");
  if (typing || event.ctrlKey || event.metaKey || event.altKey || event.shiftKey) return;
  if (event.key in MOVES) move(MOVES[event.key]);
  else if (event.key in LINKS) turn(LINKS[event.key]);
  else return;
  event.preventDefault();
});

rows.find((row) => `#${row.id}` === location.hash)?.focus();
