// Puts the page together.
import { $, icon } from "./dom.js";
import { onKeyNeeded } from "./api.js";
import { setUpBatches } from "./batches.js";
import { corpusLine, currentInfo, isEmptyServer, loadCollections, onCollections, setUpCollections } from "./collections.js";
import { setUpComposer } from "./composer.js";
import { isAnswering, restoreConversation, stop } from "./conversation.js";
import { setUpDeleteDialog, setUpDocuments, showDocuments } from "./documents.js";
import { showModel } from "./engine.js";
import { leaveJobs, setUpJobs, showJobs } from "./jobs.js";
import { askForKey, setUpKey } from "./key.js";
import { faultNotice } from "./notice.js";
import { closePanel, setUpPanel } from "./panel.js";
import { setUpTheme } from "./theme_switch.js";

const TITLES = { ask: "Tandem", documents: "Documents · Tandem", jobs: "Jobs · Tandem" };

function showView() {
  const [name, id] = location.hash.slice(1).split("/");
  const view = name in TITLES ? name : "ask";
  for (const each of Object.keys(TITLES)) $(`#${each}`).hidden = each !== view;
  for (const link of document.querySelectorAll("nav a")) {
    if (link.hash === `#${view}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  document.title = TITLES[view];
  closePanel();
  if (view === "jobs") showJobs(id ? decoded(id) : null);
  else leaveJobs();
  if (view === "documents") showDocuments();
  // A field that takes the focus on a phone brings its keyboard up.
  else if (view === "ask" && matchMedia("(hover: hover)").matches) $("#question").focus({ preventScroll: true });
}

function decoded(part) {
  try { return decodeURIComponent(part); } catch { return part; }
}

function setUpKeys() {
  $(".skip").addEventListener("click", (event) => {
    event.preventDefault();
    $(["#question", "#choose", "#job-status", "#job-one a"].find((place) => $(place)?.checkVisibility())).focus();
  });
  addEventListener("keydown", (event) => {
    const typing = event.target.closest?.("input, textarea, select");
    const modal = document.querySelector("dialog:modal");
    if (event.key === "/" && !typing && !modal && !event.ctrlKey && !event.metaKey && !event.altKey) {
      event.preventDefault();
      location.hash = "#ask";
      $("#question").focus();
    }
    if (event.key === "Escape" && !modal) {
      if (isAnswering()) stop();
      else closePanel();
    }
  });
}

async function meetServer() {
  const box = $("#server-fault");
  try {
    await Promise.all([showModel(), loadCollections()]);
    box.replaceChildren();
  } catch (fault) {
    $("#model").textContent = "";
    box.replaceChildren(faultNotice(fault, { retry: meetServer }));
  }
}

for (const place of document.querySelectorAll("[data-icon]")) place.prepend(icon(place.dataset.icon));
onKeyNeeded(askForKey);
setUpTheme();
setUpKey();
setUpPanel();
setUpCollections();
setUpDeleteDialog();
setUpDocuments();
setUpBatches();
setUpJobs();
restoreConversation();
setUpComposer();
setUpKeys();
onCollections(() => {
  $("#no-documents").hidden = !isEmptyServer();
  const info = currentInfo();
  $("#corpus").textContent = info?.documents ? corpusLine(info) : "";
});
addEventListener("hashchange", showView);
showView();
meetServer();
