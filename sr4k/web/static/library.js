import {$, bytes, call, clock, figures, h, nameOf, number, toast} from "./common.js";

const chosen = new Map(); // path as it is listed -> entry, whose own path leads where a link does
const forecasts = new Map(); // what is wanted of one video, as text -> its forecast, or {error}
let isAsking = false, timer;

const query = (folder) => (folder === null ? "" : "?folder=" + encodeURIComponent(folder));

async function show(folder) {
  const found = await call("GET", "/library" + query(folder));
  const step = (text, to) => h("button", {type: "button", onclick: () => open(to)}, text);
  $("crumbs").replaceChildren(step("Library", null), ...(found.above === null ? [] : [step("up", found.above)]), found.path === null ? "" : ` ${found.path}`);
  $("entries").replaceChildren(...found.entries.map((each) => entry(each, found.path)));
  if (!found.entries.length) $("entries").append(h("li", {}, h("span"), h("span", {class: "soft"}, "No videos here.")));
  $("entries").append(...found.notes.map((note) => h("li", {}, h("span"), h("span", {class: "soft"}, note))));
}

// Goes to a folder: its address is that of the page from then on, and what is in it is what keys reach next.
async function open(folder) {
  try {
    await show(folder);
    history.pushState(null, "", location.pathname + query(folder));
    $("files-heading").focus();
  } catch (error) { failed(error); }
}

function entry(each, folder) {
  if (each.kind === "folder") return h("li", {}, h("span", {class: "folder", "aria-hidden": "true"}, "▸"),
    h("span", {}, h("button", {type: "button", class: "name", onclick: () => open(each.path)}, each.name)));
  const listed = `${folder}/${each.name}`, id = "v" + encodeURIComponent(listed);
  const box = h("input", {type: "checkbox", id, onchange: () => {
    box.checked ? chosen.set(listed, each) : chosen.delete(listed);
    changed();
  }});
  box.checked = chosen.has(listed);
  return h("li", {}, box, h("label", {for: id}, each.name), h("span", {class: "soft"}, bytes(each.bytes)), h("small", {}, new Date(each.modified * 1000).toLocaleDateString()));
}

// The videos that are chosen, each once, even if a link to it is chosen as well.
const videos = () => [...new Map([...chosen.values()].map((each) => [each.path, each])).values()];

function wanted() {
  const options = {};
  for (const name of ["size", "model", "codec", "speed"]) if ($(name).value) options[name] = $(name).value;
  const target = $("target").value.trim();
  return {sources: videos().map((each) => each.path), target: target ? target.replace(/\/*$/, "/") : null, options, priority: Number($("priority").value)};
}

function changed() {
  const names = videos();
  $("chosen").textContent = names.length ? `${names.length === 1 ? names[0].name : names.length + " videos"}, ${bytes(names.reduce((sum, each) => sum + each.bytes, 0))}` : "Nothing is chosen yet.";
  $("add").disabled = !names.length || document.body.dataset.role !== "operate";
  $("try").hidden = !names.length;
  if (names.length) $("try").href = "/try?path=" + encodeURIComponent(names[0].path);
  clearTimeout(timer);
  timer = setTimeout(forecast, 600);
}

const keyOf = (wanted, path) => JSON.stringify({...wanted, sources: [path], priority: 0});

// Each forecast upscales a few seconds of a video: one at a time, in the order in which videos were chosen.
async function forecast() {
  if (document.body.dataset.role !== "operate") return;
  showForecasts();
  if (isAsking) return;
  isAsking = true;
  for (let next = missing(); next; next = missing()) {
    const now = wanted(), key = keyOf(now, next);
    try { forecasts.set(key, await call("POST", "/forecast", {...now, sources: [next]})); } catch (error) { forecasts.set(key, {error: error.message}); }
    showForecasts();
  }
  isAsking = false;
}

function missing() {
  const now = wanted();
  return now.sources.find((path) => !forecasts.has(keyOf(now, path)));
}

function showForecasts() {
  const now = wanted(), found = now.sources.map((path) => [path, forecasts.get(keyOf(now, path))]);
  if (!found.length) return $("forecast").replaceChildren();
  if (found.length === 1) return $("forecast").replaceChildren(...one(...found[0]));
  const made = found.map(([, each]) => each).filter((each) => each && !each.error), sum = (of) => made.reduce((all, each) => all + (of(each) ?? 0), 0);
  const free = Math.min(...made.map((each) => each.free));
  $("forecast").replaceChildren(...[
    h("p", {}, h("strong", {}, made.length < found.length ? `Forecast for ${made.length} of ${found.length} videos` : `Forecast for all ${found.length} videos`)),
    made.length ? figures([["Take about", clock(sum((each) => each.seconds))], ["Results", bytes(sum((each) => each.bytes))], ["Free there", bytes(free)]]) : null,
    sum((each) => each.bytes) > free ? tooLarge() : null,
    h("ul", {class: "each"}, ...found.map(([path, each]) => h("li", {}, h("span", {}, nameOf(path)), h("span", {class: each?.error ? "error" : "soft"}, inShort(each)))))].filter(Boolean));
}

function inShort(found) {
  if (!found) return "being told …";
  if (found.error) return found.error;
  const left = found.summary.left_out.length;
  return [clock(found.seconds), bytes(found.bytes), ...(left ? [`${left} left out`] : [])].join(" · ");
}

const tooLarge = () => h("p", {class: "error"}, "There is not enough room on the disk for it.");

function one(path, found) {
  if (!found) return [h("p", {}, "Upscaling a few seconds of it, to tell what the job will take …")];
  if (found.error) return [h("p", {class: "error"}, found.error)];
  const {source, video, engine, left_out: left} = found.summary;
  return [
    h("p", {}, h("strong", {}, `Forecast for ${nameOf(path)}`), `: ${source.width}×${source.height} becomes ${video.width}×${video.height}, ${video.codec}, by ${engine.model} on ${engine.engine}.`),
    figures([["Takes about", clock(found.seconds)], ["Speed", `${number(found.fps, 1)} frames a second`], ["Result", bytes(found.bytes)], ["Free there", bytes(found.free)], ["Memory", bytes(found.memory)]]),
    left.length ? h("div", {}, "Left out, because the result can't hold it:", h("ul", {}, ...left.map((each) => h("li", {}, each)))) : h("p", {}, "Nothing is left out."),
    ...(found.bytes > found.free ? [tooLarge()] : [])];
}

const inAddress = () => new URLSearchParams(location.search).get("folder");
const failed = (error) => toast(error.message, true);

$("options").addEventListener("change", changed);
$("options").addEventListener("submit", (event) => event.preventDefault());
$("add").addEventListener("click", async () => {
  try {
    const added = await call("POST", "/jobs", wanted());
    chosen.clear();
    for (const box of document.querySelectorAll("#entries input")) box.checked = false;
    changed();
    toast(added.length === 1 ? "Added to the queue." : `${added.length} videos were added to the queue.`);
  } catch (error) { failed(error); }
});
call("GET", "/models").then((models) => $("model").append(...models.filter((each) => !each.trouble).map((each) => h("option", {value: each.name}, each.name + (each.own ? "" : " (added by you)"))))).catch(failed);
addEventListener("popstate", () => show(inAddress()).then(() => $("files-heading").focus()).catch(failed));
show(inAddress()).catch((error) => { failed(error); show(null).catch(failed); });
