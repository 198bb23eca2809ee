// Replays a scenario through the npm package's own driver, js-pkg/dist/driver.js, and its record store. The ports are simulated
// here, so that the outcomes of the scenario happen. For each effect, the calls of the driver are checked, and the outcome that
// it makes of their results. Node and pages import this file.
import { drive } from '../../js-pkg/dist/driver.js';
import { HttpFailure, StorageFailure, UserAgentFailure } from '../../js-pkg/dist/ports.js';
import { codeOf, expect, octetsOf } from './replay.mjs';

const NO_FLOW = { what: ['the flow'], because: 'its constructor throws, so there is nothing to drive' };

/**
 * The parts of scenarios that a driver cannot do. It is a failure if another part cannot be driven, and if a part that is listed
 * here can be, or is gone.
 */
export const EXCEPTIONS = {
  'host-mistakes': {
    what: [0, 1, 2, 5].map((number) => `the mistakes at step ${number}`),
    because: 'the driver resumes each step once; the steps themselves are driven, and replay.mjs makes the mistakes',
  },
  'malformed-member': NO_FLOW,
  'malformed-request': NO_FLOW,
};

/** Replays all scenarios with flows of that class; and spoiled ones, which must fail. */
export async function replayAll(Flow, scenarios) {
  const wrong = Object.keys(EXCEPTIONS).filter((file) => !scenarios[file]).map((file) => `${file} is listed and does not exist`);
  let spoiled = 0;
  for (const [file, scenario] of Object.entries(scenarios)) {
    for (const reserves of [false, true]) {
      const trouble = await troubleOf(async () => {
        const undriven = await goThrough(Flow, scenario, { reserves });
        expect(undriven, EXCEPTIONS[file]?.what ?? [], 'what cannot be driven');
      });
      if (trouble) wrong.push(`${file}, in storage that ${reserves ? 'reserves' : 'does not reserve'} room: ${trouble}`);
    }
    for (const [what, spoiling] of spoilings(scenario)) {
      spoiled += 1;
      const trouble = await troubleOf(() => goThrough(Flow, spoiling.scenario ?? scenario, spoiling));
      if (!trouble) wrong.push(`${file}: it does not fail although ${what}`);
    }
  }
  const excepted = Object.values(EXCEPTIONS).flatMap(({ what }) => what).length;
  const counts = [`${Object.keys(scenarios).length} scenarios`, `${excepted} exceptions`, `${spoiled} spoiled ones`];
  return { wrong, summary: `${counts.join(', ')}, ${wrong.length} failures` };
}

/**
 * A step that is left over; and for each step, a driver that skips the effect and resumes as if it had performed it, and one
 * that performs it and makes another outcome of it, of the same shape.
 */
function* spoilings(scenario) {
  const { steps, now } = scenario;
  yield ['a step is left over', { scenario: { ...scenario, steps: [...steps, { perform: {}, outcome: 'waited', now }] } }];
  for (const [number, { perform, outcome, now, restart }] of steps.entries()) {
    if (restart) continue;
    const skipped = (flow, step) => (step.perform?.id === perform.id ? flow.resume(perform.id, outcome, now) : step);
    const skipping = (flow) => ({
      ...flow,
      begin: (now) => skipped(flow, flow.begin(now)),
      resume: (...args) => skipped(flow, flow.resume(...args)),
    });
    const other = (_, value) => (typeof value === 'string' ? `${value}x` : (value ?? 'x'));
    const misread = (id, said) => (id === perform.id ? JSON.parse(JSON.stringify(said), other) : said);
    const misreading = (flow) => ({ ...flow, resume: (id, said, now) => flow.resume(id, misread(id, said), now) });
    yield [`step ${number} is skipped`, { driver: (flow, driving) => drive(skipping(flow), driving) }];
    yield [`the outcome of step ${number} is another`, { driver: (flow, driving) => drive(misreading(flow), driving) }];
  }
}

async function troubleOf(work) {
  try {
    await work();
    return undefined;
  } catch (error) {
    return String(error?.stack ?? error);
  }
}

