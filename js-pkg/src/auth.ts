import { codeOf, loadCore, type Core } from "./core.js";
import { asTwgError, drive, type Driving, type Progress } from "./driver.js";
import { TwgError, coreError, defect, isTwgError } from "./errors.js";
import { events, type AuthEvents, type Listener } from "./events.js";
import { fetchWith } from "./fetch.js";
import { beginLogin, type Login, type LoginOptions, type SignedIn } from "./login.js";
import type { Ports } from "./ports.js";
import { loginName, recordName } from "./record_store.js";
import { singleFlight } from "./single_flight.js";
import { SIGNED_OUT, authStatus, type AuthStatus } from "./status.js";
import type {
  Account, FlowRequest, Key, LoggedOut, LoginRequest, Need, Output, ProviderProfile, RegisteredClient, Site,
  SignedIn as WireSignedIn,
} from "./wire.js";

export interface AuthOptions {
  /** A provider's name that the core knows (`atlassian`, `bitbucket`), or a whole profile. */
  provider: string | ProviderProfile;
  clientId: string;
  /** Only for clients that can keep one. */
  clientSecret?: string;
  /** The provider's if absent. */
  scopes?: string[];
  /** Tells several logins at one provider apart; `default` if absent. */
  connection?: string;
  ports: Ports;
}

export interface CallOptions {
  /** Gives up waiting. A refresh that may have spent the refresh token is finished all the same. */
  signal?: AbortSignal;
}

/** One connection: a login at a provider, shared with every context that shares its storage and its locks. */
export interface Auth {
  /** Signs in. While a login of this object is under way, it is that one, with the options that it was begun with. */
  login(options?: LoginOptions): Login;
  /** Goes on with a login whose process died while it waited for its user; undefined if there is none. */
  resumeLogin(options?: Pick<LoginOptions, "signal" | "onProgress">): Login<SignedIn | undefined>;
  /** An access token that works, refreshed if that is due. Ask each time; do not keep it. */
  getAccessToken(options?: CallOptions): Promise<string>;
  /** The global `fetch` with an access token, for the provider's hosts alone; see the README for its rules. */
  fetch: typeof fetch;
  whoami(options?: CallOptions): Promise<Account>;
  sites(options?: CallOptions): Promise<{ sites: Site[]; defaultSite?: string }>;
  /** Makes one of {@link sites} the default one; its id. */
  useSite(site: string, options?: CallOptions): Promise<void>;
  /** Revokes the tokens and forgets them. They are forgotten whatever the server says; the outcome tells what it said. */
  logout(options?: CallOptions): Promise<LoggedOut>;
  /** What is stored. Asks nobody. */
  status(): Promise<AuthStatus>;
  /** What an alarm or a timer calls: refreshes if that is due, or will be within 15 minutes, and repairs an interrupted
   * refresh. Nothing happens if nobody is signed in. */
  wake(options?: CallOptions): Promise<void>;
  /** Returns how to stop listening. */
  on<E extends keyof AuthEvents>(event: E, listener: Listener<E>): () => void;
}

