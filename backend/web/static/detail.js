// The panel with everything about one alarm.

import { shadeOfEvent } from "./columns.js";
import { exact, make, span } from "./format.js";
import { groupOf, shadeOf } from "./store.js";

/** Guidance comes from the server as sanitised HTML; this is the only place of the page that takes markup. */
const markup = window.trustedTypes?.createPolicy("guidance", { createHTML: (html) => html });
const trusted = (html) => (markup ? markup.createHTML(html) : html);

const SETTINGS = [
  ["latching", "Latching", (on) => (on ? "yes: stays until acknowledged" : "no: clears by itself")],
  ["annunciating", "Annunciating", (on) => (on ? "yes" : "no: silent")],
  ["delay_s", "Delay", (s) => (s ? `${s} s` : "none")],
  ["count", "Count", (n) => (n ? `${n} within the delay` : "off")],
  ["filter", "Enabling filter", (text) => text || "none"],
];

export class Detail {
  /** @param {HTMLElement} panel @param {{words: object, onClose: Function, onCommand: (kind: string, path: string, ask: boolean) => void}} hooks */
  constructor(panel, hooks) {
    this.panel = panel;
    this.hooks = hooks;
    this.path = "";
  }

  /** Opens the panel for an alarm; parts come in as they are known. */
  open(path, row) {
    this.path = path;
    this.parts = Object.fromEntries(["head", "state", "buttons", "guidance", "links", "settings", "events"].map((name) => [name, make(`div.part.${name}`)]));
    const close = make("button.close", { type: "button", "aria-label": "Close details", title: "Close (Esc)", onclick: () => this.hooks.onClose() }, "✕");
    this.panel.replaceChildren(close, ...Object.values(this.parts));
    this.panel.hidden = false;
    this.panel.scrollTop = 0;
    this.events = [];
    this.row = null;
    if (row) this.setRow(row);
    else this.parts.head.replaceChildren(make("h2", { text: path }));
  }

  close() {
    this.path = "";
    this.panel.hidden = true;
    this.panel.replaceChildren();
  }

  /** Says that a part cannot be shown, and why. */
  fail(part, text) {
    this.parts[part].replaceChildren(make("p.problem", { text }));
  }

  /** State of the alarm, also when it changes. */
  setRow(row) {
    this.row = row;
    const shade = shadeOf(row);
    const shelved = row.suppression && row.suppression.until !== null;
    const word = row.suppression && !shelved ? "out of service" : this.hooks.words[shade];
    this.parts.head.replaceChildren(
      make("h2.mono", { text: row.pv }),
      make(`span.badge.big.s-${shade}`, { text: word }),
      make("p.what", { text: row.description }),
      make("p.where", { text: row.path }),
    );
    this.state();
    this.#buttons(row);
  }

  /** Times and values; called each second because of the ages. */
  state() {
    const { row } = this;
    if (!row) return;
    const now = Date.now();
    const facts = [];
    const age = (ms) => (ms === null ? "" : `${exact(ms)}  (${span(now - ms)} ago)`);
    if (!row.connected) facts.push(["Connection", "DISCONNECTED"]);
    if (!row.suppression) facts.push(["Alarm", [row.message, row.value].filter(Boolean).join("   ")], ["Raised by", exact(row.time)]);
    facts.push(["PV now", `${this.hooks.words[row.current] ?? row.current}   ${[row.currentMessage, row.currentValue].filter(Boolean).join("   ")}`]);
    facts.push(["PV time", age(row.currentTime)], ["Since", age(row.since)]);
    if (row.ack) facts.push(["Acknowledged", `by ${row.ack.user}, ${age(row.ack.time)}`], ["Reason", row.ack.reason || "–"]);
    if (row.suppression) {
      const { user, reason, since, until } = row.suppression;
      facts.push([until === null ? "Out of service" : "Shelved", `by ${user}, ${age(since)}`], ["Reason", reason || "–"]);
      if (until !== null) facts.push(["Comes back", `${exact(until)}  (in ${span(until - now)})`]);
    }
    this.parts.state.replaceChildren(list(facts));
  }

