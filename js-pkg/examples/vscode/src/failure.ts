import { commands, env, window } from "vscode";
import { isTwgError, type TwgErrorCode } from "twg-auth/cli";

/** What happened, and what to do next, with a button that does it. */
export async function showFailure(what: string, error: unknown, command: string): Promise<void> {
  const isMissing = isTwgError(error, "CLI_MISSING");
  const action = isMissing ? "Set Path to twg" : "Try Again";
  const message = sentences(error);
  const choice = await window.showErrorMessage(message.startsWith(what) ? message : `${what}. ${message}`, action);
  if (!choice) return;
  if (isMissing) await showSetting("twg.path");
  else await commands.executeCommand(command);
}

/** A setting of the machine that this extension runs on. If that is a remote machine, its settings have their own page. */
function showSetting(name: string): Thenable<unknown> {
  return commands.executeCommand(env.remoteName ? "workbench.action.openRemoteSettings" : "workbench.action.openSettings", { query: name });
}

/** Errors of twg hold no secrets. Other errors might, so they are not shown. */
export function sentences(error: unknown): string {
  if (!isTwgError(error)) return "An unexpected error happened.";
  const hint = error.code === "CLI_MISSING" ? "Install twg, or set the path to it. Then try again." : error.hint;
  return [error.message, hint].filter((text) => text !== undefined).map((text) => text.replace(/[^.!?]$/, "$&.")).join(" ");
}

const SIGNED_OUT: TwgErrorCode[] = ["AUTH_REQUIRED", "AUTH_EXPIRED", "AUTH_REVOKED", "REPLY_DAMAGED"];

export const isSignedOut = (error: unknown) => SIGNED_OUT.some((code) => isTwgError(error, code));
