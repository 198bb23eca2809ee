import { authentication, commands, window, workspace, type ExtensionContext } from "vscode";
import { cliAuth, type CliAuth } from "twg-auth/cli";
import { AccountItem } from "./account.js";
import { TwgAuthenticationProvider } from "./provider.js";

export function activate(context: ExtensionContext): void {
  const provider = new TwgAuthenticationProvider(commandLine);
  const item = new AccountItem(commandLine);
  context.subscriptions.push(
    provider,
    item,
    authentication.registerAuthenticationProvider("twg-atlassian", "Atlassian", provider),
    // The failure has been shown; the command itself has not failed.
    commands.registerCommand("twg.signIn", () => provider.createSession([]).then(undefined, () => {})),
    commands.registerCommand("twg.signOut", () => provider.askToSignOut()),
    commands.registerCommand("twg.showAccount", () => item.show()),
    provider.onDidChangeSessions(() => item.look()),
  );

  // Other programs use this connection too: in the terminal of this window, and elsewhere.
  const look = () => Promise.all([provider.look(), item.look()]);
  context.subscriptions.push(
    window.onDidEndTerminalShellExecution(({ execution }) => void (/\btwg\b/.test(execution.commandLine.value) && look())),
    window.onDidChangeWindowState(({ focused }) => void (focused && look())),
    workspace.onDidChangeConfiguration((change) => void (change.affectsConfiguration("twg") && look())),
  );
  void look();
}

/** The installed twg: its connection, store and lock. Made for each call, so that settings apply at once. */
function commandLine(): CliAuth {
  const settings = workspace.getConfiguration("twg");
  return cliAuth({ twg: settings.get<string>("path") || "twg", connection: settings.get<string>("connection") || "default" });
}
