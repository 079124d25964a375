// How much of the page can be trusted, and what has been seen of it. Nothing else decides about the banner.

import { setText, span } from "./format.js";
import { SILENCE_MS, now } from "./link.js";

const BEHIND_MS = 2000; // more than that is worth a word: what PVs say waits so long to be decided
const SIGHT_MS = 300; // an event counts as seen when it has been on screen that long

export class Trust {
  /** @param {{$: Function, isLoaded: () => boolean, title: () => string, onChange: () => void}} page */
  constructor(page) {
    Object.assign(this, page);
    /** The stream that is followed; null while there is none. */
    this.stream = null;
    /** Last status that the stream has brought. */
    this.status = null;
    /** Why loading failed; empty while it did not. */
    this.problem = "";
    this.blind = true;
  }

  /** A new stream: nothing is known until it speaks. */
  follow(stream) {
    this.problem = "";
    this.status = null;
    this.stream = stream;
  }

  /** Ends the stream. */
  drop() {
    this.stream?.close();
    this.stream = null;
  }

  /** Why what is on screen cannot be trusted; null if it can. */
  blindness() {
    const silent = this.stream ? this.stream.silence() : Infinity;
    if (this.problem) return { kind: "gone", title: "NO CONNECTION", text: `${this.problem}. Alarms are NOT being watched on this page; trying again …` };
    if (!this.isLoaded() || !this.stream) return { kind: "waiting", title: "CONNECTING", text: "Alarms are not known yet." };
    if (silent > SILENCE_MS) {
      return { kind: "gone", title: "NO CONNECTION", text: `Nothing from the server for ${span(silent)}. What is shown below is OLD; trying again …` };
    }
    if (!this.status) return { kind: "waiting", title: "CONNECTING", text: "Waiting for the first sign of the engine." };
    if (this.status.stale) {
      const age = this.status.age_s;
      const since = age === null ? "The engine has given no life sign" : `No life sign of the engine for ${span(age * 1000)}`;
      return { kind: "stale", title: "STALE", text: `${since}. Alarms are NOT being evaluated; what is shown below is OLD.` };
    }
    return null;
  }

  /** What is to be known beside what is on screen, which can be trusted; null for nothing. */
  notice() {
    const { foreign } = this.status ?? {};
    return foreign ? { kind: "foreign", title: "SECOND WRITER", text: `${foreign[0].toUpperCase()}${foreign.slice(1)}.` } : null;
  }

  /** Shows it: banner, colours, the engine in the head, the title of the window. */
  show() {
    const { $ } = this;
    const blind = this.blindness();
    const changed = Boolean(blind) !== this.blind;
    this.blind = Boolean(blind);
    document.body.classList.toggle("blind", this.blind);
    const said = blind ?? this.notice();
    $("banner").hidden = !said;
    if (said) {
      $("banner").dataset.kind = said.kind;
      setText($("banner-title"), said.title);
      setText($("banner-text"), said.text);
    }
    setText($("engine-state"), said ? said.title : "LIVE");
    $("engine-state").className = said ? "s-STALE" : "s-OK";
    setText($("engine-text"), blind ? "" : this.#engine());
    const modes = [this.status?.maintenance && "MAINTENANCE", this.status?.notify === false && "NO NOTIFICATIONS"].filter(Boolean);
    setText($("modes"), modes.join(" "));
    const title = blind ? `${blind.title} – tocsin` : this.title();
    if (document.title !== title) document.title = title;
    if (changed) this.onChange();
  }

  #engine() {
    const age = `${(this.status.age_s ?? 0).toFixed(1)} s`;
    const { engine } = this.status;
    const behind = engine?.lag_ms > BEHIND_MS ? ` · ${span(engine.lag_ms)} BEHIND` : "";
    return engine ? `${age} · ${engine.pvs_connected} of ${engine.pvs_total} PVs${behind}` : age;
  }
}

/** Remembers which event was on screen when. */
export class Sight {
  constructor() {
    this.clear();
  }

  clear() {
    this.shown = [];
  }

  /** Everything up to this event has just been painted. */
  painted(id) {
    const time = now();
    if (this.shown.at(-1)?.[1] !== id) this.shown.push([time, id]);
    const old = this.shown.findLastIndex(([then]) => then <= time - SIGHT_MS);
    if (old > 0) this.shown.splice(0, old);
    clearTimeout(this.timer);
    this.timer = setTimeout(() => (document.body.dataset.seen = this.seen()), SIGHT_MS + 1);
  }

  /** Newest event that has been on screen long enough to be seen: nobody acknowledges what he has not seen. */
  seen() {
    const limit = now() - SIGHT_MS;
    return this.shown.findLast(([time]) => time <= limit)?.[1] ?? this.shown[0]?.[1] ?? "";
  }
}
