import { env, ProgressLocation, Uri, window } from "vscode";
import type { CliAuth, CliProgress } from "twg-auth/cli";

/** Signs in, and shows what the user must see: the code, where to enter it, and a way to cancel. */
export function signIn(twg: CliAuth, scopes: string[] | undefined): Thenable<unknown> {
  const options = { location: ProgressLocation.Notification, title: "Signing in to Atlassian", cancellable: true };
  return window.withProgress(options, async (notification, cancellation) => {
    const abort = new AbortController();
    const listening = cancellation.onCancellationRequested(() => abort.abort());
    try {
      // This window opens the browser: on the user's machine, even if twg runs on another.
      const login = twg.login({ open: false, signal: abort.signal, ...(scopes && { scopes }) });
      for await (const step of login) {
        const message = await next(step, () => abort.abort());
        if (message) notification.report({ message });
      }
      return await login;
    } finally {
      listening.dispose();
    }
  });
}

/** Asks the user to do what the step needs. Returns the text that the notification shows from then on. */
async function next(step: CliProgress, cancel: () => void): Promise<string | undefined> {
  switch (step.type) {
    case "userCode": {
      const { userCode, verificationUri, isFilledIn } = step;
      const open = isFilledIn ? "Open Browser" : "Copy Code and Open Browser";
      const choice = await window.showInformationMessage(
        `Your code for Atlassian: ${userCode}`,
        { modal: true, detail: `${isFilledIn ? "Check that the browser shows this code." : "Enter this code in the browser."} Only continue if you started this sign-in yourself.` },
        open,
      );
      if (choice !== open) {
        cancel();
        return undefined;
      }
      if (!isFilledIn) await env.clipboard.writeText(userCode);
      await env.openExternal(Uri.parse(verificationUri, true));
      return `waiting until the code ${userCode} is approved at ${verificationUri}. Only continue if you started this sign-in yourself.`;
    }
    case "authorize":
      await env.openExternal(Uri.parse(step.url, true));
      return "waiting for your approval in the browser.";
    case "message":
      return undefined;
  }
}
