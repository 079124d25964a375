// Sets the theme before anything is painted; "auto" (no attribute) follows the system.
try {
  const theme = localStorage.getItem("tocsin.theme");
  if (theme === "dark" || theme === "light") document.documentElement.dataset.theme = theme;
} catch {
  // Storage may be forbidden; the system's theme will do.
}
