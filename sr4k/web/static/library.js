import {$, bytes, call, clock, figures, h, nameOf, number, toast} from "./common.js";

const chosen = new Map(); // path -> entry
let asked = "", asking = false, timer;

async function show(folder) {
  const found = await call("GET", "/library" + (folder === null ? "" : "?folder=" + encodeURIComponent(folder)));
  const step = (text, to) => h("button", {type: "button", onclick: () => show(to).catch(failed)}, text);
  $("crumbs").replaceChildren(step("Library", null), ...(found.above === null ? [] : [step("up", found.above)]), found.path === null ? "" : ` ${found.path}`);
  $("entries").replaceChildren(...found.entries.map(entry));
  if (!found.entries.length) $("entries").append(h("li", {}, h("span"), h("span", {class: "soft"}, "No videos here.")));
}

function entry(each) {
  if (each.kind === "folder") return h("li", {}, h("span", {class: "folder", "aria-hidden": "true"}, "▸"),
    h("span", {}, h("button", {type: "button", class: "name", onclick: () => show(each.path).catch(failed)}, each.name)));
  const box = h("input", {type: "checkbox", id: "v" + each.path, onchange: () => {
    box.checked ? chosen.set(each.path, each) : chosen.delete(each.path);
    changed();
  }});
  box.checked = chosen.has(each.path);
  return h("li", {}, box, h("label", {for: "v" + each.path}, each.name), h("span", {class: "soft"}, bytes(each.bytes)), h("small", {}, new Date(each.modified * 1000).toLocaleDateString()));
}

function wanted() {
  const options = {};
  for (const name of ["size", "model", "codec", "speed"]) if ($(name).value) options[name] = $(name).value;
  const target = $("target").value.trim();
  return {sources: [...chosen.keys()], target: target ? target.replace(/\/*$/, "/") : null, options};
}

function changed() {
  const names = [...chosen.values()];
  $("chosen").textContent = names.length ? `${names.length === 1 ? names[0].name : names.length + " videos"}, ${bytes(names.reduce((sum, each) => sum + each.bytes, 0))}` : "Nothing is chosen yet.";
  $("add").disabled = !names.length || document.body.dataset.role !== "operate";
  $("try").hidden = !names.length;
  if (names.length) $("try").href = "/try?path=" + encodeURIComponent(names[0].path);
  clearTimeout(timer);
  timer = setTimeout(forecast, 600);
}

// One forecast at a time: each upscales a few seconds of the first video.
async function forecast() {
  const {sources, ...rest} = wanted();
  if (document.body.dataset.role !== "operate") return;
  if (!sources.length) { asked = ""; $("forecast").replaceChildren(); return; }
  const now = {sources: sources.slice(0, 1), ...rest}, key = JSON.stringify(now);
  if (asking || key === asked) return;
  asking = true; asked = key;
  $("forecast").replaceChildren(h("p", {}, "Upscaling a few seconds of it, to tell what the job will take …"));
  try { told(await call("POST", "/forecast", now), sources.length); } catch (error) { $("forecast").replaceChildren(h("p", {class: "error"}, error.message)); }
  asking = false;
  forecast();
}

function told(found, count) {
  const {source, video, engine, left_out: left} = found.summary;
  $("forecast").replaceChildren(
    h("p", {}, h("strong", {}, `Forecast for ${nameOf(found.source)}`), `: ${source.width}×${source.height} becomes ${video.width}×${video.height}, ${video.codec}, by ${engine.model} on ${engine.engine}.`),
    figures([["Takes about", clock(found.seconds)], ["Speed", `${number(found.fps, 1)} frames a second`], ["Result", bytes(found.bytes)], ["Free there", bytes(found.free)], ["Memory", bytes(found.memory)]]),
    left.length ? h("div", {}, "Left out, because the result can't hold it:", h("ul", {}, ...left.map((each) => h("li", {}, each)))) : h("p", {}, "Nothing is left out."),
    count > 1 ? h("p", {class: "hint"}, `The other ${count - 1} are not forecast here.`) : null,
    found.bytes > found.free ? h("p", {class: "error"}, "There is not enough room on the disk for it.") : null);
}

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
show(null).catch(failed);
