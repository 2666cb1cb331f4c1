import {$, PRIORITIES, button, bytes, call, clock, follow, h, keepFocus, lastPicture, machines, nameOf, number, progressText, repeat, toast} from "./common.js";

const WORDS = {waiting: "waiting", running: "running", paused: "paused"};
const COLOURS = {running: "good", paused: "warn"};
const SHOWN = 200; // jobs that wait; the page shows no more of them at once
const lasts = new Map(); // number of a running job -> its last picture
let jobs = [], dragged = null;

async function show() {
  // One more than are shown: the last of them may be moved down as well.
  const [running, later, queue] = await Promise.all([call("GET", "/jobs?state=running"), call("GET", `/jobs?state=waiting&state=paused&limit=${SHOWN + 1}`), call("GET", "/queue")]);
  jobs = [...running, ...later];
  const mayChange = document.body.dataset.role === "operate";
  $("all").hidden = !mayChange;
  $("all").textContent = queue.paused ? "Let the queue go on" : "Pause the queue";
  $("all").onclick = () => call("POST", `/queue/${queue.paused ? "resume" : "pause"}`).then(show).catch((error) => toast(error.message, true));
  const waiting = later.slice(0, SHOWN), all = (queue.counts.waiting ?? 0) + (queue.counts.paused ?? 0);
  const count = all > SHOWN ? `${number(all)} waiting, of which the first ${SHOWN} are shown.` : `${all} waiting.`;
  $("summary").textContent = (queue.paused ? "The queue is paused: nothing new starts. " : queue.runs_now ? "" : "Jobs run in the hours that the settings name. ") + count;
  keepFocus(() => {
    $("running").replaceChildren(...running.map((job) => card(job, false)));
    $("waiting").replaceChildren(...waiting.map((job) => card(job, mayChange)));
  });
}

function card(job, isMovable) {
  const act = (what) => () => call("POST", `/jobs/${job.id}/${what}`).then(show);
  const made = h("li", {id: `job-${job.id}`, draggable: isMovable ? "true" : null},
    h("div", {class: "top"}, h("a", {class: "title", href: `/jobs/${job.id}`, "data-focus": `title-${job.id}`}, nameOf(job.source)), h("span", {class: `state ${COLOURS[job.state] ?? ""}`}, job.asked ? `${WORDS[job.state]}, will ${job.asked}` : WORDS[job.state])),
    job.state === "running" || job.progress.frames ? h("progress", {"aria-label": `Progress of ${nameOf(job.source)}`, max: 1}) : null,
    h("div", {class: "soft text"}, waits(job)),
    h("div", {class: "by"}),
    job.state === "running" ? last(job.id).made : null,
    h("div", {class: "buttons"},
      job.state === "paused" || job.asked === "pause" ? button("Go on", act("resume"), {"data-focus": `go-${job.id}`}) : button("Pause", act("pause"), {"data-focus": `go-${job.id}`}),
      button("Cancel", act("cancel"), {class: "operate danger", "data-focus": `cancel-${job.id}`}),
      isMovable ? button("↑", () => step(job, -1), {"aria-label": `Move ${nameOf(job.source)} up`, "data-focus": `up-${job.id}`}) : null,
      isMovable ? button("↓", () => step(job, 1), {"aria-label": `Move ${nameOf(job.source)} down`, "data-focus": `down-${job.id}`}) : null,
      isMovable ? priority(job) : null));
  if (isMovable) {
    made.addEventListener("dragstart", () => { dragged = job; made.classList.add("dragged"); });
    made.addEventListener("dragend", () => made.classList.remove("dragged"));
    made.addEventListener("dragover", (event) => { event.preventDefault(); made.classList.add("over"); });
    made.addEventListener("dragleave", () => made.classList.remove("over"));
    made.addEventListener("drop", (event) => { event.preventDefault(); if (dragged && dragged.id !== job.id) place(dragged, {before: job.id}); });
  }
  progress(made, job.progress);
  return made;
}

function last(id) {
  if (!lasts.has(id)) lasts.set(id, lastPicture(id));
  return lasts.get(id);
}

// Moves a job right before or after another one.
function place(job, beside) {
  return call("PUT", `/jobs/${job.id}/place`, beside).then(show).catch((error) => toast(error.message, true));
}

function step(job, by) {
  const line = jobs.filter((each) => each.state !== "running"), at = line.findIndex((each) => each.id === job.id);
  const next = line[at + by];
  if (next) return place(job, by < 0 ? {before: next.id} : {after: next.id});
}

// Why a job waits, and what it will take.
function waits(job) {
  const told = job.note ? [job.note] : [];
  if (job.forecast) told.push(`takes about ${clock(job.forecast.seconds)}, result about ${bytes(job.forecast.bytes)}`);
  return told.join(" ");
}

function priority(job) {
  const known = PRIORITIES.some(([value]) => value === job.priority) ? PRIORITIES : [...PRIORITIES, [job.priority, `priority ${job.priority}`]];
  const made = h("select", {class: "operate", "aria-label": `When ${nameOf(job.source)} runs`, "data-focus": `priority-${job.id}`,
    onchange: () => call("PATCH", `/jobs/${job.id}`, {priority: Number(made.value)}).then(show).catch((error) => toast(error.message, true))},
  ...known.map(([value, text]) => h("option", {value, selected: value === job.priority}, text)));
  return made;
}

function progress(item, now) {
  const bar = item.querySelector("progress");
  if (!bar) return;
  if (now.share === null || now.phase !== "upscale") bar.removeAttribute("value"); else bar.value = now.share;
  item.querySelector(".text").textContent = progressText(now);
  item.querySelector(".by").replaceChildren(...[now.alone ? h("p", {class: "soft"}, `This machine alone makes it. ${now.alone}`) : null, machines(now.machines)].filter(Boolean));
}

$("running").dataset.empty = "Nothing runs.";
$("waiting").dataset.empty = "Nothing waits. Add videos in the library.";
follow(show, (id, now) => { const item = $(`job-${id}`); if (item) progress(item, now); });
repeat(async () => {
  for (const id of lasts.keys()) if (!jobs.some((job) => job.id === id && job.state === "running")) lasts.delete(id);
  await Promise.all([...lasts.values()].map((each) => each.look()));
}, 5);