const named = (kind, { provider, connection }) => `${kind}/${provider}/${connection}`;
const record = ({ key }) => named('record', key);
const stage = ({ key }) => named('stage', key);
const rescue = ({ key, attempt }) => `${named('rescue', key)}/${attempt}`;
const ROOM = 64 * 1024;

/**
 * The calls that each effect must lead to, in order. `signal`: whether the port gets one. `text`: the suspended flow, which must
 * be stored before the wait for its user.
 */
const CALLS = {
  send_http: ({ type, single_use, ...request }, signal) => [['http.send', request, signal]],
  wait_until: ({ time }, signal, text) => [
    ['suspended', text],
    ['told', { type: 'waiting', until: time }],
    ['clock.wait', time, signal],
  ],
  show_user_code: ({ verification_uri: uri, verification_uri_complete: complete, user_code, expires_at, open }, _, text) => [
    ['suspended', text],
    ['told', {
      type: 'userCode',
      verificationUri: uri,
      verificationUriComplete: complete,
      userCode: user_code,
      expiresAt: expires_at,
    }],
    ...(open ? [['userAgent.open', complete ?? uri]] : []),
  ],
  obtain_redirect_uri: ({ path, port }) => [['userAgent.redirectUri', { path, port }]],
  open_user_agent: ({ url, redirect_uri, deadline, open }, signal, text) => [
    ['suspended', text],
    ['told', { type: 'authorize', url, deadline }],
    ['userAgent.authorize', { url, redirectUri: redirect_uri, deadline, open }, signal],
  ],
  await_redirect: ({ deadline }, signal, text) => [['suspended', text], ['userAgent.next', deadline, signal]],
  notify: ({ notice }) => [['told', { type: 'notice', notice }]],
  acquire_lock: ({ key, deadline }, signal) => [['locks.acquire', named('lock', key), deadline, signal]],
  release_lock: ({ key }) => [['locks.release', named('lock', key)]],
  // From here on there is nothing to resume.
  replace_record: () => [['suspended', undefined], ['storage']],
  arm_recovery: ({ key, at }) => [['arm', key, at]],
};
/** All others call the storage. How often does not matter; `CHANGES` has the result. */
const callsFor = (effect, ...rest) => CALLS[effect.type]?.(effect, ...rest) ?? [['storage']];

/** The text that an effect loads. */
const LOADS = { load_record: record, load_stage: stage, load_rescue: rescue };

/**
 * The changes of the stored texts after an effect that succeeded. If the outcome is a place, it is that of the last one.
 * `aside`: the name of a text that is set aside.
 */
const CHANGES = {
  replace_record: (effect) => ({ [record(effect)]: effect.record }),
  remove_record: (effect) => ({ [record(effect)]: undefined, [stage(effect)]: undefined }),
  set_aside_record: (effect, { before, aside }) => ({ [record(effect)]: undefined, [aside]: before[record(effect)] }),
  open_stage: (effect) => ({ [stage(effect)]: { text: '', length: ROOM } }),
  stage_reply: (effect, { reserves }) => {
    const text = effect.reply;
    return { [stage(effect)]: { text, length: reserves ? ROOM : text.length } };
  },
  rescue_reply: (effect) => ({ [rescue(effect)]: effect.reply }),
  set_aside_stage: (effect, { before, aside }) => ({ [stage(effect)]: undefined, [aside]: before[stage(effect)] }),
  discard_stage: (effect) => ({ [stage(effect)]: undefined, [rescue(effect)]: undefined }),
};

/** By name. The rest of the room of a stage is no text. */
function stored(texts) {
  const apart = (text) => ({ text: text.replace(/[\0 ]+$/, ''), length: text.length });
  return Object.fromEntries([...texts].map(([name, text]) => [name, name.startsWith('stage/') ? apart(text) : text]));
}

