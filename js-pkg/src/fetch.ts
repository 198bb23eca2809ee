/** `fetch` with the access token, which goes to the provider's hosts and nowhere else. */
import { TwgError } from "./errors.js";
import type { HttpResponse } from "./wire.js";

const MOST_REDIRECTS = 5;

export interface Bearer {
  /** Whether that URL may have it. */
  mayHaveToken(url: string): boolean;
  /** Whether another token may help after this response. */
  rejectsToken(response: HttpResponse): boolean;
  token(signal?: AbortSignal): Promise<string>;
  /** Another token than this one, which was rejected. */
  other(token: string, signal?: AbortSignal): Promise<string>;
  fetch(request: Request): Promise<Response>;
}

/** The only header fields that a foreign host gets: nothing that was meant for the provider. */
const FOR_FOREIGN_HOSTS = ["accept", "accept-language", "range"];

export async function fetchWith(bearer: Bearer, input: RequestInfo | URL, init?: RequestInit): Promise<Response> {
  const template = new Request(input, init);
  const url = new URL(template.url);
  if (!mayHaveToken(bearer, url)) {
    throw new TwgError("HOST_NOT_ALLOWED", `'${url.host}' is not one of the provider's hosts, so it gets no access token`, {
      hint: "Use the global fetch for other hosts.",
    });
  }
  const isRepeatable = mayBeMadeAgain(template, input, init?.body);
  const signal = template.signal;
  const attempt = (token: string) => send(bearer, isRepeatable ? new Request(input, init) : template, token);

  const token = await bearer.token(signal);
  const response = await attempt(token);
  if (!(await rejectsToken(bearer, response))) return response;
  const other = await bearer.other(token, signal);
  if (!isRepeatable) {
    throw new TwgError(
      "BODY_NOT_REPEATABLE",
      "The access token was rejected and has been refreshed, but the body of the request is a stream that can be sent only once",
      { retryable: true, party: "user", hint: "Send the request again with a new stream, or give the body as text or bytes." },
    );
  }
  await response.body?.cancel().catch(() => {});
  return attempt(other);
}

/** Whether the request can be made again with the same body: none, or one that can be read any number of times. Firefox
 * shows no body of a `Request`. */
function mayBeMadeAgain(request: Request, input: RequestInfo | URL, given: BodyInit | null | undefined): boolean {
  if (given == null) return !(input instanceof Request) || request.body === null || ["GET", "HEAD"].includes(request.method);
  const kinds = [URLSearchParams, FormData, Blob, ArrayBuffer];
  return typeof given === "string" || ArrayBuffer.isView(given) || kinds.some((kind) => given instanceof kind);
}

/** The core reads URLs without their fragment, which is never sent. */
function mayHaveToken(bearer: Bearer, url: URL): boolean {
  const sent = new URL(url);
  sent.hash = "";
  return bearer.mayHaveToken(sent.href);
}

/**
 * Sends a request, and follows its redirects if it changes nothing: with the token between the provider's hosts, and without
 * it on any other host and ever after, because a foreign host chose every later URL.
 */
async function send(bearer: Bearer, request: Request, token: string): Promise<Response> {
  const follow = request.redirect === "follow" && (request.method === "GET" || request.method === "HEAD");
  let url = new URL(request.url);
  let mayHave = true;
  for (let redirects = 0; ; redirects++) {
    const headers = new Headers(request.headers);
    if (mayHave) headers.set("authorization", `Bearer ${token}`);
    else for (const name of [...headers.keys()]) if (!FOR_FOREIGN_HOSTS.includes(name)) headers.delete(name);
    const sent = redirects === 0 ? new Request(request, { headers, redirect: "manual" })
      : new Request(url, { method: request.method, headers, redirect: "manual", signal: request.signal });
    const response = await bearer.fetch(sent);
    const isHidden = response.type === "opaqueredirect";
    const isRedirect = isHidden || [301, 302, 303, 307, 308].includes(response.status);
    if (!isRedirect || request.redirect === "manual") return response;
    const location = isHidden ? null : response.headers.get("location");
    if (!follow || location === null || redirects === MOST_REDIRECTS) {
      throw new TwgError("REDIRECTED", isHidden
        ? "The response is a redirect, and the browser hides its target: the token could reach another host"
        : "The response is a redirect that is not followed", {
        party: "server",
        hint: "Use redirect: \"manual\" to get the response itself.",
      });
    }
    await response.body?.cancel().catch(() => {});
    url = new URL(location, url);
    mayHave &&= mayHaveToken(bearer, url);
    if (!mayHave && url.protocol !== "https:") throw new TwgError("REDIRECTED", "The response redirects to a URL that is not https", { party: "server" });
  }
}

async function rejectsToken(bearer: Bearer, response: Response): Promise<boolean> {
  if (response.status !== 401) return false; // Its body stays unread.
  const challenge = response.headers.get("www-authenticate");
  return bearer.rejectsToken({
    status: response.status,
    headers: challenge === null ? [] : [["www-authenticate", challenge]],
    body: await response.clone().text().catch(() => ""),
  });
}
