// The operator's page: joins the store, the stream, the table, the tree, the details and the commands.

import { columns, offered } from "./columns.js";
import { Commander } from "./commands.js";
import { Detail } from "./detail.js";
import { Files } from "./files.js";
import { clock, day, elements, isBelow, make, setText } from "./format.js";
import * as link from "./link.js";
import { KINDS, Store, compareIds, sortRows } from "./store.js";
import { VirtualTable } from "./table.js";
import { Tree } from "./tree.js";
import { Sight, Trust } from "./trust.js";

const $ = (id) => document.getElementById(id);
const TABS = ["active", "acknowledged", "shelved", "all", "events"];
const PAGE_ROWS = 500; // of the tabs that are asked from the server
const LATEST = 500; // events of the stream kept to complete answers that were on their way meanwhile
const EVENTS_KEPT = 2000; // in the table of events, while it grows by the stream
const LOADED_PATHS = 10_000;

class Page {
  constructor() {
    this.words = JSON.parse(document.body.dataset.words);
    this.store = new Store();
    this.pending = new Map();
    this.sorts = { active: { key: "severity" }, acknowledged: { key: "severity" }, shelved: { key: "until" }, all: { key: "pv" }, events: {} };
    this.paged = { rows: [], offset: 0, total: 0, next: null };
    this.latest = [];
    this.sight = new Sight();
    this.trust = new Trust({
      $,
      isLoaded: () => this.store.loaded,
      title: () => `${this.counted?.activeTotal ? `(${this.counted.activeTotal}) ` : ""}${this.config} – tocsin`,
      onChange: () => {
        this.showActions();
        this.showEmpty();
      },
    });
    this.readAddress();
    this.columns = columns(this.words, this.pending);
    this.table = new VirtualTable($("scroller"), {
      onOpen: (path) => this.openDetail(path),
      onSort: (key) => this.sort(key),
      onSelection: () => this.showActions(),
      onMoved: () => this.commander.say("hint", "The rows moved just before the click: nothing was done. Click again."),
    });
    this.table.pending = this.pending;
    this.files = new Files({ $, config: () => this.config });
    this.tree = new Tree($("tree"), { words: this.words, onPick: (path) => this.go({ path: path === `/${this.config}` ? "" : path }) });
    this.detail = new Detail($("detail"), {
      words: this.words,
      onClose: () => this.openDetail(""),
      onCommand: (kind, path, ask) => this.commander.rows(kind, [this.store.rows.get(path) ?? this.detail.row], ask),
    });
    this.commander = new Commander({
      $,
      pending: this.pending,
      seen: () => this.sight.seen(),
      user: () => $("user").value.trim(),
      setUser: (name) => this.setUser(name),
      changed: () => this.dirty(),
    });
    this.listen();
  }

  // ---- what is in the address bar ----

  readAddress() {
    const query = new URLSearchParams(location.search);
    this.config = query.get("config") ?? "";
    this.path = query.get("path") ?? "";
    this.at = query.get("at") ?? "";
    this.q = query.get("q") ?? "";
    this.tab = TABS.includes(query.get("tab")) ? query.get("tab") : "active";
    this.severities = new Set((query.get("severity") ?? "").split(",").filter((name) => KINDS.includes(name)));
  }

  /** Changes what is shown, and the address with it. */
  go(change, replace = false) {
    const before = { config: this.config, tab: this.tab, path: this.path };
    Object.assign(this, change);
    const query = new URLSearchParams();
    const severity = [...this.severities].join(",");
    for (const [key, value] of Object.entries({ config: this.config, path: this.path, q: this.q, tab: this.tab === "active" ? "" : this.tab, severity, at: this.at })) {
      if (value) query.set(key, value);
    }
    history[replace ? "replaceState" : "pushState"](null, "", `?${query}`);
    this.follow(before);
  }

  /** Does what a changed address asks for. */
  follow(before) {
    if (before.config !== this.config) this.load();
    if (before.tab !== this.tab) {
      this.table.release();
      this.showColumns();
    }
    if (before.path !== this.path || before.tab !== this.tab) $("scroller").scrollTop = 0;
    this.paged.offset = 0;
    this.asked = true;
    this.askPage();
    this.dirty();
  }

  // ---- loading ----

  /** Reads a configuration anew, then follows it; tries again until it works. */
  async load() {
    this.loading?.abort();
    const { signal } = (this.loading = new AbortController());
    this.trust.drop();
    for (;;) {
      try {
        await this.loadOnce(signal);
        return;
      } catch (problem) {
        if (signal.aborted) return;
        this.trust.problem = problem instanceof link.RequestError ? problem.message : "the server does not answer";
        this.trust.show();
        await new Promise((resolve) => setTimeout(resolve, 1000));
        if (signal.aborted) return;
      }
    }
  }