/** Nothing is read, loaded or sent before the first call. */
export function createAuth(options: AuthOptions): Auth {
  const { provider, clientId, clientSecret, scopes, connection = "default", ports } = options;
  const key: Key = { provider: typeof provider === "string" ? provider : provider.name, connection };
  const core = () => loadCore(ports.wasm);
  const share = singleFlight<Output>();
  let login: Login | undefined;
  let resuming: Login<SignedIn | undefined> | undefined;

  const client = {
    profile: provider,
    client_id: clientId,
    ...(clientSecret !== undefined && { client_secret: clientSecret }),
    connection,
  };

  async function registered(): Promise<RegisteredClient> {
    const host = await ports.host?.().catch(() => undefined);
    return { ...client, ...(host && { host }) };
  }

  /** Runs one flow; afterwards, everybody hears what it changed. */
  async function run(request: FlowRequest, driving: Omit<Driving, "ports"> = {}): Promise<Output> {
    const flow = begin(await core(), request);
    try {
      return await drive(flow, { ports, arm, ...driving });
    } catch (error) {
      if (isTwgError(error, "REFRESH_INTERRUPTED") || isTwgError(error, "REPLY_NOT_SAVED")) heard.emit("interrupted", error);
      throw error;
    } finally {
      await heard.look();
    }
  }

  /** Writes down a login that waits for its user, and takes it away again. If that fails, it only cannot be resumed. */
  function suspension(): (text: string | undefined) => Promise<void> {
    let written: string | undefined | null = null; // Nobody knows.
    return async (text) => {
      if (text === written) return;
      written = text;
      const change = text === undefined ? ports.storage.remove(loginName(key)) : ports.storage.set(loginName(key), text);
      await change.catch(() => {});
    };
  }

  async function signIn(request: FlowRequest, options: LoginOptions, tell: (progress: Progress) => void): Promise<SignedIn> {
    const onProgress = (progress: Progress) => (tell(progress), options.onProgress?.(progress));
    try {
      const output = await run(request, { signal: options.signal, onProgress, suspended: suspension() });
      if (!("signed_in" in output)) throw unexpected();
      return signedIn(output.signed_in);
    } finally {
      await ports.storage.remove(loginName(key)).catch(() => {});
      await setAlarm(); // Also if it was given up, once it was saved.
    }
  }

  function refresh(need: Need, signal?: AbortSignal): Promise<string> {
    const fly = async (signal: AbortSignal) => {
      let isUnchanged = false;
      try {
        const output = await run({ refresh: { ...(await registered()), need } }, { signal });
        isUnchanged = "refreshed" in output && output.refreshed.how === "still_fresh";
        return output;
      } finally {
        if (!isUnchanged) await setAlarm();
      }
    };
    return share(`refresh ${JSON.stringify(need)}`, fly, signal).then((output) => {
      if (!("refreshed" in output)) throw unexpected();
      return output.refreshed.access_token;
    });
  }

  async function status(): Promise<AuthStatus> {
    const text = await ports.storage.get(recordName(key)).catch(storageTrouble);
    if (text === undefined) return SIGNED_OUT;
    const module = await core();
    try {
      return authStatus(module.status(text, provider, ports.clock.now().wall, Math.floor(Math.random() * 256)));
    } catch (error) {
      if (codeOf(error) !== "RECORD_UNUSABLE") throw unusableProfile();
      // The core's words quote nothing of what stands there.
      throw new TwgError("RECORD_UNUSABLE", `${ports.storage.place(recordName(key))}: ${(error as Error).message}`, { party: "store" });
    }
  }

  const dueAlarm = alarmName(key, "due");
  const recoveryAlarm = alarmName(key, "recovery");

  async function arm(_key: Key, at: number): Promise<void> {
    await ports.alarms?.set(recoveryAlarm, at);
  }

  /** The next refresh happens in time although nobody asks for a token. Best effort. */
  async function setAlarm(): Promise<void> {
    if (!ports.alarms) return;
    try {
      const { signedIn, wakeAt } = await status();
      if (signedIn && wakeAt !== undefined) await ports.alarms.set(dueAlarm, wakeAt);
      else await ports.alarms.clear(dueAlarm);
    } catch {
      // Whoever asks for a token next refreshes it.
    }
  }

  async function clearAlarms(): Promise<void> {
    for (const name of [dueAlarm, recoveryAlarm]) await ports.alarms?.clear(name).catch(() => {});
  }

  const heard = events(status, (changed) => {
    return ports.storage.onChange?.((name) => name === recordName(key) && changed()) ?? (() => {});
  });

  const auth: Auth = {
    login(options = {}) {
      const request: LoginRequest = {
        ...client,
        ...(scopes && { scopes }),
        ...(options.grants && { grants: options.grants }),
        ...(options.open !== undefined && { open: options.open }),
        ...(options.timeout !== undefined && { timeout: options.timeout }),
      };
      if (login) return login;
      const earlier = resuming;
      const begun = beginLogin(async (tell: (progress: Progress) => void) => {
        const resumed = earlier && (await follow(earlier, tell));
        return resumed ?? signIn({ login: request }, options, tell);
      });
      return (login = until(begun, () => (login = undefined)));
    },

    resumeLogin(options = {}) {
      if (login ?? resuming) return (login ?? resuming)!;
      const begun = beginLogin(async (tell: (progress: Progress) => void) => {
        const suspended = await ports.storage.get(loginName(key)).catch(storageTrouble);
        return suspended === undefined ? undefined : signIn({ restored_login: { suspended } }, options, tell);
      });
      return (resuming = until(begun, () => (resuming = undefined)));
    },

    getAccessToken: ({ signal } = {}) => refresh("live", signal),

    async fetch(input, init) {
      const module = await core();
      const bearer = {
        mayHaveToken: (url: string) => withProfile(() => module.mayHaveToken(provider, url)),
        rejectsToken: module.rejectsToken,
        token: (signal?: AbortSignal) => refresh("live", signal),
        other: (token: string, signal?: AbortSignal) => refresh({ other: token }, signal),
        // Browsers' own must not be called as a method of something else.
        fetch: (request: Request) => (ports.fetch ?? globalThis.fetch)(request),
      };
      return fetchWith(bearer, input, init);
    },

    async whoami({ signal } = {}) {
      const fly = async (signal: AbortSignal) => run({ identity: await registered() }, { signal });
      const output = await share("identity", fly, signal);
      if (!("identity" in output)) throw unexpected();
      return output.identity.account;
    },

    async sites({ signal } = {}) {
      const fly = async (signal: AbortSignal) => run({ sites: await registered() }, { signal });
      const output = await share("sites", fly, signal);
      if (!("sites" in output)) throw unexpected();
      const { sites, default_site } = output.sites;
      return { sites, ...(default_site !== undefined && { defaultSite: default_site }) };
    },

    async useSite(site, options) {
      const { sites } = await auth.sites(options);
      await run({ use_site: { ...key, sites, site } }, { signal: options?.signal });
    },

    async logout({ signal } = {}) {
      const output = await run({ logout: await registered() }, { signal });
      if (!("logged_out" in output)) throw unexpected();
      await clearAlarms();
      return output.logged_out;
    },

    status,

    async wake({ signal } = {}) {
      if (!(await status()).signedIn) return;
      try {
        await refresh("upkeep", signal);
      } finally {
        await setAlarm();
      }
    },

    on: heard.on,
  };
  return auth;
}

