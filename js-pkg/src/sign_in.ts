/** Signs in, one login at a time, and resumes a login whose process died. */
import { outputOf, type Connection } from "./connection.js";
import { coreError } from "./errors.js";
import { beginLogin, type Login, type LoginOptions, type SignedIn } from "./login.js";
import type { Progress } from "./performer.js";
import { loginName } from "./record_store.js";
import type { FlowRequest, LoginRequest, SignedIn as WireSignedIn } from "./wire.js";

type Tell = (progress: Progress) => void;
type ResumeOptions = Pick<LoginOptions, "signal" | "onProgress">;

export class SignIn {
  readonly #connection: Connection;
  readonly #scopes: string[] | undefined;
  /** The ones under way. */
  #login: Login | undefined;
  #resumed: Login<SignedIn | undefined> | undefined;

  constructor(connection: Connection, scopes: string[] | undefined) {
    this.#connection = connection;
    this.#scopes = scopes;
  }

  login(options: LoginOptions): Login {
    if (this.#login) return this.#login;
    const request = this.#request(options);
    const earlier = this.#resumed;
    const begun = beginLogin(async (tell: Tell) => {
      const resumed = earlier && (await follow(earlier, tell));
      return resumed ?? this.#run({ login: request }, options, tell);
    });
    return (this.#login = until(begun, () => (this.#login = undefined)));
  }

  resume(options: ResumeOptions): Login<SignedIn | undefined> {
    const underWay = this.#login ?? this.#resumed;
    if (underWay) return underWay;
    const begun = beginLogin(async (tell: Tell) => {
      const suspended = await this.#connection.read(loginName(this.#connection.key));
      return suspended === undefined ? undefined : this.#run({ restored_login: { suspended } }, options, tell);
    });
    return (this.#resumed = until(begun, () => (this.#resumed = undefined)));
  }

  #request({ grants, open, timeout }: LoginOptions): LoginRequest {
    return {
      ...this.#connection.client,
      ...(this.#scopes && { scopes: this.#scopes }),
      ...(grants && { grants }),
      ...(open !== undefined && { open }),
      ...(timeout !== undefined && { timeout }),
    };
  }

  async #run(request: FlowRequest, options: ResumeOptions, tell: Tell): Promise<SignedIn> {
    const connection = this.#connection;
    const onProgress = (progress: Progress) => (tell(progress), options.onProgress?.(progress));
    try {
      const output = await connection.run(request, { signal: options.signal, onProgress, suspended: suspension(connection) });
      return signedIn(outputOf("signed_in", output));
    } finally {
      await connection.ports.storage.remove(loginName(connection.key)).catch(() => {});
      await connection.setAlarm(); // A login can be given up after it was saved.
    }
  }
}

/** Writes down a login that waits for its user, and removes it again. If that fails, the login cannot be resumed. */
function suspension({ ports, key }: Connection): (text: string | undefined) => Promise<void> {
  let written: string | undefined | null = null; // Not known.
  return async (text) => {
    if (text === written) return;
    written = text;
    const change = text === undefined ? ports.storage.remove(loginName(key)) : ports.storage.set(loginName(key), text);
    await change.catch(() => {});
  };
}

/** The progress of a login that is under way, and its result. */
async function follow<T>(login: Login<T>, tell: Tell): Promise<T> {
  for await (const progress of login) tell(progress);
  return login;
}

/** The login; `over` runs at its end, before any caller that waits for it continues. */
function until<T>(login: Login<T>, over: () => void): Login<T> {
  login.then(over, over);
  return login;
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
