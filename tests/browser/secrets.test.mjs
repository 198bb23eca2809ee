// What a page and a content script of the extension can reach, and what is written to consoles: no token.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { browserWithExtension, redirectUri } from "./chromium.mjs";
import { expireToken, fillUp, open, order, recordOf } from "./inside.mjs";
import { sandboxFor } from "./servers.mjs";
import { contentScript, seenByStrangers, strangersSite } from "./strangers.mjs";
import { openWindow, signIn } from "./user.mjs";

let server, browser, page, site;
before(async () => {
  server = await sandboxFor(redirectUri);
  site = await strangersSite();
  browser = await browserWithExtension({
    clientId: server.clientId,
    provider: server.provider,
    alias: open,
    quota: 8 * 2 ** 20,
    manifest: (all) => ({
      ...all,
      permissions: all.permissions.filter((name) => name !== "unlimitedStorage"),
      ...contentScript.manifest,
    }),
    files: contentScript.files,
  });
  page = await browser.open();
});
after(async () => {
  await browser?.close();
  site?.close();
});

test("no page, content script, console or error has a token", async () => {
  const secrets = new Set();
  const note = async () => {
    const { tokens } = await recordOf(page);
    secrets.add(tokens.access_token).add(tokens.refresh_token);
  };
  await signIn(browser.context, page, server);
  await note();

  // A careless part of the extension; and a token that the check must find.
  await page.evaluate(() => chrome.storage.session.setAccessLevel({ accessLevel: "TRUSTED_AND_UNTRUSTED_CONTEXTS" }));
  await page.evaluate(() => chrome.storage.local.set({ careless: "extension canary" }));
  await page.evaluate(() => console.log("page's console canary"));
  await order(page, { order: "say", name: "worker's console canary" });

  // A refresh, whose response is in session storage while foreign scripts look.
  await expireToken(page);
  await page.route("**/oauth/token", async (route) => {
    const response = await route.fetch();
    const { access_token, refresh_token } = await response.json();
    secrets.add(access_token).add(refresh_token);
    await fillUp(page);
    await route.fulfill({ response });
  });
  const trouble = await page.evaluate(() => auth.getAccessToken().then(() => "", (error) => JSON.stringify([error, { ...error }, error.message, error.stack])));
  assert.ok((await page.evaluate(() => chrome.storage.session.get(null).then(JSON.stringify))).includes("rescue/"));

  const stranger = await browser.context.newPage();
  await stranger.goto(site.url);
  await stranger.waitForSelector("html[data-page][data-script]", { state: "attached" });
  const seen = await stranger.evaluate(seenByStrangers);
  assert.match(seen, /page canary/);
  assert.match(seen, /extension canary/);
  assert.match(seen, /"signed out by me":"no answer"/);

  await page.unroute("**/oauth/token");
  await browser.liftQuota();
  await page.evaluate(() => auth.getAccessToken());
  await note();
  await order(page, { order: "token" });

  // A login that is aborted.
  const window = await openWindow(browser.context, page);
  secrets.add(new URL(window.url()).searchParams.get("state"));
  await window.close();
  await page.waitForSelector("#notice:not([hidden])");

  assert.ok(secrets.size >= 5, `${secrets.size} secrets`);
  const told = { seen, trouble, said: browser.said.join("\n"), page: await page.content() };
  assert.match(told.said, /page's console canary/);
  assert.match(told.said, /worker's console canary/);
  for (const [where, text] of Object.entries(told)) {
    for (const secret of secrets) assert.ok(!text.includes(secret), `a secret is in '${where}'`);
  }
});
