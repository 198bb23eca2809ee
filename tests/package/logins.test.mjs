// A login at `twg sandbox serve` with the installed package: from Node, and from the bundles in Node and in Chromium.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { promisify } from "node:util";
import { chromium } from "playwright-core";
import { bundlers } from "./bundles.mjs";
import { project } from "./project.mjs";
import { world } from "./world.mjs";

const run = promisify(execFile);
const SIGNED_IN = { grant: "device_code", account: "Mia Krystof", status: 200, state: "fresh" };
const limit = { timeout: 180_000 };
const directory = () => mkdtempSync(join(project, "out-"));

let server;
before(async () => {
  for (const file of ["login.js", "login-in-page.js", "login-in-node.mjs", "login-in-node-with-file.mjs"]) {
    copyFileSync(join(import.meta.dirname, file), join(project, file));
  }
  server = await world();
});
after(() => server?.close());

async function loginInNode(program) {
  const { stdout } = await run(process.execPath, [program, server.origin, join(directory(), "store")], { cwd: project, timeout: 60_000 });
  assert.deepEqual(JSON.parse(stdout), SIGNED_IN);
}

describe("Node", () => {
  test("import", limit, () => loginInNode(join(project, "login-in-node.mjs")));

  test("require", limit, async () => {
    const common = join(project, "common");
    mkdirSync(common);
    writeFileSync(join(common, "package.json"), '{ "type": "commonjs" }');
    // The same program as CommonJS: every import is a require, and no ES module is loaded.
    const { build } = await import("esbuild");
    await build({ absWorkingDir: project, entryPoints: ["login.js"], outdir: common, format: "cjs", logLevel: "error" });
    writeFileSync(join(common, "main.js"), `
      const { nodePorts } = require("twg-auth/node");
      const { login } = require("./login.js");
      const [origin, directory] = process.argv.slice(2);
      login(origin, nodePorts({ directory })).then((result) => console.log(JSON.stringify(result)));`);
    await loginInNode(join(common, "main.js"));
  });
});

describe("bundles in Node", () => {
  // webpack includes the module's file on its own, also for Node.
  const programs = { esbuild: "login-in-node-with-file.mjs", vite: "login-in-node-with-file.mjs", webpack: "login-in-node.mjs" };
  for (const [name, bundle] of Object.entries(bundlers)) {
    test(name, limit, async () => {
      const out = directory();
      await bundle(programs[name], out, "node");
      await loginInNode(join(out, "bundle.mjs"));
    });
  }
});

describe("bundles in Chromium", () => {
  let browser;
  before(async () => {
    browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox"] });
  });
  after(() => browser?.close());

  for (const [name, bundle] of Object.entries(bundlers)) {
    test(name, limit, async () => {
      const out = directory();
      await bundle("login-in-page.js", out, "browser");
      const page = await browser.newPage();
      try {
        const modules = [];
        page.on("response", (response) => response.url().endsWith(".wasm") && modules.push(response.status()));
        const failures = [];
        page.on("pageerror", (error) => failures.push(String(error)));
        await page.goto(`${server.serve(out)}index.html`, { timeout: 30_000 });
        await page.waitForFunction(() => "result" in globalThis, undefined, { timeout: 30_000 });
        const result = await page.evaluate(() => globalThis.result.then((value) => value, (error) => `${error.stack}`));
        assert.deepEqual(result, SIGNED_IN);
        assert.deepEqual(modules, [200], "the module's file was fetched once");
        assert.deepEqual(failures, []);
      } finally {
        await page.close();
      }
    });
  }
});
