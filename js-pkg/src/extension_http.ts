/** Requests of the core, by `fetch`. */
import { HttpFailure, type Http } from "./ports.js";
import { nameOf } from "./errors.js";

/**
 * A browser does not tell how far a request got, so that every failure leaves open whether the server has it; but for one
 * that was not even tried. It needs the host permission: without it, the browser refuses answers to requests of other
 * origins.
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
      // The browser hides which of the redirects it was, and where to. To the core they are all one.
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
 * Whether there is no network, so that nothing is spent. HTML, `navigator.onLine`: "Returns false if the user agent is
 * definitely offline (disconnected from the network)." Some are wrong about that: a request that spends nothing tells.
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
