import {
  CancellationError,
  EventEmitter,
  window,
  type AuthenticationProvider,
  type AuthenticationProviderAuthenticationSessionsChangeEvent,
  type AuthenticationSession,
  type Disposable,
} from "vscode";
import { TwgError, isTwgError, type CliAuth } from "twg-auth/cli";
import { isSignedOut, showFailure } from "./failure.js";
import { signIn } from "./sign_in.js";

/** A session without its token. No token is kept here: twg hands one out when it is needed. */
type Known = Omit<AuthenticationSession, "accessToken">;

/** One account: the one that twg is signed in with. */
export class TwgAuthenticationProvider implements AuthenticationProvider, Disposable {
  readonly #commandLine: () => CliAuth;
  readonly #changes = new EventEmitter<AuthenticationProviderAuthenticationSessionsChangeEvent>();
  readonly onDidChangeSessions = this.#changes.event;
  #known: Known | undefined;
  #reading: Promise<unknown> = Promise.resolve();

  constructor(commandLine: () => CliAuth) {
    this.#commandLine = commandLine;
  }

  dispose(): void {
    this.#changes.dispose();
  }

  async getSessions(scopes?: readonly string[]): Promise<AuthenticationSession[]> {
    const session = await this.#read();
    const isEnough = session && (scopes ?? []).every((scope) => session.scopes.includes(scope));
    return isEnough ? [session] : [];
  }

  async createSession(scopes: readonly string[]): Promise<AuthenticationSession> {
    try {
      await signIn(this.#commandLine(), await this.#toRequest(scopes));
      const session = await this.#read();
      if (!session) throw new TwgError("AUTH_REQUIRED", "The connection was signed out right after this sign-in");
      void window.showInformationMessage(`Signed in to Atlassian as ${session.account.label}.`);
      return session;
    } catch (error) {
      if (isTwgError(error, "CANCELLED")) throw new CancellationError();
      void showFailure("Could not sign in to Atlassian", error, "twg.signIn");
      throw error;
    }
  }

  async removeSession(): Promise<void> {
    try {
      const { state, refreshToken, accessToken } = await this.#commandLine().logout();
      await this.look();
      if (state === "not_signed_in") return;
      const isUnconfirmed = [refreshToken, accessToken].some((token) => typeof token === "object");
      if (isUnconfirmed) {
        void window.showWarningMessage(
          "Signed out of Atlassian here, but the server did not confirm it. Remove the app's access in your Atlassian account to be certain.",
        );
      } else {
        void window.showInformationMessage("Signed out of Atlassian, here and in the twg command line.");
      }
    } catch (error) {
      void showFailure("Could not sign out of Atlassian", error, "twg.signOut");
      throw error;
    }
  }

  async askToSignOut(): Promise<void> {
    const choice = await window.showWarningMessage(
      "Sign out of Atlassian?",
      { modal: true, detail: "The twg command line on this machine is signed out too." },
      "Sign Out",
    );
    // The failure has been shown.
    if (choice) await this.removeSession().catch(() => {});
  }

  /** Tells the editor about a sign-in or sign-out elsewhere. */
  async look(): Promise<void> {
    // If it cannot be read now, nothing is known to have changed.
    await this.#read().catch(() => {});
  }

  /** One after the other, so that no change is reported twice, or after a later one. */
  #read(): Promise<AuthenticationSession | undefined> {
    const reading = this.#reading.then(() => this.#readNow());
    this.#reading = reading.catch(() => {});
    return reading;
  }

  async #readNow(): Promise<AuthenticationSession | undefined> {
    const session = await sessionOf(this.#commandLine());
    const before = this.#known;
    this.#known = session && { id: session.id, account: session.account, scopes: session.scopes };
    if (JSON.stringify(this.#known) !== JSON.stringify(before)) {
      this.#changes.fire({ added: session && [session], removed: before && [{ ...before, accessToken: "" }], changed: undefined });
    }
    return session;
  }

  /** Includes the scopes that are granted already, or other extensions would lose them. Undefined: twg's own choice. */
  async #toRequest(scopes: readonly string[]): Promise<string[] | undefined> {
    if (scopes.length === 0) return undefined;
    const { scopes: granted } = await this.#commandLine().status();
    return [...new Set(["offline_access", "read:me", ...granted, ...scopes])];
  }
}

async function sessionOf(twg: CliAuth): Promise<AuthenticationSession | undefined> {
  try {
    const accessToken = await twg.getAccessToken();
    const { account, scopes } = await twg.status();
    const id = account?.id ?? "unknown";
    const label = account?.name ?? account?.email ?? "Atlassian account";
    return { id: `twg-atlassian/${id}`, accessToken, account: { id, label }, scopes };
  } catch (error) {
    if (isSignedOut(error) || isTwgError(error, "CLI_MISSING")) return undefined;
    throw error;
  }
}
