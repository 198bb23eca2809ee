// Replays a scenario through the npm package's module. Node and pages import this file.

/**
 * Replays the scenario with flows of that class, and returns what is wrong: `undefined`, or a text. It is also wrong if a part of
 * the scenario is left over.
 */
export function replay(Flow, scenario) {
  try {
    goThrough(Flow, scenario);
    return undefined;
  } catch (error) {
    return String(error?.stack ?? error);
  }
}

function goThrough(Flow, { request, entropy, now, steps, done }) {
  const octets = () => octetsOf(entropy);
  if (typeof done === 'string') {
    expect(codeOf(() => new Flow(request, octets()).begin(now)), done, 'the code');
    expect(steps.length, 0, 'the number of steps');
    return;
  }
  let flow = new Flow(request, octets());
  let step = flow.begin(now);
  steps.forEach((expected, number) => {
    expect(step.perform, expected.perform, `step ${number}`);
    expect(flow.begin(now), step, `step ${number}, asked for again`);
    for (const { id, outcome, code } of expected.mistakes ?? []) {
      expect(codeOf(() => flow.resume(id, outcome, expected.now)), code, `the code of a mistake at step ${number}`);
    }
    if (expected.restart) {
      const suspended = flow.suspend();
      flow.free();
      flow = new Flow({ restored_login: { suspended } }, octets());
      step = flow.begin(expected.now);
    } else {
      step = flow.resume(step.perform.id, expected.outcome, expected.now);
    }
  });
  expect(step, { done }, 'the end');
  expect(codeOf(() => flow.resume(0, 'waited', now)), 'NOT_WAITING', 'the code of an outcome after the end');
  flow.free();
}

export function octetsOf(digits) {
  return Uint8Array.from(digits.match(/../g), (two) => parseInt(two, 16));
}

export function codeOf(action) {
  try {
    action();
    return 'nothing was thrown';
  } catch (error) {
    return error instanceof Error ? error.code : `no Error: ${error}`;
  }
}

export function expect(seen, expected, what) {
  const [one, other] = [canonical(seen), canonical(expected)];
  if (one !== other) throw new Error(`${what} is\n${one}\ninstead of\n${other}`);
}

/** As JSON, with sorted members. */
function canonical(value) {
  return JSON.stringify(value, (_, inner) => {
    if (inner === null || typeof inner !== 'object' || Array.isArray(inner)) return inner;
    return Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)));
  });
}
