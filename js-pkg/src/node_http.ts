/** Requests of the core: each on its own network connection, sent once. */
import http from "node:http";
import https from "node:https";
import { codeOf } from "./node_storage.js";
import { HttpFailure, type Http, type HttpRequest, type HttpResponse } from "./ports.js";

export interface NodeHttpOptions {
  /** For a proxy, or your own certificate authorities. It must not keep connections alive. */
  agent?: https.Agent;
}

export function nodeHttp({ agent }: NodeHttpOptions = {}): Http {
  return { send: (request, signal) => send(request, agent, signal) };
}

function send(request: HttpRequest, agent: https.Agent | undefined, signal?: AbortSignal): Promise<HttpResponse> {
  return new Promise((resolve, reject) => {
    const url = new URL(request.url);
    const isTls = url.protocol === "https:";
    /** How far it got. The request is written once the connection is ready for it. */
    let reached: "nothing" | "peer" | "ready" = "nothing";

    const fail = (failure: HttpFailure["failure"], detail?: string) => {
      clearTimeout(timer);
      message.destroy();
      reject(new HttpFailure(reached === "ready" ? "unknown" : "not_sent", failure, detail));
    };

    const message = (isTls ? https : http).request(url, {
      method: request.method,
      headers: { "user-agent": "twg-auth/0.1.0" },
      // A new agent for this request alone: no pool, no keep-alive.
      agent: isTls && agent ? agent : false,
      ...(signal && { signal }),
    });
    for (const [name, value] of request.headers) message.appendHeader(name, value);
    const timer = setTimeout(() => fail("timeout"), request.timeout);

    message.on("socket", (socket) => {
      // An agent may return an existing connection.
      if (!socket.connecting && !isTls) reached = "ready";
      socket.once("connect", () => (reached = isTls ? "peer" : "ready"));
      socket.once("secureConnect", () => (reached = "ready"));
      if (agent && !socket.connecting) reached = "ready";
    });
    message.on("error", (error) => fail(...classify(error, reached)));
    message.on("response", (response) => {
      const chunks: Buffer[] = [];
      let size = 0;
      response.on("data", (chunk: Buffer) => {
        size += chunk.length;
        if (size > request.max_response_bytes) fail("too_large");
        else chunks.push(chunk);
      });
      response.on("error", () => fail("interrupted"));
      response.on("end", () => {
        clearTimeout(timer);
        resolve({ status: response.statusCode ?? 0, headers: pairs(response.rawHeaders), body: new Uint8Array(Buffer.concat(chunks)) });
      });
    });
    // Written as a whole, so that it has a content-length.
    message.end(request.body === "" ? undefined : request.body);
  });
}

function classify(error: Error, reached: "nothing" | "peer" | "ready"): [HttpFailure["failure"], string?] {
  const code = codeOf(error);
  if (reached === "ready") return ["interrupted"];
  if (reached === "peer") return ["tls"];
  if (code === "ENOTFOUND" || code === "EAI_AGAIN") return ["name_resolution"];
  if (code?.startsWith("E") && !code.startsWith("ERR_")) return ["connect"];
  return ["other", `the request could not be made (${code ?? "unknown"})`];
}

function pairs(raw: string[]): [string, string][] {
  const all: [string, string][] = [];
  for (let i = 0; i + 1 < raw.length; i += 2) all.push([raw[i]!.toLowerCase(), raw[i + 1]!]);
  return all;
}
