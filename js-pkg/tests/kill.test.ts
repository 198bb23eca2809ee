/** A process that dies at each call of a port, before and after the port performed it, against real servers. */
import assert from "node:assert/strict";
import { before, describe, test } from "node:test";
import { isTwgError } from "twg-auth";
import { mortal, type Mortal } from "twg-auth/testing";
import { oidcProvider, sandbox, type OidcProvider, type Sandbox, type Server } from "./servers.js";
import { browserLogin, recordOf, worldOf, type World } from "./world.js";

const DUE = 50 * 60_000;
const EXPIRED = 70 * 60_000;

/** Both sides of each call that `run` makes when nothing goes wrong. */
async function* deaths(world: () => Promise<World>, run: (process: Mortal, world: World) => Promise<unknown>) {
  const trial = await world();
  const unharmed = mortal(trial.ports);
  await run(unharmed, trial);
  assert.ok(unharmed.calls() > 5, "it does something");
  for (let nth = 1; nth <= unharmed.calls(); nth++) {
    for (const when of ["before", "after"] as const) {
      const machine = await world();
      const process = mortal(machine.ports, nth, when);
      const run_ = run(process, machine);
      run_.catch(() => {});
      await Promise.race([process.died, run_.then(() => assert.fail("a dead process goes on"))]);
      assert.deepEqual(machine.locks.held(), [], "a lock dies with its holder");
      yield { machine, place: `${when} ${nth} ${unharmed.trace[nth - 1]}`, call: unharmed.trace[nth - 1]!, nth, when, trace: unharmed.trace };
    }
  }
}

const signedInAt = (server: Server) => async () => {
  const world = worldOf(server);
  await world.auth().login(browserLogin);
  return world;
};

describe("a refresh with leeway (sandbox)", () => {
  let server: Sandbox;
  before(async () => (server = await sandbox()));

  for (const age of [DUE, EXPIRED]) {
    test(`killed anywhere, ${age === DUE ? "while the old token lives" : "when it is dead"}: no login is lost`, async () => {
      const world = signedInAt(server);
      const refresh = (process: Mortal, machine: World) => (machine.clock.advance(age), machine.auth(process.ports).getAccessToken());
      let count = 0;
      for await (const { machine, place } of deaths(world, refresh)) {
        count++;
        const auth = machine.auth(machine.another());
        const token = await auth.getAccessToken().catch((error: unknown) => assert.fail(`${place}: ${String(error)}`));
        assert.ok(await server.accepts(token), place);
        const { tokens, ended } = recordOf(machine);
        assert.equal(ended, undefined, place);
        // The stored refresh token is the server's present one: a later refresh works too.
        machine.clock.advance(EXPIRED);
        assert.notEqual(await auth.getAccessToken(), tokens.access_token, place);
        assert.equal(recordOf(machine).pending, undefined, place);
      }
      assert.ok(count > 16, `${count} deaths`);
    });
  }

  test("a login killed anywhere can be tried again, or resumed, and keeps the one before", async () => {
    const login = (process: Mortal, machine: World) => machine.auth(process.ports).login(browserLogin);
    let resumed = 0;
    for await (const { machine, place } of deaths(signedInAt(server), login)) {
      const auth = machine.auth(machine.another());
      assert.ok(await server.accepts(await auth.getAccessToken()), place);
      const signedIn = await auth.resumeLogin().catch((error: unknown) => {
        assert.ok(isTwgError(error), place);
        return undefined;
      });
      if (signedIn) resumed++;
      else await auth.login(browserLogin);
      assert.ok(await server.accepts(await auth.getAccessToken()), place);
      assert.equal([...machine.storage.texts.keys()].join(), "record/atlassian/default", place);
    }
    assert.ok(resumed >= 3, `${resumed} logins were resumed`);
  });

  test("a device login killed anywhere can be tried again, or resumed, and keeps the one before", async () => {
    await server.switch("slow-down", "never");
    const user = (world: World) => ({ ...world.another().userAgent, open: (url: string) => server.approveDevice(url, "") });
    const options = { grants: ["device_code" as const] };
    const prepared = async () => {
      const world = await signedInAt(server)();
      world.ports.userAgent = user(world);
      return world;
    };
    let resumed = 0;
    for await (const { machine, place } of deaths(prepared, (process, machine) => machine.auth(process.ports).login(options))) {
      const auth = machine.auth({ ...machine.another(), userAgent: user(machine) });
      assert.ok(await server.accepts(await auth.getAccessToken()), place);
      const signedIn = await auth.resumeLogin().catch((error: unknown) => {
        assert.ok(isTwgError(error), place);
        return undefined;
      });
      if (signedIn) resumed++;
      else await auth.login(options);
      assert.ok(await server.accepts(await auth.getAccessToken()), place);
      assert.equal([...machine.storage.texts.keys()].join(), "record/atlassian/default", place);
    }
    assert.ok(resumed >= 3, `${resumed} logins were resumed`);
  });

  test("a logout killed anywhere can be tried again", async () => {
    const logout = (process: Mortal, machine: World) => machine.auth(process.ports).logout();
    for await (const { machine, place } of deaths(signedInAt(server), logout)) {
      const auth = machine.auth(machine.another());
      await auth.logout();
      assert.equal((await auth.status()).signedIn, false, place);
    }
  });
});

describe("a refresh without leeway (oidc-provider)", () => {
  let server: OidcProvider;
  before(async () => (server = await oidcProvider()));

  test("killed anywhere: lost only between the server's response and its staging", async () => {
    const refresh = (process: Mortal, machine: World) => (machine.clock.advance(EXPIRED), machine.auth(process.ports).getAccessToken());
    const lost: string[] = [];
    for await (const { machine, place } of deaths(signedInAt(server), refresh)) {
      const token = await machine.auth(machine.another()).getAccessToken().catch(() => undefined);
      if (token === undefined || !(await server.isActive(token))) lost.push(place.replace(/\d+ /, ""));
    }
    // After the request was sent and before its reply was written, no client can be safe.
    assert.deepEqual(lost, ["after http.send", "before storage.set"]);
  });
});