  async loadOnce(signal) {
    const names = await link.configurations(signal);
    if (!names.length) throw new link.RequestError("this server has no configuration yet");
    this.showConfigurations(names);
    const [root, quietless] = await Promise.all([link.tree(this.config, signal), this.loadAlarms(signal)]);
    if (signal.aborted) return;
    // Without an event to go on from, the stream would not tell of what happened between that answer and its own beginning.
    if (!quietless.asOf) throw new link.RequestError("Nothing has happened here yet, or the journal is still being read");
    this.store.config = this.config;
    this.store.load(quietless.rows, quietless.asOf);
    this.tree.setRoot(root);
    this.tree.reveal(elements(this.path).length ? [...this.above(this.path)] : []);
    this.sight.clear();
    this.latest = [];
    const stream = new link.Stream(this.config, {
      after: () => this.store.asOf,
      onEvent: (event) => this.take(event),
      onStatus: (status) => this.takeStatus(status),
      onReset: () => this.reload(),
    });
    this.trust.follow(stream);
    if (this.at) this.openDetail(this.at);
    this.asked = true;
    this.askPage();
    this.dirty();
  }

  /** There is a gap that the stream cannot fill: everything anew, not all pages of a site at the same moment. */
  reload() {
    this.trust.drop();
    this.trust.show();
    setTimeout(() => this.trust.stream ?? this.load(), Math.random() * 500);
  }

  /** All alarms that are not quiet. */
  async loadAlarms(signal) {
    const rows = [];
    let asOf = null;
    for (let next = null; ; ) {
      const page = await link.alarms(this.config, { state: "standing", limit: LOADED_PATHS, after: next }, signal);
      rows.push(...page.rows);
      asOf ??= page.asOf;
      next = page.next;
      if (!next) return { rows, asOf };
    }
  }

  above = (path) => elements(path).map((_, n, all) => `/${all.slice(0, n + 1).map((part) => part.replaceAll("/", "\\/")).join("/")}`);

  showConfigurations(names) {
    if (!names.includes(this.config)) {
      this.config = names[0];
      this.path = "";
    }
    $("config").replaceChildren(...names.map((name) => make("option", { value: name, text: name })));
    $("config").value = this.config;
    $("config").hidden = false;
  }

  // ---- the stream ----

  take(event) {
    const row = this.store.apply(event);
    this.latest.unshift(event);
    this.latest.length = Math.min(this.latest.length, LATEST);
    this.commander.heard(event);
    if (event.path === this.detail.path) {
      if (row) this.detail.setRow(row);
      this.detail.addEvent(event);
      if (event.kind === "configured") this.openDetail(event.path);
    }
    if (event.kind === "configured" || event.kind === "removed") this.treeChanged();
    if (event.kind === "configured" && event.path === `/${this.config}`) this.files.look(true);
    if (this.tab === "events" && this.matches(event)) {
      this.paged.rows = [event, ...this.paged.rows.filter((known) => known.id !== event.id)].slice(0, EVENTS_KEPT);
    }
    if (this.tab === "all" && row) {
      const at = this.paged.rows.findIndex((known) => known.path === row.path);
      if (at >= 0) this.paged.rows[at] = row;
    }
    this.dirty();
  }

  matches(event) {
    const text = `${event.path} ${event.description} ${event.message} ${event.comment}`.toLowerCase();
    return (
      this.paged.offset === 0 &&
      isBelow(event.path, this.path) &&
      text.includes(this.q.toLowerCase()) &&
      (!this.severities.size || this.severities.has(event.to.replace("_ACK", "")))
    );
  }

  /** Events of an answer, and before them those of the stream that the history did not have yet. */
  withLatest(events, wanted) {
    const newest = events[0]?.id ?? "";
    return [...this.latest.filter((event) => compareIds(event.id, newest) > 0 && wanted(event)), ...events];
  }

  /** A row of an answer, or what the stream has made of it meanwhile. */
  newerOf(row) {
    const event = this.latest.find((known) => known.path === row.path && known.row);
    return event && compareIds(event.id, row.version) > 0 ? event.row : row;
  }

