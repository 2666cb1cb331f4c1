// Figures of a channel over the last hour or day, as lines. Now is at the right.
import {h, number} from "./common.js";

const SECONDS = {hour: 3600, day: 86400};
const WIDTH = 600, HEIGHT = 100;
const PLOTS = [["Pictures a second", 1, ["fps", "in", 1], ["fps_out", "out", 1]], ["Latency, ms", 0, ["latency", "median", 1000]], ["Bit rate, Mbit/s", 2, ["bits_in", "in", 1e-6], ["bits_out", "out", 1e-6]],
  ["Rung of the ladder", 0, ["rung", "rung", 1]], ["Pictures left out", 0, ["dropped", "since the line before", 1, true]], ["Sound after picture, ms", 0, ["av_offset_ms", "offset", 1]]];

export const plots = (figures, span) => PLOTS.map(([title, digits, ...lines]) => plot(figures, span, title, digits, lines));

function values(figures, [key, , by, isCount], seconds) {
  const now = Date.now() / 1000, found = figures.filter((each) => typeof each[key] === "number" && each.at > now - seconds);
  return found.map((each, index) => ({at: each.at, x: WIDTH * (1 - (now - each.at) / seconds), y: by * (isCount ? Math.max(0, each[key] - (found[index - 1]?.[key] ?? each[key])) : each[key])}));
}

// A line that is interrupted where nothing was measured.
function path(points, least, most, seconds) {
  const y = (value) => (HEIGHT - 4 - (HEIGHT - 8) * (value - least) / (most - least)).toFixed(1);
  return points.map((each, index) => `${index && each.at - points[index - 1].at < seconds / 100 ? "L" : "M"}${each.x.toFixed(1)},${y(each.y)}`).join("");
}

function plot(figures, span, title, digits, lines) {
  const seconds = SECONDS[span], all = lines.map((line) => values(figures, line, seconds)), flat = all.flat().map((each) => each.y);
  const most = Math.max(...flat, 10 ** -digits), least = Math.min(...flat, 0);
  const svg = svgOf("svg", {viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", role: "img"});
  const last = all.map((points, index) => `${lines.length > 1 ? `${lines[index][1]} ` : ""}${points.length ? number(points.at(-1).y, digits) : "–"}`).join(", ");
  svg.setAttribute("aria-label", `${title}: ${flat.length ? `from ${number(Math.min(...flat), digits)} to ${number(Math.max(...flat), digits)}; now ${last}` : "nothing measured"}`);
  all.forEach((points, index) => svg.append(svgOf("path", {d: path(points, least, most, seconds), class: `line${index}`})));
  return h("figure", {}, h("figcaption", {}, h("span", {}, title), h("strong", {}, last)),
    h("div", {class: "plot"}, h("span", {class: "most"}, number(most, digits)), h("span", {class: "least"}, number(least, digits)), svg),
    h("div", {class: "axis"}, h("span", {}, span === "hour" ? "an hour ago" : "a day ago"), h("span", {}, "now")));
}

function svgOf(tag, props) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(props)) made.setAttribute(name, value);
  return made;
}
