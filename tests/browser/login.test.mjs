// The example as users build it, in Chromium: it signs in, and explains failures.
import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import { browserWithExtension, redirectUri } from "./chromium.mjs";
import { oidcProviderFor, sandboxFor } from "./servers.mjs";
import { openWindow, signIn, trouble } from "./user.mjs";

const browsers = [];
after(() => Promise.all(browsers.map((browser) => browser.close())));

async function example(server, options = {}) {
  const browser = await browserWithExtension({ clientId: server.clientId, provider: server.provider, ...options });
  browsers.push(browser);
  const page = await browser.open();
  return { browser, page, context: browser.context };
}

/** The text of the notice on the page. */
async function noticeOf(page) {
  await trouble(page);
  return { code: await page.getAttribute("#notice", "data-code"), text: await page.innerText("#notice") };
}

describe("the sandbox", async () => {
  const server = await sandboxFor(redirectUri);

  test("signs in, shows account and sites, is still signed in on another page, and signs out", async () => {
    const { browser, context, page } = await example(server);
    await page.waitForSelector('main[data-state="signed-out"]');
    await signIn(context, page, server);
    const another = await browser.open();
    for (const each of [page, another]) {
      await each.waitForSelector('#badge[data-kind="ok"]');
      assert.equal(await each.innerText("#name"), "Mia Krystof");
      assert.equal(await each.innerText("#initials"), "MK");
      assert.match(await each.innerText("#sites"), /krystof-design\.atlassian\.net/);
    }
    await page.click("#sign-out");
    // The other page gets an event.
    for (const each of [page, another]) await each.waitForSelector('main[data-state="signed-out"]');
    assert.ok((await server.log()).some(({ path }) => path === "/oauth/revoke"));
  });

  test("the login survives a restart of the browser", async () => {
    const { browser, context, page } = await example(server);
    await signIn(context, page, server);
    browsers.pop();
    await browser.close({ keepProfile: true });
    const { page: later } = await example(server, { profile: browser.profile });
    await later.waitForSelector('#badge[data-kind="ok"]');
    assert.equal(await later.innerText("#name"), "Mia Krystof");
  });

  test("a closed window is reported, and the next one works", async () => {
    const { context, page } = await example(server);
    const window = await openWindow(context, page);
    await window.close();
    const { code, text } = await noticeOf(page);
    assert.equal(code, "CANCELLED");
    assert.match(text, /window was closed.*Sign in/s);
    await signIn(context, page, server);
  });

  test("cancelled in the page, and the next login works", async () => {
    const { context, page } = await example(server);
    const window = await openWindow(context, page);
    await page.click("#cancel");
    assert.equal((await noticeOf(page)).code, "CANCELLED");
    await window.close();
    await signIn(context, page, server);
  });

  test("without 'wasm-unsafe-eval' the page says what is missing", async () => {
    const manifest = (all) => ({ ...all, content_security_policy: { extension_pages: "script-src 'self'; object-src 'none'" } });
    const { page } = await example(server, { manifest });
    await page.click("#sign-in");
    const { code, text } = await noticeOf(page);
    assert.equal(code, "WASM_BLOCKED");
    assert.match(text, /wasm-unsafe-eval/);
  });

  test("without its WebAssembly file the page says so", async () => {
    const { page } = await example(server, { files: { "twg_wasm_bg.wasm": "no module" } });
    await page.click("#sign-in");
    assert.equal((await noticeOf(page)).code, "WASM_UNAVAILABLE");
  });

  test("an endpoint without TLS is refused before anything is sent", async () => {
    const endpoints = { ...server.provider.endpoints, token: "http://auth.example.com/token" };
    const { context, page } = await example({ ...server, provider: { ...server.provider, endpoints } });
    const sent = [];
    context.on("request", (request) => sent.push(request.url()));
    await page.click("#sign-in");
    const { code } = await noticeOf(page);
    assert.equal(code, "CONFIGURATION");
    assert.deepEqual(sent.filter((url) => url.startsWith("http")), []);
  });

  test("offline: still signed in, with a notice, and connected again afterwards", async () => {
    const { context, page } = await example(server);
    await signIn(context, page, server);
    await page.waitForSelector('#badge[data-kind="ok"]');
    await context.setOffline(true);
    await page.reload();
    const { code, text } = await noticeOf(page);
    assert.equal(code, "NETWORK");
    assert.match(text, /stay signed in/);
    assert.equal(await page.innerText("#name"), "Mia Krystof");
    await context.setOffline(false);
    await page.click("#again");
    await page.waitForSelector('#badge[data-kind="ok"]');
    assert.equal(await page.isVisible("#notice"), false);
  });
});

test("oidc-provider: signs in and shows the account", async () => {
  const server = await oidcProviderFor(redirectUri);
  const { context, page } = await example(server);
  await signIn(context, page, server);
  await page.waitForSelector('#badge[data-kind="ok"]');
  assert.equal(await page.innerText("#name"), "Ada Lovelace");
  await page.click("#sign-out");
  await page.waitForSelector('main[data-state="signed-out"]');
});
