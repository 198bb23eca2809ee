export { createAuth, type Auth, type AuthOptions, type CallOptions } from "./auth.js";
export type { Progress } from "./performer.js";
export { TwgError, isTwgError, type PackageErrorCode, type TwgErrorCode } from "./errors.js";
export type { AuthEvents, Listener } from "./events.js";
export type { Login, LoginOptions, SignedIn } from "./login.js";
export * from "./ports.js";
export type { AuthStatus } from "./status.js";
export type { Account, Grant, LoggedOut, Notice, ProviderProfile, Revocation, Site } from "./wire.js";