  /** The structure changed: asks for it once the changes have stopped coming. */
  treeChanged() {
    clearTimeout(this.treeTimer);
    this.treeTimer = setTimeout(async () => {
      try {
        this.tree.setRoot(await link.tree(this.config, this.loading.signal));
        this.dirty();
      } catch {
        this.treeChanged();
      }
    }, 1000);
  }

  takeStatus(status) {
    this.trust.status = status;
    this.trust.show();
    this.showEmpty();
  }

  // ---- painting ----

  /** Something changed: paint at the next frame, and not more often than a fifth of the time allows. */
  dirty() {
    if (this.scheduled) return;
    this.scheduled = true;
    const wait = Math.max(0, (this.paintAgain ?? 0) - link.now());
    const frame = () => requestAnimationFrame(() => this.paint());
    if (wait > 16) setTimeout(frame, wait);
    else frame();
  }

  paint() {
    this.scheduled = false;
    const start = link.now();
    this.showCounts();
    this.tree.show(this.store.rollup(), this.path);
    this.showTabs();
    this.showFilters();
    this.showRows();
    this.showActions();
    this.trust.show();
    this.sight.painted(this.store.asOf);
    this.paintAgain = link.now() + 4 * (link.now() - start);
  }

  showCounts() {
    const counts = (this.counted = this.store.counts());
    const items = KINDS.map((kind) => {
      const [active, acknowledged] = [counts.active[kind] ?? 0, counts.acknowledged[kind] ?? 0];
      const parts = [make("b", { text: active }), make("span", { text: this.words[kind] }), acknowledged ? make("i", { text: `${acknowledged} ✓`, title: `${acknowledged} acknowledged` }) : null];
      return make(`li${active ? `.s-${kind}` : acknowledged ? `.s-${kind}_ACK` : ".none"}`, { data: { kind } }, ...parts);
    });
    items.push(make(`li${counts.shelved ? ".s-SHELVED" : ".none"}`, { title: "Shelved and out of service" }, make("b", { text: counts.shelved }), make("span", { text: "shelved" })));
    const text = JSON.stringify(counts);
    if (text === this.countsText) return;
    this.countsText = text;
    $("counts").replaceChildren(...items);
  }

  showTabs() {
    const numbers = { active: this.counted.activeTotal, acknowledged: this.counted.acknowledgedTotal, shelved: this.counted.shelved };
    for (const tab of document.querySelectorAll("#tabs [data-tab]")) {
      const name = tab.dataset.tab;
      tab.setAttribute("aria-selected", name === this.tab);
      if (name in numbers) setText(tab.querySelector("span"), `${numbers[name]}`);
    }
    if (document.activeElement !== $("search")) $("search").value = this.q;
  }

  showFilters() {
    const chips = $("chips");
    if (!chips.children.length) {
      chips.append(...KINDS.map((kind) => make("button", { type: "button", data: { kind }, onclick: () => this.toggleSeverity(kind) }, make(`i.swatch.s-${kind}`), this.words[kind])));
    }
    for (const chip of chips.children) chip.setAttribute("aria-pressed", this.severities.has(chip.dataset.kind));
    const text = `${this.config}\n${this.path}`;
    if (text === this.crumbsText) return;
    this.crumbsText = text;
    const paths = this.path ? this.above(this.path) : [`/${this.config}`];
    $("crumbs").replaceChildren(
      ...paths.map((path, n) => make("button", { type: "button", onclick: () => this.go({ path: n ? path : "" }) }, elements(path).at(-1) ?? "")),
      ...(this.path ? [make("button.clear", { type: "button", title: "Show the whole tree", "aria-label": "Show the whole tree", onclick: () => this.go({ path: "" }) }, "✕")] : []),
    );
  }

  toggleSeverity(kind) {
    const severities = new Set(this.severities);
    if (!severities.delete(kind)) severities.add(kind);
    this.go({ severities });
  }

  showColumns() {
    this.table.setColumns(this.columns[this.tab], this.tab !== "events");
    $("table").dataset.tab = this.tab;
  }

  showRows() {
    const sort = this.sorts[this.tab];
    if (["all", "events"].includes(this.tab)) this.rows = this.paged.rows;
    else this.rows = sortRows(this.store.select(this), sort);
    this.table.opened = this.at;
    this.table.show(this.rows, sort, this.asked);
    this.asked = false;
    const { offset, total } = this.paged;
    const server = this.tab === "all";
    $("pager").hidden = !(server && total > PAGE_ROWS);
    $("newer").disabled = offset === 0;
    $("older").disabled = offset + PAGE_ROWS >= total;
    const number = this.rows.length;
    setText($("shown"), server && total > number ? `${offset + 1}–${offset + number} of ${total} alarms` : `${number} ${this.tab === "events" ? "newest events" : number === 1 ? "alarm" : "alarms"}`);
    this.showEmpty();
  }

