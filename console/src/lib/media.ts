import { useEffect, useState } from "react";

/** Returns whether a media query holds, as it changes. */
export function useMedia(text: string): boolean {
  const [matches, setMatches] = useState(() => window.matchMedia(text).matches);
  useEffect(() => {
    const media = window.matchMedia(text);
    const change = () => setMatches(media.matches);
    media.addEventListener("change", change);
    return () => media.removeEventListener("change", change);
  }, [text]);
  return matches;
}
