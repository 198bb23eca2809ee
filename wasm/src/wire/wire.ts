// What crosses the boundary between the core and a host that is not Rust: the same shapes as JSON in the plain module,
// as JavaScript values in the npm package, and in tests/scenarios. Times are milliseconds since 1970, spans
// milliseconds. A member that is absent where `?` stands is not sent as `null`.

/** The clocks at one moment. */
export interface Now {
  /** The wall clock. */
  wall: number;
  /** Time since the session that `host.boot` names began, by a clock that nobody can set; absent if there is none. */
  uptime?: number;
}

/** What a flow is to do. */
export type FlowRequest =
  | { login: LoginRequest }
  /** A login that was suspended; `Flow.suspend` gave the text. */
  | { restored_login: { suspended: string } }
  | { refresh: RefreshRequest }
  /** Who the token acts for, with a live token. */
  | { identity: RegisteredClient }
  /** Which sites it reaches, with a live token. */
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
  /** Absent if none is known: then the one that the tokens were issued to, as a public client. */
  client_id?: string;
  client_secret?: string;
  /** The connection's name; `default` if absent. */
  connection?: string;
  /** This machine; compared only, never shown. */
  host?: Host;
}

export interface Host {
  machine?: string;
  /** Something that changes when the uptime begins anew. */
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
  /** A token that works. The old one will do as long as it lives. */
  | "live"
  /** A refresh, now. */
  | "now"
  /** What a scheduler wants that wakes up now and then: a refresh if one is due, or will be within 15 minutes. */
  | "upkeep"
  /** A refresh if one is due, or will be that much later. */
  | { due: number }
  /** A token that works and is not this one, which was rejected. */
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

/** What the host is asked to do. Every effect can fail, and failure is an ordinary outcome. */
export type Effect =
  /** Send one request, once: no redirects, no retries, no cache. Answer: `http`. */
  | {
      type: "send_http";
      method: Method;
      url: string;
      headers: [name: string, value: string][];
      body: string;
      timeout: number;
      max_response_bytes: number;
      /** It spends something: begun, it is not to be given up. */
      single_use: boolean;
    }
  /** Wait until the wall clock shows this, and no longer than that seems to be now. Answer: `waited`. */
  | { type: "wait_until"; time: number }
  /** Show where to enter which code, then open the address if `open`. Answer: `shown`. */
  | {
      type: "show_user_code";
      verification_uri: string;
      verification_uri_complete?: string;
      user_code: string;
      expires_at: number;
      open: boolean;
    }
  /** Get ready to receive a redirect. Answer: `redirect_uri`. */
  | { type: "obtain_redirect_uri"; port?: number; path: string }
  /** Show the address, open it if `open`, and wait for the redirect. Answer: `redirected`. */
  | { type: "open_user_agent"; url: string; redirect_uri: string; deadline: number; open: boolean }
  /** The last redirect was not ours: wait for another, open nothing. Answer: `redirected`. */
  | { type: "await_redirect"; deadline: number }
  /** Tell the user. Answer: `notified`. */
  | { type: "notify"; notice: Notice }
  /** Prove that the store could take the record. Answer: `store`. */
  | { type: "preflight_store"; key: Key }
  /** Take the connection's exclusive lock. Answer: `locked`. */
  | { type: "acquire_lock"; key: Key; deadline: number }
  /** Give it back. Answer: `notified`. */
  | { type: "release_lock"; key: Key }
  /** Answer: `loaded`. */
  | { type: "load_record"; key: Key }
  /** Replace the record as a whole, durably, if it still is of generation `expected` (a decimal number; absent: no
   * record). Answer: `store`. */
  | { type: "replace_record"; key: Key; expected?: string; record: string }
  /** Move a record that cannot be read out of the way, keeping all of it. Answer: `kept`. */
  | { type: "set_aside_record"; key: Key }
  /** Remove the record and what was kept beside it. Answer: `store`. */
  | { type: "remove_record"; key: Key }
  /** Make the place ready where the reply of this attempt will be kept. Answer: `store`. */
  | { type: "open_stage"; key: Key; attempt: string }
  /** Keep the reply, durably. Answer: `kept`. */
  | { type: "stage_reply"; key: Key; attempt: string; reply: string }
  /** Answer: `loaded`. */
  | { type: "load_stage"; key: Key; attempt: string }
  /** Keep the reply anywhere else. Answer: `kept`. */
  | { type: "rescue_reply"; key: Key; attempt: string; reply: string }
  /** Answer: `loaded`. */
  | { type: "load_rescue"; key: Key; attempt: string }
  /** Answer: `kept`. */
  | { type: "set_aside_stage"; key: Key; attempt: string }
  /** Answer: `store`. */
  | { type: "discard_stage"; key: Key; attempt: string }
  /** See to it that this connection is refreshed at that time, once, whether or not this process lives then. Best
   * effort. Answer: `notified`. */
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
  /** `null` if there is nothing. */
  | { loaded: { ok: string | null } | { error: StoreError } }
  | { store: { ok: null } | { error: StoreError } }
  /** Where the bytes are now, for people. */
  | { kept: { ok: string } | { error: StoreError } };

export interface HttpResponse {
  status: number;
  /** Names in lower case. */
  headers: [name: string, value: string][];
  /** Text, or octets: as numbers in JSON. */
  body: string | number[];
}

export interface TransportError {
  /** Whether not one octet can have reached the server. If in doubt, `unknown`. */
  sent: "not_sent" | "unknown";
  failure: "name_resolution" | "connect" | "tls" | "timeout" | "interrupted" | "too_large" | "other";
  /** For `other`: for people, without query, header or body. */
  detail?: string;
}

export interface UserAgentError {
  failure: "closed" | "timed_out" | "port_busy" | "unavailable";
  /** For `port_busy`. */
  port?: number;
  /** For `unavailable`: for people. */
  detail?: string;
}

export type LockError = { timed_out: { holder?: string } } | { unusable: StoreError };

export interface StoreError {
  kind: "cannot_create" | "cannot_write" | "cannot_read" | "changed";
  place: string;
  detail: string;
}

/** What came of a flow that succeeded. No refresh token is ever in it. */
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
  /** Worth remembering for the next login. */
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

/** What a record says, without any secret. */
export interface Status {
  state: "fresh" | "due" | "expired" | "none";
  /** When a refresh is due. */
  due_at?: number;
  /** When a scheduler shall wake up: a little later. */
  wake_at?: number;
  expires_at?: number;
  scopes: string[];
  account?: Account;
  sites: Site[];
  default_site?: string;
  signed_in_at: number;
  /** The end of the login, as far as it is known. */
  login_ends?: { at: number; because: "access_token" | "idle" | "absolute"; near: boolean };
  /** Why the login is over. */
  ended?: { at: number; reason: "revoked" | "interrupted" | "signed_out_unconfirmed" | "other" };
  /** A refresh whose end is not known. */
  interrupted?: { at: number; attempt: number };
}

/** Why a flow failed. `message` is for people and holds no secret. */
export interface CoreError {
  code: ErrorCode;
  party: "user" | "server" | "network" | "store" | "configuration" | "defect";
  message: string;
  retryable: boolean;
  /** What the server asked to wait. */
  retry_after?: number;
  /** For `REFRESH_INTERRUPTED`: until when the next refresh repairs it for certain. */
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
    /** That step is not the one that is waited for. */
    | "STALE_STEP"
    /** The outcome does not answer the effect. */
    | "WRONG_OUTCOME"
    /** The flow is over, or there is none of that number. */
    | "NOT_WAITING"
    /** What was given cannot be read. */
    | "MALFORMED";
  message: string;
}

/** A provider profile, as in `twg inspect PROVIDER`. Its members are checked by the core. */
export interface ProviderProfile {
  schema_version: 1;
  name: string;
  display_name: string;
  [member: string]: unknown;
}
