// Puts the page together.
import { $, icon } from "./dom.js";
import { onKeyNeeded } from "./api.js";
import { corpusLine, currentInfo, isEmptyServer, loadCollections, onCollections, setUpCollections } from "./collections.js";
import { setUpComposer } from "./composer.js";
import { isAnswering, restoreConversation, stop } from "./conversation.js";
import { setUpDeleteDialog, setUpDocuments, showDocuments } from "./documents.js";
import { showModel } from "./engine.js";
import { askForKey, setUpKey } from "./key.js";
import { faultNotice } from "./notice.js";
import { closePanel, setUpPanel } from "./panel.js";
import { setUpTheme } from "./theme_switch.js";

function showView() {
  const documents = location.hash === "#documents";
  $("#ask").hidden = documents;
  $("#documents").hidden = !documents;
  for (const link of document.querySelectorAll("nav a")) {
    if ((link.hash === "#documents") === documents) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  document.title = documents ? "Documents · Tandem" : "Tandem";
  closePanel();
  if (documents) showDocuments();
  // A field that takes the focus on a phone brings its keyboard up.
  else if (matchMedia("(hover: hover)").matches) $("#question").focus({ preventScroll: true });
}

function setUpKeys() {
  $(".skip").addEventListener("click", (event) => {
    event.preventDefault();
    $($("#ask").hidden ? "#choose" : "#question").focus();
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
