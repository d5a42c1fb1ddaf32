import { useEffect, useRef } from "react";

export type KeyHandlers = Readonly<Record<string, (event: KeyboardEvent) => void>>;

/** Returns whether what has the focus takes letters. */
export function takesText(target: EventTarget | null): boolean {
  if (!(target instanceof HTMLElement)) return false;
  // The JSON editor lives in a shadow tree; from outside, the event comes from its host.
  if (target.isContentEditable || target.dataset.takesText !== undefined) return true;
  if (target instanceof HTMLInputElement) return !["checkbox", "radio", "button", "submit"].includes(target.type);
  return target instanceof HTMLTextAreaElement || target instanceof HTMLSelectElement;
}

/** Returns the name of a key press: `j`, `Escape`, `mod+Enter`. */
export function keyName(event: KeyboardEvent): string {
  const mod = event.ctrlKey || event.metaKey ? "mod+" : "";
  return mod + event.key;
}

/** Handles keys of the whole page. Letters are off inside fields, while a dialog is open, and with Ctrl, Alt or ⌘. */
export function useKeys(handlers: KeyHandlers, enabled = true): void {
  const latest = useRef(handlers);
  useEffect(() => {
    latest.current = handlers;
  });
  useEffect(() => {
    if (!enabled) return;
    const press = (event: KeyboardEvent) => {
      const name = keyName(event);
      const handler = latest.current[name];
      if (handler === undefined || event.altKey || event.isComposing || event.defaultPrevented) return;
      if (document.querySelector("dialog[open]") !== null) return;
      const isPlain = !name.startsWith("mod+") && name !== "Escape";
      if (isPlain && (takesText(event.target) || (event.repeat && !"jk".includes(name)))) return;
      // Enter and Space on a button or a link are for that button.
      if (
        name === "Enter" &&
        event.target instanceof HTMLElement &&
        event.target.closest("button, a, summary") !== null
      )
        return;
      event.preventDefault();
      handler(event);
    };
    window.addEventListener("keydown", press);
    return () => window.removeEventListener("keydown", press);
  }, [enabled]);
}

/** `⌘` on a Mac, `Ctrl` elsewhere. */
export const MOD = /mac|iphone|ipad/i.test(navigator.userAgent) ? "⌘" : "Ctrl ";
