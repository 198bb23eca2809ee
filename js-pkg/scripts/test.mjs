// Compiles the tests and runs them: all, or the files whose names are given. Tests import the package by its name, as
// users do.
import { readdirSync, rmSync } from "node:fs";
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";

process.chdir(fileURLToPath(new URL("..", import.meta.url)));
rmSync("tests/dist", { recursive: true, force: true });
run(["node_modules/typescript/bin/tsc", "-p", "tests/tsconfig.json"]);
const wanted = process.argv.slice(2);
const files = readdirSync("tests/dist")
  .filter((name) => name.endsWith(".test.js") && (wanted.length === 0 || wanted.some((part) => name.includes(part))))
  .map((name) => `tests/dist/${name}`);
run(["--enable-source-maps", "--test", "--test-timeout=180000", "--test-concurrency=2", ...files]);

function run(args) {
  const { status } = spawnSync(process.execPath, args, { stdio: "inherit" });
  if (status !== 0) process.exit(status ?? 1);
}
