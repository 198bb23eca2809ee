/**
 * The connection of the installed `twg` command line, shared with it: its store, its lock, its refreshes. The core does not
 * run in this process.
 */
import { spawn, type ChildProcessByStdio } from "node:child_process";
import type { Readable } from "node:stream";
import { TwgError, cancelled, type TwgErrorCode } from "./errors.js";
import { beginLogin, type Login } from "./login.js";
import { SIGNED_OUT, type AuthStatus } from "./status.js";
import type { Account, CoreError, Revocation, Site } from "./wire.js";

export { TwgError, isTwgError, type TwgErrorCode } from "./errors.js";
export type { Login } from "./login.js";
export type { AuthStatus } from "./status.js";
export type { Account, Revocation, Site } from "./wire.js";

export interface CliOptions {
  /** The program; `twg`, searched on PATH if absent. */
  twg?: string;
  /** `atlassian` if absent. */
  provider?: string;
  /** `default` if absent. */
  connection?: string;
  /** Environment variables besides those of this process, such as `TWG_CONFIG_DIR`. */
  env?: Record<string, string>;
}

export interface CliCallOptions {
  /** Ends the command. A refresh that may have spent the refresh token is finished nevertheless. */
  signal?: AbortSignal;
}

export interface CliLoginOptions extends CliCallOptions {
  /** Signs in again although there is a login. */
  force?: boolean;
  /** How to sign in; the command line chooses if absent. */
  method?: "device" | "loopback";
  /** Whether to open a browser; yes if absent. */
  open?: boolean;
  /** Called with what the async iterator yields. */
  onProgress?: (progress: CliProgress) => void;
  /** The scopes to request; the provider's if absent. */
  scopes?: string[];
}

/** What the user must see: like `Progress`, as far as the command line prints it. */
export type CliProgress =
  /** Open this URL, and check this code there (if `isFilledIn`) or enter it. Show both, whether or not a browser opens, and
   * say that only a person who started this sign-in should continue. */
  | { type: "userCode"; verificationUri: string; userCode: string; isFilledIn: boolean }
  /** Open this URL in a browser on this machine. */
  | { type: "authorize"; url: string }
  /** Any other line. */
  | { type: "message"; text: string };

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

