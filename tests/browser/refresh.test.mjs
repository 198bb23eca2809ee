// Refreshes of the example in Chromium: one for all, by an alarm, and without room.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { browserWithExtension, redirectUri, until } from "./chromium.mjs";
import { expireToken, open, order, recordOf, texts } from "./inside.mjs";
import { sandboxFor } from "./servers.mjs";
import { signIn, trouble } from "./user.mjs";

const DUE_ALARM = "twg-auth/atlassian/default/due";
const RECORD = ["record/atlassian/default"];

describe("refreshes", () => {
  let server, browser, page;
  before(async () => {
    server = await sandboxFor(redirectUri);
    // Without `unlimitedStorage` there is a quota.
    const manifest = (all) => ({ ...all, permissions: all.permissions.filter((name) => name !== "unlimitedStorage") });
    browser = await browserWithExtension({ clientId: server.clientId, provider: server.provider, alias: open, manifest });
    page = await browser.open();
    await signIn(browser.context, page, server);
  });
  after(() => browser?.close());

  const tokenOf = (page) => page.evaluate(() => auth.getAccessToken().catch(({ code }) => code));
  const refreshes = async () => (await server.refreshes()).length;

  test("two pages and the worker ask at once: one refresh, one token", async () => {
    const another = await browser.open();
    await another.waitForSelector('#badge[data-kind="ok"]');
    await page.waitForSelector('#badge[data-kind="ok"]');
    const earlier = await refreshes();
    await expireToken(page);
    const [one, two, { token }] = await Promise.all([tokenOf(page), tokenOf(another), order(page, { order: "token" })]);
    assert.deepEqual([one, two], [token, token]);
    assert.ok(await server.accepts(token));
    assert.equal(await refreshes(), earlier + 1);
    await another.close();
  });

  test("an alarm wakes a worker that was stopped, and it refreshes", async () => {
    await signIn(browser.context, page, server);
    const { tokens } = await recordOf(page);
    const { scheduledTime } = await page.evaluate((name) => chrome.alarms.get(name), DUE_ALARM);
    assert.ok(scheduledTime > tokens.issued_at && scheduledTime < tokens.expires_at, "the login set it");
    const earlier = await refreshes();
    await expireToken(page);
    await browser.stopWorker();
    await page.evaluate((name) => chrome.alarms.create(name, { when: Date.now() }), DUE_ALARM);
    await until("the record has a new token", async () => (await recordOf(page)).tokens.expires_at > Date.now());
    assert.equal(await refreshes(), earlier + 1);
    assert.ok(await server.accepts((await recordOf(page)).tokens.access_token));
  });

  test("no room before a refresh: nothing is spent", async () => {
    const earlier = await refreshes();
    await expireToken(page);
    await browser.setQuota(0);
    assert.equal(await tokenOf(page), "STORE_CANNOT_WRITE");
    assert.equal(await refreshes(), earlier);
    await browser.setQuota();
    assert.ok(await server.accepts(await tokenOf(page)));
    assert.equal(await refreshes(), earlier + 1);
  });

  test("no room when the answer comes: it is rescued, and found again", async () => {
    const earlier = await refreshes();
    await expireToken(page);
    await page.route("**/oauth/token", async (route) => {
      await browser.setQuota(0);
      await route.continue();
    });
    const rescuing = await tokenOf(page);
    assert.equal(await refreshes(), earlier + 1);
    const kept = await page.evaluate(() => chrome.storage.session.get(null));
    assert.match(Object.keys(kept).join(), /^rescue\/atlassian\/default\/\w+$/, rescuing);
    await page.unroute("**/oauth/token");
    await browser.setQuota();
    assert.ok(await server.accepts(await tokenOf(page)));
    assert.equal(await refreshes(), earlier + 1, "the rescued answer served");
    assert.deepEqual(await page.evaluate(() => chrome.storage.session.get(null)), {});
    assert.deepEqual(Object.keys(await texts(page)).filter((name) => !name.startsWith("stage/")), RECORD);
  });

  test("no room for a login: told before the user is asked, and the login before is kept", async () => {
    await browser.setQuota(0);
    await page.evaluate(() => document.getElementById("sign-in").click());
    await trouble(page);
    assert.equal(await page.getAttribute("#notice", "data-code"), "STORE_CANNOT_WRITE");
    assert.match(await page.innerText("#notice"), /no more room/);
    await browser.setQuota();
    assert.ok(await server.accepts(await tokenOf(page)));
    await signIn(browser.context, page, server);
  });

  test("offline when a refresh is due: nothing is lost", async () => {
    await expireToken(page);
    await browser.context.setOffline(true);
    assert.match(await tokenOf(page), /^(NETWORK|REFRESH_INTERRUPTED)$/);
    await browser.context.setOffline(false);
    assert.ok(await server.accepts(await tokenOf(page)));
  });
});
