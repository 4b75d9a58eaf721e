// Functions by an ABI that the reader pastes: this browser keeps it, by address; the node encodes and decodes as for others.

import { addCopyButtons } from "./explorer.js";
import { wire } from "./wallet.js";

const MOST_CHARACTERS = 200_000;
const MOST_FUNCTIONS = 200;
const DEEPEST = 16;
const NAME = /^[A-Za-z_$][\w$]{0,99}$/;
const TYPE = /^(u?int\d{0,3}|bytes\d{0,2}|address|bool|string|function|u?fixed(?:\d{1,3}x\d{1,2})?|tuple)((?:\[\d{0,9}\]){0,16})$/;

const section = document.getElementById("abi");
const [form, forms, text] = [section.querySelector("form"), document.getElementById("abi-forms"), document.getElementById("abi-text")];
const told = form.querySelector("[role=status]");
const key = `abi ${section.dataset.address.toLowerCase()}`;

function typeOf({ type, components }, depth) {
  const found = TYPE.exec(type);
  if (!found || depth > DEEPEST) throw new Error(`${String(type).slice(0, 40)} is no type`);
  return found[1] === "tuple" ? `${typesOf(components, depth + 1)}${found[2]}` : type;
}

function typesOf(parameters = [], depth = 0) {
  return `(${parameters.map((each) => typeOf(each, depth)).join(",")})`;
}

function functionOf(entry) {
  if (!NAME.test(entry.name)) throw new Error(`${String(entry.name).slice(0, 40)} is no name of a function`);
  const { name, inputs = [], outputs = [], stateMutability } = entry;
  return {
    name, inputs: inputs.map((each) => `${String(each.name ?? "").slice(0, 100)} ${typeOf(each, 0)}`.trim()),
    results: outputs.map((each) => String(each.name ?? "").slice(0, 100)),
    signature: `${name}${typesOf(inputs)}${outputs.length ? typesOf(outputs) : ""}`,
    reads: entry.constant === true || stateMutability === "view" || stateMutability === "pure",
    payable: entry.payable === true || stateMutability === "payable",
  };
}

function functionsOf(json) {
  if (json.length > MOST_CHARACTERS) throw new Error(`it has more than ${MOST_CHARACTERS.toLocaleString("en")} characters`);
  const parsed = JSON.parse(json);
  const abi = Array.isArray(parsed) ? parsed : parsed?.abi;
  if (!Array.isArray(abi)) throw new Error("it is no list, and has no member abi");
  const found = abi.filter((entry) => entry && (entry.type ?? "function") === "function");
  if (found.length > MOST_FUNCTIONS) throw new Error(`it has more than ${MOST_FUNCTIONS} functions`);
  return found.map(functionOf);
}

function element(tag, attributes, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

function field(id, name, label, value = "") {
  return [element("label", { for: id }, label), element("input", { id, name, value, autocomplete: "off", spellcheck: "false" })];
}

// the node's page of this call has the outcome, with the names that the ABI has for it
async function outcome(shown, fields) {
  const answer = await fetch(`${section.dataset.path}?${fields}`, { headers: { accept: "text/html" } });
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const found = page.getElementById("outcome") ?? page.querySelector("main section");
  found.removeAttribute("id");
  const results = found.querySelectorAll(".values dt");
  if (results.length === shown.results.length) {
    results.forEach((name, index) => { name.textContent = shown.results[index] || index; });
  }
  return document.importNode(found, true);
}

function formOf(shown, number) {
  const id = `abi-${number}`;
  const verb = shown.reads ? "Call" : "Prepare";
  const made = element("form", { class: "function" }, element("h4", {}, element("code", {}, shown.signature)),
    ...shown.inputs.flatMap((label, index) => field(`${id}-${index}`, `v${index}`, label)),
    ...shown.payable ? field(`${id}-value`, "value", "ETH", "0") : [],
    element("button", { type: "submit", "aria-label": `${verb} ${shown.name}` }, verb));
  const place = element("div", {});
  made.addEventListener("submit", async (event) => {
    event.preventDefault();
    const fields = new URLSearchParams({ s: shown.signature, ...shown.reads ? {} : { do: "write" } });
    new FormData(made).forEach((value, name) => fields.set(name, value));
    try {
      const fresh = await outcome(shown, fields);
      // the two forms of a page may not share an id
      fresh.querySelectorAll("[id]").forEach((each) => { each.id = `${id}-${each.id}`; });
      fresh.querySelectorAll("[for]").forEach((each) => { each.htmlFor = `${id}-${each.htmlFor}`; });
      place.replaceChildren(...fresh.childNodes);
      addCopyButtons(place);
      wire(place);
    } catch (error) {
      place.textContent = `The node does not answer: ${error.message}`;
    }
  });
  return [made, place];
}

// whether it is an ABI, or nothing
function show(json) {
  forms.replaceChildren();
  told.textContent = "";
  try {
    const found = json.trim() ? functionsOf(json) : [];
    for (const [reads, title] of [[true, "Functions that only read"], [false, "Functions that write"]]) {
      const chosen = found.filter((each) => each.reads === reads);
      if (!chosen.length) continue;
      forms.append(element("h3", {}, title), ...chosen.flatMap((each, index) => formOf(each, `${reads ? "r" : "w"}${index}`)));
    }
    if (json.trim() && !found.length) told.textContent = "It has no functions.";
    return true;
  } catch (error) {
    told.textContent = `Not an ABI: ${error.message}`;
    return false;
  }
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  if (!show(text.value)) return;
  try {
    if (text.value.trim()) localStorage.setItem(key, text.value);
    else localStorage.removeItem(key);
  } catch (error) {
    told.textContent = `This browser does not keep it: ${error.message}`;
  }
});

// a browser may refuse its storage
function kept() {
  try { return localStorage.getItem(key) ?? ""; } catch { return ""; }
}

section.hidden = false;
text.value = kept();
show(text.value);
