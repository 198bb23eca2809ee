// Builds dist/: ES modules from src, and CommonJS from the same files under the names that TypeScript takes for CommonJS.
import { cpSync, existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";

process.chdir(fileURLToPath(new URL("..", import.meta.url)));

const wire = "../wasm/src/wire/wire.ts";
if (existsSync(wire)) cpSync(wire, "src/wire.ts");
if (existsSync("../LICENSE")) cpSync("../LICENSE", "LICENSE");
if (!existsSync("wasm/twg_wasm.js")) {
  console.error("js-pkg/wasm is missing: run `cargo run -p twg-wasm-pack` first");
  process.exit(1);
}

rmSync("dist", { recursive: true, force: true });
rmSync("cjs-build", { recursive: true, force: true });
tsc("tsconfig.json");

mkdirSync("cjs-build");
for (const file of readdirSync("src").filter((name) => name.endsWith(".ts"))) {
  const text = readFileSync(`src/${file}`, "utf8")
    .replaceAll(/(from "\.\/[\w-]+)\.js"/g, '$1.cjs"')
    .replaceAll("import.meta.url", 'require("node:url").pathToFileURL(__filename).href');
  writeFileSync(`cjs-build/${file.replace(/\.ts$/, ".cts")}`, text);
}
tsc("tsconfig.cjs.json");
rmSync("cjs-build", { recursive: true });
for (const file of readdirSync("dist").filter((name) => name.endsWith(".cjs.map"))) pointToSource(`dist/${file}`);

/** What was compiled is gone; it differs from what ships in src only within some lines. */
function pointToSource(path) {
  const source = path.replace(/^dist\/(.*)\.cjs\.map$/, "src/$1.ts");
  const map = { ...JSON.parse(readFileSync(path, "utf8")), sources: [`../${source}`], sourcesContent: [readFileSync(source, "utf8")] };
  writeFileSync(path, JSON.stringify(map));
}

function tsc(project) {
  const { status } = spawnSync(process.execPath, ["node_modules/typescript/bin/tsc", "-p", project], { stdio: "inherit" });
  if (status !== 0) process.exit(status ?? 1);
}
