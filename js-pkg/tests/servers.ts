/** Real authorization servers, and their user. Each ends with the test that started it, even if that is killed. */
import { spawn, type ChildProcess } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import type { Socket } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import type { ProviderProfile } from "twg-auth";
import { Browser } from "./browser.js";

process.setMaxListeners(100);

export const repository = resolve(import.meta.dirname, "../../..");
export const twg = process.env["TWG"] ?? join(repository, "target/debug/twg");

export function temporaryDirectory(): string {
  const path = mkdtempSync(join(tmpdir(), "twg-auth-test-"));
  process.on("exit", () => rmSync(path, { recursive: true, force: true }));
  return path;
}

export interface Server {
  url: string;
  provider: ProviderProfile;
  clientId: string;
  /** Plays the user up to the redirect, which it returns and does not follow. */
  authorize(url: string, redirectUri: string): Promise<string>;
  /** Plays the user of a device login. */
  approveDevice(verificationUri: string, userCode: string): Promise<void>;
}

export interface Sandbox extends Server {
  switch(name: string, value: string): Promise<void>;
  advance(seconds: number): Promise<void>;
  /** How often a refresh token was used at the token endpoint. */
  refreshes(): Promise<{ status: number }[]>;
  log(): Promise<Record<string, unknown>[]>;
  grants(): Promise<Record<string, unknown>[]>;
  accepts(token: string): Promise<boolean>;
  configDirectory: string;
  home: string;
}

/** The first line of a program that ends with this process, and does not keep it running. */
function firstLine(child: ChildProcess): Promise<string> {
  process.on("exit", () => child.kill());
  child.unref();
  return new Promise((resolve, reject) => {
    createInterface({ input: child.stdout! }).once("line", (line) => {
      (child.stdout as Socket).unref();
      resolve(line);
    });
    child.once("error", reject);
    child.once("exit", (code) => reject(new Error(`it ended with ${code}`)));
  });
}

export async function sandbox(...switches: string[]): Promise<Sandbox> {
  const home = temporaryDirectory();
  const configDirectory = join(home, "config", "sandbox");
  const all = ["device-interval=1,redirect-port=any", ...switches].flatMap((name) => ["--switch", name]);
  const env = { PATH: process.env["PATH"], HOME: home, TWG_CONFIG_DIR: join(home, "config") };
  const child = spawn(twg, ["sandbox", ...all, "serve"], { env, stdio: ["ignore", "pipe", "ignore"] });
  const url = await firstLine(child);
  const provider = JSON.parse(readFileSync(join(configDirectory, "providers/atlassian.json"), "utf8")) as ProviderProfile;

  const control = async (method: string, what: string) => {
    const response = await fetch(`${url}/_sandbox/${what}`, { method, headers: { "x-twg-sandbox": "control" } });
    if (!response.ok) throw new Error(`${what}: ${response.status}`);
    return response;
  };
  const log = async () => (await (await control("GET", "log")).json()) as Record<string, unknown>[];
  const decide = async (url: string, stop?: string) => {
    let page = await new Browser().open(url, stop);
    // At most as often as there are pages: a code that was used already leads in circles.
    for (let pages = 0; page.has("Continue") && pages < 4; pages++) page = await page.press("Continue");
    return page.press("Accept");
  };

  return {
    url,
    provider,
    clientId: "twg-sandbox-device",
    home,
    configDirectory,
    authorize: async (url, redirectUri) => (await decide(url, redirectUri)).url,
    approveDevice: async (url) => void (await decide(url)),
    switch: async (name, value) => void (await control("POST", `switch?${new URLSearchParams({ name, value })}`)),
    advance: async (seconds) => void (await control("POST", `advance?seconds=${seconds}`)),
    log,
    refreshes: async () =>
      (await log()).filter((entry) => entry["grant_type"] === "refresh_token" && entry["path"] === "/oauth/token") as { status: number }[],
    grants: async () => (await (await control("GET", "grants")).json()) as Record<string, unknown>[],
    accepts: async (token) => (await fetch(`${url}/me`, { headers: { authorization: `Bearer ${token}` } })).status === 200,
  };
}

export interface OidcProvider extends Server {
  isActive(token: string): Promise<boolean>;
}

/** npm `oidc-provider`: certified, and not part of this project. Its reuse leeway is zero. */
export async function oidcProvider(...options: string[]): Promise<OidcProvider> {
  const script = join(repository, "tests/oidc-provider/server.mjs");
  const child = spawn(process.execPath, [script, ...options], { stdio: ["pipe", "pipe", "ignore"] });
  const { issuer } = JSON.parse(await firstLine(child)) as { issuer: string };
  const consent = async (start: Promise<import("./browser.js").Page>) => {
    let page = await start;
    if (page.has("Sign-in")) page = await page.press("Sign-in", { login: "ada", password: "any" });
    return page.url.startsWith(issuer) && page.has("Continue") ? page.press("Continue") : page;
  };
  return {
    url: issuer,
    clientId: "twg-oidc",
    provider: {
      schema_version: 1,
      name: "oidc",
      display_name: "OIDC Test",
      issuer,
      grants: ["authorization_code", "device_code"],
      client: { secret: "optional" },
      authorize_parameters: { prompt: "consent" },
      token_request_has_redirect_uri: true,
      scopes: ["openid", "offline_access", "profile", "email"],
      redirect: { path: "/callback" },
      revocation_ends_grant: false,
      identity: {},
      api_hosts: [new URL(issuer).host],
    },
    authorize: async (url, redirectUri) => (await consent(new Browser().open(url, redirectUri))).url,
    async approveDevice(url, userCode) {
      const page = await new Browser().open(url);
      await consent((await page.press("Continue", { user_code: userCode })).press("Continue"));
    },
    async isActive(token) {
      const credentials = Buffer.from("inspector:the-secret-of-the-tests-own-inspector").toString("base64");
      const response = await fetch(`${issuer}/token/introspection`, {
        method: "POST",
        headers: { authorization: `Basic ${credentials}` },
        body: new URLSearchParams({ token }),
      });
      return ((await response.json()) as { active: boolean }).active;
    },
  };
}
