// The link to the server: requests, the stream of events, commands. Knows the forms of the REST interface; nothing else does.

import { toMs } from "./format.js";
import { place } from "./store.js";

const API = "api/v1";
const REQUEST_MS = 8000;
const COMMAND_MS = 20_000;
const RETRY_MS = 1000;
/** No sign for this long: what is on screen cannot be trusted any more. */
export const SILENCE_MS = 5000;

/** A request that was not answered as it should be; the message is for the user. */
export class RequestError extends Error {
  constructor(message, status) {
    super(message);
    this.status = status;
  }
}

async function request(path, { query = {}, timeoutMs = REQUEST_MS, signal, ...options } = {}) {
  const pairs = Object.entries(query).filter(([, value]) => value !== undefined && value !== null && value !== "");
  const signals = [AbortSignal.timeout(timeoutMs), ...(signal ? [signal] : [])];
  const address = `${API}/${path}${pairs.length ? `?${new URLSearchParams(pairs)}` : ""}`;
  const answer = await fetch(address, { ...options, cache: "no-store", signal: AbortSignal.any(signals) });
  const body = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new RequestError(body.message ?? body.detail ?? `the server answered ${answer.status}`, answer.status);
  return body;
}

/** A path as part of an address: each element encoded, slashes kept. */
const inAddress = (path) => path.split("/").map(encodeURIComponent).join("/").replace(/^\//, "");

/** An alarm of the REST interface as a row of this page. */
export function rowOf(item) {
  const version = item.version ?? "";
  return {
    path: item.path,
    ...place(item.path),
    description: item.description ?? "",
    known: item.known ?? true,
    version,
    ...stateOf(item),
  };
}

function stateOf(item) {
  const { acknowledgement: ack, suppression } = item;
  return {
    severity: item.severity,
    message: item.message ?? "",
    value: item.value ?? "",
    time: toMs(item.time),
    current: item.current?.severity ?? item.severity,
    currentMessage: item.current?.message ?? "",
    currentValue: item.current?.value ?? "",
    currentTime: toMs(item.current?.time),
    connected: item.connected ?? true,
    since: toMs(item.since),
    ack: ack ? { ...ack, time: toMs(ack.time) } : null,
    suppression: suppression ? { ...suppression, since: toMs(suppression.since), until: toMs(suppression.until) } : null,
  };
}

/** An event of the REST interface or the stream, with the row that its alarm has become. */
export function eventOf(item) {
  return {
    id: item.id,
    key: item.id,
    time: toMs(item.time),
    since: toMs(item.time),
    kind: item.kind,
    path: item.path,
    ...place(item.path),
    from: item.from,
    to: item.to,
    description: item.description ?? "",
    message: item.state?.message ?? "",
    value: item.state?.value ?? "",
    user: item.user ?? "",
    comment: item.comment || item.reason || "",
    correlation: item.correlation ?? "",
    row: item.state ? { path: item.path, ...place(item.path), description: item.description ?? "", version: item.id, ...stateOf(item.state) } : null,
  };
}

/** Names of the configurations that this server shows. */
export async function configurations(signal) {
  const answer = await request("configurations", { signal });
  return answer.configurations.map((item) => item.name);
}

/** What is known of the files that a tree comes from. */
export async function files(config, signal) {
  const answer = await request("files", { query: { config }, signal });
  return answer.files[0];
}

/** Components of the tree, to any depth. @returns {Promise<import("./tree.js").TreeNode>} */
export async function tree(config, signal) {
  const answer = await request("tree", { query: { path: `/${config}`, depth: 100 }, signal });
  const convert = (node) => ({ path: node.path, name: node.name, total: node.alarms ?? null, children: (node.nodes ?? []).map(convert) });
  return convert(answer.root);
}

/** A page of alarms: `{rows, total, asOf, next}`. */
export async function alarms(config, query, signal) {
  const answer = await request("alarms", { query: { config, ...query }, signal });
  return { rows: answer.alarms.map(rowOf), total: answer.total, asOf: answer.as_of ?? "", next: answer.next ?? null };
}

/** Everything about one alarm. */
export async function alarm(path, signal) {
  const answer = await request(`alarms/${inAddress(path)}`, { signal });
  return { row: rowOf(answer.alarm), settings: answer.alarm.settings ?? {} };
}

/** A page of events, newest first. */
export async function events(config, query, signal) {
  const answer = await request("events", { query: { config, ...query }, signal });
  return { events: answer.events.map(eventOf), next: answer.next ?? null };
}

/** A random UUID; `crypto.randomUUID` is missing on plain http. */
export function uuid() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}

/**
 * Sends a command. A lost answer is asked for again under the same id (the engine executes it once).
 * @returns {Promise<{outcome: "done"|"refused"|"not_confirmed", reason: string, leftAlone: string[]}>}
 */
export async function send(command) {
  const options = { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(command), timeoutMs: COMMAND_MS };
  for (const last of [false, true]) {
    try {
      const answer = await request("commands", options);
      return { outcome: answer.outcome, reason: answer.reason ?? "", leftAlone: answer.left_alone ?? [] };
    } catch (problem) {
      if (problem instanceof RequestError) {
        if (problem.status < 500) return { outcome: "refused", reason: problem.message, leftAlone: [] };
        return { outcome: "not_confirmed", reason: problem.message, leftAlone: [] };
      }
      if (last) return { outcome: "not_confirmed", reason: "the server could not be reached", leftAlone: [] };
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
  }
}

/** Follows the events of a configuration from one on, again and again, until closed. */
export class Stream {
  /** @param {{onEvent: Function, onStatus: Function, onReset: Function, after: () => string}} hooks */
  constructor(config, hooks) {
    this.config = config;
    this.hooks = hooks;
    this.heard = now();
    this.#open();
  }

  #open() {
    const source = new EventSource(`${API}/stream?${new URLSearchParams({ config: this.config, after: this.hooks.after() })}`);
    this.source = source;
    const hear = (handle) => (message) => {
      if (source !== this.source) return;
      this.heard = now();
      handle(message.data ? JSON.parse(message.data) : null);
    };
    source.addEventListener("event", hear((data) => this.hooks.onEvent(eventOf(data))));
    source.addEventListener("status", hear((data) => this.hooks.onStatus(data)));
    source.addEventListener("reset", hear(() => this.hooks.onReset()));
    source.onerror = () => source === this.source && this.#again();
  }

  /** Opens anew from the newest event known; never left to the browser, which gives up on some answers. */
  #again() {
    this.source.close();
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.#open(), RETRY_MS);
  }

  /** Milliseconds without any sign; a connection that hangs is opened anew. */
  silence() {
    const silent = now() - this.heard;
    if (silent > SILENCE_MS && now() - (this.renewed ?? -Infinity) > SILENCE_MS) {
      this.renewed = now();
      this.#again();
    }
    return silent;
  }

  close() {
    clearTimeout(this.timer);
    this.source.close();
    this.source = null;
  }
}

/** Milliseconds of the page's own steady clock. */
export const now = () => performance.now();
