/**
 * The login of the installed `twg` command line, shared with it: its store, its lock, its refreshes. Nothing of the core
 * runs in this process.
 */
import { spawn } from "node:child_process";
import { TwgError, cancelled, type TwgErrorCode } from "./errors.js";
import { beginLogin, type Login } from "./login.js";
import { SIGNED_OUT, type AuthStatus } from "./status.js";
import type { Account, CoreError, Revocation, Site } from "./wire.js";

export interface CliOptions {
  /** The program; `twg`, looked for on PATH, if absent. */
  twg?: string;
  /** `atlassian` if absent. */
  provider?: string;
  /** `default` if absent. */
  connection?: string;
  /** Environment variables besides those of this process, such as `TWG_CONFIG_DIR`. */
  env?: Record<string, string>;
}

export interface CliCallOptions {
  /** Ends the command. A refresh that may have spent the refresh token is finished all the same. */
  signal?: AbortSignal;
}

export interface CliLoginOptions extends CliCallOptions {
  /** Signs in again although somebody is signed in. */
  force?: boolean;
  /** Which way; the command line plans it if absent. */
  method?: "device" | "loopback";
  /** Whether to open a browser; yes if absent. */
  open?: boolean;
  /** A line for the user: where to go, and which code to enter. */
  onProgress?: (progress: CliProgress) => void;
}

export interface CliProgress {
  type: "message";
  text: string;
}

export interface CliSignedIn {
  alreadySignedIn: boolean;
  account?: Account;
  sites?: Site[];
  scopesNotGranted?: string[];
  /** Of the access token, ms since 1970. */
  expiresAt?: number;
}

export interface CliLoggedOut {
  state: "signed_out" | "not_signed_in" | "set_aside";
  refreshToken?: Revocation;
  accessToken?: Revocation;
}

/** As `Auth`, as far as the command line offers it. */
export interface CliAuth {
  login(options?: CliLoginOptions): Login<CliSignedIn, CliProgress>;
  getAccessToken(options?: CliCallOptions): Promise<string>;
  status(options?: CliCallOptions): Promise<AuthStatus>;
  whoami(options?: CliCallOptions): Promise<Account>;
  /** Of Atlassian. */
  sites(options?: CliCallOptions): Promise<{ sites: Site[]; defaultSite?: string }>;
  logout(options?: CliCallOptions): Promise<CliLoggedOut>;
}

export function cliAuth(options: CliOptions = {}): CliAuth {
  const { provider = "atlassian", connection = "default" } = options;
  const named = [provider, "--connection", connection];
  const ask = <T,>(args: string[], { signal }: CliCallOptions = {}, onLine?: (line: string) => void) =>
    run<T>(options, [...args, "--json", "--no-input"], signal, onLine);

  return {
    login(login = {}) {
      const args = ["login", ...named];
      if (login.force) args.push("--force");
      if (login.method) args.push(`--${login.method}`);
      if (login.open === false) args.push("--no-browser");
      return beginLogin(async (tell: (progress: CliProgress) => void) => {
        const onLine = (text: string) => {
          tell({ type: "message", text });
          login.onProgress?.({ type: "message", text });
        };
        const { alreadySignedIn, account, sites, scopesNotGranted, accessTokenExpiresAt } = await ask<LoginDocument>(args, login, onLine);
        return present({ alreadySignedIn, account, sites, scopesNotGranted, expiresAt: time(accessTokenExpiresAt) }) as unknown as CliSignedIn;
      });
    },

    async getAccessToken(options) {
      const { accessToken } = await ask<{ accessToken?: unknown }>(["auth", "token", ...named], options);
      if (typeof accessToken !== "string" || accessToken === "") throw unusable();
      return accessToken;
    },

    async status(options) {
      const document = await ask<StatusDocument>(["auth", "status", ...named], options);
      return statusOf(document);
    },

    async whoami(options) {
      const { account } = await ask<{ account?: Account }>(["whoami", ...named], options);
      if (!account) throw unusable();
      return present({ ...account }) as unknown as Account;
    },

    async sites(options) {
      if (provider !== "atlassian") throw new TwgError("CONFIGURATION", `'${provider}' has no sites`);
      const { sites, defaultSite } = await ask<{ sites?: Site[]; defaultSite?: string | null }>(["sites", "--connection", connection], options);
      if (!sites) throw unusable();
      return { sites, ...(defaultSite != null && { defaultSite }) };
    },

    async logout(options) {
      const { connections } = await ask<{ connections?: CliLoggedOut[] }>(["logout", ...named], options);
      const done = connections?.[0];
      if (!done) throw unusable();
      const { state, refreshToken, accessToken } = done;
      return present({ state, refreshToken, accessToken }) as unknown as CliLoggedOut;
    },
  };
}

