import {$, bytes, button, call, clock, day, figures, follow, h, keepFocus, nameOf, number, toast} from "./common.js";

export const WORDS = {done: ["done", "good"], failed: ["failed", "bad"], cancelled: ["cancelled", ""]};
const DECISIONS = {kept: "kept beside its source", replacing: "replacing its source", replaced: "in place of its source", discarded: "discarded"};

const PAGE = 20;
let offset = 0;

async function show() {
  const states = $("which").value ? [$("which").value] : ["done", "failed", "cancelled"];
  const [totals, jobs] = await Promise.all([call("GET", "/totals"), call("GET", `/jobs?${states.map((state) => `state=${state}`).join("&")}&newest=true&limit=${PAGE}&offset=${offset}`)]);
  const all = states.reduce((sum, state) => sum + totals[state], 0);
  if (!jobs.length && offset) { offset = Math.max(0, offset - PAGE); return show(); }
  $("totals").replaceWith(Object.assign(figures([["Done", number(totals.done)], ["Failed", number(totals.failed)], ["Frames", number(totals.frames)], ["Time spent", clock(totals.seconds)],
    ["Size of the sources", bytes(totals.source_bytes)], ["Size of the results", bytes(totals.result_bytes)], ["Damaged sources", number(totals.damaged)]]), {id: "totals"}));
  keepFocus(() => $("ended").replaceChildren(...jobs.map(card)));
  $("where").textContent = all ? `${number(offset + 1)} to ${number(offset + jobs.length)} of ${number(all)}` : "";
  $("later").disabled = !offset;
  $("earlier").disabled = offset + jobs.length >= all;
  $("later").parentElement.hidden = all <= PAGE;
}

function turn(by) {
  offset = Math.max(0, offset + by * PAGE);
  show().then(() => scrollTo(0, 0)).catch((error) => toast(error.message, true));
}

function card(job) {
  const [word, colour] = WORDS[job.state], found = job.result;
  return h("li", {},
    h("div", {class: "top"}, h("a", {class: "title", href: `/jobs/${job.id}`, "data-focus": `title-${job.id}`}, nameOf(job.source)), h("span", {class: `state ${colour}`}, DECISIONS[job.decision] ?? word)),
    found ? h("div", {class: "soft"}, `${found.width}×${found.height}, ${number(found.frames)} frames, ${bytes(found.source_bytes)} became ${bytes(found.result_bytes)}${found.damaged ? ", the source is damaged" : ""}${job.ended ? ` · ${day(job.ended)}` : ""}`) : null,
    job.error ? h("p", {class: "error"}, job.error) : null,
    h("div", {class: "buttons"}, job.state === "done" ? null : button("Try again", () => call("POST", `/jobs/${job.id}/retry`).then(show), {"data-focus": `retry-${job.id}`}),
      button("Remove from the list", () => call("DELETE", `/jobs/${job.id}`).then(show), {"data-focus": `remove-${job.id}`})));
}

$("later").addEventListener("click", () => turn(-1));
$("earlier").addEventListener("click", () => turn(1));
$("which").addEventListener("change", () => { offset = 0; turn(0); });
$("ended").dataset.empty = "Nothing is here yet.";
follow(show);
