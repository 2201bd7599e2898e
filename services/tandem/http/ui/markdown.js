// The little Markdown that answers use, as elements: paragraphs, lists, code, bold. Everything else stays text.
import { el } from "./dom.js";

const ITEM = /^\s{0,6}(?:[-*+•]|(\d{1,3})[.)])\s+/;
const FENCE = /^\s{0,3}```(.*)$/;
const HEADING = /^\s{0,3}#{1,6}\s+(.*?)\s*#*$/;
const INLINE = /(`+)(.+?)\1|\*\*(?=\S)(.+?)\*\*|\[(\d{1,3}(?:\s*,\s*\d{1,3})*)\]/g;

// Keeps the elements of blocks that did not change, so that a growing answer can be read and selected.
export class Rendering {
  #root;
  #blocks = [];

  constructor(root) { this.#root = root; }

  // `cite(number)` makes the element for [number].
  show(text, cite, anew = false) {
    const blocks = split(text);
    let same = 0;
    while (!anew && same < blocks.length && blocks[same] === this.#blocks[same]) same += 1;
    while (this.#root.childNodes.length > same) this.#root.lastChild.remove();
    for (const block of blocks.slice(same)) this.#root.append(element(block, cite));
    this.#blocks = blocks;
  }
}

function split(text) {
  const blocks = [];
  let open = null;
  let fenced = false;
  const close = () => { if (open) blocks.push(open.join("\n")); open = null; };
  for (const line of text.replace(/\r\n?/g, "\n").split("\n")) {
    if (fenced) {
      open.push(line);
      if (FENCE.test(line)) { fenced = false; close(); }
    } else if (FENCE.test(line)) {
      close();
      open = [line];
      fenced = true;
    } else if (!line.trim()) {
      close();
    } else if (HEADING.test(line)) {
      close();
      blocks.push(line);
    } else {
      if (open && ITEM.test(line) && !ITEM.test(open[0])) close();
      (open ??= []).push(line);
    }
  }
  close();
  return blocks;
}

function element(block, cite) {
  if (FENCE.test(block.split("\n", 1)[0])) return code(block);
  const heading = HEADING.exec(block);
  if (heading) return el("h3", {}, inline(heading[1], cite));
  if (ITEM.test(block)) return list(block, cite);
  return el("p", {}, inline(block, cite));
}

function code(block) {
  const lines = block.split("\n").slice(1);
  if (lines.length && FENCE.test(lines.at(-1))) lines.pop();
  return el("pre", { tabindex: "0" }, el("code", {}, lines.join("\n")));
}

function list(block, cite) {
  const items = [];
  for (const line of block.split("\n")) {
    if (ITEM.test(line)) items.push(line.replace(ITEM, ""));
    else items.push(`${items.pop()}\n${line.trim()}`);
  }
  const first = ITEM.exec(block)[1];
  return el(first ? "ol" : "ul", first ? { start: first } : {}, items.map((item) => el("li", {}, inline(item, cite))));
}

function inline(text, cite) {
  const parts = [];
  let from = 0;
  for (const match of text.matchAll(INLINE)) {
    parts.push(text.slice(from, match.index));
    from = match.index + match[0].length;
    if (match[2] !== undefined) parts.push(el("code", {}, match[2]));
    else if (match[3] !== undefined) parts.push(el("strong", {}, inline(match[3], cite)));
    else parts.push(parts.pop().trimEnd(), match[4].split(",").map((number) => cite(Number(number))));
  }
  parts.push(text.slice(from));
  return parts.flat().filter((part) => part !== "");
}
