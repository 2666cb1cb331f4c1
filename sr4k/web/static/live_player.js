// Plays what a channel sends to a playlist, by the browser's own player.
import {h} from "./common.js";

export function player(name) {
  const made = h("div", {});
  let shown = "";
  const show = (channel) => {
    const numbers = channel.out.flatMap((each, index) => each.playlist ? [index + 1] : []), wanted = numbers.join();
    if (wanted === shown) return;
    shown = wanted;
    made.replaceChildren(...numbers.map((number) => one(name, number, channel.out[number - 1].target)));
  };
  return {made, show};
}

function one(name, number, target) {
  const address = `/api/v1/channels/${name}/targets/${number}/playlist.m3u8`, box = h("div", {class: "player"});
  if (!h("video").canPlayType("application/vnd.apple.mpegurl")) {
    box.append(h("p", {class: "hint"}, "This browser does not play HLS. Chromium, Edge and Safari do; or open this address in a player: ", h("a", {href: address}, target)));
    return box;
  }
  const watch = h("button", {type: "button", onclick: () => {
    const video = h("video", {src: address, controls: true, autoplay: true, playsinline: true, "aria-label": `What ${name} sends to ${target}`, onerror: () => box.append(h("p", {class: "error"}, "The playlist can't be played now: it may not have begun yet."))});
    video.muted = true; // or the browser would not begin by itself
    box.replaceChildren(video, h("p", {class: "hint"}, `${target}: some seconds behind, as HLS is.`));
  }}, `Watch ${target.split("/").pop()}`);
  box.append(watch);
  return box;
}
