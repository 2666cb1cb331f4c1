// Two videos in step: one over the other with a slider between them, or side by side.
import {clock, h} from "./common.js";

const APART = 0.02; // seconds that two videos may be apart; then the left one goes a little faster or slower
const JUMP = 0.4; // seconds from which on it is set to the other's time

// Returns elements. left, right: addresses; width: of the result in pixels; sound: whether there may be some, which is
// off at first; plays: whether it begins by itself; onfail: called once if one can't be played.
export function player({left, right, leftName, rightName, width, sound = false, plays = false, onfail}) {
  const video = (src, side, name) => {
    const made = h("video", {src, class: side, preload: "auto", playsinline: true, "aria-label": name, disablepictureinpicture: true});
    made.muted = true;
    return made;
  };
  const ours = video(right, "right", rightName), theirs = video(left, "left", leftName);
  const frame = h("div", {class: "frame"}, theirs, ours, h("div", {class: "line"}));
  const box = h("div", {class: "compare"}, frame);
  box.style.setProperty("--real", width / devicePixelRatio + "px");
  const border = h("input", {type: "range", min: 0, max: 100, value: 50, step: 0.5, "aria-label": `Border between ${leftName} and ${rightName}`,
    oninput: () => box.style.setProperty("--cut", border.value + "%")});
  const time = h("output", {}, clock(0));
  const seek = h("input", {type: "range", min: 0, max: 1, value: 0, step: 0.01, "aria-label": "Time in the video", disabled: true, oninput: () => go(Number(seek.value))});
  const play = h("button", {type: "button", class: "main", disabled: true, onclick: () => (ours.paused ? start() : stop())}, "Play");
  const toggle = (text, name, does) => {
    const made = h("button", {type: "button", "aria-pressed": "false", onclick: () => {
      made.setAttribute("aria-pressed", String(box.classList.toggle(name)));
      does?.();
    }}, text);
    return made;
  };
  const beside = toggle("Side by side", "beside", () => { border.hidden = box.classList.contains("beside"); });
  const zoom = toggle("1:1, pixel by pixel", "full", () => {
    if (box.classList.contains("full")) { box.tabIndex = 0; box.scrollLeft = (box.scrollWidth - box.clientWidth) / 2; box.scrollTop = (box.scrollHeight - box.clientHeight) / 2; } else box.removeAttribute("tabindex");
  });
  const volume = h("button", {type: "button", "aria-pressed": "false", hidden: !sound, onclick: () => {
    ours.muted = !ours.muted;
    volume.setAttribute("aria-pressed", String(!ours.muted));
  }}, "Sound");

  function go(seconds) {
    ours.currentTime = theirs.currentTime = seconds;
    time.textContent = `${clock(seconds)} of ${clock(ours.duration)}`;
  }
  async function start() {
    if (ours.ended) go(0);
    else theirs.currentTime = ours.currentTime;
    await Promise.all([ours.play(), theirs.play()]).catch(() => stop());
  }
  function stop() {
    ours.pause();
    theirs.pause();
    theirs.playbackRate = 1;
    ours.currentTime = theirs.currentTime = ours.currentTime; // a player may still show the picture before
  }
  function step() {
    if (!box.isConnected) return stop();
    if (!ours.paused && !ours.seeking && !theirs.seeking) {
      const apart = ours.currentTime - theirs.currentTime;
      if (Math.abs(apart) > JUMP) theirs.currentTime = ours.currentTime;
      theirs.playbackRate = Math.abs(apart) < APART ? 1 : 1 + Math.max(-0.3, Math.min(0.3, 2 * apart));
      seek.value = ours.currentTime;
      time.textContent = `${clock(ours.currentTime)} of ${clock(ours.duration)}`;
    }
    if (!ours.paused) requestAnimationFrame(step);
  }
  let isFailed = false;
  for (const each of [ours, theirs]) {
    each.addEventListener("error", () => {
      if (isFailed) return;
      isFailed = true;
      stop();
      onfail?.(each === ours ? "result" : "source");
    });
    each.addEventListener("loadedmetadata", () => {
      if (!each.videoWidth && !isFailed) return each.dispatchEvent(new Event("error")); // it has sound that can be played, and no more
      if (!(ours.duration && theirs.duration)) return;
      seek.max = Math.min(ours.duration, theirs.duration);
      seek.disabled = play.disabled = false;
      go(0);
      if (plays) start();
    });
  }
  ours.addEventListener("play", () => { play.textContent = "Pause"; requestAnimationFrame(step); });
  ours.addEventListener("pause", () => { play.textContent = "Play"; theirs.pause(); });
  ours.addEventListener("ended", () => { play.textContent = "Play"; theirs.pause(); });
  return [h("div", {class: "sides"}, h("span", {}, leftName), h("span", {}, rightName)), box, border,
    h("div", {class: "transport"}, play, seek, time), h("div", {class: "buttons"}, beside, zoom, volume)];
}

// Follows clips that are being made until they are; returns what is told of them. shown: gets the share that is done.
export async function clipsOf(call, begun, shown) {
  let clips = begun;
  while (clips.state === "making") {
    shown(clips.share);
    await new Promise((done) => setTimeout(done, 500));
    clips = await call("GET", `/clips/${clips.number}`);
  }
  if (clips.state === "failed") throw new Error(clips.error);
  return clips;
}
