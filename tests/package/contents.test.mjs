// What is in the tarball, and that its stack traces lead to its TypeScript.
import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { installed, project, tarball } from "./project.mjs";

const source = join(import.meta.dirname, "../../js-pkg/src");
const read = (path) => readFileSync(join(installed, path), "utf8");
const manifest = JSON.parse(read("package.json"));

test("the tarball holds every source with its build, the module with its glue, and no more", () => {
  const packed = execFileSync("tar", ["-tzf", tarball], { encoding: "utf8" }).trim().split("\n");
  const sources = readdirSync(source).map((name) => name.replace(/\.ts$/, ""));
  const built = [".js", ".js.map", ".d.ts", ".d.ts.map", ".cjs", ".cjs.map", ".d.cts"];
  const expected = [
    "LICENSE", "README.md", "package.json",
    "wasm/twg_wasm.d.ts", "wasm/twg_wasm.js", "wasm/twg_wasm_bg.wasm",
    ...sources.flatMap((name) => [`src/${name}.ts`, ...built.map((kind) => `dist/${name}${kind}`)]),
  ];
  assert.deepEqual(packed.sort(), expected.map((path) => `package/${path}`).sort());
});

test("it has the repository's license and version, and depends on nothing", () => {
  const root = join(import.meta.dirname, "../..");
  assert.equal(read("LICENSE"), readFileSync(join(root, "LICENSE"), "utf8"));
  assert.equal(manifest.version, /\[workspace\.package\]\s+version = "([^"]+)"/.exec(readFileSync(join(root, "Cargo.toml"), "utf8"))[1]);
  for (const kind of ["dependencies", "peerDependencies", "optionalDependencies"]) assert.equal(manifest[kind], undefined, kind);
});

test("every file that the exports name is there", () => {
  const paths = (value) => (typeof value === "string" ? [value] : Object.values(value).flatMap(paths));
  const missing = paths(manifest.exports).filter((path) => !existsSync(join(installed, path)));
  assert.deepEqual(missing, []);
});

test("every source map names a source that is there, and includes it", () => {
  for (const file of readdirSync(join(installed, "dist")).filter((name) => /\.c?js\.map$/.test(name))) {
    const { sources, sourcesContent } = JSON.parse(read(`dist/${file}`));
    const name = file.replace(/\.c?js\.map$/, ".ts");
    assert.deepEqual(sources, [`../src/${name}`], file);
    assert.deepEqual(sourcesContent, [read(`src/${name}`)], file);
  }
});

test("a stack trace of a consumer points to the line of the TypeScript", () => {
  const sourceLine = read("src/core.ts").split("\n").findIndex((line) => line.includes('new TwgError("WASM_UNAVAILABLE"')) + 1;
  assert.ok(sourceLine > 0);
  // Without `ports.wasm`, the file is fetched, which Node cannot.
  const fail = `createAuth({ provider: "atlassian", clientId: "c", ports: {} }).fetch("https://api.atlassian.com/me").catch((error) => console.log(error.stack));`;
  const imports = { "stack.mjs": 'import { createAuth } from "twg-auth";', "stack.cjs": 'const { createAuth } = require("twg-auth");' };
  for (const [file, line] of Object.entries(imports)) {
    writeFileSync(join(project, file), `${line}\n${fail}\n`);
    const { stdout, stderr } = spawnSync(process.execPath, ["--enable-source-maps", file], { cwd: project, encoding: "utf8", timeout: 60_000 });
    assert.match(stdout, new RegExp(`twg-auth/src/core\\.ts:${sourceLine}:`), `${file}: ${stdout}${stderr}`);
  }
});
