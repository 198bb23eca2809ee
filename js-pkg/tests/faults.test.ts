/** Ports that fail, in every way, at every call: typed errors, nothing lost, and no secret in any message. */
import assert from "node:assert/strict";
import { before, describe, test } from "node:test";
import { inspect } from "node:util";
import { HttpFailure, StorageFailure, isTwgError, type Ports, type Storage, type TwgErrorCode } from "twg-auth";
import { mortal } from "twg-auth/testing";
import { oidcProvider, sandbox, type OidcProvider, type Sandbox } from "./servers.js";
import { browserLogin, recordOf, secretsOf, worldOf } from "./world.js";

const EXPIRED = 70 * 60_000;
const fails = (...codes: TwgErrorCode[]) => (error: unknown) => codes.some((code) => isTwgError(error, code)) || assert.fail(inspect(error));

describe("faults", () => {
  let server: Sandbox;
  before(async () => (server = await sandbox()));

  const signedIn = async () => {
    const world = worldOf(server);
    await world.auth().login(browserLogin);
    return world;
  };

  test("no network: nothing is lost, and it can be tried again", async () => {
    const world = await signedIn();
    world.clock.advance(EXPIRED);
    const down = { ...world.ports, http: { send: () => Promise.reject(new HttpFailure("not_sent", "name_resolution")) } };
    await assert.rejects(world.auth(down).getAccessToken(), (error) => isTwgError(error, "NETWORK") && error.retryable);
    assert.equal(recordOf(world).pending, undefined);
    assert.ok(await server.accepts(await world.auth().getAccessToken()));
    await assert.rejects(world.auth(down).login(browserLogin), fails("NETWORK"));
  });

  test("after a foreign port throws anything, the end of the request is unknown, and the refresh recovers", async () => {
    const world = await signedIn();
    world.clock.advance(EXPIRED);
    const secret = recordOf(world).tokens.refresh_token;
    let isOdd = true;
    const odd: Ports = {
      ...world.ports,
      http: {
        async send(request) {
          const answer = await world.ports.http.send(request);
          if (isOdd) throw new TypeError(`cannot read ${request.body}`);
          return answer;
        },
      },
    };
    const error = await world.auth(odd).getAccessToken().then(() => assert.fail(), (error: unknown) => error);
    assert.ok(!inspect(error, { depth: 9, showHidden: true }).includes(secret));
    assert.ok(isTwgError(error));
    assert.notEqual(recordOf(world).pending, undefined, "the intent stays");
    isOdd = false;
    assert.ok(await server.accepts(await world.auth(odd).getAccessToken()));
  });

  test("an endpoint on plain http is refused before anything is sent", async () => {
    const endpoints = { ...(server.provider["endpoints"] as object), token: "http://auth.example.com/token" };
    const world = worldOf({ ...server, provider: { ...server.provider, endpoints } });
    await assert.rejects(world.auth().login(browserLogin), fails("CONFIGURATION"));
    assert.deepEqual(world.requests, []);
  });

  test("every write of a refresh fails, once or for ever", async () => {
    const trial = await signedIn();
    trial.clock.advance(EXPIRED);
    const counting = mortal(trial.ports);
    await trial.auth(counting.ports).getAccessToken();
    const writes = counting.trace.filter((call) => call === "storage.set").length;
    assert.ok(writes >= 4);
    for (let nth = 1; nth <= writes; nth++) {
      for (const times of [1, Infinity]) {
        const world = await signedIn();
        world.clock.advance(EXPIRED);
        const before = (await server.refreshes()).length;
        const quota = new DOMException("the text of what was stored", "QuotaExceededError");
        world.storage.fail(nth, quota, ["set"], times);
        const error = await world.auth().getAccessToken().catch((error: unknown) => error);
        const requests = (await server.refreshes()).length - before;
        const what = `write ${nth}, ${times} times: ${inspect(error)}`;
        if (typeof error !== "string") {
          fails("STORE_CANNOT_WRITE", "REPLY_NOT_SAVED")(error);
          assert.ok(!inspect(error).includes("the text of"), what);
          assert.ok(inspect(error).includes("memory:"), `it names the place: ${what}`);
        }
        if (nth <= 2) assert.equal(requests, typeof error === "string" ? 1 : 0, what);
        world.storage.heal();
        assert.ok(await server.accepts(await world.auth(world.another()).getAccessToken()), what);
        assert.equal(recordOf(world).ended, undefined, what);
      }
    }
  });

  test("a storage that cannot be read", async () => {
    const world = await signedIn();
    world.storage.fail(1, undefined, ["get"], Infinity);
    await assert.rejects(world.auth().getAccessToken(), fails("STORE_CANNOT_READ"));
    await assert.rejects(world.auth().status(), fails("STORE_CANNOT_READ"));
    await assert.rejects(world.auth().login(browserLogin), fails("STORE_CANNOT_READ", "STORE_CANNOT_WRITE"));
  });

  test("a storage that cannot be written: the login ends before anything is sent", async () => {
    const world = worldOf(server);
    world.storage.fail(1, new StorageFailure("cannot_create", "here", "the test says so"), ["set"], Infinity);
    await assert.rejects(world.auth().login(browserLogin), fails("STORE_CANNOT_CREATE"));
    assert.deepEqual(world.requests, []);
  });

  test("the preflight finds a storage that forgets", async () => {
    const world = worldOf(server);
    const storage: Storage = { ...world.storage, set: async () => {} };
    await assert.rejects(world.auth({ ...world.ports, storage }).login(browserLogin), fails("STORE_CANNOT_WRITE"));
    assert.deepEqual(world.requests, []);
  });

  test("the next login sets a damaged record aside unchanged; it refuses the record of another connection", async () => {
    const world = await signedIn();
    world.storage.texts.set("record/atlassian/default", "{ not JSON");
    await assert.rejects(world.auth().status(), fails("RECORD_UNUSABLE"));
    await assert.rejects(world.auth().getAccessToken(), fails("RECORD_UNUSABLE"));
    await world.auth().login(browserLogin);
    const [aside] = [...world.storage.texts].filter(([name]) => name.includes("damaged"));
    assert.equal(aside![1], "{ not JSON");
    assert.match(aside![0], /^record\/atlassian\/default\.damaged-\d{8}T\d{6}Z$/);
  });

  test("locks that throw, and a lock that is never free", async () => {
    const world = await signedIn();
    world.clock.advance(EXPIRED);
    const broken = { ...world.ports, locks: { acquire: () => Promise.reject(new Error("secret")) } };
    await assert.rejects(world.auth(broken).getAccessToken(), (error) => isTwgError(error, "STORE_CANNOT_CREATE") && !inspect(error).includes("secret"));
    const busy = { ...world.ports, locks: { acquire: async () => ({ busy: true as const, holder: "17 another" }) } };
    await assert.rejects(world.auth(busy).getAccessToken(), (error) => isTwgError(error, "LOCK_TIMED_OUT") && error.message.includes("17 another") && error.retryable);
  });

  test("options of the wrong type are an error that does not repeat them", async () => {
    const world = worldOf(server);
    const auth = world.auth(world.ports, { clientSecret: { secret: "s3cr3t" } as never });
    await assert.rejects(auth.login(browserLogin), (error) => isTwgError(error, "CONFIGURATION") && !inspect(error).includes("s3cr3t"));
    await assert.rejects(world.auth(world.ports, { provider: "unknown" }).login(browserLogin), fails("CONFIGURATION"));
  });
});

