/** The driver, effect by effect, with scripted flows: which port it calls, and what it makes of each failure. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { HttpFailure, StorageFailure, UserAgentFailure, isTwgError, type Ports, type Progress } from "twg-auth";
import { testingPorts } from "twg-auth/testing";
import type { Core, Flow } from "../dist/core.js";
import type { Effect, Outcome, Output } from "twg-auth/wire";
import type * as Glue from "../wasm/twg_wasm.js";
import { drive, loadCore } from "./internal.js";
import { real } from "./world.js";

// The compiler checks the contract with the module.
void (null as unknown as typeof Glue satisfies Core);

const key = { provider: "atlassian", connection: "default" };
const done: Output = { site_chosen: null };

/** A flow that wants these effects, one after the other. */
function flowOf(effects: Effect[], interruptible = false) {
  const outcomes: Outcome[] = [];
  let next = 0;
  const step = () => {
    const effect = effects[next];
    return effect ? { perform: { id: ++next, interruptible, effect } } : { done: { ok: done } };
  };
  let freed = 0;
  const flow: Flow = {
    begin: step,
    resume(id, outcome) {
      assert.equal(id, next);
      outcomes.push(outcome);
      return step();
    },
    suspend: () => undefined,
    free: () => void freed++,
  };
  return { flow, outcomes, freed: () => freed };
}

async function perform(ports: Ports, ...effects: Effect[]): Promise<Outcome[]> {
  const { flow, outcomes, freed } = flowOf(effects);
  await drive(flow, { ports });
  assert.equal(freed(), 1);
  return outcomes;
}

const send: Effect = { type: "send_http", method: "GET", url: "https://a.example/", headers: [], body: "", timeout: 1, max_response_bytes: 1, single_use: false };
const attempt = "0123456789abcdef0123456789abcdef";
const opening: Effect = { type: "open_user_agent", url: "https://a.example/", redirect_uri: "x", deadline: 1, open: true };

