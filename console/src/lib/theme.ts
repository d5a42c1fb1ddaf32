export type Theme = "system" | "light" | "dark";
const KEY = "runs.theme";

/** The one thing that outlives the session: how the page looks. */
export function readTheme(): Theme {
  try {
    // eslint-disable-next-line no-restricted-properties
    const stored = window.localStorage.getItem(KEY);
    return stored === "light" || stored === "dark" ? stored : "system";
  } catch {
    return "system";
  }
}

export function applyTheme(theme: Theme): void {
  if (theme === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  try {
    // eslint-disable-next-line no-restricted-properties
    window.localStorage.setItem(KEY, theme);
  } catch {
    // A browser that keeps nothing follows the system the next time.
  }
}