describe("a login that has ended", () => {
  let server: OidcProvider;
  before(async () => (server = await oidcProvider()));

  test("is reported without a secret, and stays as it is", async () => {
    const world = worldOf(server);
    const auth = world.auth();
    await auth.login(browserLogin);
    const record = recordOf(world);
    const body = new URLSearchParams({ token: record.tokens.refresh_token, client_id: server.clientId });
    await fetch(`${server.url}/token/revocation`, { method: "POST", body });
    world.clock.advance(EXPIRED);
    const heard: string[] = [];
    auth.on("signedOut", ({ ended }) => heard.push(ended!.reason));
    await assert.rejects(auth.getAccessToken(), fails("AUTH_REVOKED"));
    assert.deepEqual(heard, ["revoked"]);
    const count = world.requests.length;
    await assert.rejects(auth.getAccessToken(), fails("AUTH_REVOKED"));
    assert.equal(world.requests.length, count, "it is not tried again");
  });
});

test("no token is in any event, error, line of the console or inspected object", async () => {
  const server = await sandbox();
  const said: string[] = [];
  const say = (what: unknown) => said.push(inspect(what, { depth: 12, showHidden: true, getters: true }), JSON.stringify(what) ?? "");
  const originals = { ...console };
  for (const name of ["log", "warn", "error", "info", "debug"] as const) console[name] = (...all: unknown[]) => say(all);
  const secrets = new Set<string>();
  try {
    const world = worldOf(server);
    const auth = world.auth(world.ports, { clientSecret: undefined as never });
    for (const event of ["change", "signedIn", "signedOut", "refreshed", "interrupted"] as const) {
      auth.on(event, (detail) => {
        say(detail);
        throw new Error(secretsOf(world)[0]);
      });
    }
    const login = auth.login({ ...browserLogin, onProgress: say });
    for await (const progress of login) say(progress);
    say(await login);
    say(login);
    secretsOf(world).forEach((secret) => secrets.add(secret));
    say(await auth.status());
    say(await auth.whoami());
    say(await auth.sites());
    for (const fault of ["drop-after", "502-after", "cut", "html", "429:1"]) {
      world.clock.advance(EXPIRED);
      await server.switch("fault.refresh", `${fault}*1`);
      await auth.getAccessToken().catch(say);
      await auth.getAccessToken().catch(say);
      secretsOf(world).forEach((secret) => secrets.add(secret));
    }
    world.storage.fail(3, undefined, ["set"], Infinity);
    world.clock.advance(EXPIRED);
    await auth.getAccessToken().catch(say);
    world.storage.heal();
    await auth.getAccessToken().catch(say);
    secretsOf(world).forEach((secret) => secrets.add(secret));
    say(auth);
    say(await auth.logout());
  } finally {
    Object.assign(console, originals);
  }
  assert.ok(secrets.size > 6 && said.length > 60, `${secrets.size} secrets, ${said.length} lines`);
  const everything = said.join("\n");
  assert.ok(everything.includes("a listener of 'change' failed"), "the console is captured");
  for (const secret of secrets) assert.ok(!everything.includes(secret), "a token is in a message");
});
