/** The parts of `chrome` that are used. Firefox has it under this name too, with promises. */
export interface Extensions {
  identity: {
    getRedirectURL(path: string): string;
    launchWebAuthFlow(details: { url: string; interactive: boolean }): Promise<string | undefined>;
  };
  alarms: {
    create(name: string, when: { when: number }): Promise<void> | void;
    clear(name: string): Promise<boolean>;
    onAlarm: Event<{ name: string }>;
  };
  runtime: {
    getURL(path: string): string;
    onStartup: Event<unknown>;
    onInstalled: Event<unknown>;
  };
  tabs: { create(tab: { url: string }): Promise<unknown> };
  /** Absent without the permission. */
  storage?: {
    /** Absent in old browsers. */
    session?: {
      get(name: string): Promise<Record<string, unknown>>;
      set(items: Record<string, string>): Promise<void>;
      remove(name: string): Promise<void>;
      setAccessLevel?(level: { accessLevel: "TRUSTED_CONTEXTS" }): Promise<void>;
    };
  };
}

interface Event<T> {
  addListener(listener: (event: T) => void): void;
}
