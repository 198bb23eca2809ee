// `twg sandbox serve` behind one origin that also serves pages. The sandbox lets other origins read its API, but neither its
// token endpoint nor its device endpoint, like Atlassian. So that a plain page can sign in, this passes requests on, and changes
// only their URL.
import { build } from "esbuild";
import { createServer, request as httpRequest } from "node:http";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { extname, join, normalize } from "node:path";

const MIME = { ".html": "text/html", ".js": "text/javascript", ".mjs": "text/javascript", ".wasm": "application/wasm" };

/** The server of js-pkg's own tests, in TypeScript. */
async function sandbox() {
  const outfile = join(import.meta.dirname, ".build/servers.mjs");
  await build({ entryPoints: [join(import.meta.dirname, "../../js-pkg/tests/servers.ts")], outfile, bundle: true, platform: "node", format: "esm", logLevel: "error" });
  return (await import(outfile)).sandbox();
}

export async function world() {
  const server = await sandbox();
  const { host } = new URL(server.url);
  const directories = new Map();
  const http = createServer((request, response) => {
    answer(request, response).catch((error) => response.writeHead(500).end(String(error)));
  });
  http.listen(0, "127.0.0.1");
  await once(http, "listening");
  const origin = `http://127.0.0.1:${http.address().port}`;
  const provider = JSON.parse(JSON.stringify(server.provider).replaceAll(host, new URL(origin).host));

  async function answer(request, response) {
    const { pathname, searchParams } = new URL(request.url, origin);
    const [, area, name, ...rest] = pathname.split("/");
    if (area === "-" && name === "world") return response.end(JSON.stringify({ provider, clientId: server.clientId }));
    if (area === "-" && name === "approve") {
      await server.approveDevice(searchParams.get("uri"), searchParams.get("code"));
      return response.end();
    }
    if (area === "-" && name === "page") {
      const file = join(directories.get(rest[0]), normalize(`/${rest.slice(1).join("/")}`));
      const content = await readFile(file).catch(() => undefined);
      if (!content) return response.writeHead(404).end();
      return response.setHeader("content-type", MIME[extname(file)] ?? "application/octet-stream").end(content);
    }
    const headers = { ...request.headers, host };
    if (headers.origin === origin) headers.origin = server.url;
    const passedOn = httpRequest(`${server.url}${request.url}`, { method: request.method, headers, agent: false }, (reply) => {
      response.writeHead(reply.statusCode, reply.rawHeaders);
      reply.pipe(response);
    });
    passedOn.on("error", (error) => response.destroy(error));
    request.pipe(passedOn);
  }

  return {
    origin,
    /** Serves a directory, and returns its URL. */
    serve(directory) {
      const name = String(directories.size);
      directories.set(name, directory);
      return `${origin}/-/page/${name}/`;
    },
    /** The client's token requests, as the server got them. */
    log: server.log,
    close() {
      http.close();
      http.closeAllConnections();
    },
  };
}
