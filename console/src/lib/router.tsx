import { type AnchorHTMLAttributes, type MouseEvent, type ReactNode, useMemo, useSyncExternalStore } from "react";

/** Where the page is served: `<base>` says so, whatever the path in front of `/console/` is. */
const base = new URL(document.baseURI);

export interface Location {
  /** The path below the base, without a slash in front. */
  path: string;
  query: URLSearchParams;
}

const CHANGED = "runs:navigated";

function subscribe(listener: () => void): () => void {
  window.addEventListener("popstate", listener);
  window.addEventListener(CHANGED, listener);
  return () => {
    window.removeEventListener("popstate", listener);
    window.removeEventListener(CHANGED, listener);
  };
}

export function useLocation(): Location {
  const href = useSyncExternalStore(subscribe, () => window.location.href);
  return useMemo(() => {
    const url = new URL(href);
    const path = url.pathname.startsWith(base.pathname) ? url.pathname.slice(base.pathname.length) : "";
    return { path: path.replace(/\/$/, ""), query: url.searchParams };
  }, [href]);
}

/** Returns the address of a path below the base. */
export function addressOf(path: string): string {
  return new URL(path === "" ? "./" : path, base).href;
}

export function navigate(path: string, options: { replace?: boolean } = {}): void {
  const address = addressOf(path);
  if (address === window.location.href) return;
  if (options.replace === true) window.history.replaceState(null, "", address);
  else window.history.pushState(null, "", address);
  window.dispatchEvent(new Event(CHANGED));
}

/** Sets parameters of the query; one that is empty goes. */
export function setQuery(changes: Readonly<Record<string, string | undefined>>): void {
  const url = new URL(window.location.href);
  for (const [name, value] of Object.entries(changes)) {
    if (value === undefined || value === "") url.searchParams.delete(name);
    else url.searchParams.set(name, value);
  }
  window.history.replaceState(null, "", url.href);
  window.dispatchEvent(new Event(CHANGED));
}

interface LinkProps extends Omit<AnchorHTMLAttributes<HTMLAnchorElement>, "href"> {
  to: string;
  children: ReactNode;
}

/** A link within the console: a click stays on the page, any other way to open it is the browser's. */
export function Link({ to, onClick, ...rest }: LinkProps) {
  const click = (event: MouseEvent<HTMLAnchorElement>) => {
    onClick?.(event);
    if (
      event.defaultPrevented ||
      event.button !== 0 ||
      event.metaKey ||
      event.ctrlKey ||
      event.shiftKey ||
      event.altKey
    )
      return;
    event.preventDefault();
    navigate(to);
  };
  return <a {...rest} href={addressOf(to)} onClick={click} />;
}
