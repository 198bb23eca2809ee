// Packs js-pkg, installs the tarball into a fresh directory as a user would, and runs the tests with it: all, or the
// files whose names are given.
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const here = import.meta.dirname;
const project = mkdtempSync(join(tmpdir(), "twg-auth-package-"));
process.on("exit", () => rmSync(project, { recursive: true, force: true }));

const npm = (args, cwd) => execFileSync("npm", args, { cwd, encoding: "utf8", stdio: ["ignore", "pipe", "inherit"], timeout: 300_000 });
npm(["pack", "--silent", "--pack-destination", project], join(here, "../../js-pkg"));
const tarball = readdirSync(project).find((name) => name.endsWith(".tgz"));
writeFileSync(join(project, "package.json"), JSON.stringify({ private: true, type: "module" }));
npm(["install", "--silent", "--offline", "--ignore-scripts", "--no-audit", "--no-fund", `./${tarball}`], project);

const wanted = process.argv.slice(2);
const files = readdirSync(here).filter((name) => name.endsWith(".test.mjs") && (wanted.length === 0 || wanted.some((part) => name.includes(part))));
const env = { ...process.env, TWG_AUTH_PROJECT: project, TWG_AUTH_TARBALL: join(project, tarball) };
const { status } = spawnSync(process.execPath, ["--test", "--test-concurrency=1", ...files], { cwd: here, env, stdio: "inherit" });
process.exitCode = status ?? 1;
