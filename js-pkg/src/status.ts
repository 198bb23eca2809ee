import type { Account, Site, Status } from "./wire.js";

/** What a connection's record says, without secrets. Times are ms since 1970. */
export interface AuthStatus {
  /** Whether there is a login that has not ended, as far as is known. */
  signedIn: boolean;
  /** Of the access token. `due`: it works, and should be refreshed. `none`: there is none. */
  state: "fresh" | "due" | "expired" | "none";
  scopes: string[];
  sites: Site[];
  account?: Account;
  defaultSite?: string;
  signedInAt?: number;
  expiresAt?: number;
  /** When a refresh is due. */
  dueAt?: number;
  /** When a scheduler should call `wake()`: a little later, and not at the same time on every machine. */
  wakeAt?: number;
  /** When the login itself ends, if that is known; `near` if the user should know. */
  loginEnds?: { at: number; because: "access_token" | "idle" | "absolute"; near: boolean };
  /** Why the login has ended. */
  ended?: { at: number; reason: "revoked" | "interrupted" | "signed_out_unconfirmed" | "other" };
  /** A refresh that is under way, or was interrupted. */
  interrupted?: { at: number; attempt: number };
}

export const SIGNED_OUT: AuthStatus = { signedIn: false, state: "none", scopes: [], sites: [] };

export function authStatus(status: Status): AuthStatus {
  const { state, scopes, sites, account, default_site, signed_in_at, expires_at, due_at, wake_at } = status;
  const { login_ends, ended, interrupted } = status;
  const all = {
    signedIn: !ended && state !== "none",
    state,
    scopes,
    sites,
    account,
    defaultSite: default_site,
    signedInAt: signed_in_at,
    expiresAt: expires_at,
    dueAt: due_at,
    wakeAt: wake_at,
    loginEnds: login_ends,
    ended,
    interrupted,
  };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined)) as unknown as AuthStatus;
}
