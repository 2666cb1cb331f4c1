import {button, call, clock, figures, h, number} from "./common.js";

const WORDS = {live: ["live", "good"], connecting: ["connecting", "warn"], waiting: ["waiting to try again", "warn"], away: ["away", "bad"], hangs: ["hangs", "bad"], ended: ["ended", ""]};
const PHASES = {starting: ["starting", "warn"], running: ["does not report", "bad"], waiting: ["down, will be restarted", "bad"], ended: ["ended", "bad"]};
const CAUSES = {late: "late", ladder: "too slow", clock: "clock", backlog: "backlog", full: "no room"};

export const badge = ([word, colour]) => h("span", {class: `state ${colour}`}, word);
const reasoned = (end) => end.reason && end.state !== "live" ? h("span", {class: "soft"}, end.reason) : null;

export function whole(channel) {
  if (channel.halted) return ["stopped by you", ""];
  return channel.ready ? ["live, in and out", "good"] : channel.up && channel.phase === "running" ? ["not wholly live", "warn"] : PHASES[channel.phase];
}

export function ends(channel) {
  const line = (name, end) => h("li", {}, h("span", {}, `${name} `, reasoned(end)), badge(WORDS[end.state] ?? [end.state, ""]));
  const found = channel.in ? [line(`In: ${channel.in.source || "source"}`, channel.in), ...channel.out.map((each) => line(`Out: ${each.target}`, each))] : [];
  return h("ul", {class: "ends"}, ...found);
}

export function facts(channel) {
  const {intake, playout} = channel;
  if (!intake) return h("p", {class: "error"}, channel.error ?? "It does not run.");
  const drops = Object.entries(intake.dropped).filter(([, count]) => count).map(([cause, count]) => `${CAUSES[cause] ?? cause} ${count}`).join(", ");
  const median = playout.latency?.median ?? null;
  return figures([["Pictures in", `${number(intake.fps, 1)} a second`], ["Latency", median === null ? "–" : `${number(median * 1000)} ms`], ["Ladder", intake.rung ? `step ${intake.rung}: ${intake.rung_name}` : "all by the network"],
    ["Left out", drops || "none"], ["Sound after picture", playout.av_offset_ms === null ? "–" : `${number(playout.av_offset_ms)} ms`], ["Up for", channel.began ? clock(Date.now() / 1000 - channel.began) : "–"]]);
}

export function actions(channel, again) {
  const act = (what) => () => call("POST", `/channels/${channel.name}/${what}`).then(again);
  return h("div", {class: "buttons"}, channel.halted ? button("Start", act("start")) : button("Stop", act("stop"), {class: "operate danger"}), channel.halted ? null : button("Restart", act("restart")));
}
