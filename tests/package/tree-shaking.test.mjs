// A bundle includes what is imported from the package, and no code for other environments.
import assert from "node:assert/strict";
import { build } from "esbuild";
import { writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { test } from "node:test";
import { project } from "./project.mjs";

async function bundled(source) {
  writeFileSync(join(project, "shaken.js"), source);
  const { metafile } = await build({
    absWorkingDir: project, entryPoints: ["shaken.js"], write: false, bundle: true, minify: true, metafile: true,
    format: "esm", platform: "browser", external: ["node:*"], logLevel: "error",
  });
  const [output] = Object.values(metafile.outputs);
  const inputs = Object.entries(output.inputs).filter(([path]) => path.includes("node_modules/twg-auth/"));
  return { imports: output.imports.map(({ path }) => path), carried: inputs.filter(([, { bytesInOutput }]) => bytesInOutput > 0).map(([path]) => basename(path)) };
}

const elsewhere = /^(node|electron|cli|testing|extension)/;

test("createAuth alone includes no code for Node, Electron, the command line, extensions or tests, and imports nothing", async () => {
  const { imports, carried } = await bundled('import { createAuth } from "twg-auth"; globalThis.x = createAuth;');
  assert.deepEqual(carried.filter((name) => elsewhere.test(name)), []);
  assert.deepEqual(imports, []);
  for (const needed of ["auth.js", "driver.js", "twg_wasm.js"]) assert.ok(carried.includes(needed), needed);
});

test("an unused import includes nothing", async () => {
  const { carried } = await bundled('import { createAuth } from "twg-auth"; import { nodePorts } from "twg-auth/node"; globalThis.x = 1;');
  assert.deepEqual(carried, []);
});

test("the check finds the code for Node where it is used", async () => {
  const { imports, carried } = await bundled('import { nodePorts } from "twg-auth/node"; globalThis.x = nodePorts;');
  assert.ok(carried.includes("node.js") && imports.includes("node:fs"), `${carried}`);
});
