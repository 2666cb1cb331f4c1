import {$, call, h, repeat} from "./common.js";
import {actions, badge, ends, facts, whole} from "./channel_parts.js";

async function show() {
  const channels = await call("GET", "/channels");
  const ready = channels.filter((each) => each.ready).length;
  const text = channels.length ? `${ready} of ${channels.length} are live, in and out.` : "There are no channels.";
  if ($("summary").textContent !== text) $("summary").textContent = text;
  if ($("wall").contains(document.activeElement) && document.activeElement.tagName === "BUTTON") return;
  $("wall").replaceChildren(...channels.map((each) => h("li", {},
    h("div", {class: "heading"}, h("h2", {}, h("a", {href: `/channels/${each.name}`}, each.name)), badge(whole(each))), ends(each), facts(each), actions(each, show))));
}

repeat(show, 2);
