import { defineConfig } from "vitest/config";

/** The whole page, in a real Chromium, against the mock of the API in tests/mock. */
export default defineConfig({
  test: {
    environment: "node",
    include: ["tests/browser/**/*.spec.ts"],
    fileParallelism: false,
    testTimeout: 30_000,
    hookTimeout: 60_000,
  },
});
