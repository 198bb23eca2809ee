// Chromium with the example extension, built for one server, and its user.
import { EventEmitter, once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";
import { build } from "../../js-pkg/examples/extension/build.mjs";

/** Fixed by the manifest's `key`. */
export const EXTENSION_ID = "ckpjakonoiapmmkicjimkljjmaokfafp";
export const redirectUri = (path) => `https://${EXTENSION_ID}.chromiumapp.org${path}`;

export const EXECUTABLE = process.env.CHROMIUM ?? "/usr/bin/chromium";

/** The first result of `holds` that is not empty: called every 50 ms, for at most `most` ms. */
export async function until(what, holds, most = 15_000) {
  for (const end = Date.now() + most; Date.now() < end; ) {
    const value = await holds();
    if (value) return value;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`in ${most} ms it did not come to pass that ${what}`);
}

/** `options` are those of build.mjs, more `files` beside its output, a `quota` in octets, and the `profile` of a browser that was
 * closed. `close()` ends everything. */
export async function browserWithExtension(options) {
  const profile = options.profile ?? (await mkdtemp(join(tmpdir(), "twg-browser-")));
  const extension = await build({ out: join(profile, "extension"), ...options });
  for (const [name, text] of Object.entries(options.files ?? {})) await writeFile(join(extension, name), text);
  const context = await chromium.launchPersistentContext(join(profile, "profile"), {
    executablePath: EXECUTABLE,
    headless: false,
    args: ["--headless=new", "--no-sandbox", `--load-extension=${extension}`, `--disable-extensions-except=${extension}`],
    ignoreDefaultArgs: ["--disable-extensions"],
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

  // Chromium caches the free space for half a minute, so a quota must be set from the beginning.
  const quotas = await context.newCDPSession(context.pages()[0]);
  const origin = url("").slice(0, -1);
  if (options.quota) await quotas.send("Storage.overrideQuotaForOrigin", { origin, quotaSize: options.quota });
  const liftQuota = () => quotas.send("Storage.overrideQuotaForOrigin", { origin });

  /** For a page of the extension, which has access to the extension's worker. */
  let devtools;
  const workerEvents = new EventEmitter();

  async function open(path = "page.html") {
    const page = await context.newPage();
    await page.goto(url(path));
    if (!devtools) {
      devtools = await context.newCDPSession(page);
      devtools.on("ServiceWorker.workerVersionUpdated", ({ versions }) => {
        for (const { runningStatus } of versions) workerEvents.emit(runningStatus);
      });
      await devtools.send("ServiceWorker.enable");
    }
    return page;
  }

  /** Kills the worker, at any point. */
  async function stopWorker() {
    const stopped = once(workerEvents, "stopped", { signal: AbortSignal.timeout(10_000) });
    await devtools.send("ServiceWorker.stopAllWorkers");
    await stopped;
  }

  async function close({ keepProfile = false } = {}) {
    await context.close();
    if (!keepProfile) await rm(profile, { recursive: true, force: true, maxRetries: 5 });
  }

  /** `said`: everything that was written to any console. */
  return { context, profile, said, open, stopWorker, liftQuota, close };
}

const url = (path) => `chrome-extension://${EXTENSION_ID}/${path}`;
