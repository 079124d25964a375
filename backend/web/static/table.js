// A table that holds any number of rows and builds only those that can be seen.

import { make, setText } from "./format.js";

const SPARE = 8; // rows built above and below what is seen
const AIM_MS = 350; // a row that came under the pointer within this time was not what the click was for

/**
 * @typedef {object} Column
 * @property {string} key - order it sorts by, and its class
 * @property {string} title
 * @property {boolean} [sortable]
 * @property {(row: object, now: number) => string} text
 * @property {(cell: HTMLElement, row: object, now: number) => void} [paint] - more than text: shade, title
 */
export class VirtualTable {
  /**
   * @param {HTMLElement} scroller - scrolls; holds the table
   * @param {{onOpen: Function, onSort: Function, onSelection: Function, onMoved: Function}} hooks
   */
  constructor(scroller, hooks) {
    this.scroller = scroller;
    this.hooks = hooks;
    this.table = scroller.querySelector("table");
    [this.cols, this.head, this.body] = this.table.children;
    this.rows = [];
    this.selected = new Set();
    this.pending = new Map();
    this.cursor = null;
    this.opened = null;
    this.pool = new Map();
    this.top = make("tr.space", { "aria-hidden": true }, make("td"));
    this.bottom = make("tr.space", { "aria-hidden": true }, make("td"));
    scroller.addEventListener("scroll", () => this.paint(), { passive: true });
    new ResizeObserver(() => this.paint()).observe(scroller);
    scroller.addEventListener("keydown", (event) => this.#key(event));
    this.body.addEventListener("click", (event) => this.#click(event));
  }

  /** Changes what the columns are; `selectable` puts a check box first. @param {Column[]} columns */
  setColumns(columns, selectable) {
    this.columns = columns;
    this.selectable = selectable;
    this.pool.clear();
    this.cols.replaceChildren(...(selectable ? [make("col.pick")] : []), ...columns.map((column) => make(`col.c-${column.key}`)));
    this.all = make("input", { type: "checkbox", "aria-label": "Select all shown", onchange: () => this.#selectAll() });
    const cells = columns.map((column) => make(`th.c-${column.key}`, { scope: "col" }, this.#headText(column)));
    if (selectable) cells.unshift(make("th.pick", { scope: "col" }, this.all));
    this.head.replaceChildren(make("tr", {}, ...cells));
    this.body.replaceChildren(this.top, this.bottom);
    this.scroller.scrollTop = 0;
  }

  #headText(column) {
    if (!column.sortable) return make("span", { text: column.title });
    return make("button", { type: "button", data: { sort: column.key }, onclick: () => this.hooks.onSort(column.key) }, column.title);
  }

  /** Shows rows in the given order; forgets selected ones that are not among them. `asked`: because the user wanted other rows. */
  show(rows, sort, asked) {
    this.rows = rows;
    this.asked = asked;
    if (this.selectable && this.selected.size) {
      const there = new Set(rows.map((row) => row.path));
      for (const path of this.selected) if (!there.has(path)) this.selected.delete(path);
    }
    for (const button of this.head.querySelectorAll("button[data-sort]")) {
      const on = button.dataset.sort === sort.key;
      button.parentElement.setAttribute("aria-sort", on ? (sort.reversed ? "ascending" : "descending") : "none");
    }
    this.table.setAttribute("aria-rowcount", rows.length + 1);
    this.paint();
  }

  /** Builds the rows that can be seen now. */
  paint() {
    if (!this.columns) return;
    const height = this.rowHeight();
    const seen = Math.ceil(this.scroller.clientHeight / height) + 2 * SPARE;
    const first = Math.max(0, Math.min(Math.floor(this.scroller.scrollTop / height) - SPARE, this.rows.length - seen));
    const shown = this.rows.slice(first, first + seen);
    const now = Date.now();
    const old = this.pool;
    this.pool = new Map();
    let place = this.top;
    shown.forEach((row, n) => {
      const tr = old.get(row.key ?? row.path) ?? this.#build(row);
      this.pool.set(row.key ?? row.path, tr);
      this.#fill(tr, row, first + n, now);
      if (place.nextSibling !== tr) place.after(tr);
      place = tr;
    });
    for (const [key, tr] of old) if (!this.pool.has(key)) tr.remove();
    this.asked = true; // until the next change of data: scrolling is the user's doing
    this.top.firstChild.style.height = `${first * height}px`;
    this.bottom.firstChild.style.height = `${Math.max(0, this.rows.length - first - shown.length) * height}px`;
    if (this.all) {
      this.all.checked = this.rows.length > 0 && this.selected.size === this.rows.length;
      this.all.indeterminate = this.selected.size > 0 && !this.all.checked;
    }
  }

  /** Height of a row in pixels, as the style sheet has it. */
  rowHeight() {
    return (this.height ??= parseFloat(getComputedStyle(this.scroller).getPropertyValue("--row")) || 28);
  }

  #build(row) {
    const tr = make("tr", { role: "row", id: `r-${(this.serial = (this.serial ?? 0) + 1)}` });
    tr.dataset.path = row.path;
    tr.dataset.key = row.key ?? row.path;
    if (this.selectable) tr.append(make("td.pick", {}, make("input", { type: "checkbox", tabindex: -1, "aria-label": `Select ${row.pv}` })));
    for (const column of this.columns) tr.append(make(`td.c-${column.key}`, {}, make("span")));
    return tr;
  }

  #fill(tr, row, index, now) {
    const key = row.key ?? row.path;
    if (tr.index !== index) {
      tr.index = index;
      tr.movedAt = this.asked ? -Infinity : performance.now();
      tr.setAttribute("aria-rowindex", index + 2);
    }
    const picked = this.selected.has(row.path);
    tr.classList.toggle("cursor", key === this.cursor);
    tr.classList.toggle("opened", this.selectable && row.path === this.opened);
    tr.classList.toggle("fresh", this.selectable && row.since !== null && now - row.since < 10_000);
    tr.classList.toggle("pending", this.pending.has(row.path) && this.selectable);
    let cells = tr.children;
    if (this.selectable) {
      tr.setAttribute("aria-selected", picked);
      cells[0].firstChild.checked = picked;
      cells = [...cells].slice(1);
    }
    this.columns.forEach((column, n) => {
      setText(cells[n].firstChild, column.text(row, now));
      column.paint?.(cells[n].firstChild, row, now);
    });
  }

  #click(event) {
    const tr = event.target.closest("tr[data-path]");
    if (!tr) return;
    if (performance.now() - tr.movedAt < AIM_MS) {
      event.preventDefault();
      this.hooks.onMoved();
      return;
    }
    this.cursor = tr.dataset.key;
    if (this.selectable && event.target.closest("td.pick")) this.#toggle(tr.dataset.path, event.shiftKey);
    else this.hooks.onOpen(tr.dataset.path);
    this.paint();
  }

  /** Selects or releases a row; with `range` everything from the last one clicked. */
  #toggle(path, range) {
    const on = !this.selected.has(path);
    let paths = [path];
    if (range && this.anchor) {
      const [a, b] = [this.anchor, path].map((wanted) => this.rows.findIndex((row) => row.path === wanted)).sort((x, y) => x - y);
      if (a >= 0) paths = this.rows.slice(a, b + 1).map((row) => row.path);
    }
    for (const one of paths) this.selected[on ? "add" : "delete"](one);
    this.anchor = path;
    this.hooks.onSelection();
  }

  #selectAll() {
    const on = this.selected.size < this.rows.length;
    this.selected = new Set(on ? this.rows.map((row) => row.path) : []);
    this.paint();
    this.hooks.onSelection();
  }

