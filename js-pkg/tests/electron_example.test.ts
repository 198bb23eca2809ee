/**
 * The whole example for Electron: its main module, its preload script, and what they store. Electron is not available here, so it
 * runs in Node, with a module named `electron` that has the interfaces which the example uses.
 */
import assert from "node:assert/strict";
import { fork, type ChildProcess } from "node:child_process";
import { cpSync, mkdirSync, readFileSync, readdirSync, symlinkSync, writeFileSync } from "node:fs";
import { EventEmitter, once } from "node:events";
import { join } from "node:path";
import { afterEach, before, beforeEach, describe, test } from "node:test";
import { repository, sandbox, temporaryDirectory, type Sandbox } from "./servers.js";

const LIMIT = 60_000;

type Said = Record<string, unknown>;
interface State {
  signedIn: boolean;
  name: string;
  email: string;
  sites: { name: string; url: string }[];
}

/** A copy of the example, with its dependencies as npm would lay them out. */
function install(): string {
  const directory = join(temporaryDirectory(), "app");
  cpSync(join(repository, "js-pkg/examples/electron"), directory, { recursive: true });
  mkdirSync(join(directory, "node_modules"));
  cpSync(join(repository, "js-pkg/tests/electron_stand_in"), join(directory, "node_modules/electron"), { recursive: true });
  symlinkSync(join(repository, "js-pkg"), join(directory, "node_modules/twg-auth"));
  return directory;
}

