// Every view, in both colours and sizes: each opens without a defect and without a violation of axe, and its picture is taken for the documents
// (PICTURES=<folder> says where to).
import { mkdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ENDED_RUN, FAILED_RUN } from "../mock/data.ts";
import { Mock } from "../mock/server.ts";
import { launch, open } from "./page.ts";

const folder = process.env.PICTURES ?? ".build/pictures";
mkdirSync(folder, { recursive: true });
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

interface Shot {
  name: string;
  path: (mock: Mock) => string;
  act?: (page: Page, mock: Mock) => Promise<void>;
}

const openRow = (label: string) => (mock: Mock) => `?open=${mock.approvalOf(label).id}`;
const shots: Shot[] = [
  {
    name: "inbox",
    path: openRow("Maria"),
    act: async (page) => {
      const amount = page.getByLabel("amount");
      await amount.fill("149.00");
      const add = page.getByRole("button", { name: "Add a note" });
      if (await add.isVisible()) await add.click();
      await page.getByLabel("Note").fill("Drawer unit only. Shipping stays, the desk is kept.");
      await amount.focus();
      await page.waitForTimeout(900);
    },
  },
  { name: "list", path: () => "" },
  { name: "second", path: openRow("Halvorsen") },
  {
    name: "several",
    path: () => "?flow=refunds",
    act: async (page) => {
      for (const box of await page.locator(".list-row input[type=checkbox]").all()) await box.check();
      await page.getByText("Decide together…").click();
      await page.waitForTimeout(400);
    },
  },
  { name: "run", path: () => `runs/${ENDED_RUN}?step=pay`, act: (page) => page.waitForTimeout(900) },
  { name: "run-failed", path: () => `runs/${FAILED_RUN}`, act: (page) => page.waitForTimeout(900) },
  { name: "decisions", path: () => "decisions" },
  { name: "flows", path: () => "flows" },
  { name: "flow", path: () => "flows/refunds", act: (page) => page.waitForTimeout(900) },
  { name: "flow-runs", path: () => "flows/refunds/runs" },
  {
    name: "json",
    path: openRow("Maria"),
    act: async (page) => {
      await page.getByRole("button", { name: "JSON" }).click();
      await page.waitForTimeout(1200);
    },
  },
];

let browser: Browser;
beforeAll(async () => {
  browser = await launch();
});
afterAll(() => browser.close());

interface Violation {
  id: string;
  targets: string[];
}

/** Returns what axe finds. It runs by the debugger, not as a script of the page: the policy of the page stays as it is. */
async function violations(page: Page): Promise<Violation[]> {
  await page.evaluate(axe);
  return page.evaluate(async () => {
    interface Found {
      violations: { id: string; nodes: { target: unknown[]; failureSummary?: string }[] }[];
    }
    const { axe: tool } = window as unknown as { axe: { run: (options: object) => Promise<Found> } };
    const found = await tool.run({
      runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
    });
    return found.violations.map((one) => ({
      id: one.id,
      targets: one.nodes.map((node) => `${node.target.join(" ")} ${node.failureSummary ?? ""}`),
    }));
  });
}

describe.each([
  ["light", false],
  ["dark", true],
] as const)("%s", (colour, dark) => {
  describe.each([1440, 1280, 390])("%i pixels wide", (width) => {
    test.each(shots)("$name", async (shot) => {
      const mock = await new Mock().start();
      try {
        const { page, problems } = await open(browser, `${mock.url}/console/${shot.path(mock)}`, {
          dark,
          width,
          height: width === 390 ? 844 : 900,
        });
        await page.locator("h1").first().waitFor();
        await page.waitForTimeout(400);
        await shot.act?.(page, mock);
        if (width !== 1280) await page.screenshot({ path: `${folder}/${shot.name}-${width}-${colour}.png` });
        const overflow = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
        expect(overflow, "it scrolls sideways").toBeLessThanOrEqual(0);
        expect(await violations(page)).toEqual([]);
        expect(problems).toEqual([]);
        await page.context().close();
      } finally {
        await mock.stop();
      }
    });
  });
});
