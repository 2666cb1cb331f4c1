// What all pages share: asking the interface, following events, making elements, and figures in words.

// Returns what the interface answers, and its version where it tells one. unless: the version that is to be replaced.
export async function ask(method, path, body, unless) {
  let answer;
  try {
    answer = await fetch("/api/v1" + path, {
      method, headers: {...(body === undefined ? {} : {"Content-Type": "application/json"}), ...(unless ? {"If-Match": unless} : {})},
      body: body === undefined ? undefined : JSON.stringify(body),
    });
  } catch {
    lost(true);
    throw new Error("The service does not answer.");
  }
  lost(false);
  if (answer.status === 401) location.assign("/login?to=" + encodeURIComponent(location.pathname + location.search));
  const found = answer.status === 204 ? null : await answer.json();
  if (!answer.ok) throw Object.assign(new Error(found.detail ?? "That failed."), {where: found.where});
  return [found, answer.headers.get("ETag")];
}

export const call = async (...given) => (await ask(...given))[0];

export function lost(is) { document.getElementById("lost").hidden = !is; }

// Calls again() once there is news, after a connection came back, and when the page is shown again. A hidden page
// follows nothing: browsers allow six connections to a host.
export function follow(again, onProgress) {
  let source, timer;
  const soon = () => { clearTimeout(timer); timer = setTimeout(() => again().catch(() => {}), 100); };
  const open = () => {
    source = new EventSource("/api/v1/events");
    source.onopen = () => { lost(false); soon(); };
    source.onerror = () => {
      lost(true);
      if (source.readyState === EventSource.CLOSED) setTimeout(() => { if (!document.hidden) { source.close(); open(); } }, 2000);
    };
    for (const kind of ["added", "changed", "removed", "moved", "queue", "channel"]) source.addEventListener(kind, soon);
    source.addEventListener("progress", (event) => {
      const {job, data} = JSON.parse(event.data);
      onProgress?.(job, data);
    });
  };
  open();
  document.addEventListener("visibilitychange", () => { source.close(); if (!document.hidden) open(); });
  addEventListener("pagehide", () => source.close());
}

// Calls again() every few seconds while the page is seen.
export function repeat(again, seconds) {
  const round = async () => {
    if (!document.hidden) await again().catch(() => {});
    setTimeout(round, seconds * 1000);
  };
  round();
}

export function h(tag, props = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value !== null && value !== undefined && value !== false) made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

export function toast(text, isError = false) {
  const made = h("p", {class: isError ? "error" : ""}, text);
  document.getElementById("toasts").append(made);
  setTimeout(() => made.remove(), isError ? 12000 : 5000);
}

// Returns a button that does something, and says what went wrong. Meanwhile it does nothing more, and keeps the focus,
// which one that is disabled would lose.
export function button(text, does, props = {}) {
  return h("button", {type: "button", class: "operate", ...props, onclick: async (event) => {
    const own = event.currentTarget;
    if (own.ariaDisabled === "true") return;
    own.ariaDisabled = "true";
    try { await does(); } catch (error) { toast(error.message, true); }
    own.ariaDisabled = null;
  }}, text);
}

// Makes a part of the page anew, and puts the focus back where it was. Controls have data-focus="what-whose". If the same
// is gone, the first one of the same job or channel gets the focus; if that is gone too, the first one of the one in its
// place, which does no harm under a key that is held down; or else last.
export function keepFocus(redraw, last = document.querySelector("h1")) {
  const had = document.activeElement, key = had?.dataset.focus;
  const whose = (name) => name.slice(name.indexOf("-") + 1);
  const all = () => [...document.querySelectorAll("[data-focus]")], owners = () => [...new Set(all().map((each) => whose(each.dataset.focus)))];
  const at = key ? owners().indexOf(whose(key)) : 0;
  redraw();
  if (!key || had.isConnected) return;
  const left = owners(), next = left.includes(whose(key)) ? whose(key) : left[Math.min(at, left.length - 1)];
  const found = all().find((each) => each.dataset.focus === key) ?? all().find((each) => whose(each.dataset.focus) === next);
  if (!found) last.tabIndex = -1;
  (found ?? last).focus();
}

export const $ = (id) => document.getElementById(id);
export const nameOf = (path) => path.split("/").pop();
export const number = (value, digits = 0) => value === null || value === undefined ? "–" : (Number(value.toFixed(digits)) + 0).toLocaleString("en", {maximumFractionDigits: digits, minimumFractionDigits: digits});

