const PATHS = {
  check: "M3.5 8.5 6.5 11.5 12.5 5",
  cross: "M4 4l8 8M12 4l-8 8",
  chevron: "M6 3.5 10.5 8 6 12.5",
  back: "M10 3.5 5.5 8 10 12.5",
  down: "M4 6l4 4 4-4",
  copy: "M5.5 5.5V3.2c0-.4.3-.7.7-.7h6.6c.4 0 .7.3.7.7v6.6c0 .4-.3.7-.7.7h-2.3M3.2 5.5h6.6c.4 0 .7.3.7.7v6.6c0 .4-.3.7-.7.7H3.2a.7.7 0 0 1-.7-.7V6.2c0-.4.3-.7.7-.7z",
  lock: "M4 7h8v6H4zM5.7 7V5.2a2.3 2.3 0 0 1 4.6 0V7",
  search: "M7 11.5a4.5 4.5 0 1 0 0-9 4.5 4.5 0 0 0 0 9zM10.3 10.3 13.5 13.5",
  more: "M3.5 8h.01M8 8h.01M12.5 8h.01",
  download: "M8 2.5v7.5M4.8 7 8 10.2 11.2 7M2.8 13.3h10.4",
  clock: "M8 13.5a5.5 5.5 0 1 0 0-11 5.5 5.5 0 0 0 0 11zM8 5v3.2l2 1.3",
  inbox: "M2.5 9.5h3l1 1.8h3l1-1.8h3M2.5 9.5l2-6h7l2 6v3.5h-11z",
  history: "M3 3.5v3h3M3.2 6.3A5.2 5.2 0 1 1 2.8 9M8 5.2V8.2l2 1.2",
  flow: "M2.5 3h4v3h-4zM9.5 10h4v3h-4zM4.5 6v5.5h5",
  skip: "M3.5 8h9",
  wait: "M4.5 3h7M4.5 13h7M5.2 3c0 5 5.6 5 5.6 10M10.8 3c0 5-5.6 5-5.6 10",
} as const;

export type IconName = keyof typeof PATHS;

/** A sign that stands beside its word, and is not read by itself. */
export function Icon({ name, className = "" }: { name: IconName; className?: string }) {
  return (
    <svg className={`icon ${className}`} viewBox="0 0 16 16" aria-hidden="true" focusable="false">
      <path d={PATHS[name]} />
    </svg>
  );
}
