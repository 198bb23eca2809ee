import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, existsSync, mkdirSync, readFileSync, readdirSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer as createHttp } from "node:http";
import { createServer as createTcp, type AddressInfo } from "node:net";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { describe, test } from "node:test";
import { createAuth, isTwgError, type HttpFailure, type HttpRequest, type Ports, type Progress, type StorageFailure, type UserAgentFailure } from "twg-auth";
import { nodeClock, nodePorts } from "twg-auth/node";
import { sandbox, temporaryDirectory } from "./servers.js";
import { browserLogin } from "./world.js";

const fresh = (options = {}) => {
  const directory = join(temporaryDirectory(), "twg-auth");
  return { directory, ports: nodePorts({ directory, ...options }) };
};
const mode = (path: string) => statSync(path).mode & 0o7777;
const fails = (kind: StorageFailure["kind"]) => (error: unknown) => (error as StorageFailure).kind === kind;
const within = (ms: number) => Date.now() + ms;

describe("storage", () => {
  test("texts are files that only their owner can read, with any umask", async () => {
    for (const umask of [0o000, 0o277]) {
      const before = process.umask(umask);
      const { directory, ports } = fresh();
      try {
        await ports.storage.set("record/atlassian/default", "a text");
        await ports.storage.set("record/atlassian/default", "another");
        await ports.storage.reserve!("stage/atlassian/default", 64 * 1024);
      } finally {
        process.umask(before);
      }
      assert.equal(await ports.storage.get("record/atlassian/default"), "another");
      assert.equal(mode(directory), 0o700);
      assert.deepEqual(readdirSync(directory).sort(), ["record+atlassian+default", "stage+atlassian+default"]);
      for (const file of readdirSync(directory)) assert.equal(mode(join(directory, file)), 0o600);
      await ports.storage.remove("stage/atlassian/default");
      await ports.storage.remove("record/atlassian/default");
      await ports.storage.remove("record/atlassian/default");
      assert.equal(await ports.storage.get("record/atlassian/default"), undefined);
    }
  });

  test("a directory that others can enter becomes private", async () => {
    const { directory, ports } = fresh();
    mkdirSync(directory, { mode: 0o755 });
    chmodSync(directory, 0o777);
    await ports.storage.set("a", "b");
    assert.equal(mode(directory), 0o700);
  });

  test("no name leaves the directory or collides with another one", async () => {
    const { directory, ports } = fresh();
    const names = ["../out", "a/b", "a+b", "A", "a", "ä", "a%b", "con", ".hidden"];
    for (const name of names) await ports.storage.set(name, name);
    for (const name of names) assert.equal(await ports.storage.get(name), name);
    const files = readdirSync(directory);
    assert.equal(new Set(files.map((file) => file.toLowerCase())).size, names.length);
    assert.deepEqual(readdirSync(join(directory, "..")), ["twg-auth"]);
  });

  test("room is reserved in the file, and filled in place", async () => {
    const { directory, ports } = fresh();
    const path = join(directory, "stage+x");
    await ports.storage.reserve!("stage/x", 65_536);
    const { ino, size } = statSync(path);
    assert.equal(size, 65_536);
    await ports.storage.fill!("stage/x", "the reply");
    assert.equal(statSync(path).ino, ino);
    assert.equal(statSync(path).size, 65_536);
    assert.equal((await ports.storage.get("stage/x"))!.replace(/\0+$/, ""), "the reply");
    await assert.rejects(ports.storage.fill!("stage/x", "again"), fails("cannot_write"));
    await ports.storage.reserve!("stage/x", 65_536);
    assert.equal((await ports.storage.get("stage/x"))!.replace(/\0+$/, ""), "");
    await ports.storage.remove("stage/x");
  });

  test("symbolic links and special files are refused, and never followed", async () => {
    const { directory, ports } = fresh();
    mkdirSync(directory);
    const victim = join(directory, "..", "victim");
    writeFileSync(victim, "precious");
    symlinkSync(victim, join(directory, "link"));
    mkdirSync(join(directory, "folder"));
    await assert.rejects(ports.storage.get("link"), fails("cannot_read"));
    await assert.rejects(ports.storage.get("folder"), fails("cannot_read"));
    await assert.rejects(ports.storage.set("folder", "x"), fails("cannot_create"));
    await ports.storage.set("link", "x"); // Replaces the link, not its target.
    assert.equal(readFileSync(victim, "utf8"), "precious");
    assert.deepEqual(readdirSync(directory).filter((file) => file.endsWith(".tmp")), []);
  });

  test("files of a dead process are removed, files of a living one are not", async () => {
    const { directory, ports } = fresh();
    mkdirSync(directory);
    const old = join(directory, ".a.0123456789abcdef.tmp");
    const young = join(directory, ".b.0123456789abcdef.tmp");
    for (const path of [old, young]) writeFileSync(path, "x");
    const { utimesSync } = await import("node:fs");
    utimesSync(old, 1, 1);
    await ports.storage.set("a", "b");
    assert.deepEqual([existsSync(old), existsSync(young)], [false, true]);
  });

  test("a listener gets changes by others even before the directory exists", async () => {
    const { directory, ports } = fresh();
    const heard = new Promise<string>((resolve) => ports.storage.onChange!(resolve));
    await nodePorts({ directory }).storage.set("record/atlassian/default", "a text");
    assert.equal(await heard, "record/atlassian/default");
  });

  test("an error names a directory that cannot be created", async () => {
    const parent = temporaryDirectory();
    writeFileSync(join(parent, "file"), "");
    const { storage, locks } = nodePorts({ directory: join(parent, "file", "below") });
    await assert.rejects(storage.set("a", "b"), fails("cannot_create"));
    await assert.rejects(locks.acquire("a", within(0)), fails("cannot_create"));
  });
});

