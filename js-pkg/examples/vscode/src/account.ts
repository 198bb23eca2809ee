import { commands, env, QuickPickItemKind, StatusBarAlignment, Uri, window, type Disposable, type QuickPickItem } from "vscode";
import { isTwgError, type AuthStatus, type CliAuth } from "twg-auth/cli";
import { sentences, showFailure } from "./failure.js";

/** The status bar item with the account, and the list that it opens. */
export class AccountItem implements Disposable {
  readonly #commandLine: () => CliAuth;
  #looks = 0;
  readonly #item = window.createStatusBarItem("twg.account", StatusBarAlignment.Left);

  constructor(commandLine: () => CliAuth) {
    this.#commandLine = commandLine;
    this.#item.name = "Atlassian Account";
  }

  dispose(): void {
    this.#item.dispose();
  }

  /** Shows what is stored, without a request to the server. */
  async look(): Promise<void> {
    const look = ++this.#looks;
    try {
      const status = await this.#commandLine().status();
      if (look !== this.#looks) return; // A later look has newer information.
      if (status.signedIn) this.#say(`$(account) ${nameOf(status)}`, `Signed in to Atlassian as ${withEmail(status)}`, "twg.showAccount");
      else this.#say("$(account) Sign in to Atlassian", whyNot(status), "twg.signIn");
    } catch (error) {
      const text = isTwgError(error, "CLI_MISSING") ? "$(warning) twg not found" : "$(warning) Atlassian";
      this.#say(text, sentences(error), "twg.showAccount");
    }
    this.#item.show();
  }

  async show(): Promise<void> {
    try {
      const status = await this.#commandLine().status();
      if (status.signedIn) return await choose(status);
      const choice = await window.showInformationMessage(whyNot(status), "Sign In");
      if (choice) await commands.executeCommand("twg.signIn");
    } catch (error) {
      await showFailure("Cannot read who is signed in to Atlassian", error, "twg.showAccount");
    }
  }

  #say(text: string, tooltip: string, command: string): void {
    Object.assign(this.#item, { text, tooltip, command });
  }
}

async function choose(status: AuthStatus): Promise<void> {
  type Choice = QuickPickItem & { run?: () => Thenable<unknown> };
  const sites: Choice[] = status.sites.map(({ name, url }) => ({
    label: `$(globe) ${name}`,
    description: url,
    run: () => env.openExternal(Uri.parse(url, true)),
  }));
  const choice = await window.showQuickPick<Choice>(
    [
      { label: "Sites", kind: QuickPickItemKind.Separator },
      ...(sites.length > 0 ? sites : [{ label: "No sites in this connection" }]),
      { label: "Account", kind: QuickPickItemKind.Separator },
      { label: "$(sign-out) Sign out", run: () => commands.executeCommand("twg.signOut") },
    ],
    { title: `Atlassian: ${withEmail(status)}`, placeHolder: "Open a site, or sign out" },
  );
  await choice?.run?.();
}

const nameOf = ({ account }: AuthStatus) => account?.name ?? account?.email ?? "Atlassian account";

const withEmail = (status: AuthStatus) =>
  status.account?.name && status.account.email ? `${status.account.name} (${status.account.email})` : nameOf(status);

function whyNot({ ended }: AuthStatus): string {
  return ended ? "Your Atlassian login has ended. Sign in again to continue." : "You are not signed in to Atlassian.";
}
