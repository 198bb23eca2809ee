/** Ports for Node. */
import { readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { fileStorage } from "./node_storage.js";
import { kernelLocks } from "./node_locks.js";
import { nodeHttp, type NodeHttpOptions } from "./node_http.js";
import { nodeUserAgent, type NodeUserAgentOptions } from "./node_user_agent.js";
import type { Clock, Ports } from "./ports.js";
import { waitOnWallClock } from "./waiting.js";
import type { Host } from "./wire.js";

export { createAuth } from "./auth.js";
export type { NodeHttpOptions, NodeUserAgentOptions };

export interface NodePortsOptions extends NodeHttpOptions, NodeUserAgentOptions {
  /** Where the connection is stored: an absolute path, created private if it does not exist. Processes that share it share
   * the connection. It must not be on a file system with unreliable locks (NFS without locks). */
  directory: string;
  /** Where a reply goes that could not be stored there: preferably on another file system. */
  refuge?: string;
  /** The bytes of `twg-auth/twg_wasm_bg.wasm`, for bundles that do not carry the file along. */
  wasm?: Ports["wasm"];
}

/** Everything that `createAuth` needs in Node. One such object does one login at a time. */
export function nodePorts({ directory, refuge, wasm = wasmFile, ...options }: NodePortsOptions): Ports {
  return {
    clock: nodeClock,
    http: nodeHttp(options),
    storage: fileStorage(directory, refuge),
    locks: kernelLocks(directory, nodeClock),
    userAgent: nodeUserAgent(nodeClock, options),
    host,
    wasm,
  };
}

export const nodeClock: Clock = {
  now() {
    const uptime = bootClock();
    return { wall: Date.now(), ...(uptime !== undefined && { uptime }) };
  },
  wait: waitOnWallClock,
};

/** CLOCK_BOOTTIME, which also counts while the machine sleeps. Other systems have no session id to go with it. */
function bootClock(): number | undefined {
  if (process.platform !== "linux") return undefined;
  try {
    const seconds = Number(readFileSync("/proc/uptime", "utf8").split(" ")[0]);
    return Number.isFinite(seconds) ? Math.round(seconds * 1000) : undefined;
  } catch {
    return undefined;
  }
}

async function host(): Promise<Host> {
  if (process.platform !== "linux") return {};
  const line = (path: string) => readFile(path, "utf8").then((text) => text.trim() || undefined, () => undefined);
  const machine = await line("/etc/machine-id");
  const boot = await line("/proc/sys/kernel/random/boot_id");
  return { ...(machine !== undefined && { machine }), ...(boot !== undefined && { boot }) };
}

function wasmFile(): Promise<Uint8Array> {
  return readFile(new URL("../wasm/twg_wasm_bg.wasm", import.meta.url));
}
