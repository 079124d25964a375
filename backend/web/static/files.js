// Where the alarm tree comes from: says so in a bar when newer files were refused, or when somebody edited what files own.

import { make, setText } from "./format.js";
import * as link from "./link.js";

const EVERY_MS = 10_000;

export class Files {
  /** @param {{$: Function, config: () => string}} page */
  constructor(page) {
    Object.assign(this, page);
    this.asked = -Infinity;
  }

  /** Asks now and then, and at once where `now` says so. */
  async look(now = false) {
    if (!this.config() || (!now && performance.now() - this.asked < EVERY_MS)) return;
    this.asked = performance.now();
    const config = this.config();
    try {
      const found = await link.files(config);
      if (config === this.config()) this.show(found);
    } catch {
      // The banner says what is wrong with the server; this bar is no place to say it again.
    }
  }

  show(found) {
    const bar = this.$("files");
    const [title, lines] = words(found);
    bar.hidden = !title;
    bar.dataset.kind = found.state;
    setText(this.$("files-title"), title);
    this.$("files-lines").replaceChildren(...lines.map((text) => make("li", { text })));
  }
}

/** What is worth a bar: title and lines; no title for nothing. */
function words(found) {
  const of = found.commit ? ` of commit ${found.commit.slice(0, 12)}${found.author ? ` by ${found.author}` : ""}` : "";
  if (found.state === "refused") {
    const count = found.fault_count === 1 ? "1 error" : `${found.fault_count} errors`;
    return [`New alarm files${of} are refused: ${count}. What was there stays in force.`, found.faults];
  }
  if (found.state === "waiting") return [`New alarm files${of} are not in force yet: ${found.problem}`, []];
  if (found.drift_count) {
    const count = found.drift_count === 1 ? "1 entry" : `${found.drift_count} entries`;
    const line = (one) => `${one.path}: ${one.what}${one.fields.length ? ` (${one.fields.join(", ")})` : ""}`;
    return [`Edited by hand, and not what the files say: ${count} of the alarm tree.`, found.drift.map(line)];
  }
  return ["", []];
}
