"""Drives the plain module from Python, with no glue but this file: one refresh, with a simulated store and server.
`pip install wasmtime`, then: python host.py js-pkg/wasm/twg_plugin.wasm"""

import json
import secrets
import sys
import time

from wasmtime import Instance, Module, Store

store = Store()
exports = Instance(store, Module.from_file(store.engine, sys.argv[1]), []).exports(store)
memory = exports["memory"]


def call(name, *arguments):
    return exports[name](store, *arguments)


def give(value):
    octets = json.dumps(value).encode()
    address = call("twg_allocate", len(octets))
    assert address, "the module has no room"
    memory.write(store, octets, address)
    return address


def take(address):
    octets = memory.read(store, address, address + call("twg_length", address))
    call("twg_free", address)
    result = json.loads(octets)
    if "error" in result:  # a mistake of this program
        raise RuntimeError(result["error"])
    return result


def now():
    return {"wall": int(time.time() * 1000)}


def run(request, perform):
    """The loop that every host has: `perform` is the only part that touches the world."""
    given = {"request": request, "now": now(), "entropy": secrets.token_hex(64)}
    result = take(call("twg_begin", give(given)))
    flow = result["flow"]
    try:
        while "perform" in result["step"]:
            step = result["step"]["perform"]
            outcome = perform(step["effect"])
            given = {"id": step["id"], "outcome": outcome, "now": now()}
            result = take(call("twg_resume", flow, give(given)))
        return result["step"]["done"]
    finally:
        call("twg_end", flow)


class Simulated:
    """A store in memory, and a server that always issues tokens."""

    def __init__(self, record):
        self.record, self.stage = record, None

    def perform(self, effect):
        print("  " + effect["type"])
        match effect["type"]:
            case "load_record":
                return {"loaded": {"ok": self.record}}
            case "replace_record":
                self.record = effect["record"]
                return {"store": {"ok": None}}
            case "acquire_lock":
                return {"locked": {"ok": None}}
            case "open_stage" | "discard_stage":
                self.stage = None
                return {"store": {"ok": None}}
            case "stage_reply":
                self.stage = effect["reply"]
                return {"kept": {"ok": "memory"}}
            case "send_http":
                tokens = {"access_token": "new-access", "refresh_token": "new-refresh", "token_type": "Bearer", "expires_in": 3600}
                return {"http": {"ok": {"status": 200, "headers": [], "body": json.dumps(tokens)}}}
            case "release_lock":
                return "notified"
        raise NotImplementedError(effect["type"])


wall = now()["wall"]
record = {
    "schema_version": 1,
    "generation": 1,
    "provider": "atlassian",
    "connection": "default",
    "server": {"token_endpoint": "https://auth.atlassian.com/oauth/token", "client_authentication": "client_secret_post"},
    "client_id": "example-client",
    "login": {"at": wall - 3_000_000, "grant": "device_code"},
    "tokens": {"access_token": "old-access", "refresh_token": "old-refresh", "scopes": ["read:me"], "issued_at": wall - 3_000_000, "expires_at": wall + 600_000},
}

assert call("twg_abi_version") == 1
world = Simulated(json.dumps(record))
done = run({"refresh": {"profile": "atlassian", "client_id": "example-client", "need": "live"}}, world.perform)
print(json.dumps(done, indent=2))
assert done["ok"]["refreshed"]["access_token"] == "new-access"
assert json.loads(world.record)["tokens"]["refresh_token"] == "new-refresh"
