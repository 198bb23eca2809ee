// What a page and a content script of this very extension can reach, and what is written to consoles: no token.
import assert from "node:assert/strict";
import { createServer } from "node:http";
import { after, before, test } from "node:test";
import { browserWithExtension, redirectUri } from "./chromium.mjs";
import { expireToken, fillUp, open, order, recordOf } from "./inside.mjs";
import { sandboxFor } from "./servers.mjs";
import { openWindow, signIn } from "./user.mjs";

/** Runs as a content script and as the page's own: writes all that it finds into the page. */
const dump = `(async () => {
  const found = {};
  const look = async (what, get) => { try { found[what] = await get(); } catch (error) { found[what] = String(error); } };
  for (const area of ["local", "session", "sync", "managed"]) await look("chrome.storage." + area, () => chrome.storage[area].get(null));
  await look("indexedDB", async () => {
    const all = [];
    for (const { name } of await indexedDB.databases()) {
      const database = await new Promise((done, fail) => Object.assign(indexedDB.open(name), { onsuccess: (e) => done(e.target.result), onerror: fail }));
      for (const store of database.objectStoreNames) {
        const values = await new Promise((done) => database.transaction(store).objectStore(store).getAll().onsuccess = (e) => done(e.target.result));
        all.push([name, store, values]);
      }
    }
    return all;
  });
  await look("the extension's database by name", () => new Promise((done, fail) => {
    const opening = indexedDB.open("twg-auth");
    opening.onsuccess = () => { done([...opening.result.objectStoreNames]); opening.result.close(); indexedDB.deleteDatabase("twg-auth"); };
    opening.onerror = fail;
  }));
  await look("localStorage", () => ({ ...localStorage }));
  await look("sessionStorage", () => ({ ...sessionStorage }));
  await look("cookie", () => document.cookie);
  await look("caches", async () => (await caches.keys()).join());
  await look("locks", () => navigator.locks.query());
  await look("signed out by me", () => new Promise((done) => {
    const port = chrome.runtime.connect({ name: "sign out" });
    port.onMessage.addListener(done);
    setTimeout(() => done("no answer"), 300);
  }));
  const channel = new BroadcastChannel("twg-auth");
  document.documentElement.setAttribute("data-" + WHO, JSON.stringify(found));
})()`;

let server, browser, page, site;
before(async () => {
  server = await sandboxFor(redirectUri);
  site = createServer((_request, response) => {
    response.setHeader("content-type", "text/html");
    response.end(`<!doctype html><script>localStorage.mine = "page canary"; ${dump.replace("WHO", '"page"')}</script>`);
  });
  await new Promise((resolve) => site.listen(0, "127.0.0.1", resolve));
  browser = await browserWithExtension({
    clientId: server.clientId,
    provider: server.provider,
    alias: open,
    quota: 8 * 2 ** 20,
    manifest: (all) => ({
      ...all,
      permissions: all.permissions.filter((name) => name !== "unlimitedStorage"),
      content_scripts: [{ matches: ["http://127.0.0.1/*"], js: ["dump.js"] }],
    }),
    files: { "dump.js": dump.replace("WHO", '"script"') },
  });
  page = await browser.open();
});
after(async () => {
  await browser?.close();
  site?.close();
});

test("no token is where a page or a content script can read it, nor in any console or error", async () => {
  const secrets = new Set();
  const note = async () => {
    const { tokens } = await recordOf(page);
    secrets.add(tokens.access_token).add(tokens.refresh_token);
  };
  await signIn(browser.context, page, server);
  await note();

  // A careless part of the extension, and a positive control.
  await page.evaluate(() => chrome.storage.session.setAccessLevel({ accessLevel: "TRUSTED_AND_UNTRUSTED_CONTEXTS" }));
  await page.evaluate(() => chrome.storage.local.set({ careless: "extension canary" }));
  await page.evaluate(() => console.log("console canary"));

  // A refresh, whose answer is kept in the refuge while strangers look.
  await expireToken(page);
  await page.route("**/oauth/token", async (route) => {
    const response = await route.fetch();
    const { access_token, refresh_token } = await response.json();
    secrets.add(access_token).add(refresh_token);
    await fillUp(page);
    await route.fulfill({ response });
  });
  const trouble = await page.evaluate(() => auth.getAccessToken().catch((error) => JSON.stringify([error, { ...error }, error.message, error.stack])));
  assert.ok((await page.evaluate(() => chrome.storage.session.get(null).then(JSON.stringify))).includes("rescue/"));

  const stranger = await browser.context.newPage();
  await stranger.goto(`http://127.0.0.1:${site.address().port}/`);
  await stranger.waitForSelector("html[data-page][data-script]", { state: "attached" });
  const seen = await stranger.evaluate(() => document.documentElement.dataset.page + document.documentElement.dataset.script);
  assert.match(seen, /page canary/);
  assert.match(seen, /extension canary/);

  await page.unroute("**/oauth/token");
  await browser.liftQuota();
  await page.evaluate(() => auth.getAccessToken());
  await note();
  assert.ok((await page.evaluate(() => auth.status())).signedIn, "no content script could sign out");
  await order(page, { order: "token" });

  // A login that is given up.
  const window = await openWindow(browser.context, page);
  secrets.add(new URL(window.url()).searchParams.get("state"));
  await window.close();
  await page.waitForSelector("#notice:not([hidden])");

  assert.ok(secrets.size >= 5, `${secrets.size} secrets`);
  const told = { seen, trouble: secrets.has(trouble) ? "" : trouble, said: browser.said.join("\n"), page: await page.content() };
  assert.match(told.said, /console canary/);
  for (const [where, text] of Object.entries(told)) {
    for (const secret of secrets) assert.ok(!text.includes(secret), `a secret is in '${where}'`);
  }
});
