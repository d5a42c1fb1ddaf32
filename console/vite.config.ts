import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

/** The page is served below any path, so every address in it is relative. The function sets `<base>` for the path of a request. */
export default defineConfig({
  base: "./",
  plugins: [react()],
  build: {
    target: "es2022",
    // The folder is in the repository; the script empties it.
    emptyOutDir: false,
    // A data: URL would need its own rule in the Content-Security-Policy.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    cssCodeSplit: true,
    reportCompressedSize: true,
  },
});
