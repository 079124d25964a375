// Times and texts as operators read them, and the one way in which this page makes elements.

const two = (n) => String(n).padStart(2, "0");

/** Milliseconds since the epoch of an ISO text or a number; null for anything else. */
export function toMs(value) {
  if (typeof value === "number") return value;
  const ms = typeof value === "string" ? Date.parse(value) : NaN;
  return Number.isNaN(ms) ? null : ms;
}

/** "14:03:07". */
export const clock = (ms) => {
  const d = new Date(ms);
  return `${two(d.getHours())}:${two(d.getMinutes())}:${two(d.getSeconds())}`;
};

/** "2026-11-22". */
export const day = (ms) => {
  const d = new Date(ms);
  return `${d.getFullYear()}-${two(d.getMonth() + 1)}-${two(d.getDate())}`;
};

/** "14:03:07" today, "11-22 14:03" on other days. */
export function moment(ms, now) {
  if (ms === null) return "";
  return day(ms) === day(now) ? clock(ms) : `${day(ms).slice(5)} ${clock(ms).slice(0, 5)}`;
}

/** "2026-11-22 14:03:07.120" in local time. */
export const exact = (ms) => (ms === null ? "" : `${day(ms)} ${clock(ms)}.${String(Math.floor(ms) % 1000).padStart(3, "0")}`);

/** How long: "12 s", "4 min", "2 h 10 min", "3 d 4 h". */
export function span(ms) {
  const s = Math.max(0, Math.floor(ms / 1000));
  if (s < 60) return `${s} s`;
  const min = Math.floor(s / 60);
  if (min < 60) return `${min} min`;
  const h = Math.floor(min / 60);
  if (h < 24) return min % 60 ? `${h} h ${min % 60} min` : `${h} h`;
  return h % 24 ? `${Math.floor(h / 24)} d ${h % 24} h` : `${Math.floor(h / 24)} d`;
}

/** Elements of an alarm path; `\/` is a slash inside an element. */
export const elements = (path) => path.split(/(?<!\\)\/+/).filter(Boolean).map((part) => part.replaceAll("\\/", "/"));

/** Paths above, the root first, the path itself left out. */
export function ancestors(path) {
  const found = [];
  const cut = /(?<!\\)\//g;
  cut.lastIndex = 1;
  for (let hit = cut.exec(path); hit; hit = cut.exec(path)) found.push(path.slice(0, hit.index));
  return found;
}

/** True if `path` is `top` or lies below it. */
export const isBelow = (path, top) => !top || path === top || path.startsWith(`${top}/`);

/**
 * Makes an element. Text is always set as text: names and descriptions come from elsewhere and are never markup.
 * @param {string} tag - "td.mono" for a class
 * @param {object} [attributes] - properties where the element has them, else attributes; functions named on... are listeners
 */
export function make(tag, attributes = {}, ...children) {
  const [name, ...classes] = tag.split(".");
  const element = document.createElement(name);
  if (classes.length) element.className = classes.join(" ");
  for (const [key, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (typeof value === "function") element.addEventListener(key.slice(2), value);
    else if (key === "text") element.textContent = value;
    else if (key === "data") Object.assign(element.dataset, value);
    else element.setAttribute(key, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

/** Sets the text of an element only if it is another one (writing costs layout). */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}
