// One measurement, in Node or in a page: everything is in memory already. The texts get a new end each time, so that no
// cache of compiled code answers. Returns milliseconds.
globalThis.measure = {
  /** The script of another library is parsed and run. */
  evaluate(text, round) {
    const fresh = `${text}\n//${round}`;
    const begun = performance.now();
    (0, eval)(fresh);
    return performance.now() - begun;
  },
  /** The module is compiled and instantiated, with its glue, from octets. */
  async instantiate(text, octets, round) {
    const fresh = `${text}\nglue;//${round}`;
    // A custom section with the round's number, which means nothing: id 0, its length, a name of that length less one.
    const name = [...`round ${String(round).padStart(3, "0")}`].map((letter) => letter.charCodeAt(0));
    const module = Uint8Array.from([...octets, 0, name.length + 1, name.length, ...name]);
    const begun = performance.now();
    const glue = (0, eval)(fresh);
    await glue.default({ module_or_path: module });
    return performance.now() - begun;
  },
};
