// Building elements. Data only ever becomes text nodes and attributes, never markup.

const SVG = "http://www.w3.org/2000/svg";

const PATHS = {
  close: "M5 5l10 10M15 5L5 15",
  send: "M10 16V4M5 9l5-5 5 5",
  stop: "M6 6h8v8H6z",
  plus: "M10 4v12M4 10h12",
  upload: "M10 13V3M6 7l4-4 4 4M4 13v3h12v-3",
  trash: "M4 6h12M8 6V4h4v2M6 6l.6 10h6.8L14 6M8.5 9v4.5M11.5 9v4.5",
  retry: "M15.5 10a5.5 5.5 0 1 1-1.8-4.1M15.5 3.5v3.2h-3.2",
  sun: "M10 6.5a3.5 3.5 0 1 0 0 7 3.5 3.5 0 0 0 0-7zM10 2v1.6M10 16.4V18M2 10h1.6M16.4 10H18M4.3 4.3l1.2 1.2M14.5 14.5l1.2 1.2M4.3 15.7l1.2-1.2M14.5 5.5l1.2-1.2",
  moon: "M16 11.6A6.6 6.6 0 0 1 8.4 4a6.6 6.6 0 1 0 7.6 7.6z",
  auto: "M10 3a7 7 0 1 0 0 14zM10 3a7 7 0 0 1 0 14",
  key: "M12.5 11.5a4 4 0 1 0-3.4-1.6L3.5 15.5V17H6v-1.8h1.8v-1.8h1.7l1.1-1.1M13.6 6.6h.01",
  "thumb-up": "M3 9h3v8H3zM6 16.2c1.5.6 3 .8 5 .8h2.2a2 2 0 0 0 2-1.6l1.2-5A1.8 1.8 0 0 0 14.6 8H11l.6-3.4A1.6 1.6 0 0 0 10 2.7L6 9",
  "thumb-down": "M3 11h3V3H3zM6 3.8C7.5 3.2 9 3 11 3h2.2a2 2 0 0 1 2 1.6l1.2 5a1.8 1.8 0 0 1-1.8 2.4H11l.6 3.4a1.6 1.6 0 0 1-1.6 1.9L6 11",
  clock: "M10 3a7 7 0 1 0 0 14 7 7 0 0 0 0-14zM10 6v4l2.6 1.8",
  download: "M10 4v9M6 9.5l4 4 4-4M4 16h12",
  file: "M5.5 3h6l3 3v11h-9zM11.5 3v3h3",
};

export const $ = (selector, root = document) => root.querySelector(selector);

// el("button.quiet", {type: "button", onclick}, "text", child…): null and false children are left out.
export function el(spec, props = {}, ...children) {
  const [tag, ...classes] = spec.split(".");
  const node = document.createElement(tag || "div");
  if (classes.length) node.className = classes.join(" ");
  for (const [name, value] of Object.entries(props)) set(node, name, value);
  node.append(...children.flat(2).filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

function set(node, name, value) {
  if (value === null || value === undefined || value === false) return;
  if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
  else if (name === "dataset") Object.assign(node.dataset, value);
  else if (name in node && typeof value !== "string") node[name] = value;
  else node.setAttribute(name, value === true ? "" : value);
}

export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 20 20");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", PATHS[name]);
  svg.append(path);
  return svg;
}

export const button = (spec, label, onclick, props = {}, ...children) =>
  el(`button${spec}`, { type: "button", onclick, ...props }, ...(children.length ? children : [label]));

export const iconButton = (name, label, onclick, spec = ".icon-button") =>
  el(`button${spec}`, { type: "button", onclick, "aria-label": label, title: label }, icon(name));

export const heads = (...names) =>
  el("thead", {}, el("tr", {}, names.map((name) => el(/^(Score|Relevance|Chunks|Attempts)$/.test(name) ? "th.number" : "th", { scope: "col" }, name))));

export const plural = (count, one, many = `${one}s`) => `${count.toLocaleString()} ${count === 1 ? one : many}`;

export const seconds = (value) => (value < 0.001 ? "<1 ms" : value < 1 ? `${Math.round(value * 1000)} ms` : `${value.toFixed(2)} s`);

export const bytes = (size) =>
  size < 1000 ? `${size} B` : size < 1e6 ? `${(size / 1e3).toFixed(0)} kB` : `${(size / 1e6).toFixed(1)} MB`;

// The last place of a title path is what tells passages apart.
export const place = (passage) => [passage.title, ...(passage.title_path ?? []).filter((part) => part !== passage.title)];
