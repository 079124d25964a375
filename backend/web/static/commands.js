// Commands: asking for what is missing, sending, and saying plainly what came of it.

import { make, span } from "./format.js";
import { send, uuid } from "./link.js";
import { groupOf } from "./store.js";

const AT_ONCE = 6; // requests under way at the same time
const NAMES = {
  acknowledge: ["Acknowledge", "acknowledging …", "acknowledged"],
  unacknowledge: ["Unacknowledge", "taking back …", "acknowledgement taken back"],
  shelve: ["Shelve", "shelving …", "shelved"],
  unshelve: ["Unshelve", "unshelving …", "unshelved"],
  disable: ["Take out of service", "taking out …", "taken out of service"],
  enable: ["Put back into service", "enabling …", "put back into service"],
};
const REASON_NEEDED = new Set(["shelve", "disable"]);
const DONE_STAYS_MS = 7000;

/** Which rows a command is for. */
const FITS = {
  acknowledge: (row) => groupOf(row) === "active",
  unacknowledge: (row) => groupOf(row) === "acknowledged",
  shelve: (row) => !row.suppression,
  disable: (row) => !row.suppression,
  unshelve: (row) => row.suppression && row.suppression.until !== null,
  enable: (row) => row.suppression && row.suppression.until === null,
};

/** The first of many. */
const few = (texts) => (texts.length > 5 ? `${texts.slice(0, 5).join(", ")} and ${texts.length - 5} more` : texts.join(", "));

export class Commander {
  /** @param {{pending: Map, seen: () => string, user: () => string, setUser: Function, changed: Function, $: Function}} page */
  constructor(page) {
    Object.assign(this, page);
    this.dialog = this.$("ask");
    this.$("ask-cancel").addEventListener("click", () => this.dialog.close(""));
    this.$("ask-until").addEventListener("input", () => (this.dialog.querySelector("[value=custom]").checked = true));
    this.dialog.querySelector("form").addEventListener("submit", (event) => this.#check(event));
  }

  /** Carries out a command for those rows that it makes sense for. `ask`: with a reason. False if it came to nothing. */
  async rows(kind, rows, ask) {
    const fitting = rows.filter(FITS[kind]);
    if (!fitting.length) return false;
    const what = fitting.length === 1 ? fitting[0].pv : `${fitting.length} alarms`;
    return this.#run(kind, fitting.map((row) => row.path), what, ask);
  }

  /** One command for a component and everything below it. */
  async component(kind, path, name, number) {
    await this.#run(kind, [path], `all ${number} active alarms of ${name}`, true);
  }

  async #run(kind, paths, what, ask) {
    const seen = this.seen(); // what is on screen when the decision is made, not when the dialog closes
    const extra = ask || !this.user() ? await this.#ask(kind, what) : { reason: "" };
    if (!extra) return false;
    const orders = paths.map((path) => ({ command: kind, path, user: this.user(), ...extra, seen: seen || undefined, id: uuid() }));
    for (const order of orders) {
      this.pending.set(order.path, { id: order.id, label: NAMES[kind][1] });
    }
    this.changed();
    const answers = new Map();
    const queue = [...orders];
    const work = async () => {
      for (let order = queue.shift(); order; order = queue.shift()) answers.set(order.path, this.#settle(order, await send(order)));
    };
    await Promise.all(Array.from({ length: AT_ONCE }, work));
    this.#report(kind, what, answers);
    return true;
  }

  /** Takes the mark from the row: at once, or with its event, which may come after the answer. */
  #settle(order, answer) {
    const clear = () => {
      if (this.pending.get(order.path)?.id === order.id) this.pending.delete(order.path);
      this.changed();
    };
    if (answer.outcome === "done" && !answer.leftAlone.length) setTimeout(clear, 1500);
    else clear();
    return answer;
  }

  /** An event that a command of this page caused has arrived. */
  heard(event) {
    if (event.correlation && this.pending.get(event.path)?.id === event.correlation) this.pending.delete(event.path);
  }

