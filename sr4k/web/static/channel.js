import {$, call, h, number, repeat} from "./common.js";
import {actions, badge, ends, facts, whole} from "./channel_parts.js";

const name = decodeURIComponent(location.pathname.split("/").pop());
const PLOTS = [["fps", "Pictures in, a second", 1], ["latency", "Latency, ms", 1000], ["rung", "Step of the ladder", 1], ["dropped", "Pictures left out", 1], ["av_offset_ms", "Sound after picture, ms", 1]];

async function show() {
  let channel;
  try { channel = await call("GET", `/channels/${name}`); } catch (error) { $("now").replaceChildren(h("p", {class: "error"}, error.message)); return; }
  const {figures: past, log} = await call("GET", `/channels/${name}/history`);
  $("name").textContent = name;
  if (!$("now").contains(document.activeElement)) $("now").replaceChildren(badge(whole(channel)), ends(channel), facts(channel), actions(channel, show));
  $("plots").replaceChildren(...PLOTS.map(([key, text, by]) => plot(past, key, text, by)));
  $("log").replaceChildren(...log.toReversed().map((line) => h("li", {}, h("time", {}, new Date(line.at * 1000).toLocaleTimeString()), ` ${line.text}`)));
  if (!log.length) $("log").append(h("li", {class: "soft"}, "Nothing since this page's service has started."));
}

// A line of the figures of the last hour; now is at the right.
function plot(past, key, text, by) {
  const now = Date.now() / 1000, points = past.filter((each) => typeof each[key] === "number").map((each) => [600 - (now - each.at) / 6, each[key] * by]);
  const most = Math.max(...points.map(([, value]) => value), 1e-9), least = Math.min(...points.map(([, value]) => value), 0), last = points.at(-1)?.[1];
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg"), line = document.createElementNS("http://www.w3.org/2000/svg", "polyline");
  svg.setAttribute("viewBox", "0 0 600 100");
  svg.setAttribute("preserveAspectRatio", "none");
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", `${text}: ${last === undefined ? "no figures yet" : `from ${number(least, 1)} to ${number(most, 1)}, now ${number(last, 1)}`}`);
  line.setAttribute("points", points.map(([x, value]) => `${x.toFixed(1)},${(96 - 92 * (value - least) / (most - least)).toFixed(1)}`).join(" "));
  svg.append(line);
  return h("figure", {}, h("figcaption", {}, h("span", {}, text), h("strong", {}, last === undefined ? "–" : number(last, 1))), svg);
}

repeat(show, 5);
