// Text as the server counts it: offsets are characters (code points), which a JavaScript string does not index.
import { el } from "./dom.js";

const FENCE = /^\s{0,3}(```|~~~)/;
const HEADING = /^\s{0,3}#{1,6}\s/;
const SIGNS = /^\s{0,3}(?:#{1,6}|>)\s|\*\*|`/g;

// The source text of a passage as a fragment. `base` is the offset of its first character, `ranges` are
// [start, end, tag spec] in the same count; they may overlap. Nothing is left out: Markdown's signs are only dimmed.
export function sourceText(text, ranges = [], base = 0) {
  const fragment = document.createDocumentFragment();
  let offset = base;
  let fenced = false;
  for (const line of text.split(/(?<=\n)/)) {
    const characters = Array.from(line);
    const fence = FENCE.test(line);
    const spec = fenced || fence ? "span.code-line" : HEADING.test(line) ? "span.heading-line" : null;
    if (fence) fenced = !fenced;
    const pieces = cut(characters, offset, fenced || fence ? ranges : [...signs(line, offset), ...ranges]);
    fragment.append(...(spec ? [el(spec, {}, ...pieces)] : pieces));
    offset += characters.length;
  }
  return fragment;
}

function* signs(line, offset) {
  for (const { 0: sign, index } of line.matchAll(SIGNS)) {
    const start = offset + Array.from(line.slice(0, index)).length;
    yield [start, start + sign.length, "span.sign"];
  }
}

function cut(characters, offset, ranges) {
  const end = offset + characters.length;
  const inside = ranges.filter(([from, to]) => from < end && to > offset && to > from);
  if (!inside.length) return [characters.join("")];
  const points = new Set([offset, end]);
  for (const [from, to] of inside) points.add(Math.max(from, offset)).add(Math.min(to, end));
  const places = [...points].sort((a, b) => a - b);
  return places.slice(0, -1).map((from, i) => {
    const piece = characters.slice(from - offset, places[i + 1] - offset).join("");
    return inside.filter(([low, high]) => low <= from && high > from).reduce((node, [, , spec]) => el(spec, {}, node), piece);
  });
}
