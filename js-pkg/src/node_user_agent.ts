/** The user's browser, and the loopback listener that gets its redirect. RFC 8252 sections 7.3 and 8.3. */
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { type AddressInfo } from "node:net";
import { codeOf } from "./node_storage.js";
import { UserAgentFailure, type Clock, type UserAgent } from "./ports.js";
import { redirects } from "./waiting.js";

const MAX_TARGET = 16 * 1024;

export interface NodeUserAgentOptions {
  /** How to open a URL. Absent: the system's way. */
  open?: (url: string) => void | Promise<void>;
}

/** One login at a time. The progress of the login has the URLs, too; nothing is printed here. */
export function nodeUserAgent(clock: Clock, { open = openInBrowser }: NodeUserAgentOptions = {}): UserAgent {
  let listening: Promise<Listener> | undefined;

  /** Claims the place at once: another login is refused while this one begins to listen, too. */
  function listenFor(port: number, path: string): Promise<Listener> {
    const begun = listen(clock, port, path);
    listening = begun;
    begun.catch(() => (listening = undefined));
    return begun;
  }

  return {
    async redirectUri({ port, path }) {
      if (listening) throw anotherWaits();
      return (await listenFor(port ?? 0, path)).redirectUri;
    },
    async authorize({ url, redirectUri, deadline, open: opens, signal }) {
      // A resumed login listens only now: the server knows this redirect URI.
      const { port, pathname } = new URL(redirectUri);
      const listener = await (listening ?? listenFor(Number(port), pathname));
      if (listener.redirectUri !== redirectUri) throw anotherWaits();
      if (opens) await Promise.resolve(open(url)).catch(() => {}); // The URL is shown.
      return listener.next(deadline, signal);
    },
    async next(deadline, signal) {
      if (!listening) throw new UserAgentFailure("unavailable", undefined, "no redirect is expected here");
      return (await listening).next(deadline, signal);
    },
    open: async (url) => open(url),
    async close(redirectUri) {
      const listener = await listening?.catch(() => undefined);
      if (listener?.redirectUri !== redirectUri) return;
      listening = undefined;
      listener.close();
    },
  };
}

const anotherWaits = () => new UserAgentFailure("unavailable", undefined, "another sign-in waits for its redirect");

interface Listener {
  redirectUri: string;
  next: UserAgent["next"];
  close(): void;
}

async function listen(clock: Clock, port: number, path: string): Promise<Listener> {
  const { arrived, next } = redirects(clock);
  const server = createServer({ maxHeaderSize: 32 * 1024, headersTimeout: 10_000, requestTimeout: 10_000 });
  await bind(server, port);
  const { port: bound } = server.address() as AddressInfo;
  const authority = `127.0.0.1:${bound}`;
  server.maxConnections = 32;
  server.on("request", (request, response) => {
    const status = refusal(request, authority, path);
    answer(response, status);
    if (status !== 200) return;
    // Once the page is sent, so that closing the listener does not cut it off.
    response.once("close", () => arrived(`http://${authority}${request.url}`));
  });

  return {
    redirectUri: `http://${authority}${path}`,
    next,
    close() {
      server.close();
      server.closeIdleConnections();
      setTimeout(() => server.closeAllConnections(), 1000).unref();
    },
  };
}

function bind(server: Server, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", (error) => {
      const isBusy = port !== 0 && codeOf(error) === "EADDRINUSE";
      reject(isBusy ? new UserAgentFailure("port_busy", port) : new UserAgentFailure("unavailable", undefined, `cannot listen on 127.0.0.1 (${codeOf(error)})`));
    });
    server.listen({ port, host: "127.0.0.1", exclusive: true }, resolve);
  });
}

/** 200, or the status for a request that is not the redirect. As in the native shell. */
function refusal(request: IncomingMessage, authority: string, path: string): number {
  const { headers, rawHeaders, method, url = "" } = request;
  const hosts = rawHeaders.filter((_, i) => i % 2 === 0 && rawHeaders[i]!.toLowerCase() === "host");
  // Another host name for this address is DNS rebinding.
  if (hosts.length !== 1 || headers.host !== authority || !url.startsWith("/")) return 403;
  if (headers.origin !== undefined && headers.origin !== `http://${authority}`) return 403;
  // A page in a tab, not an image or a frame of another page.
  const destination = headers["sec-fetch-dest"];
  if (destination !== undefined && destination !== "document") return 403;
  const purposes = [headers["sec-purpose"], headers["purpose"], headers["x-purpose"], headers["x-moz"]].join(" ");
  if (/prefetch|prerender|preview/i.test(purposes)) return 503;
  if (url.length > MAX_TARGET) return 414;
  const [target, query] = url.split("?", 2);
  if (target !== path) return 404;
  if (method !== "GET") return 405;
  return query ? 200 : 400;
}

const STYLE =
  "body{font:1rem/1.5 system-ui,sans-serif;display:grid;place-items:center;min-height:90vh;margin:1.5rem;text-align:center;color-scheme:light dark}h1{font-size:1.4rem;margin:0}p{opacity:.75}";

/** Does not claim success: only the application learns whether the login succeeded, and later. */
const PAGE = `<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Return to the application</title><style>${STYLE}</style></head><body><main><h1>You can close this tab</h1><p>Return to the application, which finishes the sign-in.</p></main></body></html>`;

const STYLE_HASH = createHash("sha256").update(STYLE).digest("base64");

function answer(response: ServerResponse, status: number): void {
  response.writeHead(status, {
    "content-type": "text/html; charset=utf-8",
    "content-security-policy": `default-src 'none'; style-src 'sha256-${STYLE_HASH}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`,
    "cache-control": "no-store",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    connection: "close",
  });
  response.end(status === 200 ? PAGE : "");
}

/** By argv, never by a shell: a URL may contain anything. */
export function openInBrowser(url: string): Promise<void> {
  const [program, ...args] =
    process.platform === "darwin" ? ["open", url]
    : process.platform === "win32" ? ["rundll32", "url.dll,FileProtocolHandler", url]
    : ["xdg-open", url];
  return new Promise((resolve) => {
    const child = spawn(program!, args, { stdio: "ignore", detached: true });
    child.on("error", () => resolve());
    child.on("spawn", () => resolve());
    child.unref();
  });
}
