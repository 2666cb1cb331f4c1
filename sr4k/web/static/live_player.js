// Plays what a channel sends to a playlist: by hls.js, or by the browser's own player where that can't.
import {h} from "./common.js";

const HLS = "application/vnd.apple.mpegurl";

export function player(name) {
  const made = h("div", {});
  let shown = "", players = [];
  const show = (channel) => {
    const numbers = channel.out.flatMap((each, index) => each.playlist ? [index + 1] : []), wanted = numbers.join();
    if (wanted === shown) return;
    shown = wanted;
    for (const each of players) each.end();
    players = numbers.map((number) => one(name, number, channel.out[number - 1].target));
    made.replaceChildren(...players.map((each) => each.box));
  };
  return {made, show};
}

// One playlist, and what ends its player.
function one(name, number, target) {
  const address = `/api/v1/channels/${name}/targets/${number}/playlist.m3u8`, box = h("div", {class: "player"});
  const watch = h("button", {type: "button", onclick: () => {
    const video = h("video", {controls: true, autoplay: true, playsinline: true, "aria-label": `What ${name} sends to ${target}`});
    video.muted = true; // or the browser would not begin by itself
    box.replaceChildren(video, h("p", {class: "hint"}, `${target}: some seconds behind, as HLS is.`));
    begin(video, address, fail).then((end) => { own.end = end; }, fail);
  }}, `Watch ${target.split("/").pop()}`);
  const fail = () => box.replaceChildren(h("p", {class: "error"}, "This can't be played now: the playlist may not have begun yet, or this browser lacks its codec. ",
    h("a", {href: address}, "Its address"), " is for other players."), watch);
  const own = {box, end: () => {}};
  box.append(watch);
  return own;
}

// Returns what ends the playing. Chromium's own player at times can't read a playlist that hls.js plays.
async function begin(video, address, fail) {
  const {default: Hls} = await import("./vendor/hls.light-1.7.4.min.mjs");
  if (!Hls.isSupported()) { playAlone(video, address, fail); return () => {}; }
  const hls = new Hls({enableWorker: false}); // its worker would be a script from a blob, which the page allows nowhere
  let isRecovered = false;
  hls.on(Hls.Events.ERROR, (_event, {fatal, type}) => {
    if (!fatal) return;
    if (type === Hls.ErrorTypes.MEDIA_ERROR && !isRecovered) { isRecovered = true; hls.recoverMediaError(); return; }
    hls.destroy();
    playAlone(video, address, fail);
  });
  hls.loadSource(address);
  hls.attachMedia(video);
  return () => hls.destroy();
}

function playAlone(video, address, fail) {
  if (!video.canPlayType(HLS)) { fail(); return; }
  video.addEventListener("error", fail);
  video.src = address;
}