describe("locks", () => {
  test("exclude, name their holder, and are free after the release", async () => {
    const { ports } = fresh();
    const other = nodePorts({ directory: join(ports.storage.place("x"), "..") });
    const held = await ports.locks.acquire("lock/a/b", within(5000));
    assert.ok(!("busy" in held));
    // Another object of this process asks the kernel, as another process would.
    const busy = await other.locks.acquire("lock/a/b", within(100));
    assert.ok("busy" in busy && busy.holder === `${process.pid} twg-auth`, JSON.stringify(busy));
    assert.ok("busy" in (await ports.locks.acquire("lock/a/b", within(50))));
    const another = await ports.locks.acquire("lock/a/c", within(5000));
    assert.ok(!("busy" in another));
    another.release();
    held.release();
    const next = await other.locks.acquire("lock/a/b", within(5000));
    assert.ok(!("busy" in next));
    next.release();
  });

  test("twenty waiting callers get it one at a time", async () => {
    const { ports, directory } = fresh();
    const objects = [ports.locks, nodePorts({ directory }).locks, nodePorts({ directory }).locks];
    let inside = 0;
    await Promise.all(
      Array.from({ length: 20 }, async (_, i) => {
        const held = await objects[i % 3]!.acquire("x", within(20_000));
        assert.ok(!("busy" in held));
        assert.equal(++inside, 1);
        await new Promise((resolve) => setImmediate(resolve));
        inside--;
        held.release();
      }),
    );
  });

  test("are free after their holder is killed", async () => {
    const { ports, directory } = fresh();
    const child = spawn(process.execPath, [join(import.meta.dirname, "holder.js"), directory, "x"], { stdio: ["ignore", "pipe", "inherit"] });
    assert.equal((await once(createInterface({ input: child.stdout }), "line"))[0], "held");
    assert.ok("busy" in (await ports.locks.acquire("x", within(100))));
    const waiting = ports.locks.acquire("x", within(20_000));
    child.kill("SIGKILL");
    const held = await waiting;
    assert.ok(!("busy" in held));
    held.release();
  });

  test("the signal ends the wait, and the queue stays in order", async () => {
    const { ports } = fresh();
    const held = await ports.locks.acquire("x", within(5000));
    assert.ok(!("busy" in held));
    const controller = new AbortController();
    const quitter = ports.locks.acquire("x", within(20_000), controller.signal);
    const patient = ports.locks.acquire("x", within(20_000));
    controller.abort();
    await assert.rejects(quitter);
    held.release();
    const next = await patient;
    assert.ok(!("busy" in next));
    next.release();
  });

  test("without the locking program, the error says so", async () => {
    const { ports } = fresh();
    const path = process.env["PATH"];
    process.env["PATH"] = "/nonexistent";
    try {
      await assert.rejects(ports.locks.acquire("x", within(5000)), (error: StorageFailure) => error.kind === "cannot_create" && error.detail.includes("'flock'"));
    } finally {
      process.env["PATH"] = path;
    }
  });
});

