// The alarm tree: components with the worst severity below them. Leaves are in the table.

import { RANK, SEVERITIES } from "./store.js";
import { make, setText } from "./format.js";

const NOTHING = { rank: 0, active: 0, acknowledged: 0, shelved: 0 };

/** @typedef {{path: string, name: string, total: number, children: TreeNode[]}} TreeNode */
export class Tree {
  /**
   * @param {HTMLElement} list - element with role tree
   * @param {{words: object, onPick: (path: string) => void}} options
   */
  constructor(list, { words, onPick }) {
    this.list = list;
    this.words = words;
    this.onPick = onPick;
    this.root = null;
    this.open = new Set();
    this.picked = "";
    this.focused = "";
    this.items = new Map();
    list.addEventListener("click", (event) => this.#click(event));
    list.addEventListener("keydown", (event) => this.#key(event));
  }

  /** Takes a new structure; what was open stays open. @param {TreeNode} root */
  setRoot(root) {
    this.root = root;
    if (root) this.open.add(root.path);
    this.items.clear();
    this.list.replaceChildren();
  }

  /** Opens everything above a path, so that it can be seen. */
  reveal(paths) {
    for (const path of paths) this.open.add(path);
  }

  /** Closes all but the systems. */
  collapse() {
    this.open = new Set([this.root?.path]);
  }

  /** Paints severities and numbers. @param {Map<string, {rank: number, active: number, acknowledged: number, shelved: number}>} sums */
  show(sums, picked) {
    this.picked = picked || this.root?.path;
    this.sums = sums;
    const visible = [];
    const walk = (node, level) => {
      visible.push([node, level]);
      if (this.open.has(node.path)) for (const child of node.children) walk(child, level + 1);
    };
    if (this.root) walk(this.root, 1);
    const there = new Set(visible.map(([node]) => node.path));
    if (!there.has(this.focused)) this.focused = there.has(this.picked) ? this.picked : (this.root?.path ?? "");
    visible.forEach(([node, level], n) => {
      const item = this.items.get(node.path) ?? this.#build(node, level);
      this.#fill(item, node, sums.get(node.path) ?? NOTHING);
      if (this.list.children[n] !== item) this.list.insertBefore(item, this.list.children[n] ?? null);
    });
    for (const [path, item] of this.items) if (!there.has(path)) this.items.delete(path) && item.remove();
  }

  #build(node, level) {
    const item = make(
      "li",
      { role: "treeitem", "aria-level": level, title: node.path, data: { path: node.path } },
      make("span.twist", { "aria-hidden": true }),
      make("span.badge"),
      make("span.name", { text: node.name }),
      make("span.numbers"),
    );
    item.style.setProperty("--level", level - 1);
    this.items.set(node.path, item);
    return item;
  }

  #fill(item, node, sum) {
    const [twist, badge, , numbers] = item.children;
    const severity = SEVERITIES[sum.rank];
    const leaf = !node.children.length;
    setText(twist, leaf ? "" : this.open.has(node.path) ? "▾" : "▸");
    if (!leaf) item.setAttribute("aria-expanded", this.open.has(node.path));
    item.setAttribute("aria-selected", node.path === this.picked);
    item.tabIndex = node.path === this.focused ? 0 : -1;
    badge.className = `badge s-${severity}`;
    setText(badge, this.words[severity]);
    setText(numbers, [sum.active && `${sum.active}`, sum.acknowledged && `${sum.acknowledged}✓`].filter(Boolean).join(" "));
    const said = `${sum.active} active, ${sum.acknowledged} acknowledged, ${sum.shelved} shelved or out of service`;
    const title = `${said}${node.total === null ? "" : ` of ${node.total} alarms`}`;
    if (numbers.title !== title) numbers.title = title;
    item.setAttribute("aria-label", `${node.name}: ${RANK[severity] ? this.words[severity] : "OK"}, ${said}`);
  }

  /** True if there is a component with that path. */
  has(path) {
    return Boolean(this.#node(path));
  }

  #node(path, node = this.root) {
    if (!node || node.path === path) return node;
    for (const child of node.children) {
      if (path === child.path || path.startsWith(`${child.path}/`)) return this.#node(path, child);
    }
    return null;
  }

  #click(event) {
    const item = event.target.closest("li");
    if (!item) return;
    const { path } = item.dataset;
    this.focused = path;
    if (event.target.closest(".twist") && this.#node(path).children.length) this.#twist(path);
    else this.onPick(path);
  }

  #twist(path, open = !this.open.has(path)) {
    this.open[open ? "add" : "delete"](path);
    this.show(this.sums, this.picked);
  }

  #key(event) {
    const at = this.list.querySelector("li:focus");
    if (!at) return;
    const { path } = at.dataset;
    const node = this.#node(path);
    const go = (item) => {
      if (!item) return;
      this.focused = item.dataset.path;
      this.show(this.sums, this.picked);
      item.focus();
    };
    if (event.key === "ArrowDown") go(at.nextElementSibling);
    else if (event.key === "ArrowUp") go(at.previousElementSibling);
    else if (event.key === "ArrowRight") this.open.has(path) ? go(node.children.length ? at.nextElementSibling : null) : this.#twist(path, true);
    else if (event.key === "ArrowLeft") {
      if (this.open.has(path) && node.children.length) this.#twist(path, false);
      else go(this.items.get(path.replace(/(?<!\\)\/(?:[^/\\]|\\.)*$/, "")));
    } else if (event.key === "Enter" || event.key === " ") this.onPick(path);
    else return;
    event.preventDefault();
  }
}
