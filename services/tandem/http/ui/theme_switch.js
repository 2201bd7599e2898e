// The switch between the system's colours, light and dark.
import { $, icon } from "./dom.js";
import { theme } from "./store.js";

const NEXT = { auto: "light", light: "dark", dark: "auto" };
const NAMES = { auto: "as the system", light: "light", dark: "dark" };
const ICONS = { auto: "auto", light: "sun", dark: "moon" };

export function setUpTheme() {
  $("#theme").addEventListener("click", () => {
    theme.set(NEXT[theme.get()]);
    show();
  });
  show();
}

function show() {
  const chosen = theme.get();
  if (chosen === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = chosen;
  const control = $("#theme");
  control.replaceChildren(icon(ICONS[chosen] ?? "auto"));
  control.title = `Colours: ${NAMES[chosen]}`;
  control.setAttribute("aria-label", `Colours: ${NAMES[chosen]}. Switch`);
}
