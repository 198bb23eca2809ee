// Reads scenarios as README.md describes them, in Node and in browsers. tests/wasm/src/notation.rs reads them in the same
// way, and a test there compares the two.

/** How long a step takes if its line does not say it, in milliseconds. */
const USUAL_TIME = 5;

/** How a text shows a value. */
const LAYOUTS = {
  $json: (value) => JSON.stringify(value),
  $line: (value) => `${JSON.stringify(value)}\n`,
  $record: (value) => `${JSON.stringify(value, null, 2)}\n`,
};

/** A function that reads the text of one scenario. `shared` is what names.json holds. */
export function reader(shared) {
  const names = new Map();
  for (const [name, value] of Object.entries(shared)) define(names, name, value);
  return (text) => parse(text, new Map(names));
}

function parse(text, names) {
  const scenario = { about: '', request: null, entropy: '', now: null, steps: [], done: null };
  let mistakes = [];
  let nextId = 0;

  function step({ effect, interruptible = false, id = nextId, outcome, restart, after = USUAL_TIME, now, ...others }) {
    refuse(others);
    nextId = id + 1;
    scenario.steps.push({
      perform: effect === undefined ? null : { effect, id, interruptible },
      ...(mistakes.length > 0 && { mistakes }),
      ...(restart && { restart }),
      ...(outcome !== undefined && { outcome }),
      now: now ?? later(scenario.steps.at(-1)?.now ?? scenario.now, after),
    });
    mistakes = [];
  }

  function read(line) {
    if ('name' in line) return define(names, line.name, line.value);
    const { about, request, entropy, mistake, done, ...others } = expand(names, line);
    if (about !== undefined) {
      refuse(others);
      scenario.about = about;
    } else if (request !== undefined) {
      const { now, ...unknown } = others;
      refuse(unknown);
      Object.assign(scenario, { request, entropy: octetsFrom(entropy), now });
    } else if (mistake !== undefined) {
      const { id, code, ...unknown } = others;
      refuse(unknown);
      mistakes.push({ id, outcome: mistake, code });
    } else if (done !== undefined) {
      refuse(others);
      scenario.done = done;
    } else {
      step(others);
    }
  }

  for (const line of text.trimEnd().split('\n')) read(JSON.parse(line));
  return scenario;
}

function define(names, name, value) {
  if (names.has(`$${name}`)) throw new Error(`$${name} is defined twice`);
  names.set(`$${name}`, expand(names, value));
}

function refuse(members) {
  const [name] = Object.keys(members);
  if (name !== undefined) throw new Error(`unknown member ${name}`);
}

/** 64 octets in hexadecimal digits: `first`, and each 7 more than the one before. */
function octetsFrom(first) {
  return Array.from({ length: 64 }, (_, at) => ((first + 7 * at) % 256).toString(16).padStart(2, '0')).join('');
}

/** `now`, so many milliseconds later by each clock that it has. */
function later(now, millis) {
  return Object.fromEntries(Object.entries(now).map(([clock, time]) => [clock, time + millis]));
}

/** A value in full. */
function expand(names, short) {
  if (typeof short === 'string') {
    if (!short.startsWith('$')) return short;
    if (short.startsWith('$$')) return short.slice(1);
    if (!names.has(short)) throw new Error(`no ${short}`);
    return names.get(short);
  }
  if (Array.isArray(short)) return short.map((value) => expand(names, value));
  if (!isObject(short)) return short;
  const [first, ...others] = Object.entries(short);
  if (!first?.[0].startsWith('$')) return expandMembers(names, short);
  const [operator, base] = first;
  let value = expand(names, base);
  if (operator in LAYOUTS && typeof value === 'string') value = JSON.parse(value);
  if (others.length > 0) value = patched(value, expandMembers(names, Object.fromEntries(others)));
  if (operator in LAYOUTS) return LAYOUTS[operator](value);
  if (operator === '$with') return value;
  throw new Error(`no ${operator}`);
}

function expandMembers(names, members) {
  return Object.fromEntries(Object.entries(members).map(([name, value]) => {
    if (name.startsWith('$')) throw new Error(`${name} is not the first member`);
    return [name, expand(names, value)];
  }));
}

/** The value after a merge patch (RFC 7396). A new member comes last. */
function patched(value, patch) {
  if (!isObject(patch)) return patch;
  const members = isObject(value) ? { ...value } : {};
  for (const [name, change] of Object.entries(patch)) {
    if (change === null) delete members[name];
    else members[name] = patched(members[name], change);
  }
  return members;
}

const isObject = (value) => value !== null && typeof value === 'object' && !Array.isArray(value);
