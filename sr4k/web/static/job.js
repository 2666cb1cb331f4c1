import {$, bytes, button, call, clock, comparison, figures, follow, h, keepFocus, lastPicture, machines, nameOf, number, progressText, repeat} from "./common.js";
import {clipsOf, player} from "./player.js";

const id = location.pathname.split("/").pop();
const WORDS = {done: ["done", "good"], failed: ["failed", "bad"], cancelled: ["cancelled", ""], running: ["running", "good"], waiting: ["waiting", ""], paused: ["paused", "warn"]};
const DECISIONS = {kept: "Both files are kept.", replacing: "The result is taking the place of its source.", replaced: "The result is in the place of its source, which is in the bin folder.", discarded: "The result was deleted."};
const list = (heading, found, none, kind = "") => h("div", {}, h("h3", {}, heading), found.length ? h("ul", {class: `list ${kind}`}, ...found.map((each) => h("li", {}, each))) : h("p", {class: "soft"}, none));
const last = lastPicture(id);
let length = 0, isRunning = false;

async function show() {
  const job = await call("GET", `/jobs/${id}`), found = job.result, [word, colour] = WORDS[job.state];
  $("name").textContent = nameOf(job.source);
  $("state").textContent = word;
  $("state").className = `badge ${colour}`;
  const parts = [h("p", {class: "soft"}, `${job.source} → ${found ? found.output : job.target}`)];
  if (job.error) parts.push(h("p", {class: "error"}, job.error));
  if (!found) parts.push(h("p", {id: "progress"}, progressText(job.progress)), h("div", {id: "by"}, machines(job.progress.machines) ?? ""));
  if (!found && job.progress.alone) parts.push(h("p", {class: "soft"}, `This machine alone makes it. ${job.progress.alone}`));
  if (job.forecast && !found) parts.push(h("h3", {}, "Forecast of this machine"), figures([["Takes about", clock(job.forecast.seconds)], ["Speed", `${number(job.forecast.fps, 1)} frames a second`], ["Result", bytes(job.forecast.bytes)], ["Memory", bytes(job.forecast.memory)]]));
  if (job.state === "running") {
    const bar = h("progress", {id: "bar", max: 1, "aria-label": "Progress"});
    showBar(bar, job.progress);
    parts.splice(parts.findIndex((each) => each.id === "progress"), 0, bar);
    parts.push(last.made);
    if (!isRunning) last.look();
  }
  isRunning = job.state === "running";
  $("about-heading").textContent = found || job.state === "failed" ? "What came of it" : "How it goes";
  if (found) parts.push(...result(job, found));
  keepFocus(() => $("about").replaceChildren(...parts), $("about-heading"));
  const hasBoth = found && ["undecided", "kept"].includes(job.decision);
  $("compare").hidden = !hasBoth;
  $("play").onclick = () => playBoth(found);
  if (hasBoth && !length) {
    length = Math.max(0, (job.progress.seconds_total ?? job.progress.seconds ?? 0) - 0.2);
    $("at").max = length.toFixed(1);
    $("at").value = (length / 2).toFixed(1);
    $("at").dispatchEvent(new Event("input"));
  }
}

function showBar(bar, now) {
  if (now.share === null || now.phase !== "upscale") bar.removeAttribute("value"); else bar.value = now.share;
}

const CODECS = {libx264: "H.264", libx265: "HEVC", libsvtav1: "AV1", h264_nvenc: "H.264", hevc_nvenc: "HEVC", av1_nvenc: "AV1"};
const codecOf = (found) => `${CODECS[found.codec] ?? found.codec ?? "its codec"} in ${found.container ?? "its container"}`;

function result(job, found) {
  const decide = (how) => () => call("PUT", `/jobs/${id}/decision`, {how}).then(show);
  const damage = Object.entries(found.damage).filter(([, count]) => typeof count === "number" && count).map(([what, count]) => `${what}: ${count}`);
  return [
    figures([["Picture", `${found.width}×${found.height}`], ["Codec", codecOf(found)], ["Frames", number(found.frames)], ["Took", clock(found.seconds) + (job.forecast ? ` (forecast: ${clock(job.forecast.seconds)})` : "")], ["Source", bytes(found.source_bytes)], ["Result", bytes(found.result_bytes)]]),
    found.machines.length ? h("div", {}, h("h3", {}, "Machines"), machines(found.machines)) : "",
    list("Checks", found.checks.map((check) => h("span", {}, h("span", {class: `state ${check.ok ? "good" : "bad"}`}, check.ok ? "✓ well" : "✗ not well"), ` ${check.says}`)), "None were made.", "checks"),
    list("Damage in the source", found.damaged ? damage : [], "None."),
    list("Converted", found.converted, "Nothing."), list("Left out", found.left_out, "Nothing."),
    job.decision === "undecided" ? h("div", {class: "buttons"},
      button("Keep both", decide("keep"), {class: "operate main", "data-focus": "keep-"}), button("Replace the original, which goes into the bin folder", decide("replace"), {"data-focus": "replace-"}),
      button("Delete the result", decide("discard"), {class: "operate danger", "data-focus": "discard-"}))
      : h("p", {}, h("strong", {}, DECISIONS[job.decision] ?? job.decision))];
}

$("at").addEventListener("input", () => { $("at-text").textContent = clock($("at").value); });
const NAMES = {leftName: "Source, enlarged plainly", rightName: "Result"};

// Plays the files as they are, if the browser can; else says so.
function playBoth(found) {
  const base = `/api/v1/jobs/${id}/files`;
  $("still-state").textContent = "";
  $("shown").replaceChildren(...player({left: `${base}/source`, right: `${base}/result`, ...NAMES, width: found.width, sound: true, plays: true, onfail: (which) => {
    const what = which === "result" ? `the result (${codecOf(found)})` : "the source";
    $("shown").replaceChildren();
    $("still-state").textContent = `This browser can't play ${what}. Download it and open it with a player such as VLC or mpv, or make ten seconds that every browser plays.`;
  }}));
}

async function pictures(at) {
  $("still-state").textContent = "Taking the pictures …";
  const found = await call("POST", `/jobs/${id}/stills`, {at});
  return [found, found.pictures, comparison];
}

async function clips(at) {
  $("still-state").textContent = "Making ten seconds of both …";
  $("share").hidden = false;
  const found = await clipsOf(call, await call("POST", `/jobs/${id}/clips`, {at}), (share) => { $("share").value = share; });
  return [found, found.clips, player];
}

$("wanted").addEventListener("submit", async (event) => {
  event.preventDefault();
  const at = Number($("at").value);
  try {
    const [found, made, shows] = await (event.submitter?.value === "clip" ? clips(at) : pictures(at));
    $("shown").replaceChildren(...shows({left: made.lanczos, right: made.result, ...NAMES, width: found.width}));
    $("still-state").textContent = "";
  } catch (error) { $("still-state").replaceChildren(h("span", {class: "error"}, error.message)); }
  $("share").hidden = true;
});
for (const which of ["source", "result"]) $(`get-${which}`).href = `/api/v1/jobs/${id}/files/${which}?download=true`;
follow(show, (job, now) => {
  if (String(job) !== id || !$("progress")) return;
  $("progress").textContent = progressText(now);
  if ($("bar")) showBar($("bar"), now);
  $("by").replaceChildren(machines(now.machines) ?? "");
});
repeat(async () => { if (isRunning) await last.look(); }, 5);
