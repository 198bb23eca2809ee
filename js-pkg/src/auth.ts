import { Connection, outputOf, unusableProfile, type AuthOptions } from "./connection.js";
import type { Core } from "./core.js";
import type { AuthEvents, Listener } from "./events.js";
import { fetchWith, type Bearer } from "./fetch.js";
import type { Login, LoginOptions, SignedIn } from "./login.js";
import { SignIn } from "./sign_in.js";
import { singleFlight } from "./single_flight.js";
import type { AuthStatus } from "./status.js";
import type { Account, LoggedOut, Need, Output, Site } from "./wire.js";

export type { AuthOptions } from "./connection.js";

export interface CallOptions {
  /** Stops waiting. A refresh that may have spent the refresh token is finished nevertheless. */
  signal?: AbortSignal;
}

/** One connection: a login at a provider, shared with every context that shares its storage and its locks. */
export interface Auth {
  /** Signs in. While a login of this object is under way, returns that one, with the options that it began with. */
  login(options?: LoginOptions): Login;
  /** Continues a login whose process died while it waited for its user; undefined if there is none. */
  resumeLogin(options?: Pick<LoginOptions, "signal" | "onProgress">): Login<SignedIn | undefined>;
  /** An access token that works, refreshed if that is due. Ask each time; do not keep it. */
  getAccessToken(options?: CallOptions): Promise<string>;
  /** The global `fetch` with an access token, for the provider's hosts alone; see the README for its rules. */
  fetch: typeof fetch;
  whoami(options?: CallOptions): Promise<Account>;
  sites(options?: CallOptions): Promise<{ sites: Site[]; defaultSite?: string }>;
  /** Makes one of {@link sites} the default one; `site` is its id. */
  useSite(site: string, options?: CallOptions): Promise<void>;
  /** Revokes the tokens and deletes them here, even if the server does not confirm. The result says what it confirmed. */
  logout(options?: CallOptions): Promise<LoggedOut>;
  /** What is stored. Sends nothing. */
  status(): Promise<AuthStatus>;
  /** For alarms and timers: refreshes if that is due, or will be within 15 minutes, and repairs an interrupted refresh.
   * Does nothing without a login. */
  wake(options?: CallOptions): Promise<void>;
  /** Returns a function that stops listening. */
  on<E extends keyof AuthEvents>(event: E, listener: Listener<E>): () => void;
}

/** Reads, loads and sends nothing before the first call. */
export function createAuth(options: AuthOptions): Auth {
  const connection = new Connection(options);
  const signIn = new SignIn(connection, options.scopes);
  const share = singleFlight<Output>();
  const refresh = refreshing(connection, share);
  const ask = asking(connection, share);

  return {
    login: (options = {}) => signIn.login(options),
    resumeLogin: (options = {}) => signIn.resume(options),
    getAccessToken: ({ signal } = {}) => refresh("live", signal),
    fetch: async (input, init) => fetchWith(bearerOf(connection, await connection.core(), refresh), input, init),

    ...ask,

    async useSite(site, options) {
      const { sites } = await ask.sites(options);
      await connection.run({ use_site: { ...connection.key, sites, site } }, { signal: options?.signal });
    },

    async logout({ signal } = {}) {
      const output = await connection.run({ logout: await connection.registered() }, { signal });
      const loggedOut = outputOf("logged_out", output);
      await connection.clearAlarms();
      return loggedOut;
    },

    status: () => connection.status(),

    async wake({ signal } = {}) {
      if (!(await connection.status()).signedIn) return;
      try {
        await refresh("upkeep", signal);
      } finally {
        await connection.setAlarm();
      }
    },

    on: connection.events.on,
  };
}

type Share = ReturnType<typeof singleFlight<Output>>;
type Refresh = (need: Need, signal?: AbortSignal) => Promise<string>;

/** An access token that meets the need. Calls with the same need at the same time share one flow. */
function refreshing(connection: Connection, share: Share): Refresh {
  const run = async (need: Need, signal: AbortSignal) => {
    let isUnchanged = false;
    try {
      const output = await connection.run({ refresh: { ...(await connection.registered()), need } }, { signal });
      isUnchanged = "refreshed" in output && output.refreshed.how === "still_fresh";
      return output;
    } finally {
      if (!isUnchanged) await connection.setAlarm();
    }
  };
  return async (need, signal) => {
    const output = await share(`refresh ${JSON.stringify(need)}`, (signal) => run(need, signal), signal);
    return outputOf("refreshed", output).access_token;
  };
}

/** What the provider says of the account. */
function asking(connection: Connection, share: Share): Pick<Auth, "whoami" | "sites"> {
  return {
    async whoami({ signal } = {}) {
      const run = async (signal: AbortSignal) => connection.run({ identity: await connection.registered() }, { signal });
      return outputOf("identity", await share("identity", run, signal)).account;
    },

    async sites({ signal } = {}) {
      const run = async (signal: AbortSignal) => connection.run({ sites: await connection.registered() }, { signal });
      const { sites, default_site } = outputOf("sites", await share("sites", run, signal));
      return { sites, ...(default_site !== undefined && { defaultSite: default_site }) };
    },
  };
}

function bearerOf({ provider, ports }: Connection, core: Core, refresh: Refresh): Bearer {
  return {
    mayHaveToken(url) {
      try {
        return core.mayHaveToken(provider, url);
      } catch {
        throw unusableProfile();
      }
    },
    rejectsToken: core.rejectsToken,
    token: (signal) => refresh("live", signal),
    other: (token, signal) => refresh({ other: token }, signal),
    // A browser's own fetch must not be called as a method of another object.
    fetch: (request) => (ports.fetch ?? globalThis.fetch)(request),
  };
}
