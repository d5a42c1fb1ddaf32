import react from "@vitejs/plugin-react";
import { defineConfig } from "vitest/config";

/** Components and logic, in happy-dom. */
export default defineConfig({
  plugins: [react()],
  test: { environment: "happy-dom", include: ["src/**/*.test.ts", "src/**/*.test.tsx"], restoreMocks: true },
});
