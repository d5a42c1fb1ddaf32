import { useEffect, useRef } from "react";
import { connection } from "../../api/connection";
import { inbox } from "./store";

const VISIBLE_MS = 15_000;
const MOST_MS = 300_000;

/**
 * Asks for what has changed: every 15 seconds while the page is on the screen; while it is hidden or offline, each time after twice as long, up to five
 * minutes; at once when it is on the screen again. Nothing is asked while nobody is signed in.
 */
export function usePoll(openId: string | undefined): void {
  const open = useRef(openId);
  useEffect(() => {
    open.current = openId;
  }, [openId]);
  useEffect(() => {
    let wait = VISIBLE_MS;
    let timer: ReturnType<typeof setTimeout> | undefined;
    let stopped = false;
    const again = () => {
      const calm = document.visibilityState === "hidden" || connection().offlineSince !== undefined;
      wait = calm ? Math.min(wait * 2, MOST_MS) : VISIBLE_MS;
      timer = setTimeout(() => void ask(), wait);
    };
    const ask = async () => {
      if (!connection().sessionIsOver) await inbox.poll(open.current);
      // The effect may have ended while the answer was on its way.

      if (!stopped) again();
    };
    const now = () => {
      if (document.visibilityState === "hidden") return;
      clearTimeout(timer);
      wait = VISIBLE_MS;
      void ask();
    };
    if (inbox.snapshot().status !== "ready") void inbox.load();
    timer = setTimeout(() => void ask(), wait);
    document.addEventListener("visibilitychange", now);
    window.addEventListener("online", now);
    return () => {
      stopped = true;
      clearTimeout(timer);
      document.removeEventListener("visibilitychange", now);
      window.removeEventListener("online", now);
    };
  }, []);
}
