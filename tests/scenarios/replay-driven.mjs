// Replays a scenario through the npm package's own loop, js-pkg/dist/driver.js, and its record store. The ports are played
// here: they answer so that what the scenario says happens. Of each effect it is checked what the driver did about it,
// and that what it makes of the answer is the recorded outcome. A page imports this as Node does.
import { drive } from '../../js-pkg/dist/driver.js';
import { HttpFailure, StorageFailure, UserAgentFailure } from '../../js-pkg/dist/ports.js';
import { codeOf, expect, octetsOf } from './replay.mjs';

const NO_FLOW = { what: ['the flow'], because: 'its constructor throws, and nothing is there to be driven' };

/**
 * What is in the scenarios and not in a driver's power. It is a failure if anything else cannot be driven, and if what
 * is listed here can be, or is gone.
 */
export const EXCEPTIONS = {
  'host-mistakes': {
    what: [0, 1, 2, 5].map((number) => `the mistakes at step ${number}`),
    because: 'the driver gives each step one answer; the steps themselves are driven, and replay.mjs makes the mistakes',
  },
  'malformed-member': NO_FLOW,
  'malformed-request': NO_FLOW,
};

/** Goes through all scenarios, by file, with flows of that class; and through spoiled ones, which must be noticed. */
export async function replayAll(Flow, scenarios) {
  const wrong = Object.keys(EXCEPTIONS).filter((file) => !scenarios[file]).map((file) => `${file} is listed and not there`);
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
      if (!trouble) wrong.push(`${file}: it is not noticed that ${what}`);
    }
  }
  const excepted = Object.values(EXCEPTIONS).flatMap(({ what }) => what).length;
  const counts = [`${Object.keys(scenarios).length} scenarios`, `${excepted} exceptions`, `${spoiled} spoiled ones`];
  return { wrong, summary: `${counts.join(', ')}, ${wrong.length} failures` };
}

/**
 * A step that is left over; and for each step, a driver that swallows the effect but answers as if it had been performed,
 * and one that performs it and makes another outcome of it, of the same form.
 */