/** All that a login under way tells, and what it comes to. */
async function follow<T>(login: Login<T>, tell: (progress: Progress) => void): Promise<T> {
  for await (const progress of login) tell(progress);
  return login;
}

/** The login, after whose end that is done, before anybody who waits for it goes on. */
function until<T>(login: Login<T>, over: () => void): Login<T> {
  login.then(over, over);
  return login;
}

function begin(core: Core, request: FlowRequest) {
  try {
    return new core.Flow(request);
  } catch {
    // What cannot be read could be a secret in the wrong place.
    throw new TwgError("CONFIGURATION", "What was given to createAuth cannot be read: check its types");
  }
}

function withProfile<T>(use: () => T): T {
  try {
    return use();
  } catch {
    throw unusableProfile();
  }
}

const unusableProfile = () => new TwgError("CONFIGURATION", "The provider is not known, or its profile is wrong");

const alarmName = (key: Key, what: string) => `twg-auth/${key.provider}/${key.connection}/${what}`;

const unexpected = () => defect("A defect of twg-auth: a flow ended as another one does");

function storageTrouble(error: unknown): never {
  if (error instanceof Error && error.name === "StorageFailure") {
    throw new TwgError("STORE_CANNOT_READ", `Cannot read ${(error as unknown as { place: string }).place}`, { party: "store" });
  }
  throw asTwgError(error);
}

function signedIn(wire: WireSignedIn): SignedIn {
  return {
    grant: wire.grant,
    scopes: wire.token.scopes,
    scopesNotGranted: wire.scopes_not_granted,
    expiresAt: wire.token.expires_at,
    ...(wire.account && { account: wire.account }),
    ...(wire.account_error && { accountError: coreError(wire.account_error) }),
    ...(wire.sites && { sites: wire.sites }),
    ...(wire.sites_error && { sitesError: coreError(wire.sites_error) }),
    deviceGrantNotEnabled: wire.device_grant_not_enabled,
  };
}
