// Edits the file of the channels: checked, with a diff, before it is applied.
import {$, button, call, h, toast} from "./common.js";

const WORDS = {added: ["will start", "good"], changed: ["will be restarted", "warn"], removed: ["will end", "bad"]};
let version = "", before = "";
const check = button("Check", examine), apply = button("Apply", save, {class: "operate main"}), again = button("Load again", load);

async function load() {
  const file = await call("GET", "/channel-file");
  ({version} = file);
  before = $("text").value = file.text;
  $("text").disabled = false;
  edited();
}

function edited() {
  apply.disabled = true;
  check.disabled = $("text").value === before;
}

async function examine() {
  const text = $("text").value;
  $("found").replaceChildren(h("p", {class: "hint"}, "The engines and encoders of changed channels are tried…"));
  try {
    tell(await call("POST", "/channel-file/check", {text, version}));
    if ($("text").value === text) apply.disabled = false;
  } catch (error) { $("found").replaceChildren(h("p", {class: "error"}, error.message)); }
}

function tell({changes, diff}) {
  const lines = Object.entries(WORDS).flatMap(([kind, [words, colour]]) => changes[kind].map((name) => h("li", {}, h("span", {class: `state ${colour}`}, words), ` ${name}`)));
  $("found").replaceChildren(h("ul", {class: "effects"}, ...lines), h("p", {class: "hint"}, lines.length ? "All other channels run on untouched." : "No channel is interrupted."),
    h("ol", {class: "diff", tabindex: "0", "aria-label": "Lines that change"}, ...diff.map((line) => h("li", {class: {"+": "plus", "-": "minus"}[line[0]] ?? "same"}, line))));
}

async function save() {
  $("text").disabled = true; // what is typed now would be lost
  try {
    await call("PUT", "/channel-file", {text: $("text").value, version});
    toast("Written. The channels follow.");
    await load();
    $("found").replaceChildren(h("p", {}, "Applied. ", h("a", {href: "/channels"}, "See the channels")));
  } catch (error) { $("found").replaceChildren(h("p", {class: "error"}, error.message)); }
  $("text").disabled = false;
  if (apply.disabled) $("text").focus(); // it has lost the focus
}

if ($("text")) {
  $("text").addEventListener("input", edited);
  addEventListener("beforeunload", (event) => { if ($("text").value !== before) event.preventDefault(); });
  $("actions").append(check, apply, again);
  edited();
  load().catch((error) => $("found").replaceChildren(h("p", {class: "error"}, error.message)));
}
