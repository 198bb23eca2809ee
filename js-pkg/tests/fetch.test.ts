/** Where `auth.fetch` sends the token, and where it does not. */
import assert from "node:assert/strict";
import { Readable } from "node:stream";
import { before, describe, test } from "node:test";
import { isTwgError, type Auth, type TwgErrorCode } from "twg-auth";
import { sandbox, type Sandbox } from "./servers.js";
import { browserLogin, recordOf, worldOf, type World } from "./world.js";

const fails = (code: TwgErrorCode) => (error: unknown) => isTwgError(error, code);

describe("auth.fetch", () => {
  let server: Sandbox;
  let world: World;
  let auth: Auth;
  let answers: Response[];
  let sent: { url: string; bearer: string | null; body: string; method: string; redirect: string; headers: Record<string, string> }[];
  let hosts: string;

  before(async () => {
    server = await sandbox();
    world = worldOf(server);
    await world.auth().login(browserLogin);
    hosts = server.url;
    const profile = { ...server.provider, api_hosts: [...(server.provider["api_hosts"] as string[]), "api.example.com", "other.example.com:8443"] };
    const scripted: typeof fetch = async (input) => {
      const request = input as Request;
      sent.push({ url: request.url, bearer: request.headers.get("authorization"), body: await request.text(), method: request.method, redirect: request.redirect, headers: Object.fromEntries(request.headers) });
      return answers.shift() ?? new Response("fine");
    };
    auth = world.auth({ ...world.ports, fetch: scripted }, { provider: profile });
  });
  const script = (...all: Response[]) => ((answers = all), (sent = []));
  const token = () => recordOf(world).tokens.access_token;
  const rejected = () => new Response("{}", { status: 401, headers: { "www-authenticate": 'Bearer error="invalid_token"' } });
  const redirect = (location: string, status = 302) => new Response(null, { status, headers: { location } });

  test("works with a real server", async () => {
    const response = await world.auth().fetch(`${hosts}/me`);
    assert.equal(((await response.json()) as { email: string }).email, "mia@example.com");
  });

  test("the provider's hosts get the token", async () => {
    for (const url of ["https://api.example.com/x?y", "https://API.example.com:443/", "https://other.example.com:8443/", `${hosts}/me`]) {
      script();
      await auth.fetch(url, { headers: { "x-own": "1" } });
      assert.equal(sent[0]!.bearer, `Bearer ${token()}`, url);
    }
  });

  test("no other host does, and nothing is sent there", async () => {
    for (const url of [
      "https://api.example.com.evil.example/", "https://evilapi.example.com/", "https://api.example.com:8443/", "https://other.example.com/",
      "http://api.example.com/", "https://api.example.com./", "https://example.com/", "http://127.0.0.1:1/", "https://xn--api-example-com/", "ftp://api.example.com/",
      "https://api.example.com\\@evil.example/".replace("api.example.com\\@", "api.example.com%5C."),
    ]) {
      script();
      await assert.rejects(async () => auth.fetch(url), (error) => isTwgError(error, "HOST_NOT_ALLOWED") || error instanceof TypeError, url);
      assert.deepEqual(sent, [], url);
    }
    script();
    await assert.rejects(auth.fetch("https://user:password@api.example.com/"), TypeError);
    await assert.rejects(auth.fetch(new Request("https://evil.example/")), fails("HOST_NOT_ALLOWED"));
    assert.deepEqual(sent, []);
  });

  test("a redirect to another host is followed without the token, for good", async () => {
    script(redirect("https://other.example.com:8443/a"), redirect("https://media.example/b"), redirect("https://api.example.com/c"));
    await auth.fetch("https://api.example.com/", { headers: { authorization: "mine" } });
    const bearer = `Bearer ${token()}`;
    assert.deepEqual(sent.map(({ url, bearer }) => [url, bearer]), [
      ["https://api.example.com/", bearer], ["https://other.example.com:8443/a", bearer], ["https://media.example/b", null], ["https://api.example.com/c", null],
    ]);
    assert.ok(sent.every(({ redirect }) => redirect === "manual"));
  });

  test("redirects that are not followed: to plain http, of requests that change something, in circles, hidden", async () => {
    script(redirect("http://media.example/"));
    await assert.rejects(auth.fetch("https://api.example.com/"), fails("REDIRECTED"));
    script(redirect("https://api.example.com/", 307));
    await assert.rejects(auth.fetch("https://api.example.com/", { method: "POST", body: "x" }), fails("REDIRECTED"));
    assert.equal(sent.length, 1);
    script(...Array.from({ length: 9 }, () => redirect("https://api.example.com/")));
    await assert.rejects(auth.fetch("https://api.example.com/"), fails("REDIRECTED"));
    assert.equal(sent.length, 6);
    script(Object.defineProperty(new Response(), "type", { value: "opaqueredirect" }));
    await assert.rejects(auth.fetch("https://api.example.com/"), fails("REDIRECTED"));
    script(redirect("https://media.example/"));
    await assert.rejects(auth.fetch("https://api.example.com/", { redirect: "error" }), fails("REDIRECTED"));
    script(redirect("https://media.example/"));
    assert.equal((await auth.fetch("https://api.example.com/", { redirect: "manual" })).status, 302);
    assert.equal(sent.length, 1);
  });

  test("a token that is rejected is refreshed and the request sent again, once", async () => {
    const old = token();
    script(rejected(), rejected());
    const before = (await server.refreshes()).length;
    const response = await auth.fetch("https://api.example.com/", { method: "POST", body: "the body" });
    assert.equal(response.status, 401);
    assert.equal((await server.refreshes()).length - before, 1);
    assert.deepEqual(sent.map(({ bearer, body, method }) => [bearer, body, method]), [[`Bearer ${old}`, "the body", "POST"], [`Bearer ${token()}`, "the body", "POST"]]);
    assert.notEqual(token(), old);
  });

  test("twenty rejected requests at once cost one refresh", async () => {
    const before = (await server.refreshes()).length;
    script(...Array.from({ length: 20 }, rejected));
    const all = await Promise.all(Array.from({ length: 20 }, () => auth.fetch("https://api.example.com/")));
    assert.ok(all.every(({ status }) => status === 200));
    assert.equal((await server.refreshes()).length - before, 1);
  });

  test("a token that lacks a scope is not refreshed", async () => {
    const before = (await server.refreshes()).length;
    for (const answer of [
      new Response("{}", { status: 401, headers: { "www-authenticate": 'Bearer error="insufficient_scope"' } }),
      new Response('{"message":"Unauthorized; scope does not match"}', { status: 401 }),
      new Response("{}", { status: 403 }),
    ]) {
      script(answer);
      const { status } = answer;
      const response = await auth.fetch("https://api.example.com/");
      assert.equal(response.status, status);
      await response.text(); // It can still be read.
    }
    assert.equal((await server.refreshes()).length, before);
  });

  test("a stream is sent once, with an error that says so", async () => {
    const stream = () => new Response("streamed").body!;
    script(rejected());
    const old = token();
    const init = { method: "POST", body: stream(), duplex: "half" } as RequestInit;
    await assert.rejects(auth.fetch("https://api.example.com/", init), fails("BODY_NOT_REPEATABLE"));
    assert.deepEqual(sent.map(({ body }) => body), ["streamed"]);
    assert.notEqual(token(), old);
    script(rejected());
    await assert.rejects(auth.fetch(new Request("https://api.example.com/", { method: "POST", body: "once" })), fails("BODY_NOT_REPEATABLE"));
  });

  test("a body that can be read only once is never sent again empty", async () => {
    async function* once() {
      yield new TextEncoder().encode("precious");
    }
    for (const body of [once(), Readable.from(["precious"])]) {
      script(rejected());
      const init = { method: "POST", body, duplex: "half" } as unknown as RequestInit;
      await assert.rejects(auth.fetch("https://api.example.com/", init), fails("BODY_NOT_REPEATABLE"));
      assert.deepEqual(sent.map(({ body }) => body), ["precious"]);
    }
  });

  test("where a platform shows no body of a Request, a request without a body is sent again", async () => {
    const shown = Object.getOwnPropertyDescriptor(Request.prototype, "body")!;
    Object.defineProperty(Request.prototype, "body", { ...shown, get: () => undefined }); // As in Firefox.
    try {
      for (const init of [undefined, { method: "DELETE" }]) {
        script(rejected());
        assert.equal((await auth.fetch("https://api.example.com/", init)).status, 200);
        assert.equal(sent.length, 2);
      }
    } finally {
      Object.defineProperty(Request.prototype, "body", shown);
    }
  });

  test("a foreign host gets nothing that was meant for the provider", async () => {
    const meant = { accept: "image/png", range: "bytes=0-1", cookie: "session=1", "proxy-authorization": "p", "x-api-key": "k" };
    script(redirect("https://other.example.com:8443/a"), redirect("https://media.example/b"));
    await auth.fetch("https://api.example.com/", { headers: meant });
    const [, friend, stranger] = sent.map(({ headers }) => headers);
    assert.deepEqual(friend, { ...meant, authorization: `Bearer ${token()}` });
    assert.deepEqual(stranger, { accept: "image/png", range: "bytes=0-1" });
  });

  test("without a login", async () => {
    const empty = worldOf(server);
    await assert.rejects(empty.auth().fetch(`${hosts}/me`), fails("AUTH_REQUIRED"));
  });
});
