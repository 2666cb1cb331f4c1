import {$, PRIORITIES, ask, bytes, call, h, number, toast} from "./common.js";

const EMPTY = {folder: "", smaller_than: [2560, 1440], names: [], but_not: [], stable: 30, output: "{stem} 4K.mkv", options: {size: "4k"}, priority: 0, polling: false, once_done: "keep"};
const SIZES = [["", "Twice as wide and as high"], ["4k", "4K: fits into 3840×2160"], ["2560x1440", "1440p: fits into 2560×1440"], ["1920x1080", "1080p: fits into 1920×1080"]];
const mayChange = document.body.dataset.role === "operate";
let models = [], roots = [], count = 0, isFilled = false, version;

// Does something while nobody can type: it would be lost. Before it is filled, the form can't be used at all.
async function alone(does) {
  const had = document.activeElement;
  $("fields").disabled = true;
  try { await does(); } finally {
    $("fields").disabled = !mayChange || !isFilled;
    (had.isConnected ? had : $("save")).focus(); // a watch folder is shown anew once it is saved
  }
}

async function fill() {
  const [[settings, told], found, library, bins] = await Promise.all([ask("GET", "/settings"), call("GET", "/models"), call("GET", "/library"), call("GET", "/bins")]);
  [models, roots] = [found.filter((each) => !each.trouble).map((each) => each.name), library.entries.map((each) => each.path)];
  const [begin, end] = (settings.hours ?? "-").split("-");
  $("begin").value = begin;
  $("end").value = end;
  $("at_once").value = settings.at_once;
  $("watch").replaceChildren(...Object.entries(settings.watch).map(([name, folder]) => card(name, folder)));
  $("bins").replaceChildren(...bins.map((bin) => h("div", {}, h("dt", {}, bin.path), h("dd", {}, bin.files ? `${number(bin.files)} file${bin.files === 1 ? "" : "s"}, ${bytes(bin.bytes)}` : "empty"))));
  wrong(null);
  [version, isFilled] = [told, true];
}

// A part of the form for one watch folder, whose fields are named after their keys.
function card(name, folder) {
  const id = `w${count++}`, text = (value) => value.join(", ");
  const field = (key, label, input, hint = "", of = key) => {
    input.id = `${id}-${key}`;
    input.dataset.key = key;
    return h("div", {"data-where": of}, h("label", {for: input.id}, label), input, hint ? h("p", {class: "hint"}, hint) : null);
  };
  const input = (value, more = {}) => h("input", {type: "text", value, autocomplete: "off", spellcheck: "false", ...more});
  const select = (value, options) => h("select", {}, ...withOther(value, options).map(([each, words]) => h("option", {value: each, selected: each === value}, words)));
  const known = Object.fromEntries(Object.entries(folder.options).filter(([, value]) => value !== null));
  const made = h("fieldset", {class: "card watched"}, h("legend", {}, name || "New watch folder"),
    h("div", {class: "grid"},
      field("name", "Name", input(name), "Letters, digits, dots, dashes and underscores.", ""),
      field("folder", "Folder", input(folder.folder), `It has to lie in ${roots.join(" or ")}.`),
      field("names", "Only files called", input(text(folder.names), {placeholder: "all videos"}), "Patterns with commas between, such as *.mkv, *.mp4."),
      field("but_not", "But none called", input(text(folder.but_not), {placeholder: "none is left alone"}), "Patterns such as sample*."),
      field("smaller_than", "Only pictures smaller than", input(folder.smaller_than ? folder.smaller_than.join("×") : "", {placeholder: "of any size"}), "Width × height: smaller in both directions."),
      field("stable", "Unchanged for so many seconds", h("input", {type: "number", min: 1, value: folder.stable}), "Then a file counts as written."),
      field("output", "Name of the result", input(folder.output), "{stem} is the name of the video; {suffix}, {width} and {height} are known too."),
      field("size", "Size of the picture", select(folder.options.size ?? "", SIZES), "", "options.size"),
      field("model", "Network", select(folder.options.model ?? "", [["", "As usual (luma)"], ...models.map((each) => [each, each])]), "", "options.model"),
      field("priority", "When its jobs run", select(String(folder.priority), PRIORITIES.map(([value, words]) => [String(value), words[0].toUpperCase() + words.slice(1)]))),
      field("once_done", "When a job is done", select(folder.once_done, [["keep", "Keep both files"], ["replace", "Replace the original, if all checks are well"]]), "The original goes into the bin."),
      field("polling", "Network drive", select(folder.polling ? "yes" : "no", [["no", "No"], ["yes", "Yes: look every few seconds"]]), "Network drives tell nothing of new files.")),
    h("div", {class: "buttons operate"}, h("button", {type: "button", class: "danger", onclick: () => made.remove()}, "Watch it no more")));
  made.options = known; // those that the form doesn't show stay as they are
  return made;
}

