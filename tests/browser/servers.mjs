// The servers of js-pkg's tests, with the extension's redirect URI registered, and their user.
import { oidcProvider, sandbox } from "../../js-pkg/tests/dist/servers.js";
import { approveAtOidcProvider, approveAtSandbox } from "./user.mjs";

export async function sandboxFor(redirectUri, ...switches) {
  const server = await sandbox(`redirect-uris=${redirectUri("/auth/callback/oauth")}`, ...switches);
  return { ...server, approve: approveAtSandbox };
}

export async function oidcProviderFor(redirectUri) {
  const server = await oidcProvider("--redirect-uri", redirectUri("/callback"));
  return { ...server, approve: approveAtOidcProvider };
}
