// Before the first paint, so that a dark page does not flash white.
try {
  var theme = localStorage.getItem("riskd-theme");
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
} catch (_) {
  // No storage: the system's choice stands.
}