export function bytes(value) {
  if (value === null || value === undefined) return "unknown";
  const units = ["bytes", "kB", "MB", "GB", "TB"];
  let at = 0;
  while (value >= 1000 && at < 4) { value /= 1000; at++; }
  return `${number(value, at > 1 && value < 100 ? 1 : 0)} ${units[at]}`;
}

export function clock(seconds) {
  if (seconds === null || seconds === undefined) return "unknown";
  const whole = Math.round(seconds), two = (value) => String(value).padStart(2, "0");
  return `${Math.floor(whole / 3600)}:${two(Math.floor(whole / 60) % 60)}:${two(whole % 60)}`;
}

export const figures = (pairs) => h("dl", {class: "figures"}, ...pairs.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, String(value)))));
export const day = (seconds) => new Date(seconds * 1000).toLocaleString();

// Two pictures of one size, one over the other, with a slider between them.
export function comparison({left, right, leftName, rightName, width}) {
  const box = h("div", {class: "compare"}, h("div", {class: "frame"},
    h("img", {class: "left", src: left, alt: `Left: ${leftName}`}), h("img", {class: "right", src: right, alt: `Right: ${rightName}`}), h("div", {class: "line"})));
  const slider = h("input", {type: "range", min: 0, max: 100, value: 50, step: 0.5, "aria-label": `Border between ${leftName} and ${rightName}`,
    oninput: () => box.style.setProperty("--cut", slider.value + "%")});
  box.style.setProperty("--real", width / devicePixelRatio + "px");
  const zoom = h("button", {type: "button", "aria-pressed": "false", onclick: () => {
    zoom.setAttribute("aria-pressed", String(box.classList.toggle("full")));
    if (box.classList.contains("full")) { box.tabIndex = 0; box.scrollLeft = (box.scrollWidth - box.clientWidth) / 2; box.scrollTop = (box.scrollHeight - box.clientHeight) / 2; }
    else box.removeAttribute("tabindex");
  }}, "1:1, pixel by pixel");
  return [h("div", {class: "sides"}, h("span", {}, leftName), h("span", {}, rightName)), box, slider, h("div", {class: "buttons"}, zoom)];
}

// The last finished picture of a running job beside its source's, and a function that looks for a later one.
export function lastPicture(id) {
  const made = h("div", {class: "last", hidden: true});
  let shown = "";
  const look = async () => {
    const answer = await fetch(`/api/v1/jobs/${id}/last`).catch(() => null);
    if (answer?.status !== 200) return;
    const {at, source, result} = await answer.json();
    if (result === shown) return;
    const one = (src, name) => h("figure", {}, h("img", {src, alt: `${name} at ${clock(at)}`}), h("figcaption", {}, name));
    made.replaceChildren(one(source, "Source"), one(result, "Result"), h("p", {class: "soft"}, `At ${clock(at)} of the video: the last picture that is finished.`));
    made.hidden = false;
    shown = result;
  };
  return {made, look};
}

const PHASES = {forecast: "upscaling a few seconds, to tell what it will take", check: "comparing the result with its source"};
const STAGES = {decode: "decoding", infer: "the network", encode: "encoding"};

// How far a job is, in a line of words.
export function progressText(now) {
  if (PHASES[now.phase]) return PHASES[now.phase];
  const parts = [now.share === null ? `${number(now.frames)} frames` : `${number(now.share * 100)} %`];
  if (now.fps) parts.push(`${number(now.fps, 1)} frames a second`);
  if (now.eta !== null) parts.push(`${clock(now.eta)} left`);
  if (now.busiest && !now.machines.length) parts.push(`limited by ${STAGES[now.busiest] ?? now.busiest}`);
  return parts.join(" · ");
}

// A table of a cluster's machines, or nothing.
export function machines(found) {
  if (!found.length) return null;
  const row = (machine) => h("tr", {}, h("th", {scope: "row"}, machine.name, machine.state === "ready" ? null : h("span", {class: "state warn"}, machine.state)),
    h("td", {}, number(machine.fps, 1)), h("td", {}, number(machine.segments)), h("td", {}, number(machine.running)), h("td", {}, `${number(machine.share * 100)} %`));
  return h("div", {class: "machines"}, h("table", {}, h("thead", {}, h("tr", {}, ...["Machine", "Frames/s", "Segments", "Under way", "Share"].map((name) => h("th", {scope: "col"}, name)))), h("tbody", {}, ...found.map(row))));
}

export const PRIORITIES = [[50, "before all others"], [0, "in its turn"], [-50, "when nothing else waits"]];