describe("the driver", () => {
  test("stores, stages, rescues, sets aside and removes", async () => {
    const world = testingPorts({ now: 0, wasm: real.wasm! });
    const { texts } = world.storage;
    const record = '{"generation":18446744073709551615}';
    const say = (effect: Effect) => perform(world.ports, effect).then(([outcome]) => outcome);
    const ok = { store: { ok: null } };
    assert.deepEqual(await say({ type: "preflight_store", key }), ok);
    assert.equal(texts.size, 0);
    assert.deepEqual(await say({ type: "load_record", key }), { loaded: { ok: null } });
    assert.deepEqual(await say({ type: "replace_record", key, record }), ok);
    assert.deepEqual(await say({ type: "load_record", key }), { loaded: { ok: record } });
    assert.deepEqual(await say({ type: "replace_record", key, record: "{}" }), {
      store: { error: { kind: "changed", place: "memory:record/atlassian/default", detail: "it holds generation 18446744073709551615, not no record" } },
    });
    assert.equal(((await say({ type: "replace_record", key, record: "{}", expected: "18446744073709551614" })) as { store: { error: { kind: string } } }).store.error.kind, "changed");
    assert.deepEqual(await say({ type: "replace_record", key, record, expected: "18446744073709551615" }), ok);

    assert.deepEqual(await say({ type: "load_stage", key, attempt }), { loaded: { ok: null } });
    assert.deepEqual(await say({ type: "open_stage", key, attempt }), ok);
    assert.equal(texts.get("stage/atlassian/default")!.length, 65_536);
    assert.deepEqual(await say({ type: "load_stage", key, attempt }), { loaded: { ok: "" } });
    assert.deepEqual(await say({ type: "stage_reply", key, attempt, reply: "{}\n" }), { kept: { ok: "memory:stage/atlassian/default" } });
    assert.deepEqual(await say({ type: "load_stage", key, attempt }), { loaded: { ok: "{}\n" } });
    assert.deepEqual(await say({ type: "set_aside_stage", key, attempt }), { kept: { ok: "memory:stage/atlassian/default.damaged-19700101T000000Z" } });
    assert.deepEqual(await say({ type: "rescue_reply", key, attempt, reply: "{}" }), { kept: { ok: `memory:rescue/atlassian/default/${attempt}` } });
    assert.deepEqual(await say({ type: "load_rescue", key, attempt }), { loaded: { ok: "{}" } });
    assert.deepEqual(await say({ type: "discard_stage", key, attempt }), ok);
    assert.deepEqual(await say({ type: "load_rescue", key, attempt }), { loaded: { ok: null } });

    assert.deepEqual(await say({ type: "set_aside_record", key }), { kept: { ok: "memory:record/atlassian/default.damaged-19700101T000000Z" } });
    texts.set("record/atlassian/default", "second");
    assert.deepEqual(await say({ type: "set_aside_record", key }), { kept: { ok: "memory:record/atlassian/default.damaged-19700101T000000Z-2" } });
    texts.set("record/atlassian/default", "third");
    texts.set("stage/atlassian/default", "left over");
    assert.deepEqual(await say({ type: "remove_record", key }), ok);
    assert.ok([...texts.keys()].every((name) => name.includes("damaged")));
  });

  test("every failure of a port is the failure of its effect, without its message", async () => {
    const odd = () => Promise.reject(new Error("a secret"));
    const world = testingPorts();
    const broken: Ports = {
      ...world.ports,
      http: { send: odd },
      locks: { acquire: odd },
      storage: { ...world.storage, get: odd, set: odd, remove: odd },
      userAgent: { redirectUri: odd, authorize: odd, next: odd, open: odd, close: odd },
      alarms: { set: odd, clear: odd },
    };
    const effects: Effect[] = [
      send, { type: "obtain_redirect_uri", path: "/" }, opening, { type: "await_redirect", deadline: 1 }, { type: "preflight_store", key },
      { type: "acquire_lock", key, deadline: 1 }, { type: "release_lock", key }, { type: "load_record", key }, { type: "replace_record", key, record: "{}" },
      { type: "set_aside_record", key }, { type: "remove_record", key }, { type: "open_stage", key, attempt }, { type: "stage_reply", key, attempt, reply: "" },
      { type: "load_stage", key, attempt }, { type: "rescue_reply", key, attempt, reply: "" }, { type: "load_rescue", key, attempt },
      { type: "set_aside_stage", key, attempt }, { type: "discard_stage", key, attempt },
    ];
    for (const effect of effects) {
      const [outcome] = await perform(broken, effect);
      const text = JSON.stringify(outcome);
      assert.ok(!text.includes("a secret"), text);
      if (effect.type !== "release_lock") assert.match(text, /"error":/, effect.type);
    }
    // Best effort.
    const arm = async () => odd();
    const { flow, outcomes } = flowOf([{ type: "arm_recovery", key, at: 1 }, { type: "notify", notice: { type: "recovering" } }, { type: "show_user_code", verification_uri: "https://a.example/", user_code: "X", expires_at: 1, open: true }]);
    await drive(flow, { ports: broken, arm, onProgress: () => { throw new Error("of the listener"); } });
    assert.deepEqual(outcomes, ["notified", "notified", { shown: { ok: null } }]);
  });

  test("typed failures are passed on unchanged", async () => {
    const world = testingPorts();
    const failing: Ports = {
      ...world.ports,
      http: { send: () => Promise.reject(new HttpFailure("not_sent", "tls")) },
      locks: { acquire: async () => ({ busy: true, holder: "17" }) },
      storage: { ...world.storage, set: () => Promise.reject(new StorageFailure("cannot_create", "there", "so it is")) },
      userAgent: { ...world.ports.userAgent, redirectUri: () => Promise.reject(new UserAgentFailure("port_busy", 7998)), authorize: () => Promise.reject(new UserAgentFailure("closed")) },
    };
    assert.deepEqual(
      await perform(failing, send, { type: "acquire_lock", key, deadline: 1 }, { type: "replace_record", key, record: "" }, { type: "obtain_redirect_uri", path: "/" }, opening),
      [
        { http: { error: { sent: "not_sent", failure: "tls" } } },
        { locked: { error: { timed_out: { holder: "17" } } } },
        { store: { error: { kind: "cannot_create", place: "there", detail: "so it is" } } },
        { redirect_uri: { error: { failure: "port_busy", port: 7998 } } },
        { redirected: { error: { failure: "closed" } } },
      ],
    );
  });

  test("the lock is released at its effect, at the end, and when the loop breaks", async () => {
    const acquire: Effect = { type: "acquire_lock", key, deadline: 9e12 };
    const world = testingPorts();
    await perform(world.ports, acquire, { type: "release_lock", key }, acquire);
    assert.deepEqual(world.locks.held(), []);
    const { flow } = flowOf([acquire, send]);
    const throwing = { ...flow, resume: (id: number, outcome: Outcome, now: never) => (typeof outcome === "object" && "http" in outcome ? assert.fail() : flow.resume(id, outcome, now)) };
    await assert.rejects(drive(throwing, { ports: world.ports }), (error) => isTwgError(error, "INTERNAL"));
    assert.deepEqual(world.locks.held(), []);
  });

  test("the signal stops effects that may be interrupted, before and during them, and no others", async () => {
    const controller = new AbortController();
    const heard: (AbortSignal | undefined)[] = [];
    const world = testingPorts();
    const ports: Ports = { ...world.ports, http: { send: async (_, signal) => (heard.push(signal), controller.abort(), { status: 200, headers: [], body: "" }) } };
    // Not interruptible: the flow goes on to its end, and stops there.
    const whole = flowOf([{ ...send, single_use: true }, { type: "load_record", key }]);
    await assert.rejects(drive(whole.flow, { ports, signal: controller.signal }), (error) => isTwgError(error, "CANCELLED"));
    assert.equal(whole.outcomes.length, 2);
    assert.deepEqual(heard, [undefined]);
    // Interruptible: does not even begin.
    const none = flowOf([send], true);
    heard.length = 0;
    await assert.rejects(drive(none.flow, { ports, signal: controller.signal }), (error) => isTwgError(error, "CANCELLED"));
    assert.deepEqual([none.outcomes.length, heard.length, none.freed()], [0, 0, 1]);
  });

  test("a lock that arrives after the flow was aborted is released", async () => {
    const world = testingPorts();
    const held = await world.locks.acquire("lock/atlassian/default", 9e12);
    const controller = new AbortController();
    const deaf: Ports = { ...world.ports, locks: { acquire: (name, deadline) => (controller.abort(), world.locks.acquire(name, deadline)) } };
    await assert.rejects(drive(flowOf([{ type: "acquire_lock", key, deadline: 9e12 }], true).flow, { ports: deaf, signal: controller.signal }));
    assert.ok("release" in held && (held.release(), true));
    const next = await world.locks.acquire("lock/atlassian/default", 9e12);
    assert.ok("release" in next);
  });

  test("a step that is stale or foreign is a defect with its code, and changes nothing", async () => {
    const core = await loadCore(real.wasm);
    const flow = new core.Flow({ logout: { profile: "atlassian" } });
    const step = flow.begin({ wall: 1 });
    assert.ok("perform" in step);
    const { id } = step.perform;
    for (const [wrong, outcome, code] of [[id + 1, { locked: { ok: null } }, "STALE_STEP"], [id, "waited", "WRONG_OUTCOME"]] as const) {
      assert.throws(() => flow.resume(wrong, outcome, { wall: 1 }), (error) => (error as { code?: string }).code === code);
    }
    assert.ok("perform" in flow.resume(id, { locked: { ok: null } }, { wall: 1 }));
    const confused: Flow = { ...flowOf([]).flow, begin: (now) => flow.begin(now), resume: (id, outcome, now) => flow.resume(id - 1, outcome, now) };
    await assert.rejects(drive(confused, { ports: testingPorts().ports }), (error) => isTwgError(error, "INTERNAL") && error.message.includes("STALE_STEP"));
  });

  test("progress", async () => {
    const heard: Progress[] = [];
    const world = testingPorts({ now: 0, user: () => "there" });
    const { flow } = flowOf([{ type: "show_user_code", verification_uri: "https://a.example/", verification_uri_complete: "https://a.example/?c", user_code: "X-Y", expires_at: 5, open: false }, opening, { type: "notify", notice: { type: "redirect_ignored" } }, { type: "wait_until", time: 0 }]);
    await drive(flow, { ports: world.ports, onProgress: (progress) => heard.push(progress) });
    assert.deepEqual(heard, [
      { type: "userCode", verificationUri: "https://a.example/", verificationUriComplete: "https://a.example/?c", userCode: "X-Y", expiresAt: 5 },
      { type: "authorize", url: "https://a.example/", deadline: 1 },
      { type: "notice", notice: { type: "redirect_ignored" } },
      { type: "waiting", until: 0 },
    ]);
  });
});

test("the module reads the generation that a record names", async () => {
  const { generationOf } = await loadCore(real.wasm);
  for (const [record, generation] of [
    ["", undefined], ["{", undefined], ["{}", undefined], ["[]", undefined],
    ['{"generation":7}', "7"], [' { "a" : {"generation":1} , "generation" : 9007199254740993 } ', "9007199254740993"],
    ['{"a":"\\"generation\\":1","b":["generation",2],"generation":18446744073709551615,"z":1}', "18446744073709551615"],
    ['{"generation":"7"}', undefined], ['{"generation":{"generation":1}}', undefined], ['{"generation":-1}', undefined], ['{"generation":1.5}', undefined], ['{"a":"generation"}', undefined],
  ] as const) {
    assert.equal(generationOf(record), generation, record);
  }
});
