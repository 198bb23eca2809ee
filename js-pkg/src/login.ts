import type { Progress } from "./performer.js";
import type { TwgError } from "./errors.js";
import type { Account, Grant, Site } from "./wire.js";

export interface LoginOptions {
  /** Ends the login. Tokens that the server has issued by then are saved first. */
  signal?: AbortSignal;
  /** Whether to open a browser; yes if absent. */
  open?: boolean;
  /** The grants to try, in order; the provider's if absent. */
  grants?: Grant[];
  /** How long the user may take, in milliseconds; 15 minutes if absent. */
  timeout?: number;
  /** Called with what the async iterator yields. */
  onProgress?: (progress: Progress) => void;
}

/** The result of a login. It holds no token: call `getAccessToken()`. */
export interface SignedIn {
  grant: Grant;
  scopes: string[];
  /** Requested and not granted. */
  scopesNotGranted: string[];
  /** Of the access token, ms since 1970. */
  expiresAt: number;
  /** Absent if the provider does not offer it, or did not respond: then `accountError` says why. */
  account?: Account;
  accountError?: TwgError;
  sites?: Site[];
  sitesError?: TwgError;
  /** The client may not use the device grant: worth leaving it out of `grants` next time. */
  deviceGrantNotEnabled: boolean;
}

/**
 * A login that has begun, whether or not the caller awaits it.
 *
 * ```js
 * const login = auth.login();
 * for await (const progress of login) show(progress); // throws if the login fails
 * const { account } = await login;
 * ```
 *
 * Awaited, it is the result of the login. Iterated, it yields all that a person should see, from the beginning, no matter
 * how often and how late. Leaving the loop does not end the login; the signal does.
 */
export interface Login<T = SignedIn, P = Progress> extends Promise<T>, AsyncIterable<P> {}

export function beginLogin<T, P>(run: (tell: (progress: P) => void) => Promise<T>): Login<T, P> {
  const told: P[] = [];
  let isOver = false;
  let wake: () => void = () => {};
  let news = new Promise<void>((resolve) => (wake = resolve));

  function somethingHappened(): void {
    wake();
    news = new Promise((resolve) => (wake = resolve));
  }

  const result = run((progress) => {
    told.push(progress);
    somethingHappened();
  }).finally(() => {
    isOver = true;
    somethingHappened();
  });
  // A caller that only iterates gets the failure there.
  result.catch(() => {});

  return Object.assign(result, {
    async *[Symbol.asyncIterator]() {
      for (let next = 0; ; ) {
        const changed = news; // Before looking, so that nothing is missed.
        while (next < told.length) yield told[next++]!;
        if (isOver) break;
        await changed;
      }
      await result;
    },
  });
}