  /** Says what an empty table means: only a live engine makes it good news. */
  showEmpty() {
    const empty = $("empty");
    empty.hidden = Boolean(this.rows?.length);
    const filtered = this.path || this.q || this.severities.size;
    const quiet = { active: "No active alarms", acknowledged: "No acknowledged alarms", shelved: "Nothing shelved or out of service", all: "No alarms", events: "No events" };
    if (this.trust.blind) setText(empty, "NOT KNOWN: see the banner above.");
    else {
      const { unknown } = this.trust.status;
      const but = this.tab === "active" && unknown ? `, but nothing is known yet of ${unknown}.` : "";
      setText(empty, `${quiet[this.tab]}${filtered ? " with this filter" : ""}${but || (filtered ? "" : this.tab === "active" ? ". The engine is live." : ".")}`);
    }
  }

  /** Rows that commands are for: the selected ones, else the one under the keyboard's cursor. */
  targets() {
    if (this.tab === "events") return [];
    const picked = (this.rows ?? []).filter((row) => this.table.selected.has(row.path));
    const current = this.table.current();
    return picked.length ? picked : current && document.activeElement === $("scroller") ? [current] : [];
  }

  showActions() {
    const selected = (this.rows ?? []).filter((row) => this.table.selected.has(row.path));
    setText($("selected"), selected.length ? `${selected.length} selected` : "None selected");
    const may = offered(selected);
    for (const button of document.querySelectorAll("#actions [data-command]")) button.disabled = this.trust.blind || !may[button.dataset.command];
    $("actions").hidden = this.tab === "events";
    for (const button of document.querySelectorAll("#detail [data-command]")) button.disabled = this.trust.blind;
    const all = $("all-below");
    const below = this.tab === "active" && !this.q && !this.severities.size ? (this.rows?.length ?? 0) : 0;
    all.hidden = below < 2;
    all.disabled = this.trust.blind;
    setText(all, `✓ all ${below} in ${elements(this.path).at(-1) ?? this.config} …`);
  }

  // ---- tabs that are asked from the server ----

  /** Asks for the rows of the tabs "all" and "events". */
  async askPage() {
    const tab = this.tab;
    if (!this.store.loaded || !["all", "events"].includes(tab)) return;
    const ticket = (this.ticket = {});
    const { key, reversed } = this.sorts.all;
    const common = { path: this.path || undefined, q: this.q, severity: [...this.severities].join(",") };
    try {
      const { offset } = this.paged;
      if (tab === "events") {
        const page = await link.events(this.config, { ...common, limit: PAGE_ROWS }, this.loading.signal);
        if (ticket === this.ticket) this.paged = { rows: this.withLatest(page.events, (event) => this.matches(event)), offset: 0, total: page.events.length };
      } else {
        const page = await link.alarms(this.config, { ...common, state: "all", sort: `${reversed ? "-" : ""}${key}`, limit: PAGE_ROWS, offset }, this.loading.signal);
        if (ticket === this.ticket) this.paged = { rows: page.rows.map((row) => this.newerOf(row)), offset, total: page.total };
      }
      this.asked = true;
      this.dirty();
    } catch (problem) {
      if (ticket === this.ticket && !this.loading.signal.aborted) this.commander.say("refused", `Not loaded: ${problem.message}`);
    }
  }

  turn(pages) {
    this.paged.offset = Math.max(0, this.paged.offset + pages * PAGE_ROWS);
    $("scroller").scrollTop = 0;
    this.askPage();
  }

  sort(key) {
    const sort = this.sorts[this.tab];
    this.sorts[this.tab] = { key, reversed: sort.key === key && !sort.reversed };
    this.asked = true;
    this.paged.offset = 0;
    this.askPage();
    this.dirty();
  }

  // ---- details ----

  /** Opens the panel for an alarm; a component is shown as a filter instead; "" closes it. */
  async openDetail(path) {
    if (path !== this.at) this.go({ at: path }, true);
    if (!path) {
      this.detail.close();
      return;
    }
    if (path !== this.detail.path) this.detail.open(path, this.store.rows.get(path));
    const { signal } = this.loading;
    await Promise.all([this.askSettings(path, signal), this.askEvents(path, signal)]);
    this.showActions();
  }

