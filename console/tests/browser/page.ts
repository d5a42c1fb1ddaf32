import { existsSync } from "node:fs";
import { type Browser, chromium, type Page } from "playwright-core";

const PLACES = [
  "/usr/bin/chromium",
  "/usr/bin/chromium-browser",
  "/usr/bin/google-chrome",
  "/usr/bin/google-chrome-stable",
];

/** Returns where a Chromium is; fails if there is none, since a test that is passed over proves nothing. */
function chromiumPath(): string {
  const path = [process.env.CHROMIUM ?? "", ...PLACES].find((place) => place !== "" && existsSync(place));
  if (path === undefined)
    throw new Error("No Chromium was found. On Debian: apt-get install chromium; elsewhere name it with CHROMIUM=…");
  return path;
}

export function launch(): Promise<Browser> {
  return chromium.launch({
    executablePath: chromiumPath(),
    args: ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--force-color-profile=srgb"],
  });
}

export interface Look {
  width?: number;
  height?: number;
  dark?: boolean;
}

/** What went wrong on a page that nobody asked it to: defects, refusals of the policy, requests that leave the origin. */
export interface Watched {
  page: Page;
  problems: string[];
}

/** Opens a page in a context of its own. */
export async function open(browser: Browser, address: string, look: Look = {}): Promise<Watched> {
  const context = await browser.newContext({
    viewport: { width: look.width ?? 1440, height: look.height ?? 900 },
    colorScheme: look.dark === true ? "dark" : "light",
    timezoneId: "Europe/Berlin",
    locale: "en-GB",
    permissions: ["clipboard-read", "clipboard-write"],
    reducedMotion: "reduce",
  });
  const page = await context.newPage();
  const problems: string[] = [];
  const { origin } = new URL(address);
  page.on("request", (request) => {
    const url = new URL(request.url());
    if (url.origin !== origin) problems.push(`a request to ${url.origin}`);
  });
  page.on("pageerror", (error) => problems.push(error.message));
  page.on("console", (message) => {
    // An answer that is no success is said in the console by the browser itself.
    if (message.type() === "error" && !message.text().startsWith("Failed to load resource"))
      problems.push(message.text());
  });
  await page.goto(address);
  return { page, problems };
}