/** Like `Auth`, as far as the command line offers it. */
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
  if (provider.startsWith("-")) throw new TwgError("CONFIGURATION", "A provider's name does not begin with a hyphen");
  const named = [provider, `--connection=${connection}`];
  const ask = <T,>(args: string[], { signal }: CliCallOptions = {}, onLine?: (line: string) => void) =>
    run<T>(options, [...args, "--json", "--no-input"], signal, onLine);

  return {
    login(login = {}) {
      const args = ["login", ...named];
      if (login.force) args.push("--force");
      if (login.method) args.push(`--${login.method}`);
      if (login.open === false) args.push("--no-browser");
      if (login.scopes) args.push(`--scopes=${login.scopes.join(" ")}`);
      return beginLogin(async (tell: (progress: CliProgress) => void) => {
        const onLine = promptReader((progress) => {
          tell(progress);
          login.onProgress?.(progress);
        });
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
      const { sites, defaultSite } = await ask<{ sites?: Site[]; defaultSite?: string | null }>(["sites", `--connection=${connection}`], options);
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

/** Without members that are null or undefined. */
function present(members: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined && value !== null));
}

const time = (text: string | null | undefined) => (text ? Date.parse(text) : undefined);

const unusable = () => new TwgError("CLI_FAILED", "twg printed something unexpected; it may be another version", { party: "defect" });

/** Turns the lines that the command line prints for people into progress. Any other line is a message. */
function promptReader(tell: (progress: CliProgress) => void): (line: string) => void {
  let uri: string | undefined;
  let expected: "url" | "verificationUri" | "userCode" | undefined;
  let isFilledIn = false;

  return (line) => {
    const indented = /^ {2}(\S+)$/.exec(line)?.[1];
    if (expected && indented !== undefined && (expected === "userCode" || isWebUrl(indented))) {
      if (expected === "verificationUri") uri = indented;
      if (expected === "url") tell({ type: "authorize", url: indented });
      if (expected === "userCode") tell({ type: "userCode", verificationUri: uri!, userCode: indented, isFilledIn });
      expected = undefined;
    } else if (/^To sign in, open this (URL|address) in a browser on any device:$/.test(line)) {
      expected = "verificationUri";
    } else if (/^To sign in, open this (URL|address) in a browser on this machine:$/.test(line)) {
      expected = "url";
    } else if (uri && (line === "and check that it shows this code:" || line === "and enter this code:")) {
      isFilledIn = line.startsWith("and check");
      expected = "userCode";
    } else {
      tell({ type: "message", text: line });
    }
  };
}

function isWebUrl(text: string): boolean {
  return URL.canParse(text) && /^https?:$/.test(new URL(text).protocol);
}

/** No document of the command line and no line that it prints for people is larger. */
const MAX_DOCUMENT = 4 * 1024 * 1024;
const MAX_LINE = 64 * 1024;

/** Runs the program by argv, never by a shell, and returns the one document that it prints. */
function run<T>(options: CliOptions, args: string[], signal?: AbortSignal, onLine?: (line: string) => void): Promise<T> {
  const { twg = "twg", env } = options;
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(cancelled());
    let child: ChildProcessByStdio<null, Readable, Readable>;
    try {
      child = spawn(twg, args, { stdio: ["ignore", "pipe", "pipe"], windowsHide: true, env: { ...process.env, ...env } });
    } catch {
      // Node's message repeats the arguments.
      return reject(new TwgError("CONFIGURATION", "The program name, an argument or an environment variable contains a NUL"));
    }

    /** The program finishes what it must not leave undone; the caller does not wait for it. */
    const giveUp = (error: unknown) => {
      signal?.removeEventListener("abort", stop);
      // Windows has no such signal: there it would end the program in the middle of a refresh.
      if (process.platform !== "win32" || args[0] === "login") child.kill("SIGINT");
      reject(error);
    };
    const stop = () => giveUp(cancelled());
    signal?.addEventListener("abort", stop, { once: true });

    let document = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      document += text;
      if (document.length <= MAX_DOCUMENT) return;
      child.stdout.destroy();
      giveUp(unusable());
    });

    let line = "";
    const tell = (whole: string) => {
      try {
        onLine?.(whole);
      } catch (error) {
        giveUp(error);
      }
    };
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      const lines = (line + text).split(/\r?\n/);
      line = lines.pop()!.slice(0, MAX_LINE);
      lines.forEach(tell);
    });

    child.on("error", () => {
      giveUp(new TwgError("CLI_MISSING", `The program '${twg}' cannot be started`, { hint: "Install twg, or set the option twg to its path." }));
    });
    child.on("close", (exit) => {
      signal?.removeEventListener("abort", stop);
      if (line) tell(line);
      try {
        resolve(dataOf<T>(document, exit));
      } catch (error) {
        reject(error);
      }
    });
  });
}

interface CliError {
  code: string;
  message: string;
  /** What is left of the connection. */
  kept?: string | null;
  hint?: string | null;
  retryable: boolean;
}

function dataOf<T>(text: string, exit: number | null): T {
  let document: { schemaVersion?: unknown; ok?: boolean; error?: CliError };
  try {
    document = JSON.parse(text) as typeof document;
  } catch {
    // The output is not shown: it could be a token.
    throw new TwgError("CLI_FAILED", `twg printed no document (exit ${exit})`, { party: "defect" });
  }
  const { error } = document;
  if (document.ok === false && error) {
    throw new TwgError(codeOf(error.code), error.message, {
      retryable: error.retryable,
      party: partyOf(exit),
      ...((error.kept || error.hint) && { hint: [error.kept, error.hint].filter(Boolean).join(" ") }),
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
