// Chromium with the example extension in it, built for a server, and the user in front of it.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";
import { build } from "../../js-pkg/examples/extension/build.mjs";

/** Fixed by the manifest's `key`. */
export const EXTENSION_ID = "ckpjakonoiapmmkicjimkljjmaokfafp";
export const redirectUri = (path) => `https://${EXTENSION_ID}.chromiumapp.org${path}`;

const EXECUTABLE = process.env.CHROMIUM ?? "/usr/bin/chromium";

/** Until it holds, looked at when something happens or 50 ms have passed; never longer than `most` ms. */
export async function until(what, holds, most = 15_000) {
  for (const end = Date.now() + most; Date.now() < end; ) {
    const value = await holds();
    if (value) return value;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`in ${most} ms it did not come to pass that ${what}`);
}

/** `options` are build.mjs's. Ends everything it started with `close()`. */
export async function browserWithExtension(options) {
  const profile = await mkdtemp(join(tmpdir(), "twg-browser-"));
  const extension = await build({ out: join(profile, "extension"), ...options });
  const context = await chromium.launchPersistentContext(join(profile, "profile"), {
    executablePath: EXECUTABLE,
    headless: false,
    args: ["--headless=new", "--no-sandbox", `--load-extension=${extension}`, `--disable-extensions-except=${extension}`],
    ignoreDefaultArgs: ["--disable-extensions"],
    ...options.launch,
  });
  context.setDefaultTimeout(15_000);
  const said = [];
  const hear = (source) => source.on("console", (message) => said.push(message.text()));
  const hearPage = (page) => {
    hear(page);
    page.on("pageerror", (error) => said.push(String(error?.stack ?? error)));
  };
  context.pages().forEach(hearPage);
  context.on("page", hearPage);
  context.on("serviceworker", hear);
  context.serviceWorkers().forEach(hear);

  const devtools = await context.browser()?.newBrowserCDPSession() ?? undefined;

  return {
    context,
    devtools,
    profile,
    /** All that was written to any console. */
    said,
    url: (path) => `chrome-extension://${EXTENSION_ID}/${path}`,
    async open(path = "page.html") {
      const page = await context.newPage();
      await page.goto(`chrome-extension://${EXTENSION_ID}/${path}`);
      return page;
    },
    async close() {
      await context.close();
      await rm(profile, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}
