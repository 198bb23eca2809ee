// Expands what is on standard input, a list of { names, text }, both texts: for the test of tests/wasm that compares the two readers.
// Prints a list of scenarios, with null for each that is refused.
import { readFileSync } from 'node:fs';
import { reader } from './notation.mjs';

const expanded = JSON.parse(readFileSync(0, 'utf8')).map(({ names, text }) => {
  try {
    return reader(JSON.parse(names))(text);
  } catch {
    return null;
  }
});
process.stdout.write(JSON.stringify(expanded));
