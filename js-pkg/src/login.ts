import type { Progress } from "./performer.js";
import type { TwgError } from "./errors.js";
import type { Account, Grant, Site } from "./wire.js";

export interface LoginOptions {
  /** Ends the login. What was spent by then is saved first. */
  signal?: AbortSignal;
  /** Whether to open a browser; yes if absent. */
  open?: boolean;
  /** The grants to try, in order; the provider's if absent. */
  grants?: Grant[];
  /** How long the user may take, in milliseconds; 15 minutes if absent. */
  timeout?: number;
  /** Hears what the async iterator yields. */
  onProgress?: (progress: Progress) => void;
}

/** What a login came to. No token is in it: ask `getAccessToken()`. */
export interface SignedIn {
  grant: Grant;
  scopes: string[];
  /** Asked for and not granted. */
  scopesNotGranted: string[];
  /** Of the access token, ms since 1970. */
  expiresAt: number;
  /** Absent if the provider does not say, or did not: then `accountError` says why. */
  account?: Account;
  accountError?: TwgError;
  sites?: Site[];
  sitesError?: TwgError;
  /** The client may not use the device grant: worth leaving it out of `grants` next time. */
  deviceGrantNotEnabled: boolean;
}

/**
 * A login that has begun, whether or not anybody looks at it.
 *
 * ```js
 * const login = auth.login();
 * for await (const progress of login) show(progress); // throws if the login fails
 * const { account } = await login;
 * ```
 *
 * Awaited, it is what the login came to. Iterated, it yields all that a person should see, from the beginning, however
 * often and however late. Leaving the loop does not end the login; the signal does.
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
  // Whoever only iterates hears of a failure there.
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
