// What the page knows: every alarm that is not quiet, and the events that change them. No DOM in here.

import { ancestors, elements, isBelow } from "./format.js";

/** Severities by ordinal, as the engine counts them. */
export const SEVERITIES = ["OK", "MINOR_ACK", "MAJOR_ACK", "INVALID_ACK", "UNDEFINED_ACK", "MINOR", "MAJOR", "INVALID", "UNDEFINED"];
export const RANK = Object.fromEntries(SEVERITIES.map((name, n) => [name, n]));
/** The four kinds of alarm, worst first. */
export const KINDS = ["UNDEFINED", "INVALID", "MAJOR", "MINOR"];

/** Where a row belongs: "active", "acknowledged", "shelved" (also out of service) or "ok". */
export function groupOf(row) {
  if (row.suppression) return "shelved";
  const rank = RANK[row.severity];
  return rank >= RANK.MINOR ? "active" : rank > 0 ? "acknowledged" : "ok";
}

/** Name of the shade that a row is painted in. */
export const shadeOf = (row) => (row.suppression ? (row.suppression.until ? "SHELVED" : "DISABLED") : row.severity);

/** Compares event ids `config.epoch.n`; "" is before all. */
export function compareIds(a, b) {
  if (a === b) return 0;
  if (!a || !b) return a ? 1 : -1;
  const [ea, na] = a.split(".").slice(-2).map(Number);
  const [eb, nb] = b.split(".").slice(-2).map(Number);
  return ea - eb || na - nb;
}

/** What can be worked out from a path alone. */
export function place(path) {
  const parts = elements(path);
  return { pv: parts.at(-1) ?? path, system: parts.length > 2 ? parts[1] : "", where: parts.slice(1, -1).join(" › "), above: ancestors(path) };
}

export class Store {
  constructor() {
    this.clear("");
  }

  /** Forgets everything; the page shows nothing until `load`. */
  clear(config) {
    this.config = config;
    /** Alarms that are active, acknowledged, shelved or out of service, by path. */
    this.rows = new Map();
    /** Newest event that is in here. */
    this.asOf = "";
    this.loaded = false;
    this.versions = new Map();
  }

  /** Takes a complete list of alarms that are not quiet, as of an event. */
  load(rows, asOf) {
    this.rows = new Map(rows.map((row) => [row.path, row]));
    this.versions = new Map();
    this.asOf = asOf;
    this.loaded = true;
  }

  /** Takes one event; returns the new row of the alarm it is about, null if it is about none or is older than what is known. */
  apply(event) {
    if (compareIds(event.id, this.asOf) > 0) this.asOf = event.id;
    if (event.kind === "removed") {
      for (const path of this.rows.keys()) if (isBelow(path, event.path)) this.rows.delete(path);
      this.versions.set(event.path, event.id);
      return null;
    }
    if (!event.row) return null;
    const known = this.versions.get(event.path) ?? this.rows.get(event.path)?.version ?? "";
    if (compareIds(event.id, known) <= 0) return null;
    const row = event.row;
    if (groupOf(row) === "ok") {
      this.rows.delete(event.path);
      this.versions.set(event.path, event.id);
    } else {
      this.rows.set(event.path, row);
      this.versions.delete(event.path);
    }
    return row;
  }

  /** Counts of the whole configuration: `{active: {MINOR: 1, ...}, acknowledged: {...}, shelved, disconnected}`. */
  counts() {
    const found = { active: {}, acknowledged: {}, activeTotal: 0, acknowledgedTotal: 0, shelved: 0 };
    for (const row of this.rows.values()) {
      const group = groupOf(row);
      if (group === "shelved") found.shelved++;
      else {
        const kind = row.severity.replace("_ACK", "");
        found[group][kind] = (found[group][kind] ?? 0) + 1;
        found[`${group}Total`]++;
      }
    }
    return found;
  }

  /** For each component with anything below it: highest severity (shelved ones left out) and numbers, by path. */
  rollup() {
    const found = new Map();
    for (const row of this.rows.values()) {
      const group = groupOf(row);
      const rank = RANK[row.severity];
      for (const path of row.above) {
        let sum = found.get(path);
        if (!sum) found.set(path, (sum = { rank: 0, active: 0, acknowledged: 0, shelved: 0 }));
        sum[group]++;
        if (group !== "shelved" && rank > sum.rank) sum.rank = rank;
      }
    }
    return found;
  }

  /** Rows of one tab that pass the filter, unsorted. */
  select({ tab, path, q, severities }) {
    const words = q.toLowerCase().split(/\s+/).filter(Boolean);
    const found = [];
    for (const row of this.rows.values()) {
      if (groupOf(row) === tab && isBelow(row.path, path) && passes(row, words, severities)) found.push(row);
    }
    return found;
  }
}

/** True if every word is in the alarm's texts, and its severity is one of those wanted (none: any). */
function passes(row, words, severities) {
  if (severities.size && !severities.has(row.severity.replace("_ACK", ""))) return false;
  if (!words.length) return true;
  row.haystack ??= `${row.path}\n${row.description}\n${row.message}\n${row.value}`.toLowerCase();
  return words.every((word) => row.haystack.includes(word));
}

const collator = new Intl.Collator(undefined, { numeric: true, sensitivity: "base" });
const byText = (key) => (a, b) => collator.compare(a[key] ?? "", b[key] ?? "");
const byNumber = (key) => (a, b) => (b[key] ?? 0) - (a[key] ?? 0);
const newest = byNumber("since");

const ORDERS = {
  severity: (a, b) => RANK[b.severity] - RANK[a.severity] || newest(a, b),
  since: newest,
  pv: byText("pv"),
  where: byText("where"),
  description: byText("description"),
  message: byText("message"),
  value: byText("value"),
  current: (a, b) => RANK[b.current] - RANK[a.current],
  by: (a, b) => collator.compare(a.ack?.user ?? "", b.ack?.user ?? ""),
  until: (a, b) => (a.suppression?.until ?? Infinity) - (b.suppression?.until ?? Infinity),
};

/** Sorts rows in place by a column, worst or newest first; ties keep the order of names. */
export function sortRows(rows, { key, reversed }) {
  const order = ORDERS[key] ?? ORDERS.severity;
  const sign = reversed ? -1 : 1;
  return rows.sort((a, b) => sign * order(a, b) || (a.path < b.path ? -1 : 1));
}