/** Throws if something is wrong, and returns the parts of the scenario that cannot be driven. */
async function goThrough(Flow, scenario, { reserves = false, driver = drive }) {
  const { request, entropy, now, steps, done } = scenario;
  if (typeof done === 'string') {
    expect(codeOf(() => new Flow(request, octetsOf(entropy))), done, 'the code');
    expect(steps.length, 0, 'the number of steps');
    return NO_FLOW.what;
  }
  const play = { now, step: undefined, number: 0, calls: [], texts: new Map(), placed: undefined };
  const ports = portsOf(play, reserves);
  const note = (...call) => void play.calls.push(call);
  for (let asked = request; ; play.number += 1) {
    const interrupt = new AbortController();
    const run = { flow: new Flow(asked, octetsOf(entropy)) };
    const end = await driver(watched(run, play, scenario, reserves), {
      ports,
      signal: interrupt.signal,
      suspended: async (text) => (note('suspended', text), void (run.suspended = text)),
      arm: async (key, at) => note('arm', key, at),
      onProgress(progress) {
        note('told', progress);
        if (play.step.restart) interrupt.abort();
      },
    }).then((ok) => ({ ok }), (error) => ({ error: inWire(error) }));
    if (run.wrong) throw run.wrong;

    const { number } = play;
    const closing = [...(run.redirectUri === undefined ? [] : [['userAgent.close', run.redirectUri]]), ['flow.free']];
    if (!steps[number]?.restart) {
      expect([number, end], [steps.length, done], 'the number of steps, and what the driver says of the end');
      expect(play.calls, closing, 'what was called at the end');
      return steps.flatMap(({ mistakes }, at) => (mistakes ? [`the mistakes at step ${at}`] : []));
    }
    expect(end.error?.code, 'CANCELLED', `how the driver ends at step ${number}`);
    expect(play.calls, [...run.expectedCalls, ...closing], `what was called at step ${number}`);
    asked = { restored_login: { suspended: run.suspended } };
  }
}

/** The flow of a run as the driver sees it. Every step is compared with the scenario. */
function watched(run, play, { steps, done }, reserves) {
  const { flow } = run;
  /** The driver turns an error into INTERNAL, so the original is kept. */
  const keeping = (method) => (...args) => {
    try {
      return method(...args);
    } catch (error) {
      run.wrong ??= error;
      throw error;
    }
  };
  const give = (step) => prepare(run, play, { steps, done }, reserves, step);
  return {
    begin: keeping((at) => {
      expect(at, play.now, 'the time of the beginning');
      return give(flow.begin(at));
    }),
    resume: keeping((id, outcome, at) => {
      const { perform, ...expected } = steps[play.number];
      expect(inOctets(outcome), inOctets(expected.outcome), `the outcome of step ${play.number}`);
      expect(at, expected.now, `the time after step ${play.number}`);
      check(run, play, reserves, perform.effect, expected.outcome);
      play.number += 1;
      return give(flow.resume(id, outcome, at));
    }),
    suspend: () => flow.suspend(),
    free: () => (play.calls.push(['flow.free']), flow.free()),
  };
}

/** Prepares the world for the step, before the driver performs it. */
function prepare(run, play, { steps, done }, reserves, step) {
  play.calls = [];
  if ('done' in step) {
    expect([play.number, step], [steps.length, { done }], 'the number of steps, and the end');
    return step;
  }
  expect(step.perform, steps[play.number]?.perform, `step ${play.number}`);
  const { effect, interruptible } = step.perform;
  play.step = steps[play.number];
  play.now = play.step.now;
  play.placed = undefined;
  run.expectedCalls = callsFor(effect, interruptible, run.flow.suspend());
  run.redirectUri = effect.redirect_uri ?? run.redirectUri;
  // Texts of other processes. The texts of this flow are there: `check` compares them.
  const [name, text] = [LOADS[effect.type]?.(effect), play.step.outcome?.loaded?.ok];
  const there = stored(play.texts)[name];
  if (text === null) play.texts.delete(name);
  else if (text !== undefined && text !== (there?.text ?? there)) {
    play.texts.set(name, name.startsWith('stage/') ? text.padEnd(ROOM, reserves ? '\0' : ' ') : text);
  }
  if (effect.type === 'remove_record') play.texts.set(stage(effect), 'left over');
  run.before = stored(play.texts);
  return step;
}

