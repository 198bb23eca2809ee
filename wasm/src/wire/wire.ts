// What crosses the boundary between the core and a host that is not Rust: the same shapes as JSON in the plain module,
// as JavaScript values in the npm package, and in tests/scenarios. Times are milliseconds since 1970, spans
// milliseconds. An optional member (`?`) is left out, never sent as `null`.

/** The clocks at one moment. */
export interface Now {
  /** The wall clock. */
  wall: number;
  /** Time since the start of the session that `host.boot` names, by a clock that cannot be set; absent without one. */
  uptime?: number;
}

/** What a flow should do. */
export type FlowRequest =
  | { login: LoginRequest }
  /** A suspended login; the text is from `Flow.suspend`. */
  | { restored_login: { suspended: string } }
  | { refresh: RefreshRequest }
  /** The account that the token acts for, and a live token. */
  | { identity: RegisteredClient }
  /** The sites that the token reaches, and a live token. */
  | { sites: RegisteredClient }
  /** Any request to the provider's API, with a live token. */
  | { api: ApiRequest }
  /** Makes a site the default one. */
  | { use_site: { provider: string; connection: string; sites: Site[]; site: string } }
  | { logout: RegisteredClient };

/** A connection, and the client that may refresh or end it. */
export interface RegisteredClient {
  /** A bundled profile's name, or a whole profile. */
  profile: string | ProviderProfile;
  /** If absent: the client that the tokens were issued to, as a public client. */
  client_id?: string;
  client_secret?: string;
  /** The connection's name; `default` if absent. */
  connection?: string;
  /** This machine; compared only, never shown. */
  host?: Host;
}

export interface Host {
  machine?: string;
  /** Something that changes when the uptime starts again. */
  boot?: string;
}

export interface LoginRequest {
  profile: string | ProviderProfile;
  client_id: string;
  client_secret?: string;
  connection?: string;
  /** The profile's if absent. */
  scopes?: string[];
  /** The grants to try, in order; the profile's if absent. */
  grants?: Grant[];
  /** Whether to open a browser; yes if absent. */
  open?: boolean;
  /** How long the user may take, in milliseconds; 15 minutes if absent. */
  timeout?: number;
}

export type Grant = "device_code" | "authorization_code";

export interface RefreshRequest extends RegisteredClient {
  need: Need;
}

/** What a refresh is for. */
export type Need =
  /** A token that works. The old one is enough as long as it lives. */
  | "live"
  /** A refresh, now. */
  | "now"
  /** For a scheduler: a refresh if one is due, or will be within 15 minutes. */
  | "upkeep"
  /** A refresh if one is due, or will be that much later. */
  | { due: number }
  /** A token that works, and another one than this, which was rejected. */
  | { other: string };

export interface ApiRequest extends RegisteredClient {
  method: Method;
  /** `https://...` on one of the provider's hosts, or a path of a site's product. */
  path: string;
  /** `jira` if absent, or `confluence` for paths that begin with `/wiki/`. */
  product?: "jira" | "confluence";
  /** The site, if the path needs one. */
  cloud_id?: string;
  /** JSON. */
  body?: string;
}

export type Method = "GET" | "POST" | "PUT" | "PATCH" | "DELETE" | "HEAD";

/** What a flow wants next. */
export type Step =
  | { perform: { id: number; interruptible: boolean; effect: Effect } }
  | { done: Done };

/** How a flow ended. */
export type Done = { ok: Output } | { error: CoreError };

export interface Key {
  provider: string;
  connection: string;
}

