import {$, call, clock, comparison, h, nameOf} from "./common.js";

const path = new URLSearchParams(location.search).get("path");
const WORDS = {lanczos: "Plain enlargement (Lanczos)"};
const named = (name) => WORDS[name] ?? `Network ${name}`;

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

$("at").addEventListener("input", () => { $("at-text").textContent = clock($("at").value); });
$("wanted").addEventListener("submit", async (event) => {
  event.preventDefault();
  const [left, right] = [$("left").value, $("right").value], make = event.target.querySelector("button");
  const models = [...new Set([right, left])].filter((name) => name !== "lanczos");
  make.disabled = true;
  $("state").textContent = "Making the pictures …";
  try {
    const found = await call("POST", "/tries", {path, at: Number($("at").value), models: models.length ? models : ["luma"]});
    $("shown").replaceChildren(...comparison({left: found.pictures[left], right: found.pictures[right], leftName: named(left), rightName: named(right), width: found.width}));
    $("shown").hidden = false;
    $("state").textContent = `${found.source_width}×${found.source_height} becomes ${found.width}×${found.height}.`;
  } catch (error) { $("state").replaceChildren(h("span", {class: "error"}, error.message)); }
  make.disabled = false;
});
if (path) begin().catch((error) => { $("state").textContent = error.message; });
