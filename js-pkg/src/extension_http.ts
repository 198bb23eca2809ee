/** Requests of the core, by `fetch`. */
import { HttpFailure, type Http } from "./ports.js";
import { nameOf } from "./errors.js";

/**
 * A browser does not say how far a request got, so after any failure the server may have it; unless it was not even tried.
 * The host permission is necessary: without it, the browser refuses responses from other origins.
 */
export const browserHttp: Http = {
  async send({ method, url, headers, body, timeout, max_response_bytes }, signal) {
    if (await isCutOff(url)) throw new HttpFailure("not_sent", "connect");
    const late = AbortSignal.timeout(timeout);
    try {
      const response = await fetch(url, {
        method,
        headers,
        ...(body !== "" && { body }),
        redirect: "manual",
        cache: "no-store",
        credentials: "omit",
        referrerPolicy: "no-referrer",
        signal: signal ? AbortSignal.any([signal, late]) : late,
      });
      // The browser hides the status and the target of the redirect. The core treats all redirects alike.
      if (response.type === "opaqueredirect") return { status: 302, headers: [], body: "" };
      return { status: response.status, headers: [...response.headers], body: await octets(response, max_response_bytes) };
    } catch (error) {
      if (error instanceof HttpFailure) throw error;
      if (late.aborted) throw new HttpFailure("unknown", "timeout");
      throw new HttpFailure("unknown", "interrupted", nameOf(error) === "TypeError" ? undefined : nameOf(error));
    }
  },
};

/**
 * Whether there is no network, so that the request spends nothing. HTML, `navigator.onLine`: "Returns false if the user agent
 * is definitely offline (disconnected from the network)." Some browsers are wrong about that: a harmless request decides.
 */
async function isCutOff(url: string): Promise<boolean> {
  if (navigator.onLine) return false;
  const harmless = { method: "HEAD", mode: "no-cors", cache: "no-store", credentials: "omit", redirect: "manual", signal: AbortSignal.timeout(5_000) } as const;
  return fetch(new URL(url).origin, harmless).then(() => false, () => true);
}

async function octets(response: Response, most: number): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  const reader = response.body?.getReader();
  for (let part = await reader?.read(); part && !part.done; part = await reader?.read()) {
    size += part.value.length;
    if (size > most) {
      await reader?.cancel().catch(() => {});
      throw new HttpFailure("unknown", "too_large");
    }
    chunks.push(part.value);
  }
  const all = new Uint8Array(size);
  let at = 0;
  for (const chunk of chunks) {
    all.set(chunk, at);
    at += chunk.length;
  }
  return all;
}
