// What the npm package weighs and how fast it is, as markdown: node bench.mjs [--rounds N]. README.md says what is measured.
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { chromium } from "playwright-core";
import { bundle, glue, gzipped, others, sizeOf, wasmFile } from "./bundles.mjs";

const rounds = Number(/--rounds (\d+)/.exec(process.argv.join(" "))?.[1] ?? 41);
const target = process.env.CARGO_TARGET_DIR ?? join(import.meta.dirname, "../../../target");
const median = (numbers) => numbers.toSorted((a, b) => a - b)[numbers.length >> 1];
const table = (head, rows) => console.log([head, head.map(() => "---"), ...rows].map((row) => `| ${row.join(" | ")} |`).join("\n") + "\n");
/** The median of the ratios within rounds, not the ratio of the medians. */
const ratio = (some, others) => median(some.map((one, round) => one / others[round])).toFixed(2);

await sizes();
await start();
await throughput();

async function sizes() {
  const own = await bundle("twg-auth");
  const total = gzipped(own, wasmFile);
  const rows = [
    ["twg-auth: WebAssembly", sizeOf(wasmFile), gzipped(wasmFile), ""],
    ["twg-auth: glue and driver", sizeOf(own), gzipped(own), ""],
    ["**twg-auth, all**", sizeOf(own, wasmFile), total, "1"],
  ];
  for (const name of others) {
    const file = await bundle(name);
    rows.push([name, sizeOf(file), gzipped(file), (total / gzipped(file)).toFixed(2)]);
  }
  console.log("### Payload in a browser\n");
  table(["what", "octets", "gzip -9", "twg-auth is times that"], rows);
}

async function start() {
  const texts = { glue: readFileSync(await glue(), "utf8"), other: readFileSync(await bundle("oidc-client-ts", "iife"), "utf8") };
  const script = readFileSync(join(import.meta.dirname, "start.js"), "utf8");
  const octets = readFileSync(wasmFile);
  const rows = [];
  const report = (where, { ours, theirs }) => rows.push([where, median(ours).toFixed(2), median(theirs).toFixed(2), ratio(ours, theirs)]);

  (0, eval)(script);
  globalThis.location ??= new URL("http://localhost/");
  globalThis.window ??= globalThis;
  // The other library reaches for these when its manager is made; nothing is stored.
  globalThis.localStorage ??= {};
  globalThis.sessionStorage ??= {};
  report("Node", await inTurn((round) => globalThis.measure.instantiate(texts.glue, octets, round), (round) => globalThis.measure.evaluate(texts.other, round)));

  // WebAssembly compiles anywhere, but `crypto.subtle` and the like are there only in a secure context such as this.
  const http = createServer((request, response) => response.end("<!doctype html><link rel=icon href=data:,>")).listen(0, "127.0.0.1");
  await once(http, "listening");
  const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox"] });
  try {
    const page = await browser.newPage();
    await page.goto(`http://127.0.0.1:${http.address().port}/`);
    await page.addScriptTag({ content: script });
    await page.evaluate(([texts, base64]) => {
      globalThis.texts = texts;
      globalThis.octets = Uint8Array.from(atob(base64), (digit) => digit.charCodeAt(0));
    }, [texts, octets.toString("base64")]);
    report("Chromium", await inTurn(
      (round) => page.evaluate((round) => measure.instantiate(texts.glue, octets, round), round),
      (round) => page.evaluate((round) => measure.evaluate(texts.other, round), round),
    ));
  } finally {
    await browser.close();
    http.close();
    http.closeAllConnections();
  }
  console.log(`### Start: median of ${rounds} rounds, in turn\n`);
  table(["where", "twg-auth: glue, compile, instantiate; ms", "oidc-client-ts: evaluate; ms", "ratio"], rows);
}

async function inTurn(ours, theirs) {
  const seen = { ours: [], theirs: [] };
  await ours(999), await theirs(999); // What is loaded only once is not measured.
  for (let round = 0; round < rounds; round++) {
    const both = [async () => seen.ours.push(await ours(round)), async () => seen.theirs.push(await theirs(round))];
    for (const one of round % 2 ? both.reverse() : both) await one();
  }
  return seen;
}

/** Whole refreshes by the script of tests/scenarios/refresh-due.json, in three hosts. */
async function throughput() {
  const program = spawn(join(target, "release/examples/throughput"), { stdio: ["pipe", "pipe", "inherit"] });
  const failed = new Promise((_, reject) => {
    program.once("error", reject);
    program.once("exit", (code) => reject(new Error(`throughput ended with ${code}`)));
  });
  failed.catch(() => {});
  const lines = createInterface({ input: program.stdout })[Symbol.asyncIterator]();
  const ask = async (how, times) => {
    program.stdin.write(`${how} ${times}\n`);
    const { value } = await Promise.race([lines.next(), failed]);
    return Number(value) / 1000 / times;
  };
  const inNode = await nodeRefresh();
  const TIMES = 200;
  const hosts = {
    "native (Rust, JSON)": () => ask("native", TIMES),
    "wasmtime (plain module, JSON)": () => ask("wasmtime", TIMES),
    "Node (npm module, JavaScript values)": async () => inNode(TIMES),
  };
  const seen = Object.fromEntries(Object.keys(hosts).map((name) => [name, []]));
  for (const host of Object.values(hosts)) for (let warm = 0; warm < 3; warm++) await host();
  for (let round = 0; round < rounds; round++) {
    const names = Object.keys(hosts);
    names.push(...names.splice(0, round % names.length)); // Another one begins each time.
    for (const name of names) seen[name].push(await hosts[name]());
  }
  program.stdin.end();
  const [native] = Object.values(seen);
  console.log(`### Scripted refreshes: median of ${rounds} rounds of ${TIMES}, in turn\n`);
  table(["host", "µs each", "per second", "of native"], Object.entries(seen).map(([name, times]) => [name, median(times).toFixed(1), Math.round(1e6 / median(times)), ratio(times, native)]));
}

async function nodeRefresh() {
  const module = await import("../../../js-pkg/wasm/twg_wasm.js");
  await module.default({ module_or_path: readFileSync(wasmFile) });
  const scenario = JSON.parse(readFileSync(join(import.meta.dirname, "../../scenarios/refresh-due.json"), "utf8"));
  const entropy = Uint8Array.from(Buffer.from(scenario.entropy, "hex"));
  return (times) => {
    const begun = performance.now();
    let step;
    for (let n = 0; n < times; n++) {
      const flow = new module.Flow(scenario.request, entropy);
      step = flow.begin(scenario.now);
      for (const { perform, outcome, now } of scenario.steps) step = flow.resume(perform.id, outcome, now);
      flow.free();
    }
    const took = performance.now() - begun;
    if (!step.done?.ok) throw new Error(`it ended as ${JSON.stringify(step)}`);
    return (took * 1000) / times;
  };
}
