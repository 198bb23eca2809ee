// Refreshes of the example in Chromium: one for all contexts, by an alarm, and with a full quota.
import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, describe, test } from "node:test";
import { browserWithExtension, redirectUri, until } from "./chromium.mjs";
import { expireToken, fetchMe, fillUp, open, order, recordOf, spoilToken, texts } from "./inside.mjs";
import { sandboxFor } from "./servers.mjs";
import { signIn, trouble } from "./user.mjs";

const DUE_ALARM = "twg-auth/atlassian/default/due";
const RECORD = ["record/atlassian/default"];

/** A user who is signed in, in a separate browser. */
async function signedIn(options = {}) {
  const server = await sandboxFor(redirectUri);
  const browser = await browserWithExtension({ clientId: server.clientId, provider: server.provider, alias: open, ...options });
  const page = await browser.open();
  await signIn(browser.context, page, server);
  await page.waitForSelector('#badge[data-kind="ok"]');
  const refreshes = async () => (await server.refreshes()).length;
  return { server, browser, page, refreshes };
}

const tokenOf = (page) => page.evaluate(() => auth.getAccessToken().catch(({ code }) => code));

describe("refreshes", () => {
  let server, browser, page, refreshes;
  before(async () => ({ server, browser, page, refreshes } = await signedIn()));
  after(() => browser?.close());

  test("two pages and the worker need a token at once: one refresh, one token", async () => {
    const another = await browser.open();
    await another.waitForSelector('#badge[data-kind="ok"]');
    const earlier = await refreshes();
    await expireToken(page);
    const [one, two, { token }] = await Promise.all([tokenOf(page), tokenOf(another), order(page, { order: "token" })]);
    assert.deepEqual([one, two], [token, token]);
    assert.ok(await server.accepts(token));
    assert.equal(await refreshes(), earlier + 1);
    await another.close();
  });

  test("auth.fetch, in a page and in the worker; a token that is rejected costs one refresh", async () => {
    const mia = "mia@example.com";
    assert.deepEqual(await fetchMe(page, server), [mia, mia]);
    const earlier = await refreshes();
    await spoilToken(page);
    assert.deepEqual(await fetchMe(page, server), [mia, mia]);
    assert.equal(await refreshes(), earlier + 1);
  });

  test("an alarm wakes a stopped worker, and it refreshes", async () => {
    await signIn(browser.context, page, server);
    const { tokens } = await recordOf(page);
    const { scheduledTime } = await page.evaluate((name) => chrome.alarms.get(name), DUE_ALARM);
    assert.ok(scheduledTime > tokens.issued_at && scheduledTime < tokens.expires_at, "the login has set it");
    const earlier = await refreshes();
    await expireToken(page);
    await browser.stopWorker();
    await page.evaluate((name) => chrome.alarms.create(name, { when: Date.now() }), DUE_ALARM);
    await until("the record has a new token", async () => (await recordOf(page)).tokens.expires_at > Date.now());
    assert.equal(await refreshes(), earlier + 1);
    assert.ok(await server.accepts((await recordOf(page)).tokens.access_token));
  });

  test("offline when a refresh is due: nothing is lost", async () => {
    await expireToken(page);
    await browser.context.setOffline(true);
    assert.equal(await tokenOf(page), "NETWORK");
    // Nothing was spent: the intent is taken back, also that of the page, which needs a token after each change event.
    await until("nothing is pending", async () => (await recordOf(page)).pending === undefined);
    // An alarm without success sets the next one, and not for right now.
    await page.evaluate(() => auth.wake().catch(() => {}));
    const { scheduledTime } = await page.evaluate((name) => chrome.alarms.get(name), DUE_ALARM);
    assert.ok(scheduledTime > Date.now() + 45_000, `in ${scheduledTime - Date.now()} ms`);
    await browser.context.setOffline(false);
    assert.ok(await server.accepts(await tokenOf(page)));
  });
});

// Each in a separate browser: Chromium remembers a full quota for a while.
describe("no room", () => {
  // With `unlimitedStorage` there is no quota.
  const manifest = (all) => ({ ...all, permissions: all.permissions.filter((name) => name !== "unlimitedStorage") });
  let server, browser, page, refreshes;
  beforeEach(async () => ({ server, browser, page, refreshes } = await signedIn({ manifest, quota: 8 * 2 ** 20 })));
  afterEach(() => browser?.close());

  test("before a refresh: nothing is spent", async () => {
    const earlier = await refreshes();
    await expireToken(page);
    await fillUp(page);
    assert.equal(await tokenOf(page), "STORE_CANNOT_WRITE");
    assert.equal(await refreshes(), earlier);
    await browser.liftQuota();
    assert.ok(await server.accepts(await tokenOf(page)));
    assert.equal(await refreshes(), earlier + 1);
  });

  test("when the response arrives: it is rescued, and found again", async () => {
    const earlier = await refreshes();
    await expireToken(page);
    await page.route("**/oauth/token", async (route) => {
      await fillUp(page);
      await route.continue();
    });
    const rescuing = await tokenOf(page);
    assert.equal(await refreshes(), earlier + 1);
    const kept = await page.evaluate(() => chrome.storage.session.get(null));
    assert.match(Object.keys(kept).join(), /^rescue\/atlassian\/default\/\w+$/, rescuing);
    await page.unroute("**/oauth/token");
    await browser.liftQuota();
    assert.ok(await server.accepts(await tokenOf(page)));
    assert.equal(await refreshes(), earlier + 1, "the rescued reply was used");
    assert.deepEqual(await page.evaluate(() => chrome.storage.session.get(null)), {});
    assert.deepEqual(Object.keys(await texts(page)).filter((name) => !name.startsWith("stage/")), RECORD);
  });

  test("for a login: reported before the user has to act, and the earlier login stays", async () => {
    await fillUp(page);
    await page.evaluate(() => document.getElementById("sign-in").click());
    await trouble(page);
    assert.equal(await page.getAttribute("#notice", "data-code"), "STORE_CANNOT_WRITE");
    assert.match(await page.innerText("#notice"), /used up its storage quota/);
    await browser.liftQuota();
    assert.ok(await server.accepts(await tokenOf(page)));
    await signIn(browser.context, page, server);
  });
});
