// Every scenario of tests/scenarios through the npm package's module, and through its driver, in a page of Chromium.
import assert from "node:assert/strict";
import { createServer } from "node:http";
import { readFile } from "node:fs/promises";
import { after, before, test } from "node:test";
import { chromium } from "playwright-core";
import { scenarios } from "../scenarios/files.mjs";
import { EXECUTABLE } from "./chromium.mjs";

const repository = new URL("../../", import.meta.url);
const TYPES = { mjs: "text/javascript", js: "text/javascript", wasm: "application/wasm", html: "text/html" };

let server, browser;
before(async () => {
  server = createServer(async (request, response) => {
    const path = new URL(request.url, "http://localhost").pathname;
    const isServed = /^\/(js-pkg\/(wasm|dist)|tests\/scenarios)\/[\w.-]+$/.test(path);
    const body = path === "/" ? "<!doctype html>" : isServed ? await readFile(new URL(`.${path}`, repository)).catch(() => {}) : undefined;
    if (body === undefined) return response.writeHead(404).end();
    response.writeHead(200, { "content-type": TYPES[path === "/" ? "html" : path.split(".").pop()] ?? "text/plain" }).end(body);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  browser = await chromium.launch({ executablePath: EXECUTABLE, args: ["--no-sandbox"] });
});
after(async () => {
  await browser?.close();
  server?.close();
});

async function pageOf(t) {
  const page = await browser.newPage();
  t.after(() => page.close());
  await page.goto(`http://127.0.0.1:${server.address().port}/`);
  return page;
}

test("every scenario runs in Chromium as in all other hosts, and no part of it is left over", async (t) => {
  const page = await pageOf(t);
  const wrong = await page.evaluate(async (scenarios) => {
    const { default: load, Flow } = await import("/js-pkg/wasm/twg_wasm.js");
    const { replay } = await import("/tests/scenarios/replay.mjs");
    await load(); // Fetched from beside the code, and compiled while it streams.
    const wrong = [];
    for (const [name, scenario] of Object.entries(scenarios)) {
      const trouble = replay(Flow, scenario);
      if (trouble) wrong.push(`${name}: ${trouble}`);
      scenario.steps.push({ perform: {}, outcome: "waited", now: scenario.now });
      if (!replay(Flow, scenario)) wrong.push(`${name}: it does not fail with a step that is left over`);
    }
    return wrong;
  }, scenarios);
  assert.deepEqual(wrong, []);
  const count = Object.keys(scenarios).length;
  assert.ok(count >= 60, `${count} scenarios`);
});

test("the same through the driver, whose ports get exactly the expected calls", async (t) => {
  const page = await pageOf(t);
  const { wrong, summary } = await page.evaluate(async (scenarios) => {
    const { default: load, Flow } = await import("/js-pkg/wasm/twg_wasm.js");
    const { replayAll } = await import("/tests/scenarios/replay-driven.mjs");
    await load();
    return replayAll(Flow, scenarios);
  }, scenarios);
  t.diagnostic(summary);
  assert.deepEqual(wrong, []);
});