interface LoginDocument {
  alreadySignedIn: boolean;
  account?: Account | null;
  sites?: Site[] | null;
  scopesNotGranted?: string[];
  accessTokenExpiresAt?: string | null;
}

interface StatusDocument {
  signedIn: boolean;
  tokenState: AuthStatus["state"];
  accessTokenExpiresAt?: string | null;
  refreshDueAt?: string | null;
  pendingRefresh?: { since: string; attempt: number } | null;
  ended?: { at: string; reason: NonNullable<AuthStatus["ended"]>["reason"] } | null;
  account?: Account | null;
  scopes?: string[] | null;
  sites?: Site[] | null;
  defaultSite?: string | null;
}

function statusOf(document: StatusDocument): AuthStatus {
  const { ended, pendingRefresh } = document;
  return present({
    ...SIGNED_OUT,
    signedIn: document.signedIn,
    state: document.tokenState,
    scopes: document.scopes ?? [],
    sites: document.sites ?? [],
    account: document.account,
    defaultSite: document.defaultSite,
    expiresAt: time(document.accessTokenExpiresAt),
    dueAt: time(document.refreshDueAt),
    ended: ended && { at: time(ended.at), reason: ended.reason },
    interrupted: pendingRefresh && { at: time(pendingRefresh.since), attempt: pendingRefresh.attempt },
  }) as unknown as AuthStatus;
}

/** Without what is not there. */
function present(members: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined && value !== null));
}

const time = (text: string | null | undefined) => (text ? Date.parse(text) : undefined);

const unusable = () => new TwgError("CLI_FAILED", "twg gave an answer that cannot be used; is it of another version?", { party: "defect" });

/** Runs the program by argv, never by a shell, and gives the one document that it prints. */
function run<T>(options: CliOptions, args: string[], signal?: AbortSignal, onLine?: (line: string) => void): Promise<T> {
  const { twg = "twg", env } = options;
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(cancelled());
    const child = spawn(twg, args, { stdio: ["ignore", "pipe", "pipe"], windowsHide: true, env: { ...process.env, ...env } });
    const stop = () => {
      child.kill("SIGINT");
      reject(cancelled());
    };
    signal?.addEventListener("abort", stop, { once: true });
    let document = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => (document += text));
    let line = "";
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      const lines = (line + text).split("\n");
      line = lines.pop()!;
      for (const whole of lines) onLine?.(whole);
    });
    child.on("error", () => {
      signal?.removeEventListener("abort", stop);
      reject(new TwgError("CLI_MISSING", `The program '${twg}' cannot be started`, { hint: "Install twg, or say where it is." }));
    });
    child.on("close", (exit) => {
      signal?.removeEventListener("abort", stop);
      try {
        resolve(dataOf<T>(document, exit));
      } catch (error) {
        reject(error);
      }
    });
  });
}

function dataOf<T>(text: string, exit: number | null): T {
  let document: { schemaVersion?: unknown; ok?: boolean; error?: { code: string; message: string; hint?: string | null; retryable: boolean } };
  try {
    document = JSON.parse(text) as typeof document;
  } catch {
    // What it printed is not shown: it could be a token.
    throw new TwgError("CLI_FAILED", `twg printed no document (exit ${exit})`, { party: "defect" });
  }
  const { error } = document;
  if (document.ok === false && error) {
    throw new TwgError(codeOf(error.code), error.message, {
      retryable: error.retryable,
      party: partyOf(exit),
      ...(error.hint && { hint: error.hint }),
    });
  }
  if (document.schemaVersion !== 1) throw unusable();
  return document as T;
}

function codeOf(code: string): TwgErrorCode {
  return code === "USAGE" ? "CONFIGURATION" : (code as TwgErrorCode);
}

function partyOf(exit: number | null): CoreError["party"] {
  switch (exit) {
    case 73:
    case 74:
      return "store";
    case 75:
      return "network";
    case 77:
    case 130:
      return "user";
    case 2:
    case 78:
      return "configuration";
    default:
      return "server";
  }
}