describe("the example for Electron, in Node", () => {
  let server: Sandbox;
  let directory: string;
  before(async () => {
    server = await sandbox("access-lifetime=600", "fault.refresh=none");
    directory = install();
    // A shorter leeway than the server's real one, so that the repair comes soon.
    writeFileSync(join(directory, "profile.json"), JSON.stringify({ ...server.provider, reuse_leeway_seconds: 30 }));
  });

  let userData: string;
  const children: ChildProcess[] = [];
  beforeEach(() => (userData = temporaryDirectory()));
  afterEach(() => children.splice(0).forEach((child) => child.kill("SIGKILL")));

  /** Starts the application; the user approves every page that opens. */
  function start({ approves = true } = {}) {
    const env = { PATH: process.env["PATH"], USER_DATA: userData, KEYCHAIN: "of this user", CLIENT_ID: server.clientId, PROVIDER: join(directory, "profile.json") };
    const child = fork(join(directory, "main.js"), { env, silent: true });
    children.push(child);
    const said: Said[] = [];
    const heard = new EventEmitter();
    let printed = "";
    for (const stream of [child.stdout!, child.stderr!]) stream.setEncoding("utf8").on("data", (text: string) => (printed += text));
    child.on("message", (message: Said) => {
      said.push(message);
      heard.emit("said");
      if (message["opened"] && approves) void server.approveDevice(message["opened"] as string, "");
    });
    const signal = AbortSignal.timeout(LIMIT);

    /** Its first message of that kind, past or future. */
    async function until<T = unknown>(kind: string, suits: (value: T, whole: Said) => boolean = () => true): Promise<T> {
      for (;;) {
        const found = said.find((message) => kind in message && suits(message[kind] as T, message));
        if (found) return found[kind] as T;
        await once(heard, "said", { signal });
      }
    }
    let calls = 0;
    const call = async <T,>(name: string): Promise<{ value?: T; error?: { code: string; message: string } }> => {
      const id = ++calls;
      child.send({ id, call: name });
      return until("answer", (_answer, whole) => whole["id"] === id);
    };
    return {
      child,
      said,
      until,
      call,
      state: async () => (await call<State>("state")).value!,
      ended: () => ended(child),
      /** Everything that left the main process: to the page, and to its output. */
      everything: () => JSON.stringify(said) + printed,
    };
  }

  async function ended(child: ChildProcess): Promise<number | NodeJS.Signals | null> {
    if (child.exitCode === null && child.signalCode === null) await once(child, "exit", { signal: AbortSignal.timeout(LIMIT) });
    return child.exitCode ?? child.signalCode;
  }

  const files = () =>
    readdirSync(userData, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((file) => readFileSync(join(file.parentPath, file.name), "latin1"))
      .join("\n");

  /** Finds both kinds of token of the sandbox. */
  const holdsTokens = (text: string) => /eyJ[\w-]+\.|refresh_token|access_token/.test(text);

  async function signedIn() {
    const app = start();
    await app.until("window");
    assert.deepEqual(await app.call("signIn"), {});
    return app;
  }

  /** Polls, because the log of the sandbox sends no events. */
  async function untilRefreshes(count: number): Promise<void> {
    const end = Date.now() + LIMIT;
    while ((await server.refreshes()).length < count) {
      assert.ok(Date.now() < end, "no refresh began");
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  test("signs in; the page gets the name and the sites, and no token leaves the main process", async () => {
    const app = await signedIn();
    const { contextIsolation, sandbox, nodeIntegration } = (await app.until<{ webPreferences: Record<string, unknown> }>("window")).webPreferences;
    assert.deepEqual([contextIsolation, sandbox, nodeIntegration], [true, true, false]);
    const progress = await app.until<{ code: string; url: string }>("progress");
    assert.match(progress.code, /^[A-Z]{4}-[A-Z]{4}$/);
    const state = await app.state();
    assert.deepEqual([state.signedIn, state.name, state.email], [true, "Mia Krystof", "mia@example.com"]);
    assert.deepEqual(state.sites.map(({ name }) => name), ["krystof-design"]);
    await app.until<State>("state", ({ signedIn }) => signedIn);

    assert.ok(holdsTokens('"eyJhbGciOiJSUzI1NiJ9.e30.x"'), "the check finds tokens");
    assert.ok(!holdsTokens(app.everything()), "outside of the main process");
    assert.ok(files().includes("sealed:") && !holdsTokens(files()), "on disk");

    app.child.send({ stranger: "state" });
    assert.deepEqual(await app.until("stranger"), { error: { message: "This page may not do that." } });
    app.child.send({ quit: true });
    assert.equal(await app.ended(), 0);
  });

  test("is still signed in after a restart, and signs out", async () => {
    const first = await signedIn();
    first.child.send({ quit: true });
    assert.equal(await first.ended(), 0);

    const second = start();
    await second.until("window");
    assert.equal((await second.state()).name, "Mia Krystof");
    assert.deepEqual(await second.call("signOut"), {});
    assert.equal((await second.state()).signedIn, false);
    second.child.send({ quit: true });
    assert.equal(await second.ended(), 0);
  });

  test("a second instance ends, and the first one's window is shown", async () => {
    const first = start();
    await first.until("window");
    const second = start();
    assert.equal(await second.ended(), 0);
    assert.ok(!second.said.some((message) => "window" in message));
    await first.until("focused");
  });

  test("quitting ends a sign-in that waits for its user", async () => {
    const app = start({ approves: false });
    await app.until("window");
    const signingIn = app.call("signIn");
    await app.until("opened");
    app.child.send({ quit: true });
    assert.equal((await signingIn).error?.code, "CANCELLED");
    assert.equal(await app.ended(), 0);
  });

  test("quitting waits for a refresh that was sent", async () => {
    const app = await signedIn();
    const count = (await server.refreshes()).length;
    await server.switch("fault.refresh", "delay:4000*1");
    app.child.send({ emit: "resume" });
    await untilRefreshes(count + 1);
    app.child.send({ quit: true });
    assert.equal(await app.until("quitting"), "prevented");
    assert.equal(await app.ended(), 0);

    // Its reply was saved: nothing is repeated, and the next refresh uses its token for the first time.
    const next = start();
    await untilRefreshes(count + 2);
    assert.equal((await next.state()).signedIn, true);
    assert.equal((await server.grants()).at(-1)!["replays"], 0);
  });

  test("killed during a refresh, the next start repairs the login", async () => {
    const app = await signedIn();
    const count = (await server.refreshes()).length;
    await server.switch("fault.refresh", "delay:60000*1");
    app.child.send({ emit: "resume" });
    await untilRefreshes(count + 1);
    app.child.kill("SIGKILL");
    assert.equal(await app.ended(), "SIGKILL");

    // The refresh token is spent and its successor is lost. It is sent again once the first request cannot be running.
    const next = start();
    await untilRefreshes(count + 2);
    assert.equal((await server.grants()).at(-1)!["replays"], 1);
    next.child.send({ quit: true });
    assert.equal(await next.ended(), 0);
    const last = start();
    await untilRefreshes(count + 3);
    assert.equal((await last.state()).name, "Mia Krystof");
    assert.equal((await server.grants()).at(-1)!["alive"], true);
    last.child.send({ quit: true });
    assert.equal(await last.ended(), 0);
    // Only now: earlier, files come and go.
    assert.ok(files().includes("sealed:") && !holdsTokens(files()), "on disk");
  });
});