const withOther = (value, options) => (options.some(([each]) => each === value) ? options : [...options, [value, value]]);

function read() {
  const [begin, end] = [$("begin").value, $("end").value], watch = {};
  for (const each of $("watch").children) {
    const value = (key) => each.querySelector(`[data-key="${key}"]`).value.trim(), list = (key) => value(key).split(",").map((one) => one.trim()).filter(Boolean);
    const size = value("smaller_than"), name = value("name");
    if (!name) throw fault(`[data-key="name"]`, each, "Give it a name.");
    if (name in watch) throw fault(`[data-key="name"]`, each, "Another folder has this name.");
    const sides = size.split(/[x×*]/).map((side) => Number(side.trim()));
    if (size && (sides.length !== 2 || !sides.every((side) => Number.isInteger(side)))) throw fault(`[data-key="smaller_than"]`, each, "Give a width and a height, such as 2560×1440.");
    each.dataset.name = name;
    watch[name] = {folder: value("folder"), names: list("names"), but_not: list("but_not"), smaller_than: size ? sides : null, stable: Number(value("stable")), output: value("output"),
      options: {...each.options, size: value("size") || null, model: value("model") || null}, priority: Number(value("priority")), once_done: value("once_done"), polling: value("polling") === "yes"};
  }
  return {hours: begin || end ? `${begin}-${end}` : null, at_once: Number($("at_once").value), watch};
}

function fault(selector, inside, text) {
  return Object.assign(new Error(text), {at: inside.querySelector(selector).closest("[data-where]")});
}

// Returns the part of the form that an error's field stands for: `at_once`, or `watch.inbox.stable`.
function partOf(where) {
  if (!where?.startsWith("watch.")) return where ? document.querySelector(`#general [data-where="${CSS.escape(where)}"]`) : null;
  const folder = [...$("watch").children].find((each) => where.startsWith(`watch.${each.dataset.name}.`));
  const key = folder ? where.slice(`watch.${folder.dataset.name}.`.length) : "";
  return folder ? [...folder.querySelectorAll("[data-where]")].find((each) => each.dataset.where && (key === each.dataset.where || key.startsWith(each.dataset.where + "."))) : null;
}

// Shows an error beside its field, or below the form.
function wrong(error) {
  for (const each of document.querySelectorAll(".wrong")) each.remove();
  for (const each of document.querySelectorAll("[aria-invalid]")) { each.removeAttribute("aria-invalid"); each.removeAttribute("aria-describedby"); }
  const at = error && (error.at ?? partOf(error.where));
  $("wrong").hidden = !error || Boolean(at);
  if (!error) return;
  let text = error.where && error.message.startsWith(error.where) ? error.message.slice(error.where.length).replace(/^:? /, "") : error.message;
  text = text[0].toUpperCase() + text.slice(1);
  if (!at) { $("wrong").textContent = text; return; }
  at.append(h("p", {class: "error wrong", id: "fault", role: "alert"}, text));
  const input = at.querySelector("input, select");
  input.setAttribute("aria-invalid", "true");
  input.setAttribute("aria-describedby", "fault");
  input.focus();
}

$("more").addEventListener("click", () => {
  const made = card("", {...EMPTY, folder: roots[0] ?? ""});
  $("watch").append(made);
  made.querySelector("input").focus();
});
$("again").addEventListener("click", () => alone(fill).catch((error) => toast(error.message, true)));
$("settings").addEventListener("submit", async (event) => {
  event.preventDefault();
  try {
    const wanted = read();
    await alone(async () => { await ask("PUT", "/settings", wanted, version); await fill(); });
    toast("Saved.");
  } catch (error) { wrong(error); }
});
$("watch").dataset.empty = "No folder is watched.";

async function begin() {
  try { await alone(fill); } catch (error) {
    toast(error.message, true);
    setTimeout(begin, 5000);
  }
}
begin();
