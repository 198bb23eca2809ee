import type { CoreError, ErrorCode } from "./wire.js";

/** The core's codes, and those of this package. */
export type TwgErrorCode = ErrorCode | PackageErrorCode;

export type PackageErrorCode =
  /** A content security policy forbids WebAssembly. */
  | "WASM_BLOCKED"
  /** The WebAssembly file could not be loaded. */
  | "WASM_UNAVAILABLE"
  /** That host gets no access token: it is not one of the provider's. */
  | "HOST_NOT_ALLOWED"
  /** The response is a redirect that cannot be followed here. */
  | "REDIRECTED"
  /** The access token was rejected, and the body of the request is a stream that can be sent only once. */
  | "BODY_NOT_REPEATABLE"
  /** The `twg` command line was not found. */
  | "CLI_MISSING"
  /** The `twg` command line printed something unexpected. */
  | "CLI_FAILED";

export interface TwgErrorDetails {
  /** Whether the same call may succeed later, unchanged. */
  retryable?: boolean;
  party?: CoreError["party"];
  /** How long the server asks to wait, in milliseconds. */
  retryAfter?: number;
  /** Until when (ms since 1970) the next refresh is guaranteed to repair an interrupted one. */
  repairableUntil?: number;
  /** What to do next. For people. */
  hint?: string;
}

/**
 * Every error that this package throws on purpose. Distinguish errors by `code`: an application that uses the package as ESM
 * and as CommonJS has two copies of this class.
 *
 * None of its members holds a secret, and it has no `cause`, because that could hold one.
 */
export class TwgError extends Error {
  readonly code: TwgErrorCode;
  readonly retryable: boolean;
  /** Who can do something about it. */
  readonly party: CoreError["party"];
  declare readonly retryAfter?: number;
  declare readonly repairableUntil?: number;
  declare readonly hint?: string;

  constructor(code: TwgErrorCode, message: string, details: TwgErrorDetails = {}) {
    super(message);
    this.name = "TwgError";
    this.code = code;
    this.retryable = details.retryable ?? false;
    this.party = details.party ?? "configuration";
    if (details.retryAfter !== undefined) this.retryAfter = details.retryAfter;
    if (details.repairableUntil !== undefined) this.repairableUntil = details.repairableUntil;
    if (details.hint !== undefined) this.hint = details.hint;
  }
}

/** Whether it is a {@link TwgError} of any copy of this package, and has that code, if one is given. */
export function isTwgError(error: unknown, code?: TwgErrorCode): error is TwgError {
  return error instanceof Error && error.name === "TwgError" && (!code || (error as TwgError).code === code);
}

export function coreError(error: CoreError): TwgError {
  return new TwgError(error.code, error.message, {
    retryable: error.retryable,
    party: error.party,
    ...(error.retry_after !== undefined && { retryAfter: error.retry_after }),
    ...(error.repairable_until !== undefined && { repairableUntil: error.repairable_until }),
    ...hintFor(error.code),
  });
}

export function cancelled(): TwgError {
  return new TwgError("CANCELLED", "Cancelled", { party: "user" });
}

/** A mistake of this package or of a port. Its details are left out: they could be a secret. */
export function defect(what: string): TwgError {
  return new TwgError("INTERNAL", what, { party: "defect" });
}

/** The name of a foreign error, such as `QuotaExceededError`. Its message could hold a secret. */
export function nameOf(error: unknown): string {
  const name = error instanceof Error || error instanceof DOMException ? error.name : typeof error;
  return /^\w{1,40}$/.test(name) ? name : "Error";
}

function hintFor(code: ErrorCode): { hint?: string } {
  switch (code) {
    case "AUTH_REQUIRED":
    case "AUTH_EXPIRED":
    case "AUTH_REVOKED":
    case "REPLY_DAMAGED":
      return { hint: "Call login() to sign in." };
    case "CLIENT_REJECTED":
      return { hint: "Check clientId and clientSecret." };
    case "REFRESH_INTERRUPTED":
      return { hint: "Try again in a moment: the next call repairs the login if possible." };
    default:
      return {};
  }
}
