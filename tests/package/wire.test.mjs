// wasm/src/wire/wire.ts is written by hand. The scenarios hold the values that the modules really take and return (tests/wasm
// replays them through each): so they must have its types, and it must name nothing that they do not have.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { scenarios as byName } from "../scenarios/files.mjs";

const root = join(import.meta.dirname, "../..");
const contract = readFileSync(join(root, "wasm/src/wire/wire.ts"), "utf8");
const scenarios = Object.entries(byName).map(([name, scenario]) => ({ name, ...scenario }));
const directory = mkdtempSync(join(tmpdir(), "twg-wire-"));
after(() => rmSync(directory, { recursive: true, force: true }));

/** The request of a flow that is refused is not valid: that is what the scenario shows. */
const isRefused = ({ done }) => typeof done === "string";

/** The scenarios as TypeScript, each value with the type that it should have. */
function asTypeScript() {
  const lines = ['import type { FlowRequest, Now, Step, Outcome, Done, HostError } from "./wire.js";'];
  const check = (value, type, where) => lines.push(`(${JSON.stringify(value)}) satisfies ${type}; // ${where}`);
  for (const scenario of scenarios) {
    check(scenario.done, isRefused(scenario) ? 'HostError["code"]' : "Done", `${scenario.name}, done`);
    if (isRefused(scenario)) continue;
    check(scenario.request, "FlowRequest", `${scenario.name}, request`);
    check(scenario.now, "Now", `${scenario.name}, now`);
    scenario.steps.forEach((step, number) => {
      const where = `${scenario.name}, step ${number}`;
      check({ perform: step.perform }, "Step", where);
      check(step.now, "Now", where);
      if (step.outcome !== undefined) check(step.outcome, "Outcome", where);
      for (const { code } of step.mistakes ?? []) check(code, 'HostError["code"]', where);
    });
  }
  return lines.join("\n");
}

/** The errors of the compiler for the scenarios with a contract. */
function mistakesUnder(wire) {
  const source = asTypeScript();
  writeFileSync(join(directory, "wire.ts"), wire);
  writeFileSync(join(directory, "scenarios.ts"), source);
  writeFileSync(join(directory, "package.json"), '{ "type": "module" }');
  const compilerOptions = { strict: true, exactOptionalPropertyTypes: true, noEmit: true, target: "es2022", module: "nodenext", types: [] };
  writeFileSync(join(directory, "tsconfig.json"), JSON.stringify({ compilerOptions, files: ["scenarios.ts"] }));
  const tsc = join(import.meta.dirname, "node_modules/typescript/bin/tsc");
  const { status, stdout } = spawnSync(process.execPath, [tsc, "-p", directory, "--pretty", "false"], { encoding: "utf8", timeout: 120_000 });
  const lines = source.split("\n");
  const mistakes = stdout.split("\n").filter((line) => line.includes("error TS"))
    .map((line) => `${lines[(/\((\d+),/.exec(line)?.[1] ?? 0) - 1]?.replace(/^.* \/\/ /, "")}: ${line.replace(/^.*error /, "")}`);
  assert.equal(status === 0, mistakes.length === 0, stdout);
  return mistakes;
}

test("the values in the scenarios have the types of wire.ts", () => {
  assert.ok(scenarios.length >= 60);
  assert.deepEqual(mistakesUnder(contract), []);
});

test("a changed name or a missing member in wire.ts fails", () => {
  const changes = {
    "an effect": ['type: "stage_reply"', 'type: "stage_answer"'],
    "a member of an effect": ["single_use: boolean", "once: boolean"],
    "an outcome": ["| { kept: {", "| { stored: {"],
    "an error code": ['| "REFRESH_INTERRUPTED"', '| "REFRESH_BROKEN"'],
    "a member of an output": ["due_at: number;\n}", "due: number;\n}"],
    "a member that is there": ["repairable_until?: number;", ""],
    "a host error": ['| "STALE_STEP"', '| "OLD_STEP"'],
  };
  for (const [what, [from, to]] of Object.entries(changes)) {
    assert.ok(contract.includes(from), `${what}: ${from} is not in wire.ts`);
    assert.notDeepEqual(mistakesUnder(contract.replace(from, to)), [], what);
  }
});

/** The text literals of one declared type. */
const literals = (type) => {
  const [, body] = new RegExp(`export (?:type|interface) ${type}\\b([\\s\\S]*?)\\n(?=\\n|export |$)`).exec(contract);
  return [...body.replace(/\/\*\*[\s\S]*?\*\/|\/\/.*/g, "").matchAll(/"(\w+)"/g)].map(([, text]) => text);
};

test("wire.ts names nothing that no flow uses", () => {
  const said = new Set();
  const collect = (value) => {
    if (typeof value === "string") said.add(value);
    else if (value && typeof value === "object") for (const [key, inner] of Object.entries(value)) said.add(key), collect(inner);
  };
  scenarios.forEach(collect);
  // A name that is in no scenario must be in the plain module, where names are texts.
  const module = readFileSync(join(root, "js-pkg/wasm/twg_plugin.wasm"), "latin1");
  assert.ok(!module.includes("export type ErrorCode"), "the module must not hold wire.ts itself");
  const types = ["Effect", "Notice", "Outcome", "ErrorCode", "HostError", "How", "Revocation", "LoggedOut", "Grant", "Need", "TransportError", "UserAgentError", "StoreError"];
  for (const type of types) {
    const names = literals(type);
    assert.ok(names.length > 0, type);
    const unknown = names.filter((name) => !said.has(name) && !module.includes(name));
    assert.deepEqual(unknown, [], type);
  }
});