/** Compares what the driver called and stored at a step. */
function check(run, play, reserves, effect, outcome) {
  const { number } = play;
  expect(play.calls, run.expectedCalls, `what was called at step ${number}`);
  const hasChanged = 'ok' in (outcome.store ?? outcome.kept ?? {});
  const changes = hasChanged && CHANGES[effect.type]?.(effect, { before: run.before, aside: play.placed, reserves });
  expect(stored(play.texts), { ...run.before, ...changes }, `what is stored after step ${number}`);
  if (outcome.kept) expect(play.placed, Object.keys(changes).at(-1), `where it is kept after step ${number}`);
  run.redirectUri = outcome.redirect_uri?.ok ?? run.redirectUri;
}

/** Ports that do what happens at `play.step`. They record every call, and check none. */
function portsOf(play, reserves) {
  const note = (...call) => void play.calls.push(call);
  const resultOf = (kind, Failure, ...members) => {
    const { ok, error } = play.step.outcome[kind];
    if (error) throw new Failure(...members.map((member) => error[member]));
    return ok;
  };
  const byUserAgent = (kind) => resultOf(kind, UserAgentFailure, 'failure', 'port', 'detail');
  /** One entry for all calls of one effect. */
  const byStorage = (...kinds) => {
    if (play.calls.at(-1)?.[0] !== 'storage') note('storage');
    const kind = kinds.find((kind) => kind in play.step.outcome);
    if (kind) resultOf(kind, StorageFailure, 'kind', 'place', 'detail');
  };
  const write = async (name, text) => (byStorage('store', 'kept'), void play.texts.set(name, text));
  return {
    clock: {
      now: () => play.now,
      wait: async (time, signal) => note('clock.wait', time, signal !== undefined),
    },
    http: {
      async send(request, signal) {
        note('http.send', request, signal !== undefined);
        const response = resultOf('http', HttpFailure, 'sent', 'failure', 'detail');
        return { ...response, body: bodyOf(response) };
      },
    },
    locks: {
      async acquire(name, deadline, signal) {
        note('locks.acquire', name, deadline, signal !== undefined);
        const { error } = play.step.outcome.locked;
        if (error?.timed_out) return { busy: true, ...error.timed_out };
        if (error) throw new StorageFailure(error.unusable.kind, error.unusable.place, error.unusable.detail);
        return { release: () => note('locks.release', name) };
      },
    },
    userAgent: {
      redirectUri: async (target) => (note('userAgent.redirectUri', target), byUserAgent('redirect_uri')),
      async authorize({ signal, ...request }) {
        note('userAgent.authorize', request, signal !== undefined);
        // The flow has ended, and nothing waits for this one.
        return signal?.aborted ? new Promise(() => {}) : byUserAgent('redirected');
      },
      next: async (deadline, signal) => (note('userAgent.next', deadline, signal !== undefined), byUserAgent('redirected')),
      open: async (url) => note('userAgent.open', url),
      close: async (redirectUri) => note('userAgent.close', redirectUri),
    },
    storage: {
      get: async (name) => (byStorage('loaded'), play.texts.get(name)),
      set: write,
      remove: async (name) => (byStorage('store', 'kept'), void play.texts.delete(name)),
      ...(reserves && {
        reserve: (name, bytes) => write(name, '\0'.repeat(bytes)),
        fill: async (name, text) => write(name, text.padEnd(play.texts.get(name).length, '\0')),
      }),
      // The storage names its places, here as in the scenario.
      place: (name) => ((play.placed = name), play.step.outcome.kept?.ok ?? name),
    },
  };
}

const bodyOf = ({ body }) => (typeof body === 'string' ? new TextEncoder().encode(body) : Uint8Array.from(body));

/** A body is the same, whether it crosses as text or as octets. */
function inOctets(outcome) {
  const response = outcome?.http?.ok;
  return response ? { http: { ok: { ...response, body: [...bodyOf(response)] } } } : outcome;
}

const inWire = ({ code, party, message, retryable, retryAfter, repairableUntil }) =>
  ({ code, party, message, retryable, retry_after: retryAfter, repairable_until: repairableUntil });
