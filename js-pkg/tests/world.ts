/** Shared by the tests of flows: a machine in memory in front of a real server. */
import { createAuth, type Auth, type AuthOptions, type Ports } from "twg-auth";
import { nodePorts } from "twg-auth/node";
import { testingPorts, type Testing } from "twg-auth/testing";
import type { Server } from "./servers.js";

/** The real requests and the real module of Node. */
export const real = nodePorts({ directory: "/nonexistent" });

export interface World extends Testing {
  auth(ports?: Ports, options?: Partial<AuthOptions>): Auth;
}

/** Storage, locks and clock in memory; requests and user are real. The clock does not wait. */
export function worldOf(server: Server): World {
  const testing = testingPorts({
    server: (request) => real.http.send(request),
    user: (url, redirectUri) => server.authorize(url, redirectUri),
    now: Date.now(),
    wasm: real.wasm!,
  });
  testing.clock.hurry = true;
  const auth = (ports = testing.ports, options = {}) =>
    createAuth({ provider: server.provider, clientId: server.clientId, ports, ...options });
  return { ...testing, auth };
}

export const browserLogin = { grants: ["authorization_code"] as "authorization_code"[] };

/** The one record of a world, parsed. Holds secrets. */
export function recordOf(world: Testing): { tokens: { access_token: string; refresh_token: string; issued_at: number; expires_at: number }; generation: number; pending?: unknown; ended?: { reason: string } } {
  const [, text] = [...world.storage.texts].find(([name]) => name.startsWith("record/"))!;
  return JSON.parse(text) as never;
}

/** Every secret that a world holds now. */
export function secretsOf(world: Testing): string[] {
  const { access_token, refresh_token } = recordOf(world).tokens;
  return [access_token, refresh_token];
}
