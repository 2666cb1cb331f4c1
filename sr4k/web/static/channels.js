import {$, call, h, keepFocus, repeat} from "./common.js";
import {actions, ends, facts, part, pictures, state} from "./channel_parts.js";

const cards = new Map();

function card(name) {
  const parts = {state: state(), ends: part((channel) => ends(channel)), facts: part(facts), actions: part((channel) => actions(channel, show))}, seen = pictures(name);
  const made = h("li", {}, h("div", {class: "heading"}, h("h2", {}, h("a", {href: `/channels/${name}`, "data-focus": `title-${name}`}, name)), parts.state.made), seen.made, parts.ends.made, parts.facts.made, parts.actions.made);
  return {made, look: seen.look, show: (channel) => { for (const each of Object.values(parts)) each.show(channel); }};
}

async function show() {
  const channels = await call("GET", "/channels");
  const ready = channels.filter((each) => each.ready).length;
  const text = channels.length ? `${ready} of ${channels.length} are live, in and out.` : "There are no channels.";
  if ($("summary").textContent !== text) $("summary").textContent = text;
  keepFocus(() => {
    for (const [name, each] of cards) if (!channels.some((channel) => channel.name === name)) { each.made.remove(); cards.delete(name); }
  });
  channels.forEach((channel, index) => {
    if (!cards.has(channel.name)) {
      cards.set(channel.name, card(channel.name));
      $("wall").insertBefore(cards.get(channel.name).made, $("wall").children[index] ?? null);
    }
    const own = cards.get(channel.name);
    own.show(channel);
    own.look(channel.up);
  });
}

repeat(show, 1);
