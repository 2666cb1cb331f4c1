import {$, call, h, repeat, toast} from "./common.js";
import {actions, ends, facts, part, pictures, state} from "./channel_parts.js";
import {plots} from "./plots.js";
import {player} from "./live_player.js";

const name = decodeURIComponent(location.pathname.split("/").pop());
const EVENTS = {connected: "good", on: "good", retry: "warn", ladder: "warn", slate: "warn", off: "warn", restart: "bad", failed: "bad", ended: "", operator: ""};
const at = (seconds) => h("time", {datetime: new Date(seconds * 1000).toISOString()}, new Date(seconds * 1000).toLocaleTimeString());
const parts = {state: state(), actions: part((channel) => actions(channel, show)), ends: part((channel) => ends(channel, show)), facts: part(facts), ladder: part((channel) => ladder(channel))};
const seen = pictures(name), played = player(name);
let span = "hour", ticks = 0;

$("name").textContent = document.title = name;
$("now").append(h("div", {class: "heading"}, parts.state.made, parts.actions.made), seen.made, parts.ends.made, parts.facts.made, parts.ladder.made);
$("played").append(played.made);
for (const each of ["hour", "day"]) $("spans").append(h("button", {type: "button", "aria-pressed": String(each === span), id: each, onclick: () => choose(each)}, each === "hour" ? "1 hour" : "24 hours"));

function choose(chosen) {
  span = chosen;
  for (const each of ["hour", "day"]) $(each).setAttribute("aria-pressed", String(each === span));
  look().catch(() => {});
}

function ladder(channel) {
  const rungs = channel.intake?.rungs ?? [];
  if (!rungs.length) return h("div", {});
  const {rung} = channel.wishes;
  const select = h("select", {id: "rung", "data-focus": `rung-${name}`, onchange: async () => {
    await call("PUT", `/channels/${name}/rung`, {rung: select.value === "" ? null : Number(select.value)}).catch((error) => toast(error.message, true));
    show().catch(() => {});
  }}, h("option", {value: "", selected: rung === null}, "As good as the machine's speed allows"), ...rungs.map((text, index) => h("option", {value: index, selected: rung === index}, `Always: ${text}`)));
  return h("div", {class: "operate"}, h("label", {for: "rung"}, "Network and ladder"), select);
}

async function show() {
  let channel;
  try { channel = await call("GET", `/channels/${name}`); } catch (error) { parts.facts.made.replaceChildren(h("p", {class: "error"}, error.message)); return; }
  for (const each of Object.values(parts)) each.show(channel);
  seen.look(channel.up);
  played.show(channel);
  $("watch-card").hidden = !channel.out.some((each) => each.playlist);
}

async function look() {
  const {figures, log} = await call("GET", `/channels/${name}/history?span=${span}`);
  $("plots").replaceChildren(...plots(figures, span));
  const latest = log.toReversed(), events = latest.filter((line) => line.event in EVENTS).slice(0, 50);
  $("events").replaceChildren(...events.map((line) => h("li", {}, at(line.at), h("span", {class: `dot ${EVENTS[line.event]}`}), h("span", {}, line.text))));
  if (!events.length) $("events").append(h("li", {class: "soft"}, "Nothing since the service has started."));
  $("log").replaceChildren(...latest.map((line) => h("li", {}, at(line.at), ` ${line.text}`)));
  if (!log.length) $("log").append(h("li", {class: "soft"}, "Nothing since the service has started."));
}

repeat(async () => { await show(); if (ticks++ % 5 === 0) await look(); }, 1);