  async askSettings(path, signal) {
    try {
      const { row, settings } = await link.alarm(path, signal);
      if (this.detail.path !== path) return;
      this.detail.setRow(this.newerOf(this.store.rows.get(path) ?? row));
      this.detail.setSettings(settings);
    } catch (problem) {
      if (signal.aborted || this.detail.path !== path) return;
      if (problem.status === 404 && this.tree.has(path)) {
        this.detail.close();
        this.go({ at: "", path }, true);
      } else this.detail.fail("guidance", `Not loaded: ${problem.message}`);
    }
  }

  async askEvents(path, signal) {
    try {
      const { events } = await link.events(this.config, { path, limit: 20 }, signal);
      if (this.detail.path === path) this.detail.setEvents(this.withLatest(events, (event) => event.path === path));
    } catch (problem) {
      if (!signal.aborted && this.detail.path === path) this.detail.fail("events", `Events not loaded: ${problem.message}`);
    }
  }

  // ---- input ----

  listen() {
    $("config").addEventListener("change", () => {
      this.store.clear("");
      this.tree.setRoot(null);
      this.trust.status = null;
      this.detail.close();
      this.go({ config: $("config").value, path: "", at: "" });
    });
    $("tabs").addEventListener("click", (event) => event.target.closest("[data-tab]") && this.go({ tab: event.target.closest("[data-tab]").dataset.tab }));
    $("search").addEventListener("input", () => this.search());
    $("collapse").addEventListener("click", () => this.tree.collapse() || this.dirty());
    $("newer").addEventListener("click", () => this.turn(-1));
    $("older").addEventListener("click", () => this.turn(1));
    for (const button of document.querySelectorAll("#actions [data-command]")) {
      button.addEventListener("click", () => this.command(button.dataset.command, "ask" in button.dataset, this.rows.filter((row) => this.table.selected.has(row.path))));
    }
    $("all-below").addEventListener("click", () => this.commander.component("acknowledge", this.path || `/${this.config}`, elements(this.path).at(-1) ?? this.config, this.rows.length));
    $("user").value = stored("user");
    $("user").addEventListener("change", () => this.setUser($("user").value.trim()));
    $("theme").addEventListener("click", () => this.turnTheme());
    addEventListener("popstate", () => {
      const before = { config: this.config, tab: this.tab, path: this.path };
      this.readAddress();
      this.follow(before);
      this.openDetail(this.at);
    });
    addEventListener("keydown", (event) => this.key(event));
    document.addEventListener("visibilitychange", () => this.tick());
  }

  search() {
    clearTimeout(this.searchTimer);
    this.searchTimer = setTimeout(() => this.go({ q: $("search").value.trim() }, true), 120);
  }

  async command(kind, ask, rows) {
    if (!(await this.commander.rows(kind, rows, ask))) return;
    this.table.release(rows.map((row) => row.path));
    this.dirty();
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
    if (event.key === "Escape") {
      if (document.activeElement === $("search") && this.q) this.go({ q: "" }, true);
      else this.openDetail("");
      $("scroller").focus();
    }
    if (event.target.matches("input, select")) return;
    const kind = { a: "acknowledge", s: "shelve" }[event.key];
    if (event.key === "/") $("search").focus();
    else if (kind && !this.trust.blind) this.command(kind, kind === "shelve", this.targets());
    else return;
    event.preventDefault();
  }

  setUser(name) {
    $("user").value = name;
    store("user", name);
  }

  turnTheme() {
    const themes = ["auto", "dark", "light"];
    const theme = themes[(themes.indexOf(stored("theme") || "auto") + 1) % 3];
    store("theme", theme);
    if (theme === "auto") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
    $("theme").title = `Theme: ${theme}`;
  }

  /** Once a second: the clock, the ages, and whether all of it is still true. */
  tick() {
    const wall = Date.now();
    const zone = new Date(wall).toLocaleTimeString("en-GB", { timeZoneName: "short" }).split(" ").slice(1).join(" ");
    setText($("clock"), `${day(wall)} ${clock(wall)} ${zone}`);
    this.detail.state();
    this.table.paint();
    this.trust.show();
    this.files.look();
  }

  start() {
    this.showColumns();
    this.load();
    this.tick();
    setInterval(() => this.tick(), 1000);
  }
}

function stored(key) {
  try {
    return localStorage.getItem(`tocsin.${key}`) ?? "";
  } catch {
    return "";
  }
}

function store(key, value) {
  try {
    localStorage.setItem(`tocsin.${key}`, value);
  } catch {
    // Storage may be forbidden; then it lasts as long as the page.
  }
}

new Page().start();
