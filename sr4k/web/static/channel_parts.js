// What the wall and the page of one channel share: states in words and colour, pictures, figures and buttons.
import {button, call, clock, figures, h, keepFocus, number} from "./common.js";

const WORDS = {live: ["live", "good"], connecting: ["connecting", "warn"], waiting: ["waiting to try again", "warn"], away: ["away", "bad"], hangs: ["hangs", "bad"],
  off: ["turned off", ""], stopped: ["stopped", ""], idle: ["waits for pictures", ""], ended: ["ended", ""]};
const PHASES = {starting: ["starting", "warn"], running: ["does not report", "bad"], waiting: ["down, will be restarted", "bad"], ended: ["ended", "bad"], stopped: ["stopped by you", ""]};
const CAUSES = {late: "late", ladder: "too slow", clock: "clock", backlog: "backlog", full: "no room"};

const badge = ([word, colour]) => h("span", {class: `state ${colour}`}, word);
const mega = (bits) => number(bits / 1e6, bits < 1e7 ? 2 : 1);

export function whole(channel) {
  if (channel.halted && channel.phase !== "stopped") return ["stopping", "warn"];
  if (channel.up && channel.wishes.slate) return ["slate is sent", "warn"];
  return channel.ready ? ["live, in and out", "good"] : channel.up && channel.phase === "running" ? ["not wholly live", "warn"] : PHASES[channel.phase];
}

function end(name, about, more = null) {
  const why = about.reason && about.state !== "live" && about.state !== "off" ? h("span", {class: "soft why"}, about.reason) : null;
  return h("li", {}, h("span", {class: "address"}, h("span", {class: "soft"}, name), ` ${about.source ?? about.target ?? ""}`, why), badge(WORDS[about.state] ?? [about.state, ""]), more);
}

// The source and all targets; with again(), targets can be turned on and off.
export function ends(channel, again = null) {
  const toggle = (number) => {
    if (again === null || channel.out.length < 2) return null;
    const off = channel.wishes.off.includes(number);
    return button(off ? "Turn on" : "Turn off", () => call("PUT", `/channels/${channel.name}/targets/${number}`, {on: off}).then(again), {class: "operate small", "data-focus": `target${number}-${channel.name}`, "aria-label": `${off ? "Turn on" : "Turn off"} target ${number}`});
  };
  return h("ul", {class: "ends"}, end("In", channel.in), ...channel.out.map((each, index) => end(channel.out.length > 1 ? `Out ${index + 1}` : "Out", each, toggle(index + 1))));
}

export function facts(channel) {
  const {intake, playout} = channel;
  const error = channel.error ? h("p", {class: "error"}, channel.error) : null;
  if (!intake) return error ?? h("p", {class: "soft"}, channel.phase === "stopped" ? "It does not run." : "It has not reported yet.");
  const drops = Object.entries(intake.dropped).filter(([, count]) => count).map(([cause, count]) => `${CAUSES[cause] ?? cause} ${number(count)}`).join(", ");
  const median = playout.latency?.median ?? null, out = channel.playout.targets.reduce((sum, each) => sum + each.bitrate, 0);
  const ladder = (intake.rung ? `rung ${intake.rung}: ${intake.rung_name}` : "all by the network") + (intake.pinned ? " (pinned)" : "");
  return h("div", {}, error, figures([["Pictures a second", `${number(intake.fps, 1)} in, ${number(playout.fps, 1)} out`], ["Latency", median === null ? "–" : `${number(median * 1000)} ms`],
    ["Bit rate, Mbit/s", `${mega(intake.bitrate)} in, ${mega(out)} out`], ["Sound after picture", playout.av_offset_ms === null ? "–" : `${number(playout.av_offset_ms)} ms`],
    ["Up for", channel.began ? clock(Date.now() / 1000 - channel.began) : "–"], ["Left out", drops || "none"], ["Ladder", ladder]]));
}

export function actions(channel, again) {
  const {name, halted, wishes} = channel;
  const act = (what) => () => call("POST", `/channels/${name}/${what}`).then(again);
  const slate = () => call("PUT", `/channels/${name}/slate`, {shown: !wishes.slate}).then(again);
  if (halted) return h("div", {class: "buttons"}, button("Start", act("start"), {class: "operate main", "data-focus": `run-${name}`}));
  return h("div", {class: "buttons"}, button(wishes.slate ? "Back to the source" : "Slate now", slate, {"aria-pressed": String(wishes.slate), "data-focus": `slate-${name}`}),
    button("Restart", act("restart"), {"data-focus": `restart-${name}`}), button("Stop", act("stop"), {class: "operate danger", "data-focus": `run-${name}`}));
}

// Small pictures of what comes in and goes out, and a function that looks for the next ones.
export function pictures(name) {
  const both = [["in", "What comes in"], ["out", "What goes out"]].map(([end, text]) => {
    const figure = h("figure", {}, h("p", {class: "none"}, "no picture"), h("figcaption", {}, text));
    let waits = false;
    const look = () => {
      const {top, bottom} = figure.getBoundingClientRect();
      if (waits || bottom < 0 || top > innerHeight) return;
      waits = true;
      const shown = (element) => { waits = false; figure.firstChild.replaceWith(element); };
      const next = h("img", {alt: `${text}: ${name}`, src: `/api/v1/channels/${name}/pictures/${end}.jpg?${Date.now()}`,
        onload: () => shown(next), onerror: () => shown(h("p", {class: "none"}, "no picture"))});
    };
    return {figure, look};
  });
  return {made: h("div", {class: "pictures"}, ...both.map((each) => each.figure)), look: (runs) => { if (runs) for (const each of both) each.look(); }};
}

// A part of a page that is made anew when what it shows has changed, but not while a button of it is held down.
export function part(make) {
  const made = h("div", {});
  let known = "";
  return {made, show: (about, ...more) => {
    const fresh = make(about, ...more), text = fresh.outerHTML;
    if (text === known || made.querySelector(":active")) return;
    known = text;
    keepFocus(() => made.replaceChildren(fresh));
  }};
}

export const state = () => part((channel) => badge(whole(channel)));
