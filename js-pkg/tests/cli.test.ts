/** The installed command line, as editors use it. */
import assert from "node:assert/strict";
import { chmodSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { before, describe, test } from "node:test";
import { inspect } from "node:util";
import { isTwgError, type TwgErrorCode } from "twg-auth";
import { cliAuth, type CliAuth, type CliProgress } from "twg-auth/cli";
import { sandbox, temporaryDirectory, twg, type Sandbox } from "./servers.js";

const fails = (code: TwgErrorCode) => (error: unknown) => isTwgError(error, code) || assert.fail(inspect(error));

describe("twg-auth/cli", () => {
  let server: Sandbox;
  let auth: CliAuth;
  before(async () => {
    server = await sandbox();
    auth = cliAuth({ twg, env: { TWG_CONFIG_DIR: server.configDirectory, HOME: server.home } });
  });
  const record = () => JSON.parse(readFileSync(join(server.configDirectory, "auth.conf"), "utf8"));

  test("without a login, says what to run", async () => {
    assert.deepEqual(await auth.status(), { signedIn: false, state: "none", scopes: [], sites: [] });
    await assert.rejects(auth.getAccessToken(), (error) => isTwgError(error, "AUTH_REQUIRED") && error.party === "user" && /twg login/.test(error.hint!));
    await assert.rejects(auth.whoami(), fails("AUTH_REQUIRED"));
    assert.deepEqual(await auth.logout(), { state: "not_signed_in" });
  });

  test("signs in, and reads what the command line stores", async () => {
    const login = auth.login({ method: "loopback", open: false });
    for await (const progress of login) {
      assert.equal(progress.type, "authorize");
      const url = progress.type === "authorize" ? progress.url : assert.fail();
      const redirectUri = new URL(url).searchParams.get("redirect_uri")!;
      await fetch(await server.authorize(url, redirectUri));
    }
    const signedIn = await login;
    assert.equal(signedIn.account?.name, "Mia Krystof");
    assert.equal(signedIn.alreadySignedIn, false);
    assert.equal((await auth.login()).alreadySignedIn, true);
    assert.equal(await auth.getAccessToken(), record().tokens.access_token);
    assert.equal((await auth.whoami()).email, "mia@example.com");
    assert.ok((await auth.sites()).sites.length > 0);
    const status = await auth.status();
    assert.equal(status.state, "fresh");
    assert.ok(status.expiresAt! > Date.now() && status.dueAt! < status.expiresAt!);
  });

  test("signs in with a code, with the requested scopes", async () => {
    const scopes = ["offline_access", "read:me", "read:jira-work"];
    const heard: CliProgress[] = [];
    const login = auth.login({ force: true, method: "device", open: false, scopes, onProgress: (progress) => heard.push(progress), signal: AbortSignal.timeout(30_000) });
    for await (const progress of login) {
      if (progress.type !== "userCode") continue;
      assert.match(progress.userCode, /^[A-Z]{4}-[A-Z]{4}$/);
      assert.ok(progress.isFilledIn && progress.verificationUri.includes(progress.userCode));
      await server.approveDevice(progress.verificationUri, progress.userCode);
    }
    assert.equal((await login).account?.name, "Mia Krystof");
    assert.deepEqual(new Set((await auth.status()).scopes), new Set(scopes));
    assert.deepEqual(heard.slice(1), [{ type: "message", text: "Only continue if you started this sign-in yourself." }]);
    assert.equal(heard[0]!.type, "userCode");
  });

  test("twenty callers, one refresh", async () => {
    const old = record();
    old.tokens.issued_at -= 70 * 60_000;
    old.tokens.expires_at -= 70 * 60_000;
    writeFileSync(join(server.configDirectory, "auth.conf"), JSON.stringify(old));
    const tokens = await Promise.all(Array.from({ length: 20 }, () => auth.getAccessToken()));
    assert.equal(new Set(tokens).size, 1);
    assert.equal((await server.refreshes()).length, 1);
  });

  test("a signal ends the command", async () => {
    const controller = new AbortController();
    const login = auth.login({ force: true, method: "loopback", open: false, signal: controller.signal, onProgress: () => controller.abort() });
    await assert.rejects(login, fails("CANCELLED"));
    await assert.rejects(auth.getAccessToken({ signal: controller.signal }), fails("CANCELLED"));
  });

  test("a program that is missing, or prints nonsense or another version's document; no shell reads the arguments", async () => {
    await assert.rejects(cliAuth({ twg: "/nonexistent/twg" }).getAccessToken(), fails("CLI_MISSING"));
    const program = join(temporaryDirectory(), "twg");
    const prints = (text: string) => {
      writeFileSync(program, `#!/bin/sh\ncat <<'END'\n${text}\nEND\nprintf '%s\\n' "$@" > "${program}.args"`);
      chmodSync(program, 0o700);
      return cliAuth({ twg: program, connection: "; touch /tmp/x $(id)" }).getAccessToken();
    };
    await assert.rejects(prints("a-token-in-the-wrong-place"), (error) => isTwgError(error, "CLI_FAILED") && !inspect(error).includes("a-token"));
    await assert.rejects(prints('{"schemaVersion":2,"accessToken":"a-token"}'), (error) => isTwgError(error, "CLI_FAILED") && !inspect(error).includes("a-token"));
    await assert.rejects(prints('{"schemaVersion":1}'), fails("CLI_FAILED"));
    assert.equal(await prints('{"schemaVersion":1,"accessToken":"the-token"}'), "the-token");
    assert.deepEqual(readFileSync(`${program}.args`, "utf8").trim().split("\n"), ["auth", "token", "atlassian", "--connection=; touch /tmp/x $(id)", "--json", "--no-input"]);
  });

  test("a name is no option, and an argument that no program can get is an error that does not repeat it", async () => {
    await assert.rejects(cliAuth({ twg, connection: "--help" }).status(), fails("CONFIGURATION"));
    assert.throws(() => cliAuth({ provider: "--help" }), fails("CONFIGURATION"));
    await assert.rejects(cliAuth({ twg, env: { X: "a\0secret" } }).status(), (error) => isTwgError(error, "CONFIGURATION") && !inspect(error).includes("secret"));
  });

  test("a program that never stops printing is stopped", async () => {
    const program = join(temporaryDirectory(), "twg");
    writeFileSync(program, "#!/bin/sh\nexec cat /dev/zero", { mode: 0o700 });
    await assert.rejects(cliAuth({ twg: program }).status(), fails("CLI_FAILED"));
  });

  test("a listener that fails ends the login, and the command", async () => {
    const login = auth.login({ force: true, method: "device", open: false, onProgress: () => { throw new Error("of the listener"); } });
    await assert.rejects(login, /of the listener/);
  });

  test("signs out", async () => {
    const { state, refreshToken } = await auth.logout();
    assert.deepEqual([state, refreshToken], ["signed_out", "revoked"]);
    assert.equal((await auth.status()).signedIn, false);
  });
});