describe("http", () => {
  const { http } = nodePorts({ directory: "/nonexistent" });
  const request = (url: string, more: Partial<HttpRequest> = {}): HttpRequest => ({
    method: "POST", url, headers: [["x-test", "yes"]], body: "a=b", timeout: 5000, max_response_bytes: 1000, ...more,
  });
  const failure = (sent: HttpFailure["sent"], failure: HttpFailure["failure"]) => (error: unknown) => {
    const { name, sent: s, failure: f } = error as HttpFailure;
    assert.deepEqual({ name, sent: s, failure: f }, { name: "HttpFailure", sent, failure });
    return true;
  };
  const listening = async (server: ReturnType<typeof createTcp>) => {
    server.listen(0, "127.0.0.1");
    server.unref();
    await once(server, "listening");
    return (server.address() as AddressInfo).port;
  };

  test("sends once, on its own network connection, and follows nothing", async () => {
    const seen: string[] = [];
    const server = createHttp((incoming, response) => {
      seen.push(`${incoming.method} ${incoming.url} ${incoming.headers["x-test"]} ${incoming.headers["connection"]} ${incoming.headers["content-length"]} ${incoming.headers["host"]}`);
      response.writeHead(302, { location: "/elsewhere", "Set-Cookie": ["a=1", "b=2"] }).end("moved");
    });
    const port = await listening(server);
    const response = await http.send(request(`http://127.0.0.1:${port}/token`));
    assert.equal(response.status, 302);
    assert.deepEqual(seen, [`POST /token yes close 3 127.0.0.1:${port}`]);
    assert.equal(Buffer.from(response.body as Uint8Array).toString(), "moved");
    assert.deepEqual(response.headers.filter(([name]) => name === "set-cookie").map(([, value]) => value), ["a=1", "b=2"]);
  });

  test("distinguishes what was not sent from what may have been", async () => {
    const closed = createTcp();
    const free = await listening(closed);
    closed.close();
    await assert.rejects(http.send(request(`http://127.0.0.1:${free}/`)), failure("not_sent", "connect"));
    await assert.rejects(http.send(request("https://no-such-host.invalid/")), failure("not_sent", "name_resolution"));

    const plain = await listening(createTcp((socket) => socket.end("this is not TLS\n")));
    await assert.rejects(http.send(request(`https://127.0.0.1:${plain}/`)), failure("not_sent", "tls"));
    const mute = await listening(createTcp((socket) => socket.on("error", () => {}).resume()));
    await assert.rejects(http.send(request(`https://127.0.0.1:${mute}/`, { timeout: 100 })), failure("not_sent", "timeout"));
    await assert.rejects(http.send(request(`http://127.0.0.1:${mute}/`, { timeout: 100 })), failure("unknown", "timeout"));

    const reset = await listening(createTcp((socket) => socket.once("data", () => socket.resetAndDestroy())));
    await assert.rejects(http.send(request(`http://127.0.0.1:${reset}/`)), failure("unknown", "interrupted"));
    const cut = await listening(createTcp((socket) => socket.once("data", () => socket.end("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf"))));
    await assert.rejects(http.send(request(`http://127.0.0.1:${cut}/`)), failure("unknown", "interrupted"));
    const huge = await listening(createHttp((_, response) => response.end("x".repeat(1001))));
    await assert.rejects(http.send(request(`http://127.0.0.1:${huge}/`)), failure("unknown", "too_large"));
  });
});

