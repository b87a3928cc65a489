// Elements are made here and nowhere else; text from the server only ever becomes text nodes.

export const byId = (id) => document.getElementById(id);

/** An element; `properties` are set on it, `data` and `aria-*` as attributes. */
export function el(tag, properties = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name === "data") Object.assign(node.dataset, value);
    else if (name.startsWith("aria-")) node.setAttribute(name, value);
    else node[name] = value;
  }
  node.append(...children.flat().filter(present));
  return node;
}

const present = (child) => child !== null && child !== undefined;

/** Text that may be broken behind each `_`, `.`, `/`, `:` and `,`. */
export const breakable = (text) =>
  text.split(/(?<=[_./:,])/).flatMap((part, i) => (i ? [document.createElement("wbr"), part] : [part]));

/** Writes only what differs, so that selections and screen readers are left in peace. */
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** Makes `parent` hold one element per item, in order, and keeps those that are there already. */
export function keyed(parent, items, key, create, update) {
  const wanted = new Set(items.map(key));
  const kept = new Map();
  for (const child of [...parent.children]) {
    if (wanted.has(child.dataset.key)) kept.set(child.dataset.key, child);
    else child.remove();
  }
  let place = parent.firstElementChild;
  for (const item of items) {
    const node = kept.get(key(item)) ?? create(item);
    node.dataset.key = key(item);
    update(node, item);
    if (node === place) place = place.nextElementSibling;
    else parent.insertBefore(node, place);
  }
}

const shown = new WeakMap();

/** Builds the contents of `node` again when `data` changed; what was open or focused stays so. */
export function refill(node, data, build) {
  const text = JSON.stringify(data);
  if (shown.get(node) === text) return;
  shown.set(node, text);
  const open = new Map([...node.querySelectorAll("details")].map((one) => [one.dataset.key, one.open]));
  const focused = node.contains(document.activeElement) ? document.activeElement.dataset.key : undefined;
  node.replaceChildren(...build(data).filter(present));
  for (const one of node.querySelectorAll("details")) one.open = open.get(one.dataset.key) ?? one.open;
  if (focused) [...node.querySelectorAll("[data-key]")].find((one) => one.dataset.key === focused)?.focus();
}
