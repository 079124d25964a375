// Columns of the tabs.

import { exact, moment, span } from "./format.js";
import { groupOf, shadeOf } from "./store.js";

const paintBadge = (cell, state) => {
  const name = `badge s-${state}`;
  if (cell.className !== name) cell.className = name;
};

const paintTitle = (cell, title) => {
  if (cell.title !== title) cell.title = title;
};

/** @param {Object<string, string>} words - what is written on each severity's badge */
export function columns(words, pending) {
  const outOfService = (row) => row.suppression && row.suppression.until === null;
  const severity = {
    key: "severity",
    title: "Severity",
    sortable: true,
    text: (row) => pending.get(row.path)?.label ?? (outOfService(row) ? "out of service" : row.known === false ? "no data" : words[shadeOf(row)]),
    paint: (cell, row) => paintBadge(cell, row.known === false ? "STALE" : shadeOf(row)),
  };
  const column = (key, title, text, more = {}) => ({
    key,
    title,
    sortable: true,
    text,
    paint: (cell, row, now) => paintTitle(cell, more.title ? more.title(row, now) : text(row, now)),
    ...(more.fixed ? { sortable: false } : {}),
  });
  const pv = column("pv", "PV", (row) => row.pv, { title: (row) => row.path });
  const where = column("where", "System", (row) => row.where);
  const description = column("description", "Description", (row) => row.description);
  const message = column("message", "Message", (row) => row.message);
  const value = column("value", "Value", (row) => row.value);
  const age = (name) => column("since", name, (row, now) => (row.since === null ? "" : span(now - row.since)), { title: (row) => exact(row.since) });
  const current = {
    key: "current",
    title: "PV now",
    sortable: true,
    text: (row) => (row.connected ? (words[row.current] ?? row.current) : "disconnected"),
    paint: (cell, row) => {
      paintBadge(cell, row.connected ? row.current : "UNDEFINED");
      paintTitle(cell, `${row.currentMessage} ${row.currentValue}`.trim());
    },
  };
  const ack = column("by", "Acknowledged by", (row) => row.ack?.user ?? "", {
    title: (row) => (row.ack ? `${row.ack.user} ${exact(row.ack.time)} ${row.ack.reason}` : ""),
  });
  const until = column(
    "until",
    "Comes back",
    (row, now) => {
      const end = row.suppression?.until ?? null;
      return end === null ? "when enabled" : `in ${span(end - now)}`;
    },
    { title: (row) => exact(row.suppression?.until ?? null) },
  );
  const who = column("who", "By", (row) => row.suppression?.user ?? "", { fixed: true });
  const why = column("why", "Reason", (row) => row.suppression?.reason ?? "", { fixed: true });
  return {
    active: [severity, pv, description, message, value, current, age("Since"), where],
    acknowledged: [severity, pv, description, message, value, current, age("Since"), ack, where],
    shelved: [severity, pv, description, current, until, who, why, where],
    all: [severity, pv, description, message, value, current, age("Since"), where],
    events: eventColumns(words, column),
  };
}

/** What the alarm was after the event; empty for events that are not about one alarm. */
export const shadeOfEvent = (event) => (event.row ? shadeOf(event.row) : "");

function eventColumns(words, column) {
  const fixed = { fixed: true };
  return [
    column("time", "Time", (event, now) => moment(event.time, now), { ...fixed, title: (event) => exact(event.time) }),
    {
      key: "severity",
      title: "Severity",
      text: (event) => words[shadeOfEvent(event)] ?? "",
      paint: (cell, event) => paintBadge(cell, shadeOfEvent(event)),
    },
    column("kind", "Event", (event) => event.kind, fixed),
    column("pv", "PV", (event) => event.pv, { ...fixed, title: (event) => event.path }),
    column("description", "Description", (event) => event.description, fixed),
    column("message", "Message", (event) => event.message, fixed),
    column("value", "Value", (event) => event.value, fixed),
    column("who", "By", (event) => event.user, fixed),
    column("why", "Reason", (event) => event.comment, fixed),
  ];
}

/** Which commands make sense for these rows. */
export function offered(rows) {
  const groups = new Set(rows.map(groupOf));
  const shelved = rows.some((row) => row.suppression && row.suppression.until !== null);
  const outOfService = rows.some((row) => row.suppression && row.suppression.until === null);
  const visible = groups.has("active") || groups.has("acknowledged") || groups.has("ok");
  return {
    acknowledge: groups.has("active"),
    unacknowledge: groups.has("acknowledged"),
    shelve: visible,
    disable: visible,
    unshelve: shelved,
    enable: outOfService,
  };
}