describe("the redirect on loopback", () => {
  test("accepts only the request that it is for", async () => {
    const opened: string[] = [];
    const { ports } = fresh({ open: (url: string) => void opened.push(url) });
    const redirectUri = await ports.userAgent.redirectUri({ path: "/callback" });
    assert.match(redirectUri, /^http:\/\/127\.0\.0\.1:\d+\/callback$/);
    const got = ports.userAgent.authorize({ url: "https://a.example/authorize?x", redirectUri, deadline: within(10_000), open: true });
    const { origin, port } = new URL(redirectUri);
    const ask = (path: string, init?: RequestInit) => fetch(`${origin}${path}`, init).then(({ status }) => status);
    assert.equal(await ask("/callback/more?code=1"), 404);
    assert.equal(await ask("/favicon.ico"), 404);
    assert.equal(await ask("/callback"), 400);
    assert.equal(await ask("/callback?code=1", { method: "POST" }), 405);
    assert.equal(await ask("/callback?code=1", { headers: { "sec-purpose": "prefetch" } }), 503);
    const raw = (head: string) => new Promise<string>((resolve) => {
      import("node:net").then(({ connect }) => {
        const socket = connect(Number(port), "127.0.0.1", () => socket.write(`${head}\r\nconnection: close\r\n\r\n`));
        let text = "";
        socket.on("data", (data) => (text += data)).on("close", () => resolve(text.slice(9, 12)));
      });
    });
    assert.equal(await raw(`GET /callback?code=1 HTTP/1.1\r\nHost: localhost:${port}`), "403");
    assert.equal(await raw(`GET /callback?code=1 HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nOrigin: https://evil.example`), "403");
    assert.equal(await raw(`GET /callback?code=1 HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nSec-Fetch-Dest: image`), "403");
    const page = await fetch(`${redirectUri}?code=the%2Bcode&state=s`);
    const text = await page.text();
    assert.equal(page.status, 200);
    assert.ok(!text.includes("the+code") && !text.includes("the%2Bcode"));
    assert.match(page.headers.get("content-security-policy")!, /^default-src 'none'; style-src 'sha256-/);
    assert.equal(page.headers.get("cache-control"), "no-store");
    assert.equal(await got, `${redirectUri}?code=the%2Bcode&state=s`);
    assert.deepEqual(opened, ["https://a.example/authorize?x"]);
    await ports.userAgent.close(redirectUri);
    await assert.rejects(fetch(redirectUri));
  });

  test("a busy port, a deadline that passes, a resumed login", async () => {
    const { ports } = fresh();
    const first = await ports.userAgent.redirectUri({ path: "/callback" });
    const port = Number(new URL(first).port);
    const other = nodePorts({ directory: "/nonexistent" }).userAgent;
    await assert.rejects(other.redirectUri({ path: "/callback", port }), (error: UserAgentFailure) => error.failure === "port_busy" && error.port === port);
    const late = ports.userAgent.authorize({ url: "", redirectUri: first, deadline: within(50), open: false });
    await assert.rejects(late, (error: UserAgentFailure) => error.failure === "timed_out");
    await ports.userAgent.close(first);
    const resumed = other.authorize({ url: "", redirectUri: first, deadline: within(10_000), open: false });
    for (;;) if (await fetch(`${first}?code=1`).then(() => true, () => false)) break;
    assert.equal(await resumed, `${first}?code=1`);
    await other.close(first);
  });

  const login = (connection: string, ports: Ports, signal?: AbortSignal) =>
    createAuth({ provider: "atlassian", clientId: "any", connection, ports }).login({ ...browserLogin, ...(signal && { signal }) });
  const redirectUriOf = async (login: AsyncIterable<Progress>) => {
    for await (const progress of login) if (progress.type === "authorize") return new URL(progress.url).searchParams.get("redirect_uri")!;
    throw new Error("it asked for nothing");
  };

  test("a second login is refused, and the first one's listener stays", async () => {
    const { ports } = fresh({ open: () => {} });
    const controller = new AbortController();
    const first = login("one", ports, controller.signal);
    const redirectUri = await redirectUriOf(first);
    await assert.rejects(login("two", ports), (error) => isTwgError(error, "NO_USER_AGENT"));
    assert.equal((await fetch(redirectUri)).status, 400);
    controller.abort();
    await assert.rejects(first, (error) => isTwgError(error, "CANCELLED"));
  });

  test("a login that is aborted while it begins to listen blocks no other", async () => {
    const { ports } = fresh({ open: () => {} });
    const given = new AbortController();
    let bound!: Promise<string>;
    const redirectUri = (target: { path: string }) => {
      bound = ports.userAgent.redirectUri(target);
      given.abort();
      return bound;
    };
    await assert.rejects(login("one", { ...ports, userAgent: { ...ports.userAgent, redirectUri } }, given.signal), (error) => isTwgError(error, "CANCELLED"));
    await bound;
    await new Promise(setImmediate); // The caller that waits for the port gets it first.
    const controller = new AbortController();
    const next = login("two", ports, controller.signal);
    await redirectUriOf(next);
    controller.abort();
    await assert.rejects(next, (error) => isTwgError(error, "CANCELLED"));
  });
});

test("the clock counts the uptime of the machine, and waits no longer than necessary", async () => {
  const { wall, uptime } = nodeClock.now();
  assert.ok(Math.abs(wall - Date.now()) < 1000);
  if (process.platform === "linux") assert.ok(Math.abs(uptime! / 1000 - Number(readFileSync("/proc/uptime", "utf8").split(" ")[0])) < 2);
  await nodeClock.wait(0);
  const controller = new AbortController();
  const waiting = nodeClock.wait(within(60_000), controller.signal);
  controller.abort(new Error("enough"));
  await assert.rejects(waiting, /enough/);
});

test("three processes with twenty callers each: one refresh", async () => {
  const server = await sandbox();
  const { directory, ports } = fresh({
    open: async (url: string) => {
      const redirectUri = new URL(url).searchParams.get("redirect_uri")!;
      await fetch(await server.authorize(url, redirectUri));
    },
  });
  const auth = createAuth({ provider: server.provider, clientId: server.clientId, ports });
  await auth.login(browserLogin);
  assert.deepEqual(readdirSync(directory).sort(), ["lock+atlassian+default.lock", "record+atlassian+default"]);

  // The token gets old, as if time had passed.
  const record = JSON.parse((await ports.storage.get("record/atlassian/default"))!);
  record.tokens.issued_at -= 50 * 60_000;
  record.tokens.expires_at -= 61 * 60_000;
  await ports.storage.set("record/atlassian/default", JSON.stringify(record));

  const argument = JSON.stringify({ directory, provider: server.provider, clientId: server.clientId, count: 20 });
  const children = Array.from({ length: 3 }, () => {
    const child = spawn(process.execPath, [join(import.meta.dirname, "process.js"), argument], { stdio: ["pipe", "pipe", "inherit"] });
    return { child, lines: createInterface({ input: child.stdout })[Symbol.asyncIterator]() };
  });
  for (const { lines } of children) assert.equal((await lines.next()).value, "ready");
  for (const { child } of children) child.stdin.write("go\n");
  const answers = await Promise.all(children.map(async ({ lines }) => JSON.parse((await lines.next()).value as string) as string[]));
  const tokens = new Set(answers.flat());
  assert.equal(tokens.size, 1);
  assert.ok(await server.accepts([...tokens][0]!));
  assert.equal((await server.refreshes()).length, 1);
});