  #report(kind, what, answers) {
    const [name, , done] = NAMES[kind];
    const all = [...answers.entries()];
    const good = all.filter(([, answer]) => answer.outcome === "done" && !answer.leftAlone.length);
    const left = all.flatMap(([, answer]) => (answer.outcome === "done" ? answer.leftAlone : []));
    const told = new Map();
    for (const [path, { outcome, reason }] of all) {
      if (outcome !== "done") told.set(`${outcome}\n${reason}`, [...(told.get(`${outcome}\n${reason}`) ?? []), path]);
    }
    if (good.length) this.say("done", `Done: ${all.length === 1 ? what : `${good.length} of ${all.length} alarms`} ${done}.`);
    if (left.length) this.say("refused", `Left alone, because they rose after what was on screen: ${few(left)}. Look again, then repeat.`);
    for (const [key, paths] of told) {
      const [outcome, reason] = key.split("\n");
      const whose = all.length === 1 ? what : `${paths.length} of ${all.length} alarms`;
      if (outcome === "refused") this.say("refused", `Refused: ${name} ${whose}. ${reason}`);
      else this.say("not_confirmed", `NOT CONFIRMED: ${name} ${whose}. ${reason ? `${reason}. ` : ""}Check the table: it may or may not have been carried out.`);
    }
  }

  /** A message; what is not plain success stays until it is closed. The same one is not stacked. */
  say(kind, text) {
    for (const known of this.$("messages").children) if (known.firstChild.textContent === text) known.remove();
    const passing = kind === "done" || kind === "hint";
    const box = make(`div.message.${kind}`, { role: passing ? "status" : "alert" }, make("span", { text }));
    box.append(make("button", { type: "button", "aria-label": "Close message", onclick: () => box.remove() }, "✕"));
    this.$("messages").append(box);
    while (this.$("messages").children.length > 6) this.$("messages").firstChild.remove();
    if (passing) setTimeout(() => box.remove(), DONE_STAYS_MS);
  }

  /** Asks for duration, name and reason; null if the user thinks better of it. */
  #ask(kind, what) {
    const { $, dialog } = this;
    $("ask-title").textContent = NAMES[kind][0];
    $("ask-what").textContent = what;
    $("ask-duration").hidden = kind !== "shelve";
    $("ask-user-row").hidden = Boolean(this.user());
    $("ask-user").value = this.user();
    $("ask-reason").value = "";
    $("ask-problem").textContent = "";
    $("ask-ok").textContent = NAMES[kind][0];
    dialog.dataset.kind = kind;
    dialog.returnValue = "";
    dialog.showModal();
    (this.user() ? $("ask-reason") : $("ask-user")).focus();
    return new Promise((resolve) => {
      dialog.addEventListener("close", () => resolve(dialog.returnValue === "ok" ? this.#answers(kind) : null), { once: true });
    });
  }

  #answers(kind) {
    if (!this.user()) this.setUser(this.$("ask-user").value.trim());
    return { reason: this.$("ask-reason").value.trim(), ...(kind === "shelve" ? this.#end() : {}) };
  }

  /** The end of shelving: a duration where one was chosen, since the clock of this machine may be wrong. */
  #end() {
    const { value } = this.dialog.querySelector("[name=duration]:checked");
    return value === "custom" ? { until: new Date(this.#until()).toISOString() } : { duration: Number(value) };
  }

  #until() {
    const { value } = this.dialog.querySelector("[name=duration]:checked");
    return value === "custom" ? new Date(this.$("ask-until").value).getTime() : Date.now() + Number(value) * 1000;
  }

  /** Keeps the dialog open while something is missing, and says what. */
  #check(event) {
    const { kind } = this.dialog.dataset;
    const problem = this.#problem(kind);
    this.$("ask-problem").textContent = problem;
    if (problem) event.preventDefault();
  }

  #problem(kind) {
    if (!this.$("ask-user").value.trim()) return "Who are you? The name stands in the record of this command.";
    if (REASON_NEEDED.has(kind) && !this.$("ask-reason").value.trim()) return "Please give a reason: the next shift will want to know.";
    if (kind === "shelve" && !(this.#until() > Date.now())) return `The end must be in the future (at least ${span(1000)} from now).`;
    return "";
  }
}