/** What the host has to do. Every effect can fail, and failure is an ordinary outcome. */
export type Effect =
  /** Send one request, once: no redirects, no retries, no cache. Outcome: `http`. */
  | {
      type: "send_http";
      method: Method;
      url: string;
      headers: [name: string, value: string][];
      body: string;
      timeout: number;
      max_response_bytes: number;
      /** It spends something: once begun, it must not be aborted. */
      single_use: boolean;
    }
  /** Wait until the wall clock shows this, and no longer than that seems to be now. Outcome: `waited`. */
  | { type: "wait_until"; time: number }
  /** Show the code and where to enter it, then open the URL if `open`. Outcome: `shown`. */
  | {
      type: "show_user_code";
      verification_uri: string;
      verification_uri_complete?: string;
      user_code: string;
      expires_at: number;
      open: boolean;
    }
  /** Get ready to receive a redirect. Outcome: `redirect_uri`. */
  | { type: "obtain_redirect_uri"; port?: number; path: string }
  /** Show the URL, open it if `open`, and wait for the redirect. Outcome: `redirected`. */
  | { type: "open_user_agent"; url: string; redirect_uri: string; deadline: number; open: boolean }
  /** The last redirect belonged to another request: wait for the next one, open nothing. Outcome: `redirected`. */
  | { type: "await_redirect"; deadline: number }
  /** Tell the user. Outcome: `notified`. */
  | { type: "notify"; notice: Notice }
  /** Prove that the store could take the record. Outcome: `store`. */
  | { type: "preflight_store"; key: Key }
  /** Take the connection's exclusive lock. Outcome: `locked`. */
  | { type: "acquire_lock"; key: Key; deadline: number }
  /** Release it. Outcome: `notified`. */
  | { type: "release_lock"; key: Key }
  /** Outcome: `loaded`. */
  | { type: "load_record"; key: Key }
  /** Replace the whole record, durably, if it still has generation `expected` (a decimal number; absent: no
   * record). Outcome: `store`. */
  | { type: "replace_record"; key: Key; expected?: string; record: string }
  /** Set a record that cannot be read aside, unchanged. Outcome: `kept`. */
  | { type: "set_aside_record"; key: Key }
  /** Remove the record and everything stored beside it. Outcome: `store`. */
  | { type: "remove_record"; key: Key }
  /** Prepare the place for the reply of this attempt. Outcome: `store`. */
  | { type: "open_stage"; key: Key; attempt: string }
  /** Store the reply there, durably. Outcome: `kept`. */
  | { type: "stage_reply"; key: Key; attempt: string; reply: string }
  /** Outcome: `loaded`. */
  | { type: "load_stage"; key: Key; attempt: string }
  /** Store the reply in any other place. Outcome: `kept`. */
  | { type: "rescue_reply"; key: Key; attempt: string; reply: string }
  /** Outcome: `loaded`. */
  | { type: "load_rescue"; key: Key; attempt: string }
  /** Outcome: `kept`. */
  | { type: "set_aside_stage"; key: Key; attempt: string }
  /** Outcome: `store`. */
  | { type: "discard_stage"; key: Key; attempt: string }
  /** Arrange one refresh of this connection at that time, even if this process has ended by then. Best effort.
   * Outcome: `notified`. */
  | { type: "arm_recovery"; key: Key; at: number };

export type Notice =
  | { type: "redirect_ignored" }
  | { type: "still_trying"; trouble: string }
  | { type: "recovering" }
  | { type: "device_grant_not_enabled" }
  | { type: "record_set_aside"; place: string; reason: string };

/** How an effect ended: `ok` or what went wrong. */
export type Outcome =
  | "waited"
  | "notified"
  | { http: { ok: HttpResponse } | { error: TransportError } }
  | { shown: { ok: null } | { error: UserAgentError } }
  | { redirect_uri: { ok: string } | { error: UserAgentError } }
  | { redirected: { ok: string } | { error: UserAgentError } }
  | { locked: { ok: null } | { error: LockError } }
  /** `null` if there is no text. */
  | { loaded: { ok: string | null } | { error: StoreError } }
  | { store: { ok: null } | { error: StoreError } }
  /** Where the text is now. For people. */
  | { kept: { ok: string } | { error: StoreError } };

export interface HttpResponse {
  status: number;
  /** Names in lower case. */
  headers: [name: string, value: string][];
  /** Text, or octets: as numbers in JSON. */
  body: string | number[];
}

export interface TransportError {
  /** Whether no octet can have reached the server. If in doubt, `unknown`. */
  sent: "not_sent" | "unknown";
  failure: "name_resolution" | "connect" | "tls" | "timeout" | "interrupted" | "too_large" | "other";
  /** With `other`. For people; without query, header or body. */
  detail?: string;
}

export interface UserAgentError {
  failure: "closed" | "timed_out" | "port_busy" | "unavailable";
  /** With `port_busy`. */
  port?: number;
  /** With `unavailable`. For people. */
  detail?: string;
}

export type LockError = { timed_out: { holder?: string } } | { unusable: StoreError };

export interface StoreError {
  kind: "cannot_create" | "cannot_write" | "cannot_read" | "changed";
  place: string;
  detail: string;
}

