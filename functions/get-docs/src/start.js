// Both addresses are relative: the stage stands before them. The fonts are those of the reader's own system.
Redoc.init("openapi.json", {
  nativeScrollbars: true,
  sortRequiredPropsFirst: true,
  expandResponses: "",
  showExtensions: ["x-required-scope"],
  jsonSamplesExpandLevel: 3,
  theme: {
    typography: {
      fontFamily: "system-ui, sans-serif",
      headings: { fontFamily: "system-ui, sans-serif" },
      code: { fontFamily: "ui-monospace, monospace" },
    },
  },
}, document.getElementById("document"));
