import {$, bytes, button, call, clock, day, figures, follow, h, nameOf, number} from "./common.js";

export const WORDS = {done: ["done", "good"], failed: ["failed", "bad"], cancelled: ["cancelled", ""]};
const DECISIONS = {kept: "kept beside its source", replacing: "replacing its source", replaced: "in place of its source", discarded: "discarded"};

async function show() {
  const jobs = await call("GET", "/jobs?state=done&state=failed&state=cancelled&newest=true&limit=200");
  const done = jobs.filter((job) => job.result), sum = (of) => done.reduce((all, job) => all + of(job), 0);
  $("totals").replaceWith(Object.assign(figures([["Done", done.length], ["Failed", jobs.filter((job) => job.state === "failed").length], ["Frames", number(sum((job) => job.result.frames))],
    ["Time spent", clock(sum((job) => job.result.seconds))], ["Size of the results", bytes(sum((job) => job.result.result_bytes))]]), {id: "totals"}));
  $("ended").replaceChildren(...jobs.map(card));
}

function card(job) {
  const [word, colour] = WORDS[job.state], found = job.result;
  return h("li", {},
    h("div", {class: "top"}, h("a", {class: "title", href: `/jobs/${job.id}`}, nameOf(job.source)), h("span", {class: `state ${colour}`}, DECISIONS[job.decision] ?? word)),
    found ? h("div", {class: "soft"}, `${found.width}×${found.height}, ${number(found.frames)} frames, ${bytes(found.source_bytes)} became ${bytes(found.result_bytes)}${found.damaged ? ", the source is damaged" : ""}${job.ended ? ` · ${day(job.ended)}` : ""}`) : null,
    job.error ? h("p", {class: "error"}, job.error) : null,
    h("div", {class: "buttons"}, job.state === "done" ? null : button("Try again", () => call("POST", `/jobs/${job.id}/retry`).then(show)),
      button("Remove from the list", () => call("DELETE", `/jobs/${job.id}`).then(show))));
}

$("ended").dataset.empty = "Nothing is done yet.";
follow(show);
