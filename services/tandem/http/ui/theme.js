// Applies the chosen colours before the first paint; a classic script, so that nothing is drawn in the wrong ones.
(function () {
  try {
    var theme = localStorage.getItem("tandem.theme");
    if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
  } catch { /* storage is blocked: the system's colours */ }
})();
