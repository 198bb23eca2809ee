// The service worker stops at each call of a port during a login and a refresh, before and after the port performs the call.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { browserWithExtension, redirectUri } from "./chromium.mjs";
import { expireToken, haltAt, open, order, texts } from "./inside.mjs";
import { oidcProviderFor, sandboxFor } from "./servers.mjs";
import { openWindow, signIn, trouble } from "./user.mjs";

/** Before and after each call that `run` makes without a fault. Then the worker is dead. */
async function* deaths(browser, page, run) {
  /** Only the test wakes the worker, and no clock is ahead. */
  const prepare = () => page.evaluate(() => ((ahead = 0), chrome.alarms.clearAll()));
  await prepare();
  await haltAt(page);
  await run();
  const { calls } = await order(page, { order: "calls" });
  for (let nth = 1; nth <= calls.length; nth++) {
    for (const when of ["before", "after"]) {
      await prepare();
      const reached = await haltAt(page, nth, when);
      const running = run().then(() => assert.fail("a dead worker goes on"), () => {});
      const call = await reached();
      await browser.stopWorker();
      await running;
      yield { place: `${when} ${call}`, nth };
    }
  }
}

/** Chromium, a server, and a user who is signed in there. */
async function signedIn(serverFor) {
  const server = await serverFor(redirectUri);
  const browser = await browserWithExtension({ clientId: server.clientId, provider: server.provider, alias: open });
  const page = await browser.open();
  const login = () => signIn(browser.context, page, server);
  await login();
  const refresh = async () => (await expireToken(page), await order(page, { order: "token" }));
  return { server, browser, page, login, refresh };
}

describe("with leeway (sandbox)", () => {
  let server, browser, page, login, refresh;
  before(async () => ({ server, browser, page, login, refresh } = await signedIn(sandboxFor)));
  after(() => browser?.close());

  const works = async () => server.accepts(await page.evaluate(() => auth.getAccessToken()));

  test("a worker that dies at any point of a login keeps the earlier login, and the next login works", async () => {
    let count = 0;
    for await (const { place } of deaths(browser, page, login)) {
      count++;
      assert.ok(await works(), place);
    }
    assert.ok(count > 20, `${count} deaths`);
    await login();
    assert.deepEqual(Object.keys(await texts(page)), ["record/atlassian/default"]);
  });

  test("the page reports a worker that dies while its user signs in, and the next login works", async () => {
    const orphan = await openWindow(browser.context, page);
    await browser.stopWorker();
    await trouble(page);
    assert.equal(await page.getAttribute("#notice", "data-code"), "WORKER_STOPPED");
    assert.ok(await works());
    // Chromium leaves the window open, and opens no other one until the user closes it.
    await assert.rejects(login(), /earlier sign-in window is still open/);
    await orphan.close();
    await login();
    assert.ok(await works());
  });

  test("a worker that dies at any point of a refresh loses nothing", async () => {
    let count = 0;
    for await (const { place } of deaths(browser, page, refresh)) {
      count++;
      assert.ok(await works(), place);
    }
    assert.ok(count > 20, `${count} deaths`);
    await refresh();
    assert.deepEqual(Object.keys(await texts(page)), ["record/atlassian/default"]);
  });
});

describe("without leeway (oidc-provider)", () => {
  let server, browser, page, login, refresh;
  before(async () => ({ server, browser, page, login, refresh } = await signedIn(oidcProviderFor)));
  after(() => browser?.close());

  test("a worker that dies at any point of a refresh loses the login only between the response and its first write", async () => {
    const lost = [];
    for await (const { place } of deaths(browser, page, refresh)) {
      const token = await page.evaluate(() => auth.getAccessToken().catch(() => undefined));
      if (token !== undefined && (await server.isActive(token))) continue;
      lost.push(place);
      await login();
    }
    assert.deepEqual(lost, ["after http.send", "before storage.set"]);
  });
});