  #buttons(row) {
    const group = groupOf(row);
    const offers = [
      [group === "active", "acknowledge", "✓ Acknowledge", false],
      [group === "active", "acknowledge", "✓ …", true],
      [group === "acknowledged", "unacknowledge", "Unacknowledge", false],
      [group !== "shelved", "shelve", "Shelve …", true],
      [group !== "shelved", "disable", "Out of service …", true],
      [group === "shelved" && row.suppression.until !== null, "unshelve", "Unshelve", false],
      [group === "shelved" && row.suppression.until === null, "enable", "Enable", false],
    ];
    const buttons = offers
      .filter(([offered]) => offered)
      .map(([, kind, text, ask], n) =>
        make(n ? "button" : "button.primary", { type: "button", data: { command: kind }, onclick: () => this.hooks.onCommand(kind, row.path, ask) }, text),
      );
    this.parts.buttons.replaceChildren(...buttons);
  }

  /** Settings, guidance, displays and commands as the tree has them. */
  setSettings(settings) {
    const titled = (entries) =>
      entries.map((entry) => {
        const body = make("div.html");
        body.innerHTML = trusted(entry.html);
        // The title of a short entry is the first line of its text: not said twice.
        const said = entry.details.trim().split("\n", 1)[0] === entry.title;
        return make("section", {}, ...(said ? [] : [make("h4", { text: entry.title })]), body);
      });
    const guidance = settings.guidance ?? [];
    this.parts.guidance.replaceChildren(
      make("h3", { text: "Guidance" }),
      ...(guidance.length ? titled(guidance) : [make("p.dim", { text: "None written for this alarm." })]),
    );
    const links = [
      ...(settings.displays ?? []).map((entry) => reference("Display", entry)),
      ...(settings.commands ?? []).map((entry) => reference("Command", entry)),
    ];
    this.parts.links.replaceChildren(...(links.length ? [make("h3", { text: "Displays and commands" }), make("ul", {}, ...links)] : []));
    const facts = SETTINGS.filter(([key]) => settings[key] !== undefined).map(([key, name, say]) => [name, say(settings[key])]);
    for (const action of settings.actions ?? []) facts.push(["Action", `${action.title}: ${action.details} after ${action.delay_s} s`]);
    this.parts.settings.replaceChildren(make("h3", { text: "Settings" }), list(facts));
  }

  /** The last events, newest first. */
  setEvents(events) {
    this.events = events;
    this.parts.events.replaceChildren(
      make("h3", { text: "Last events" }),
      events.length ? make("ol", {}, ...events.slice(0, 20).map((event) => this.#event(event))) : make("p.dim", { text: "None kept." }),
    );
  }

  /** One more event. */
  addEvent(event) {
    if (!this.events.some((known) => known.id === event.id)) this.setEvents([event, ...this.events]);
  }

  #event(event) {
    const said = [event.message, event.value].filter(Boolean).join(" ");
    const by = event.user ? `${event.user}${event.comment ? `: ${event.comment}` : ""}` : "";
    return make(
      "li",
      {},
      make("time", { text: exact(event.time) }),
      make(`span.badge.s-${shadeOfEvent(event) || "none"}`, { text: this.hooks.words[shadeOfEvent(event)] ?? "" }),
      make("span", { text: event.kind }),
      make("span.dim", { text: by || said }),
    );
  }
}

function list(facts) {
  return make("dl", {}, ...facts.flatMap(([name, text]) => [make("dt", { text: name }), make("dd", { text })]));
}

/** Something to open outside: a link if it is one for browsers, else text to copy. */
function reference(kind, { title, details }) {
  const isLink = /^https?:\/\//i.test(details);
  const target = isLink ? make("a", { href: details, target: "_blank", rel: "noopener noreferrer", text: title || details }) : make("span", { text: title || details });
  return make("li", {}, make("span.dim", { text: `${kind} ` }), target, isLink ? null : make("code", { text: details }));
}
