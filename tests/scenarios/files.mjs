// The scenarios of this directory, by name, in full: for what runs in Node.
import { readFileSync, readdirSync } from 'node:fs';
import { reader } from './notation.mjs';

const text = (file) => readFileSync(new URL(file, import.meta.url), 'utf8');
const parse = reader(JSON.parse(text('names.json')));

const files = readdirSync(new URL('.', import.meta.url)).filter((file) => file.endsWith('.jsonl')).sort();
export const scenarios = Object.fromEntries(files.map((file) => [file.replace('.jsonl', ''), parse(text(file))]));
