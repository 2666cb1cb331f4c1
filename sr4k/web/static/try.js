import {$, call, clock, comparison, h, nameOf} from "./common.js";
import {clipsOf, player} from "./player.js";

const path = new URLSearchParams(location.search).get("path");
const WORDS = {lanczos: "Plain enlargement (Lanczos)"};
const named = (name) => WORDS[name] ?? `Network ${name}`;
let making = null; // number of the clips that are being made

async function begin() {
  $("video").textContent = nameOf(path);
  $("state").textContent = "Looking into the video …";
  const [about, models] = await Promise.all([call("GET", "/probe?path=" + encodeURIComponent(path)), call("GET", "/models")]);
  const seconds = Math.max(0, (about.seconds ?? 0) - 0.2);
  const names = ["lanczos", ...models.filter((each) => !each.trouble && each.scale !== 1).map((each) => each.name)];
  for (const side of ["left", "right"]) $(side).replaceChildren(...names.map((name) => h("option", {value: name}, named(name))));
  $("right").value = names.includes("luma") ? "luma" : names[1];
  $("at").max = seconds.toFixed(1);
  $("at").value = (seconds / 2).toFixed(1);
  $("at").dispatchEvent(new Event("input"));
  $("state").textContent = "";
  $("wanted").hidden = document.body.dataset.role !== "operate";
}

function isBusy(is) {
  $("picture").disabled = $("clip").disabled = is;
  $("share").hidden = $("stop").hidden = true;
}

async function pictures(wanted) {
  $("state").textContent = "Making the pictures …";
  const found = await call("POST", "/tries", wanted);
  return [found, found.pictures, comparison];
}

async function clips(wanted) {
  $("state").textContent = "Making ten seconds in both ways; on a slow machine this takes minutes.";
  $("share").hidden = $("stop").hidden = false;
  $("share").value = 0;
  const begun = await call("POST", "/clips", wanted);
  making = begun.number;
  const found = await clipsOf(call, begun, (share) => { $("share").value = share; });
  return [found, found.clips, player];
}

$("at").addEventListener("input", () => { $("at-text").textContent = clock($("at").value); });
$("stop").addEventListener("click", () => { if (making) call("DELETE", `/clips/${making}`).catch(() => {}); });
$("wanted").addEventListener("submit", async (event) => {
  event.preventDefault();
  const [left, right] = [$("left").value, $("right").value];
  const models = [...new Set([right, left])].filter((name) => name !== "lanczos");
  const wanted = {path, at: Number($("at").value), models: models.length ? models : ["luma"]};
  isBusy(true);
  try {
    const [found, made, shows] = await (event.submitter?.value === "clip" ? clips(wanted) : pictures(wanted));
    $("shown").replaceChildren(...shows({left: made[left], right: made[right], leftName: named(left), rightName: named(right), width: found.width}));
    $("shown").hidden = false;
    $("state").textContent = `${found.source_width}×${found.source_height} becomes ${found.width}×${found.height}.`;
  } catch (error) { $("state").replaceChildren(h("span", {class: "error"}, error.message)); }
  isBusy(false);
});
if (path) begin().catch((error) => { $("state").textContent = error.message; });