  /** Releases some rows, or all. */
  release(paths = [...this.selected]) {
    for (const path of paths) this.selected.delete(path);
    this.hooks.onSelection();
  }

  /** Row under the keyboard's cursor, if it is still there. */
  current() {
    return this.rows.find((row) => (row.key ?? row.path) === this.cursor);
  }

  #key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target !== this.scroller) return;
    const page = Math.max(1, Math.floor(this.scroller.clientHeight / this.rowHeight()) - 2);
    const step = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -Infinity, End: Infinity }[event.key];
    if (step !== undefined) this.#move(step);
    else if (event.key === "Enter" && this.current()) this.hooks.onOpen(this.current().path);
    else if (event.key === " " && this.selectable && this.current()) this.#toggle(this.current().path, event.shiftKey);
    else return;
    event.preventDefault();
    this.paint();
  }

  #move(step) {
    if (!this.rows.length) return;
    const at = this.rows.findIndex((row) => (row.key ?? row.path) === this.cursor);
    const to = Math.max(0, Math.min(this.rows.length - 1, at < 0 ? 0 : at + step));
    this.cursor = this.rows[to].key ?? this.rows[to].path;
    const [height, head] = [this.rowHeight(), this.head.offsetHeight];
    const top = to * height;
    if (top < this.scroller.scrollTop) this.scroller.scrollTop = top;
    else if (top + height + head > this.scroller.scrollTop + this.scroller.clientHeight) {
      this.scroller.scrollTop = top + height + head - this.scroller.clientHeight;
    }
    this.paint();
    this.scroller.setAttribute("aria-activedescendant", this.pool.get(this.cursor)?.id ?? "");
  }
}
