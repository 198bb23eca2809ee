import assert from "node:assert/strict";
import { before, describe, test } from "node:test";
import { isTwgError, type Progress } from "twg-auth";
import { mortal } from "twg-auth/testing";
import { oidcProvider, sandbox, type OidcProvider, type Sandbox } from "./servers.js";
import { browserLogin, recordOf, worldOf } from "./world.js";

describe("against the sandbox", () => {
  let server: Sandbox;
  before(async () => (server = await sandbox()));

  test("a browser login, and all calls after it", async () => {
    const world = worldOf(server);
    const auth = world.auth();
    assert.equal((await auth.status()).signedIn, false);
    await assert.rejects(auth.getAccessToken(), (error) => isTwgError(error, "AUTH_REQUIRED"));

    const signedIn = await auth.login(browserLogin);
    assert.equal(signedIn.account?.name, "Mia Krystof");
    assert.equal(signedIn.grant, "authorization_code");
    const token = await auth.getAccessToken();
    assert.ok(await server.accepts(token));
    assert.equal((await auth.whoami()).email, "mia@example.com");
    const { sites } = await auth.sites();
    assert.ok(sites.length > 0);
    await auth.useSite(sites[0]!.id);
    assert.equal((await auth.status()).defaultSite, sites[0]!.id);
    const status = await auth.status();
    assert.equal(status.state, "fresh");
    assert.ok(status.wakeAt! >= status.dueAt!);
    assert.equal([...world.alarms.values()].includes(status.dueAt!) || world.alarms.size === 1, true);

    const done = await auth.logout();
    assert.deepEqual(typeof done === "object" && "done" in done && done.done.refresh_token, "revoked");
    assert.equal((await auth.status()).signedIn, false);
    assert.equal(await server.accepts(token), false);
    assert.equal(world.alarms.size, 0);
    assert.deepEqual([...world.storage.texts.keys()], []);
    assert.deepEqual(world.locks.held(), []);
  });

  test("a device login as an async iterator, late and twice, and awaited", async () => {
    const world = worldOf(server);
    world.clock.hurry = false;
    const login = world.auth().login({ grants: ["device_code"], open: false });
    const kinds: string[] = [];
    for await (const progress of login) {
      kinds.push(progress.type);
      if (progress.type === "userCode") await server.approveDevice(progress.verificationUriComplete!, progress.userCode);
      if (progress.type === "waiting") queueMicrotask(() => world.clock.advance(progress.until - world.clock.now().wall));
    }
    assert.equal(kinds[0], "userCode");
    assert.ok(kinds.includes("waiting"));
    const again: Progress[] = [];
    for await (const progress of login) again.push(progress);
    assert.deepEqual(again.map(({ type }) => type), kinds);
    assert.equal((await login).grant, "device_code");
  });

  test("a login that fails throws at the end of the loop, and at await", async () => {
    const world = worldOf(server);
    const ports = { ...world.ports, userAgent: { ...world.ports.userAgent, authorize: () => Promise.reject(new Error("a secret popup")) } };
    const login = world.auth(ports).login(browserLogin);
    await assert.rejects(async () => {
      for await (const _ of login);
    }, (error) => isTwgError(error, "NO_USER_AGENT") && !error.message.includes("secret"));
    await assert.rejects(login, (error) => isTwgError(error, "NO_USER_AGENT"));
  });

  test("a popup that is closed cancels the login, and keeps the one before", async () => {
    const world = worldOf(server);
    await world.auth().login(browserLogin);
    const before = recordOf(world).tokens.access_token;
    const { UserAgentFailure } = await import("twg-auth");
    const ports = { ...world.another(), userAgent: { ...world.ports.userAgent, authorize: () => Promise.reject(new UserAgentFailure("closed")) } };
    await assert.rejects(world.auth(ports).login(browserLogin), (error) => isTwgError(error, "CANCELLED"));
    assert.equal(recordOf(world).tokens.access_token, before);
    assert.equal(await world.auth().getAccessToken(), before);
  });

  test("the signal ends a login that waits for its user, and its lock is free", async () => {
    const world = worldOf(server);
    const controller = new AbortController();
    const ports = { ...world.ports, userAgent: { ...world.ports.userAgent, authorize: () => new Promise<never>(() => controller.abort()) } };
    const login = world.auth(ports).login({ ...browserLogin, signal: controller.signal });
    await assert.rejects(login, (error) => isTwgError(error, "CANCELLED"));
    assert.deepEqual([...world.storage.texts.keys()], []);
  });

  test("a token that is due is refreshed once for twenty callers in four contexts", async () => {
    const world = worldOf(server);
    await world.auth().login(browserLogin);
    const before = (await server.refreshes()).length;
    world.clock.advance(50 * 60_000);
    const contexts = [0, 1, 2, 3].map(() => world.auth(world.another()));
    const tokens = await Promise.all(contexts.flatMap((auth) => [1, 2, 3, 4, 5].map(() => auth.getAccessToken())));
    assert.equal(new Set(tokens).size, 1);
    assert.equal((await server.refreshes()).length - before, 1);
    assert.ok(await server.accepts(tokens[0]!));
  });

  test("callers of one context share one read, one lock and one refresh", async () => {
    const world = worldOf(server);
    await world.auth().login(browserLogin);
    for (const [age, locks] of [[0, 0], [50 * 60_000, 1]] as const) {
      world.clock.advance(age);
      const one = mortal(world.another());
      await world.auth(one.ports).getAccessToken();
      world.clock.advance(age);
      const many = mortal(world.another());
      const auth = world.auth(many.ports);
      await Promise.all(Array.from({ length: 20 }, () => auth.getAccessToken()));
      assert.deepEqual(many.trace, one.trace);
      assert.equal(many.trace.filter((call) => call === "locks.acquire").length, locks);
    }
  });

  test("one caller that gives up does not affect the others; all of them together cannot stop a refresh that was sent", async () => {
    const world = worldOf(server);
    await world.auth().login(browserLogin);
    world.clock.advance(50 * 60_000);
    const before = recordOf(world).tokens;
    const controller = new AbortController();
    const ports = {
      ...world.ports,
      http: { send: async (...args: Parameters<typeof world.ports.http.send>) => (controller.abort(), world.ports.http.send(...args)) },
    };
    const auth = world.auth(ports);
    const quitter = auth.getAccessToken({ signal: controller.signal });
    const other = auth.getAccessToken();
    await assert.rejects(quitter, (error) => isTwgError(error, "CANCELLED"));
    assert.notEqual(await other, before.access_token);

    world.clock.advance(70 * 60_000); // It is dead: the next caller has to wait for the lock.
    const alone = new AbortController();
    let sent!: () => void;
    const spending = new Promise<void>((resolve) => (sent = resolve));
    const slow = {
      ...world.another(),
      http: {
        send: async (request: Parameters<typeof world.ports.http.send>[0], signal?: AbortSignal) => {
          assert.equal(signal, undefined, "a refresh is not given up");
          sent();
          return world.ports.http.send(request);
        },
      },
    };
    const given = world.auth(slow).getAccessToken({ signal: alone.signal });
    await spending;
    alone.abort();
    await assert.rejects(given, (error) => isTwgError(error, "CANCELLED"));
    // The lock is free once the transaction is over.
    const next = await world.auth(world.another()).getAccessToken();
    assert.ok(await server.accepts(next));
    assert.equal(recordOf(world).pending, undefined);
  });

  test("events, here and in another context", async () => {
    const world = worldOf(server);
    const here = world.auth();
    const there = world.auth(world.another());
    const heard: string[] = [];
    for (const [place, auth] of [["here", here], ["there", there]] as const) {
      for (const event of ["signedIn", "refreshed", "signedOut"] as const) auth.on(event, () => heard.push(`${place} ${event}`));
    }
    const settled = (event: string) => new Promise<void>((resolve) => {
      const stop = there.on(event as "change", () => (stop(), resolve()));
    });
    for (const act of [() => here.login(browserLogin) as Promise<unknown>, async () => (world.clock.advance(50 * 60_000), here.getAccessToken()), () => here.logout()]) {
      const event = settled(["signedIn", "refreshed", "signedOut"][heard.length / 2]!);
      await act();
      await event;
    }
    for (const place of ["here", "there"]) {
      assert.deepEqual(heard.filter((line) => line.startsWith(place)), ["signedIn", "refreshed", "signedOut"].map((event) => `${place} ${event}`));
    }
  });

  test("signing in while a search for a suspended login finds none", async () => {
    const world = worldOf(server);
    const auth = world.auth();
    const resumed = auth.resumeLogin();
    const signedIn = await auth.login(browserLogin);
    assert.equal(signedIn.account?.name, "Mia Krystof");
    assert.equal(await resumed, undefined);
    assert.equal(await auth.resumeLogin(), undefined, "and it can be looked for again");
  });

  test("a storage that throws at once does not end all logins", async () => {
    const world = worldOf(server);
    let isBroken = true;
    const get = (name: string) => {
      if (isBroken) throw new Error("at once");
      return world.ports.storage.get(name);
    };
    const auth = world.auth({ ...world.ports, storage: { ...world.ports.storage, get } });
    await assert.rejects(auth.resumeLogin());
    isBroken = false;
    assert.equal((await auth.login(browserLogin)).account?.name, "Mia Krystof");
  });

  test("after a login is saved there is none to resume", async () => {
    const world = worldOf(server);
    const names: string[][] = [];
    const set = async (name: string, value: string) => {
      if (name.startsWith("record/")) names.push([...world.storage.texts.keys()]);
      await world.ports.storage.set(name, value);
    };
    await world.auth({ ...world.ports, storage: { ...world.ports.storage, set } }).login(browserLogin);
    assert.deepEqual(names[0], []);
  });

  test("a login that is aborted after it was saved is kept alive nevertheless", async () => {
    const world = worldOf(server);
    const controller = new AbortController();
    const set = async (name: string, value: string) => {
      await world.ports.storage.set(name, value);
      if (name.startsWith("record/")) controller.abort();
    };
    const auth = world.auth({ ...world.ports, storage: { ...world.ports.storage, set } });
    await assert.rejects(auth.login({ ...browserLogin, signal: controller.signal }), (error) => isTwgError(error, "CANCELLED"));
    assert.equal((await auth.status()).signedIn, true);
    assert.equal(world.alarms.size, 1);
  });

  test("status() distinguishes a wrong profile, a record that cannot be read, and a record of a newer version", async () => {
    const world = worldOf(server);
    await world.auth().login(browserLogin);
    const wrong = world.auth(world.ports, { provider: { ...server.provider, grants: [] } as never });
    await assert.rejects(wrong.status(), (error) => isTwgError(error, "CONFIGURATION"));
    const [name] = world.storage.texts.keys();
    world.storage.texts.set(name!, '{"schema_version":2}');
    await assert.rejects(world.auth().status(), (error) => isTwgError(error, "RECORD_UNUSABLE") && /newer twg/.test(error.message));
  });

  test("wake refreshes what will be due, and sets the next alarm; signed out it does nothing", async () => {
    const world = worldOf(server);
    const auth = world.auth();
    const before = (await server.refreshes()).length;
    await auth.wake();
    await auth.login(browserLogin);
    await auth.wake();
    assert.equal((await server.refreshes()).length, before);
    world.clock.advance(31 * 60_000);
    const [[name, first]] = [...world.alarms] as [[string, number]];
    await auth.wake();
    assert.equal((await server.refreshes()).length, before + 1);
    assert.ok(world.alarms.get(name)! > first);
  });
});

describe("against npm oidc-provider", () => {
  let server: OidcProvider;
  before(async () => (server = await oidcProvider()));

  test("a browser login, a refresh and a logout", async () => {
    const world = worldOf(server);
    const auth = world.auth();
    const signedIn = await auth.login(browserLogin);
    assert.equal(signedIn.account?.name, "Ada Lovelace");
    const first = await auth.getAccessToken();
    world.clock.advance(50 * 60_000);
    const second = await auth.getAccessToken();
    assert.notEqual(first, second);
    assert.ok(await server.isActive(second));
    await auth.logout();
    assert.equal(await server.isActive(second), false);
  });

  test("a device login", async () => {
    const world = worldOf(server);
    world.clock.hurry = false;
    const login = world.auth().login({ grants: ["device_code"], open: false });
    for await (const progress of login) {
      if (progress.type === "userCode") await server.approveDevice(progress.verificationUri, progress.userCode);
      if (progress.type === "waiting") queueMicrotask(() => world.clock.advance(progress.until - world.clock.now().wall));
    }
    assert.equal((await login).account?.name, "Ada Lovelace");
  });
});
