// A consumer with strict options: it must compile.
import { createAuth, isTwgError, type Auth, type Progress, type SignedIn, type TwgErrorCode } from "twg-auth";
import { nodePorts } from "twg-auth/node";

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
function holds<_T extends true>(): void {}

const auth: Auth = createAuth({ provider: "atlassian", clientId: "c", ports: nodePorts({ directory: "/tmp/x" }) });

// A login can be awaited, and iterated.
export async function signIn(): Promise<string | undefined> {
  const login = auth.login({ grants: ["device_code"] });
  for await (const progress of login) {
    holds<Equal<typeof progress, Progress>>();
    if (progress.type === "userCode") console.log(progress.verificationUri, progress.userCode);
  }
  const signedIn = await login;
  holds<Equal<typeof signedIn, SignedIn>>();
  return signedIn.account?.name;
}

// A code has a known value, and a switch can distinguish all of them.
holds<Equal<string extends TwgErrorCode ? true : false, false>>();

export function advice(error: unknown): string {
  if (!isTwgError(error)) return "unknown";
  switch (error.code) {
    case "ACCESS_DENIED":
    case "AUTH_EXPIRED":
    case "AUTH_REQUIRED":
    case "AUTH_REVOKED":
    case "CANCELLED":
    case "CLIENT_REJECTED":
    case "CONFIGURATION":
    case "GRANT_NOT_ENABLED":
    case "INTERNAL":
    case "LOCK_TIMED_OUT":
    case "LOGIN_TIMED_OUT":
    case "NETWORK":
    case "NOT_FORGOTTEN":
    case "NOT_OAUTH":
    case "NOT_PERMITTED":
    case "NOT_SAVED":
    case "NO_USER_AGENT":
    case "PORT_BUSY":
    case "RECORD_UNUSABLE":
    case "REFRESH_INTERRUPTED":
    case "REPLY_DAMAGED":
    case "REPLY_NOT_SAVED":
    case "SERVER_MISBEHAVED":
    case "SERVER_REFUSED":
    case "SERVER_UNAVAILABLE":
    case "STORE_CANNOT_CREATE":
    case "STORE_CANNOT_READ":
    case "STORE_CANNOT_WRITE":
    case "STORE_CHANGED":
    case "WASM_BLOCKED":
    case "WASM_UNAVAILABLE":
    case "HOST_NOT_ALLOWED":
    case "REDIRECTED":
    case "BODY_NOT_REPEATABLE":
    case "CLI_MISSING":
    case "CLI_FAILED":
      return error.message;
    default: {
      const forgotten: never = error.code;
      return forgotten;
    }
  }
}
