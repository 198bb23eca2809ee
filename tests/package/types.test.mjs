// The declarations that ship, as strict users compile them, and what they promise about errors and logins.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { before, describe, test } from "node:test";
import { installed, project } from "./project.mjs";

const here = import.meta.dirname;
const compilers = { "5.9": "typescript-5.9", newest: "typescript" };
const STRICT = {
  strict: true, exactOptionalPropertyTypes: true, noUncheckedIndexedAccess: true, skipLibCheck: false,
  noEmit: true, target: "es2022", lib: ["es2022", "dom", "dom.iterable"], types: ["node"],
};
const resolutions = {
  node16: { module: "node16", moduleResolution: "node16" },
  nodenext: { module: "nodenext", moduleResolution: "nodenext" },
  bundler: { module: "esnext", moduleResolution: "bundler" },
};
const directory = join(project, "types");

function compile(compiler, options) {
  writeFileSync(join(directory, "tsconfig.json"), JSON.stringify({ compilerOptions: { ...STRICT, ...options }, include: ["*.ts", "*.cts", "*.mts"] }));
  const { stdout, status } = spawnSync(process.execPath, [join(here, "node_modules", compilers[compiler], "bin/tsc"), "-p", directory], { encoding: "utf8", timeout: 120_000 });
  return { status, stdout };
}

before(() => {
  mkdirSync(directory);
  mkdirSync(join(project, "node_modules/@types"), { recursive: true });
  for (const [from, to] of [["@types/node", "@types/node"], ["undici-types", "undici-types"]]) symlinkSync(join(here, "node_modules", from), join(project, "node_modules", to));
  writeFileSync(join(directory, "package.json"), '{ "type": "module" }');
  const consumer = readFileSync(join(here, "consumer.ts"), "utf8");
  writeFileSync(join(directory, "consumer.ts"), consumer);
  writeFileSync(join(directory, "consumer.cts"), consumer);
  // A whole import of every exported entry.
  const { exports } = JSON.parse(readFileSync(join(installed, "package.json"), "utf8"));
  const entries = Object.keys(exports).filter((entry) => exports[entry].import);
  const text = entries.map((entry, n) => `import * as all${n} from "twg-auth${entry.slice(1)}";\nexport { all${n} };`).join("\n");
  for (const kind of ["ts", "cts"]) writeFileSync(join(directory, `entries.${kind}`), text);
});

for (const compiler of Object.keys(compilers)) {
  describe(`TypeScript ${compiler}`, () => {
    for (const [name, options] of Object.entries(resolutions)) {
      test(`the declarations and their consumer compile with ${name}`, () => {
        const { stdout, status } = compile(compiler, options);
        assert.equal(status, 0, stdout);
      });
    }

    // These must not compile: otherwise the consumer could compile because everything is `any`.
    const mistakes = {
      "a code that there is not": 'import { isTwgError } from "twg-auth"; isTwgError(new Error(), "NO_SUCH_CODE");',
      "a switch that lacks a code": readFileSync(join(here, "consumer.ts"), "utf8").replace('    case "PORT_BUSY":\n', ""),
      "a token in what a login came to": 'import type { SignedIn } from "twg-auth"; export const token = (signedIn: SignedIn) => signedIn.accessToken;',
      "an option that does not exist": 'import { createAuth, type Ports } from "twg-auth"; export const auth = (ports: Ports) => createAuth({ provider: "x", clientID: "y", ports });',
      "undefined for an optional member": 'import type { AuthOptions } from "twg-auth"; export const scopes: Pick<AuthOptions, "scopes"> = { scopes: undefined };',
    };
    for (const [what, text] of Object.entries(mistakes)) {
      test(`${what} does not compile`, () => {
        writeFileSync(join(directory, "mistake.ts"), text);
        const { stdout } = compile(compiler, resolutions.nodenext);
        rmSync(join(directory, "mistake.ts"));
        const errors = stdout.split("\n").filter((line) => line.includes("error TS") && line.includes("mistake.ts"));
        assert.equal(errors.length, 1, stdout);
      });
    }
  });
}
