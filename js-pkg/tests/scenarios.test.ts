/** Every scenario of tests/scenarios through the driver of this package, in Node; in Chromium: tests/browser. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Core } from "../dist/core.js";
import { loadCore } from "./internal.js";
import { real } from "./world.js";

const directory = new URL("../../../tests/scenarios/", import.meta.url);
const { scenarios } = (await import(new URL("files.mjs", directory).href)) as { scenarios: Record<string, unknown> };
const { replayAll } = (await import(new URL("replay-driven.mjs", directory).href)) as {
  replayAll(flow: Core["Flow"], scenarios: Record<string, unknown>): Promise<{ wrong: string[]; summary: string }>;
};

test("the driver does what each scenario says, and no part of it is left over", async (t) => {
  const { Flow } = await loadCore(real.wasm);
  const { wrong, summary } = await replayAll(Flow, scenarios);
  t.diagnostic(summary);
  assert.deepEqual(wrong, []);
  const count = Object.keys(scenarios).length;
  assert.ok(count >= 60, `${count} scenarios`);
});
