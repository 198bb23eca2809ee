// The same extension in Firefox ESR.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { until } from "./chromium.mjs";
import { firefoxWithExtension, redirectUri } from "./firefox.mjs";
import { expireToken, fetchMe, open, order, recordOf, spoilToken, texts } from "./inside.mjs";
import { oidcProviderFor, sandboxFor } from "./servers.mjs";
import { contentScript, seenByStrangers, strangersSite } from "./strangers.mjs";

const click = (page, id) => page.evaluate((id) => document.getElementById(id).click(), id);
const becomes = (page, state) => until(`the page is ${state}`, async () => (await page.evaluate(() => document.querySelector("main").dataset.state)) === state);
const openWindow = (firefox) => firefox.opened(() => click(firefox.page, "sign-in"));

/** Presses a button, and waits for the result. */
async function press(window, label, filled = {}) {
  const whichPage = () => location.href + performance.timeOrigin;
  const here = await window.evaluate(whichPage);
  await window.evaluate((label, filled) => {
    for (const [name, value] of Object.entries(filled)) document.querySelector(`input[name="${name}"]`).value = value;
    const button = [...document.querySelectorAll("button")].find(({ textContent }) => textContent.includes(label));
    setTimeout(() => button.click()); // Otherwise the result of this call is lost with the page.
  }, label, filled);
  await until(`'${label}' leads somewhere`, async () => {
    if (await window.isClosed()) return true;
    const there = await window.evaluate(() => document.readyState === "complete" && location.href + performance.timeOrigin).catch(() => here);
    return there && there !== here;
  });
}

describe("the sandbox", () => {
  let server, firefox, page, site;
  before(async () => {
    server = await sandboxFor(redirectUri);
    site = await strangersSite();
    firefox = await firefoxWithExtension({
      clientId: server.clientId, provider: server.provider, alias: open,
      manifest: (all) => ({ ...all, ...contentScript.manifest }), files: contentScript.files,
    });
    page = firefox.page;
    await becomes(page, "signed-out");
  });
  after(async () => {
    await firefox?.close();
    site?.close();
  });

  test("a closed window is reported, and the next one works: the page shows account and sites", async () => {
    await (await openWindow(firefox)).close();
    await until("the page says so", async () => (await page.evaluate(() => document.getElementById("notice").dataset.code)) === "CANCELLED");
    const window = await openWindow(firefox);
    await press(window, "Continue");
    await press(window, "Accept");
    await becomes(page, "signed-in");
    const shown = await page.evaluate(() => document.querySelector("main").innerText);
    assert.match(shown, /Mia Krystof/);
    assert.match(shown, /krystof-design\.atlassian\.net/);
    assert.deepEqual(Object.keys(await texts(page)), ["record/atlassian/default"]);
  });

  test("page and background script need a token at once: one refresh", async () => {
    await expireToken(page);
    const [one, { token }] = await Promise.all([page.evaluate(() => auth.getAccessToken()), order(page, { order: "token" })]);
    assert.equal(one, token);
    assert.ok(await server.accepts(token));
    assert.equal((await server.refreshes()).length, 1);
  });

  test("auth.fetch, in a page and in the background script; a token that is rejected costs one refresh", async () => {
    const mia = "mia@example.com";
    assert.deepEqual(await fetchMe(page, server), [mia, mia]);
    const earlier = (await server.refreshes()).length;
    await spoilToken(page);
    assert.deepEqual(await fetchMe(page, server), [mia, mia]);
    assert.equal((await server.refreshes()).length, earlier + 1);
  });

  test("no page, content script or console can read a token", async () => {
    await page.evaluate(() => chrome.storage.local.set({ careless: "extension canary" }));
    await page.evaluate(() => console.log("page's console canary"));
    await order(page, { order: "say", name: "worker's console canary" });
    const stranger = await firefox.open(site.url);
    const seen = await until("both have looked", () => stranger.evaluate(seenByStrangers));
    assert.match(seen, /page canary/);
    assert.match(seen, /extension canary/);
    assert.match(seen, /"signed out by me":"no answer"/);
    const { tokens } = await recordOf(page);
    const said = await until("the consoles are heard", () => {
      const all = firefox.said.join("\n");
      return all.includes("page's console canary") && all.includes("worker's console canary") && all;
    });
    for (const text of [seen, said]) {
      for (const secret of [tokens.access_token, tokens.refresh_token]) assert.ok(!text.includes(secret));
    }
  });

  test("signs out", async () => {
    await click(page, "sign-out");
    await becomes(page, "signed-out");
    assert.deepEqual(await texts(page), {});
  });
});

describe("oidc-provider", () => {
  let firefox;
  after(() => firefox?.close());

  test("signs in and shows the account", async () => {
    const server = await oidcProviderFor(redirectUri);
    firefox = await firefoxWithExtension({ clientId: server.clientId, provider: server.provider });
    await becomes(firefox.page, "signed-out");
    const window = await openWindow(firefox);
    await press(window, "Sign-in", { login: "ada", password: "any" });
    await press(window, "Continue");
    await becomes(firefox.page, "signed-in");
    assert.equal(await firefox.page.evaluate(() => document.getElementById("name").textContent), "Ada Lovelace");
  });
});
