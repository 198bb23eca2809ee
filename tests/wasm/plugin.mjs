// The plain module in a JavaScript engine: everything that a host needs to use it, in Node and browsers.

const octetsAsNumbers = (_, value) => (value instanceof Uint8Array ? Array.from(value) : value);

/** The plain module as a class like the npm package's `Flow`. `module` is a WebAssembly.Module. */
export async function load(module) {
  const { exports: twg } = await WebAssembly.instantiate(module, {});
  if (twg.twg_abi_version() !== 1) throw new Error('this host speaks version 1');

  const give = (value) => {
    const octets = new TextEncoder().encode(JSON.stringify(value, octetsAsNumbers));
    const address = twg.twg_allocate(octets.length) >>> 0;
    if (address === 0) throw new Error('the module has no room');
    new Uint8Array(twg.memory.buffer, address, octets.length).set(octets);
    return address;
  };
  const take = (address) => {
    const octets = new Uint8Array(twg.memory.buffer, address >>> 0, twg.twg_length(address) >>> 0);
    const { error, ...value } = JSON.parse(new TextDecoder().decode(octets));
    twg.twg_free(address);
    if (error) throw Object.assign(new Error(error.message), { code: error.code });
    return value;
  };

  return class Flow {
    #input;
    #number;
    #step;
    constructor(request, entropy) {
      this.#input = { request, entropy: Array.from(entropy, (octet) => octet.toString(16).padStart(2, '0')).join('') };
    }
    begin(now) {
      if (this.#number === undefined) this.#took(take(twg.twg_begin(give({ ...this.#input, now }))));
      return this.#step;
    }
    resume(id, outcome, now) {
      return this.#took(take(twg.twg_resume(this.#number, give({ id, outcome, now }))));
    }
    #took({ flow, step }) {
      this.#number = flow;
      return (this.#step = step);
    }
    suspend() {
      return take(twg.twg_suspend(this.#number)).suspended ?? undefined;
    }
    free() {
      if (this.#number !== undefined) twg.twg_end(this.#number);
    }
  };
}