function* spoilings(scenario) {
  const { steps, now } = scenario;
  yield ['a step is left over', { scenario: { ...scenario, steps: [...steps, { perform: {}, outcome: 'waited', now }] } }];
  for (const [number, { perform, outcome, now, restart }] of steps.entries()) {
    if (restart) continue;
    const swallowed = (flow, step) => (step.perform?.id === perform.id ? flow.resume(perform.id, outcome, now) : step);
    const swallowing = (flow) => ({
      ...flow,
      begin: (now) => swallowed(flow, flow.begin(now)),
      resume: (...answer) => swallowed(flow, flow.resume(...answer)),
    });
    const other = (_, value) => (typeof value === 'string' ? `${value}x` : (value ?? 'x'));
    const misread = (id, said) => (id === perform.id ? JSON.parse(JSON.stringify(said), other) : said);
    const misreading = (flow) => ({ ...flow, resume: (id, said, now) => flow.resume(id, misread(id, said), now) });
    yield [`step ${number} is swallowed`, { driver: (flow, driving) => drive(swallowing(flow), driving) }];
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
 * What must be heard of each effect, in order. `signal`: whether the port gets one. `text`: what the flow is suspended to,
 * which must be kept before its user is waited for.
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
  // From here on there is nothing to come back to.
  replace_record: () => [['suspended', undefined], ['storage']],
  arm_recovery: ({ key, at }) => [['arm', key, at]],
};
/** All others are the storage's: how often it is called is not said here, but in `CHANGES` what must come of it. */
const callsFor = (effect, ...rest) => CALLS[effect.type]?.(effect, ...rest) ?? [['storage']];

/** Which text an effect loads. */
const LOADS = { load_record: record, load_stage: stage, load_rescue: rescue };

/**
 * How what is stored differs after an effect that succeeded. The last is what the storage was asked the place of, if that
 * is the outcome. `aside`: the name that was found for what is set aside.
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

/** By name; of a stage, what fills up its room is not text. */
function stored(texts) {
  const apart = (text) => ({ text: text.replace(/[\0 ]+$/, ''), length: text.length });
  return Object.fromEntries([...texts].map(([name, text]) => [name, name.startsWith('stage/') ? apart(text) : text]));
}

/** Throws at whatever is wrong, and returns what of the scenario cannot be driven. */
async function goThrough(Flow, { request, entropy, now, steps, done }, { reserves = false, driver = drive }) {
  if (typeof done === 'string') {
    expect(codeOf(() => new Flow(request, octetsOf(entropy))), done, 'the code');
    expect(steps.length, 0, 'the number of steps');
    return NO_FLOW.what;
  }
  const play = { now, step: undefined, calls: [], texts: new Map(), placed: undefined };
  const ports = portsOf(play, reserves);
  const note = (...call) => void play.calls.push(call);
  let number = 0;
  for (let asked = request; ; number += 1) {
    const flow = new Flow(asked, octetsOf(entropy));
    const interrupt = new AbortController();
    let wrong, suspended, redirectUri, expectedCalls, before;

    /** Makes the world what the scenario says it is, before the driver performs the step. */
    const give = (step) => {
      play.calls = [];
      if ('done' in step) {
        expect([number, step], [steps.length, { done }], 'the number of steps, and the end');
        return step;
      }
      expect(step.perform, steps[number]?.perform, `step ${number}`);
      const { effect, interruptible } = step.perform;
      play.step = steps[number];
      play.now = play.step.now;
      play.placed = undefined;
      expectedCalls = callsFor(effect, interruptible, flow.suspend());
      redirectUri = effect.redirect_uri ?? redirectUri;
      // What others wrote. Whatever this flow wrote is there, or `check` had failed.
      const [name, text] = [LOADS[effect.type]?.(effect), play.step.outcome?.loaded?.ok];
      const there = stored(play.texts)[name];
      if (text === null) play.texts.delete(name);
      else if (text !== undefined && text !== (there?.text ?? there)) {
        play.texts.set(name, name.startsWith('stage/') ? text.padEnd(ROOM, reserves ? '\0' : ' ') : text);
      }
      if (effect.type === 'remove_record') play.texts.set(stage(effect), 'left over');
      before = stored(play.texts);
      return step;
    };
    const check = (effect, outcome) => {
      expect(play.calls, expectedCalls, `what was called at step ${number}`);
      const hasChanged = 'ok' in (outcome.store ?? outcome.kept ?? {});
      const changes = hasChanged && CHANGES[effect.type]?.(effect, { before, aside: play.placed, reserves });
      expect(stored(play.texts), { ...before, ...changes }, `what is stored after step ${number}`);
      if (outcome.kept) expect(play.placed, Object.keys(changes).at(-1), `where it is kept after step ${number}`);
      redirectUri = outcome.redirect_uri?.ok ?? redirectUri;
    };
    /** The driver makes INTERNAL of what is thrown, so it is kept. */
    const keeping = (method) => (...args) => {
      try {
        return method(...args);
      } catch (error) {
        wrong ??= error;
        throw error;
      }
    };
    const watched = {
      begin: keeping((at) => {
        expect(at, play.now, 'the time of the beginning');
        return give(flow.begin(at));
      }),
      resume: keeping((id, outcome, at) => {
        const { perform, ...expected } = steps[number];
        expect(inOctets(outcome), inOctets(expected.outcome), `the outcome of step ${number}`);
        expect(at, expected.now, `the time after step ${number}`);
        check(perform.effect, expected.outcome);
        number += 1;
        return give(flow.resume(id, outcome, at));
      }),
      suspend: () => flow.suspend(),
      free: () => (note('flow.free'), flow.free()),
    };
    const end = await driver(watched, {
      ports,
      signal: interrupt.signal,
      suspended: async (text) => (note('suspended', text), void (suspended = text)),
      arm: async (key, at) => note('arm', key, at),
      onProgress(progress) {
        note('told', progress);
        if (play.step.restart) interrupt.abort();
      },
    }).then((ok) => ({ ok }), (error) => ({ error: inWire(error) }));
    if (wrong) throw wrong;

    const closing = [...(redirectUri === undefined ? [] : [['userAgent.close', redirectUri]]), ['flow.free']];
    if (!steps[number]?.restart) {
      expect([number, end], [steps.length, done], 'the number of steps, and what the driver says of the end');
      expect(play.calls, closing, 'what was called at the end');
      return steps.flatMap(({ mistakes }, at) => (mistakes ? [`the mistakes at step ${at}`] : []));
    }
    expect(end.error?.code, 'CANCELLED', `how the driver ends at step ${number}`);
    expect(play.calls, [...expectedCalls, ...closing], `what was called at step ${number}`);
    asked = { restored_login: { suspended } };
  }
}

/** Ports in front of what happens at `play.step`. They note every call, and judge none. */
function portsOf(play, reserves) {
  const note = (...call) => void play.calls.push(call);
  const answer = (kind, Failure, ...members) => {
    const { ok, error } = play.step.outcome[kind];
    if (error) throw new Failure(...members.map((member) => error[member]));
    return ok;
  };
  const byUserAgent = (kind) => answer(kind, UserAgentFailure, 'failure', 'port', 'detail');
  /** One note for all calls of one effect. */
  const byStorage = (...kinds) => {
    if (play.calls.at(-1)?.[0] !== 'storage') note('storage');
    const kind = kinds.find((kind) => kind in play.step.outcome);
    if (kind) answer(kind, StorageFailure, 'kind', 'place', 'detail');
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
        const response = answer('http', HttpFailure, 'sent', 'failure', 'detail');
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
        // Nobody waits for this one any more.
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
      // What people call a place is for the storage to say: so it says what the scenario says.
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