/** The result of a flow that succeeded. It never holds a refresh token. */
export type Output =
  | { signed_in: SignedIn }
  | { refreshed: LiveToken & { how: How; not_refreshed?: CoreError } }
  | { identity: { account: Account; token: LiveToken } }
  | { sites: { sites: Site[]; default_site?: string; token: LiveToken } }
  | { api: { response: { status: number; headers: [string, string][]; body: number[] } } }
  | { site_chosen: null }
  | { logged_out: LoggedOut };

export type How = "still_fresh" | "adopted" | "refreshed" | "recovered" | "not_refreshed";

export interface LiveToken {
  access_token: string;
  scopes: string[];
  expires_at: number;
  /** When a refresh is due. */
  due_at: number;
}

export interface SignedIn {
  token: LiveToken;
  grant: Grant;
  account?: Account;
  account_error?: CoreError;
  sites?: Site[];
  sites_error?: CoreError;
  /** If true, the next login need not try the device grant. */
  device_grant_not_enabled: boolean;
  scopes_not_granted: string[];
}

export interface Account {
  id: string;
  name?: string;
  email?: string;
  status?: string;
}

export interface Site {
  id: string;
  name: string;
  url: string;
  scopes: string[];
}

export type LoggedOut =
  | "was_not_signed_in"
  | { done: { refresh_token: Revocation; access_token: Revocation; expires_at?: number } }
  | { set_aside: { place: string } };

export type Revocation = "revoked" | "nothing_to_revoke" | "not_supported" | { unconfirmed: string };

/** What a record says, without secrets. */
export interface Status {
  state: "fresh" | "due" | "expired" | "none";
  /** When a refresh is due. */
  due_at?: number;
  /** When a scheduler should wake up: a little later. */
  wake_at?: number;
  expires_at?: number;
  scopes: string[];
  account?: Account;
  sites: Site[];
  default_site?: string;
  signed_in_at: number;
  /** The end of the login, if it is known. */
  login_ends?: { at: number; because: "access_token" | "idle" | "absolute"; near: boolean };
  /** Why the login has ended. */
  ended?: { at: number; reason: "revoked" | "interrupted" | "signed_out_unconfirmed" | "other" };
  /** A refresh whose result is not known. */
  interrupted?: { at: number; attempt: number };
}

/** Why a flow failed. `message` is for people and holds no secret. */
export interface CoreError {
  code: ErrorCode;
  party: "user" | "server" | "network" | "store" | "configuration" | "defect";
  message: string;
  retryable: boolean;
  /** How long the server asks to wait. */
  retry_after?: number;
  /** For `REFRESH_INTERRUPTED`: until when the next refresh is guaranteed to repair it. */
  repairable_until?: number;
}

export type ErrorCode =
  | "ACCESS_DENIED"
  | "AUTH_EXPIRED"
  | "AUTH_REQUIRED"
  | "AUTH_REVOKED"
  | "CANCELLED"
  | "CLIENT_REJECTED"
  | "CONFIGURATION"
  | "GRANT_NOT_ENABLED"
  | "INTERNAL"
  | "LOCK_TIMED_OUT"
  | "LOGIN_TIMED_OUT"
  | "NETWORK"
  | "NOT_FORGOTTEN"
  | "NOT_OAUTH"
  | "NOT_PERMITTED"
  | "NOT_SAVED"
  | "NO_USER_AGENT"
  | "PORT_BUSY"
  | "RECORD_UNUSABLE"
  | "REFRESH_INTERRUPTED"
  | "REPLY_DAMAGED"
  | "REPLY_NOT_SAVED"
  | "SERVER_MISBEHAVED"
  | "SERVER_REFUSED"
  | "SERVER_UNAVAILABLE"
  | "STORE_CANNOT_CREATE"
  | "STORE_CANNOT_READ"
  | "STORE_CANNOT_WRITE"
  | "STORE_CHANGED";

/** A mistake of the host: the call changed nothing. */
export interface HostError {
  code:
    /** The flow waits for another step. */
    | "STALE_STEP"
    /** The outcome belongs to another effect. */
    | "WRONG_OUTCOME"
    /** The flow has ended, or there is none of that number. */
    | "NOT_WAITING"
    /** The input cannot be read. */
    | "MALFORMED";
  message: string;
}

/** A provider profile, as in `twg inspect PROVIDER`. The core checks its members. */
export interface ProviderProfile {
  schema_version: 1;
  name: string;
  display_name: string;
  [member: string]: unknown;
}
