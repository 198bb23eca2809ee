// What each port of an extension promises, in Chromium and in Firefox.
import assert from "node:assert/strict";
import { createServer } from "node:http";
import { after, before, describe, test } from "node:test";
import { browserWithExtension } from "./chromium.mjs";
import { firefoxWithExtension } from "./firefox.mjs";
import { open, order } from "./inside.mjs";

/** Responds to `/` with the request that it got. */
async function server() {
  const seen = [];
  const server = createServer((request, response) => {
    seen.push(request.url);
    response.setHeader("set-cookie", "crumb=1");
    response.setHeader("cache-control", "max-age=3600");
    if (request.url === "/redirect") return response.writeHead(302, { location: "/elsewhere" }).end();
    if (request.url === "/large") return response.end("x".repeat(1000));
    if (request.url === "/slow") return response.write("never more than this");
    if (request.url === "/cut") return response.writeHead(200, { "content-length": "100" }).write("half", () => request.socket.destroy());
    let body = "";
    request.on("data", (part) => (body += part));
    request.on("end", () => response.end(JSON.stringify({ method: request.method, headers: request.headers, body })));
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { url: `http://127.0.0.1:${server.address().port}`, seen, close: () => (server.closeAllConnections(), server.close()) };
}

const options = { clientId: "any", alias: open, manifest: (all) => ({ ...all, host_permissions: ["http://127.0.0.1/*"] }) };

const browsers = {
  async Chromium() {
    const browser = await browserWithExtension(options);
    return { page: await browser.open(), close: browser.close, setOffline: (is) => browser.context.setOffline(is) };
  },
  async Firefox() {
    const { page, close } = await firefoxWithExtension(options);
    return { page, close };
  },
};

for (const [name, start] of Object.entries(browsers)) {
  describe(name, () => {
    let page, close, site, setOffline;
    before(async () => {
      site = await server();
      ({ page, close, setOffline } = await start());
    });
    after(async () => {
      await close?.();
      site?.close();
    });

    /** The response to a request, or its failure. */
    const send = (path, more = {}) => page.evaluate(async (request) => {
      try {
        const { status, headers, body } = await ports.http.send(request);
        return { status, headers, body: typeof body === "string" ? body : new TextDecoder().decode(body) };
      } catch ({ name, sent, failure }) {
        return { name, sent, failure };
      }
    }, { method: "GET", url: site.url + path, headers: [], body: "", timeout: 10_000, max_response_bytes: 4096, ...more });
    const failure = (failure) => ({ name: "HttpFailure", sent: "unknown", failure });

    test("http: the request arrives, without cookies and cache", async () => {
      for (const times of [1, 2]) {
        const { status, body, ...rest } = await send("/", { method: "POST", headers: [["content-type", "application/json"]], body: `{"a":${times}}` });
        assert.equal(status, 200, JSON.stringify(rest));
        const asked = JSON.parse(body);
        assert.deepEqual([asked.method, asked.body, asked.headers["content-type"]], ["POST", `{"a":${times}}`, "application/json"]);
        assert.deepEqual([asked.headers.cookie, asked.headers.referer], [undefined, undefined]);
        await send("/cached");
      }
      assert.equal(site.seen.filter((path) => path === "/cached").length, 2);
    });

    test("http: a redirect is not followed", async () => {
      assert.deepEqual(await send("/redirect"), { status: 302, headers: [], body: "" });
      assert.ok(!site.seen.includes("/elsewhere"));
    });

    test("http: too large, too slow, cut off, no server", async () => {
      assert.deepEqual(await send("/large", { max_response_bytes: 999 }), failure("too_large"));
      assert.equal((await send("/large", { max_response_bytes: 1000 })).body.length, 1000);
      assert.deepEqual(await send("/slow", { timeout: 300 }), failure("timeout"));
      assert.deepEqual(await send("/cut"), failure("interrupted"));
      assert.deepEqual(await send("", { url: "http://127.0.0.1:1/" }), failure("interrupted"));
    });

    // WebDriver BiDi cannot disconnect Firefox from the network.
    if (name === "Chromium") {
      test("http: without a network nothing is sent", async () => {
        const earlier = site.seen.length;
        await setOffline(true);
        assert.deepEqual(await send("/"), { name: "HttpFailure", sent: "not_sent", failure: "connect" });
        await setOffline(false);
        assert.equal(site.seen.length, earlier);
        assert.equal((await send("/")).status, 200);
      });

      test("http: sends the request if the browser is wrong about being offline", async () => {
        await page.evaluate(() => Object.defineProperty(navigator, "onLine", { value: false, configurable: true }));
        assert.equal((await send("/")).status, 200);
        await page.evaluate(() => delete navigator.onLine);
      });
    }

    test("storage: texts are stored, replaced, removed, and other contexts get an event", async () => {
      const found = await page.evaluate(async () => {
        const { storage } = ports;
        const found = [typeof (await storage.get("test/a"))];
        await storage.set("test/a", "one");
        await storage.set("test/a", "two");
        found.push(await storage.get("test/a"));
        await storage.remove("test/a");
        found.push(typeof (await storage.get("test/a")), storage.place("test/a"));
        return found;
      });
      assert.deepEqual(found, ["undefined", "two", "undefined", "test/a in the IndexedDB database 'twg-auth' of this extension"]);
      await page.evaluate(() => {
        const told = [];
        window.told = new Promise((resolve) => ports.storage.onChange((name) => told.push(name) === 2 && resolve(told)));
        return ports.storage.set("test/here", "x");
      });
      await order(page, { order: "store", name: "test/there" });
      assert.deepEqual(await page.evaluate(() => window.told), ["test/here", "test/there"]);
    });

    test("locks: one at a time, busy after the deadline, released after an abort", async () => {
      const found = await page.evaluate(async () => {
        const { locks } = ports;
        const soon = () => Date.now() + 50;
        const held = await locks.acquire("test", Date.now() + 5000);
        const busy = await locks.acquire("test", soon());
        const gone = await locks.acquire("test", Date.now() + 5000, AbortSignal.timeout(50)).catch(({ name }) => name);
        const next = locks.acquire("test", Date.now() + 5000);
        held.release();
        const second = await next;
        const queued = (await navigator.locks.query()).pending.length;
        second.release();
        const third = await locks.acquire("test", Date.now() + 5000);
        third.release();
        return [typeof held.release, busy.busy, gone, queued];
      });
      assert.deepEqual(found, ["function", true, "TimeoutError", 0]);
    });

    test("windows: none without `open`, and none for longer than the deadline", async () => {
      const failures = await page.evaluate((url) => {
        const request = { url, redirectUri: "", deadline: Date.now() + 300 };
        return Promise.all([false, true].map((open) => ports.userAgent.authorize({ ...request, open }).catch(({ name, failure }) => `${name} ${failure}`)));
      }, `${site.url}/`);
      assert.deepEqual(failures, ["UserAgentFailure unavailable", "UserAgentFailure timed_out"]);
    });
  });
}
