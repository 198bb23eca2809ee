/** What all calls of `Auth` have in common: one connection, and how a flow runs on it. */
import { alarmsOf } from "./alarms.js";
import { codeOf, loadCore, type Core, type Flow } from "./core.js";
import { asTwgError, drive } from "./driver.js";
import { TwgError, defect, isTwgError } from "./errors.js";
import { events, type Events } from "./events.js";
import type { Driving } from "./performer.js";
import type { Ports } from "./ports.js";
import { recordName } from "./record_store.js";
import { SIGNED_OUT, authStatus, type AuthStatus } from "./status.js";
import type { FlowRequest, Key, LoginRequest, Output, ProviderProfile, RegisteredClient } from "./wire.js";

export interface AuthOptions {
  /** The name of a provider that the core knows (`atlassian`, `bitbucket`), or a whole profile. */
  provider: string | ProviderProfile;
  clientId: string;
  /** Only for clients that can keep one. */
  clientSecret?: string;
  /** The provider's if absent. */
  scopes?: string[];
  /** Tells several connections at one provider apart; `default` if absent. */
  connection?: string;
  ports: Ports;
}

export class Connection {
  readonly key: Key;
  readonly ports: Ports;
  readonly provider: string | ProviderProfile;
  /** What every request of a flow says of the client. */
  readonly client: Pick<LoginRequest, "profile" | "client_id" | "client_secret" | "connection">;
  readonly events: Events;
  readonly #alarms: ReturnType<typeof alarmsOf>;

  constructor({ provider, clientId, clientSecret, connection = "default", ports }: AuthOptions) {
    this.key = { provider: typeof provider === "string" ? provider : provider.name, connection };
    this.ports = ports;
    this.provider = provider;
    this.client = {
      profile: provider,
      client_id: clientId,
      ...(clientSecret !== undefined && { client_secret: clientSecret }),
      connection,
    };
    this.#alarms = alarmsOf(this.key, ports.alarms);
    this.events = events(() => this.status(), (changed) => {
      return ports.storage.onChange?.((name) => name === recordName(this.key) && changed()) ?? (() => {});
    });
  }

  core(): Promise<Core> {
    return loadCore(this.ports.wasm);
  }

  /** The client, and the machine that it runs on. */
  async registered(): Promise<RegisteredClient> {
    const host = await this.ports.host?.().catch(() => undefined);
    return { ...this.client, ...(host && { host }) };
  }

  /** Runs one flow; afterwards, every listener gets what it changed. */
  async run(request: FlowRequest, driving: Omit<Driving, "ports" | "arm"> = {}): Promise<Output> {
    const flow = begin(await this.core(), request);
    try {
      return await drive(flow, { ports: this.ports, arm: this.#alarms.arm, ...driving });
    } catch (error) {
      if (isTwgError(error, "REFRESH_INTERRUPTED") || isTwgError(error, "REPLY_NOT_SAVED")) this.events.emit("interrupted", error);
      throw error;
    } finally {
      await this.events.look();
    }
  }

  async status(): Promise<AuthStatus> {
    const name = recordName(this.key);
    const text = await this.read(name);
    if (text === undefined) return SIGNED_OUT;
    const core = await this.core();
    try {
      return authStatus(core.status(text, this.provider, this.ports.clock.now().wall, Math.floor(Math.random() * 256)));
    } catch (error) {
      if (codeOf(error) !== "RECORD_UNUSABLE") throw unusableProfile();
      // The core's message quotes nothing of the record.
      throw new TwgError("RECORD_UNUSABLE", `${this.ports.storage.place(name)}: ${(error as Error).message}`, { party: "store" });
    }
  }

  /** What is stored under that name. */
  async read(name: string): Promise<string | undefined> {
    try {
      return await this.ports.storage.get(name);
    } catch (error) {
      if (!(error instanceof Error && error.name === "StorageFailure")) throw asTwgError(error);
      throw new TwgError("STORE_CANNOT_READ", `Cannot read ${(error as unknown as { place: string }).place}`, { party: "store" });
    }
  }

  setAlarm(): Promise<void> {
    return this.#alarms.set(() => this.status());
  }

  clearAlarms(): Promise<void> {
    return this.#alarms.clear();
  }
}

function begin(core: Core, request: FlowRequest): Flow {
  try {
    return new core.Flow(request);
  } catch {
    // The value that cannot be read could be a secret in the wrong place.
    throw new TwgError("CONFIGURATION", "What was given to createAuth cannot be read: check its types");
  }
}

export const unusableProfile = () => new TwgError("CONFIGURATION", "The provider is not known, or its profile is wrong");

type Named<N extends string> = Extract<Output, Record<N, unknown>> extends Record<N, infer Value> ? Value : never;

/** What a flow's output says, which must be of that kind. */
export function outputOf<N extends string>(kind: N, output: Output): Named<N> {
  if (!(kind in output)) throw defect("A defect of twg-auth: a flow ended as another one does");
  return (output as Record<string, unknown>)[kind] as Named<N>;
}
