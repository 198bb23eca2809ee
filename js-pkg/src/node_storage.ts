/** Texts as files: replaced atomically and durably, readable only by their owner. */
import { randomBytes } from "node:crypto";
import { constants, mkdirSync, watch } from "node:fs";
import { chmod, mkdir, open, readdir, rename, stat, unlink, type FileHandle } from "node:fs/promises";
import { homedir } from "node:os";
import { join, sep } from "node:path";
import { StorageFailure, type Storage } from "./ports.js";

const { O_CREAT, O_EXCL, O_RDONLY, O_WRONLY, O_NOFOLLOW = 0, O_NONBLOCK = 0, O_DIRECTORY = 0 } = constants;

/** This package writes no larger file. */
const MAX_BYTES = 4 * 1024 * 1024;

/** After this time, a temporary file belongs to a dead process. */
const STALE = 3_600_000;

/** `directory` need not exist; it becomes private. What is rescued goes to `refuge`, if there is one. */
export function fileStorage(directory: string, refuge?: string): Storage {
  /** Stages that are open, so that nothing but writing is left to do when the reply comes. */
  const reserved = new Map<string, FileHandle>();
  let swept = false;

  const directoryOf = (name: string) => (refuge !== undefined && name.startsWith("rescue/") ? refuge : directory);
  const pathOf = (name: string) => join(directoryOf(name), encode(name));

  async function prepare(name: string): Promise<void> {
    await claimDirectory(directoryOf(name));
    if (swept) return;
    swept = true;
    await sweep(directory);
  }

  async function closeReserved(name: string): Promise<void> {
    const file = reserved.get(name);
    reserved.delete(name);
    await file?.close();
  }

  return {
    get: (name) =>
      attempt("cannot_read", pathOf(name), async () => {
        const bytes = await read(pathOf(name));
        return bytes?.toString("utf8");
      }),

    set: (name, value) =>
      attempt("cannot_write", pathOf(name), async () => {
        await prepare(name);
        await replace(pathOf(name), value);
        await syncDirectory(directoryOf(name));
      }),

    remove: (name) =>
      attempt("cannot_write", pathOf(name), async () => {
        await closeReserved(name);
        if (await unlinkIfThere(pathOf(name))) await syncDirectory(directoryOf(name));
      }),

    reserve: (name, bytes) =>
      attempt("cannot_write", pathOf(name), async () => {
        await prepare(name);
        await closeReserved(name);
        reserved.set(name, await createWithRoom(directoryOf(name), pathOf(name), bytes));
      }),

    fill: (name, value) =>
      attempt("cannot_write", pathOf(name), async () => {
        const file = reserved.get(name);
        if (!file) throw new StorageFailure("cannot_write", shown(pathOf(name)), "no room was reserved");
        await writeOver(file, value);
        await closeReserved(name);
      }),

    onChange: (listener) => watchTexts(directory, listener),

    place: (name) => shown(pathOf(name)),
  };
}

/** Writes a new file beside the old one, and renames it. */
async function replace(path: string, value: string): Promise<void> {
  const temporary = beside(path, `${randomBytes(8).toString("hex")}.tmp`);
  try {
    const file = await createPrivate(temporary);
    try {
      await file.writeFile(value);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await unlink(temporary).catch(() => {});
    throw error;
  }
}

/** A new file in the place of the old one, full of NULs. */
async function createWithRoom(directory: string, path: string, bytes: number): Promise<FileHandle> {
  await unlinkIfThere(path);
  const file = await createPrivate(path);
  try {
    await file.write(Buffer.alloc(bytes), 0, bytes, 0);
    await file.sync();
    await syncDirectory(directory);
    return file;
  } catch (error) {
    await file.close();
    await unlink(path).catch(() => {});
    throw error;
  }
}

async function writeOver(file: FileHandle, value: string): Promise<void> {
  const bytes = Buffer.from(value);
  for (let written = 0; written < bytes.length; ) {
    written += (await file.write(bytes, written, bytes.length - written, written)).bytesWritten;
  }
  await file.datasync();
}

function watchTexts(directory: string, listener: (name: string) => void): () => void {
  try {
    // So that a listener gets the first record, too. Its writer checks that the directory is ours.
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    const watcher = watch(directory, { persistent: false }, (_event, file) => {
      const name = file === null ? undefined : decode(file);
      if (name !== undefined) listener(name);
    });
    watcher.on("error", () => {});
    return () => watcher.close();
  } catch {
    return () => {}; // The first write reports what is wrong with the directory.
  }
}

/** A name as a file name, for any characters, also where case does not matter. */
export function encode(name: string): string {
  const escaped = (text: string) => Buffer.from(text).reduce((all, byte) => `${all}%${byte.toString(16).padStart(2, "0")}`, "");
  return name.replace(/[^a-z0-9._/-]+/g, escaped).replaceAll("/", "+");
}

/** Undefined for other files: temporary ones begin with a dot. */
function decode(file: string): string | undefined {
  try {
    return file.startsWith(".") ? undefined : decodeURIComponent(file.replaceAll("+", "/"));
  } catch {
    return undefined;
  }
}

const beside = (path: string, suffix: string) => {
  const slash = path.lastIndexOf(sep);
  return `${path.slice(0, slash + 1)}.${path.slice(slash + 1)}.${suffix}`;
};

async function read(path: string): Promise<Buffer | undefined> {
  let file: FileHandle;
  try {
    file = await open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  } catch (error) {
    if (codeOf(error) === "ENOENT") return undefined;
    throw error;
  }
  try {
    const found = await file.stat();
    if (!found.isFile()) throw new StorageFailure("cannot_read", shown(path), "it is not a regular file");
    if (found.size > MAX_BYTES) throw new StorageFailure("cannot_read", shown(path), "it is larger than 4 MiB, so it is not a record");
    return await file.readFile();
  } finally {
    await file.close();
  }
}

/** A new file that only its owner can read, from its first moment and with any umask. */
async function createPrivate(path: string): Promise<FileHandle> {
  const file = await open(path, O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW, 0o600);
  try {
    await file.chmod(0o600);
  } catch (error) {
    await file.close();
    throw error;
  }
  return file;
}

/** Makes the directory private, and refuses one of another user. */
export async function claimDirectory(path: string): Promise<void> {
  const created = await mkdir(path, { recursive: true, mode: 0o700 });
  if (process.getuid === undefined) return;
  if (created !== undefined) await chmod(path, 0o700); // An odd umask may have removed too much.
  const directory = await open(path, O_RDONLY | O_DIRECTORY);
  try {
    const { uid, mode } = await directory.stat();
    if (uid !== process.getuid()) {
      throw new StorageFailure("cannot_create", shown(path), `it belongs to another user (number ${uid})`);
    }
    if ((mode & 0o077) !== 0) await directory.chmod(mode & 0o700);
  } finally {
    await directory.close();
  }
}

async function syncDirectory(path: string): Promise<void> {
  if (process.platform === "win32") return; // Directories cannot be opened there.
  const directory = await open(path, O_RDONLY | O_DIRECTORY);
  try {
    await directory.sync();
  } catch (error) {
    // Some file systems (9p, CIFS, some FUSE) cannot do it, and need not.
    if (codeOf(error) !== "EINVAL") throw error;
  } finally {
    await directory.close();
  }
}

async function unlinkIfThere(path: string): Promise<boolean> {
  try {
    await unlink(path);
    return true;
  } catch (error) {
    if (codeOf(error) === "ENOENT" || codeOf(error) === "ENOTDIR") return false;
    throw error;
  }
}

/** Removes what dead processes left behind. A failure is harmless: the next process tries again. */
async function sweep(directory: string): Promise<void> {
  for (const file of await readdir(directory).catch(() => [])) {
    if (!/^\..*\.[0-9a-f]{16}\.tmp$/.test(file)) continue;
    const path = join(directory, file);
    const age = await stat(path).then(({ mtimeMs }) => Date.now() - mtimeMs, () => 0);
    if (age > STALE) await unlink(path).catch(() => {});
  }
}

async function attempt<T>(kind: StorageFailure["kind"], path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof StorageFailure) throw error;
    throw storageFailure(kind, path, error);
  }
}

/** The directory takes no new files; any other error comes once a file exists. As in the native shell. */
const CANNOT_CREATE = new Set(["EROFS", "EACCES", "EPERM", "ENOTDIR", "EISDIR", "ENOENT", "ENAMETOOLONG", "ELOOP"]);

export function storageFailure(kind: StorageFailure["kind"], path: string, error: unknown): StorageFailure {
  const code = codeOf(error);
  const isCreation = kind === "cannot_write" && code !== undefined && CANNOT_CREATE.has(code);
  return new StorageFailure(isCreation ? "cannot_create" : kind, shown(path), code ?? "it failed");
}

export function codeOf(error: unknown): string | undefined {
  const code = error instanceof Error ? (error as NodeJS.ErrnoException).code : undefined;
  return typeof code === "string" && /^[A-Z0-9_]+$/.test(code) ? code : undefined;
}

/** A path for people. */
function shown(path: string): string {
  const home = homedir();
  return path.startsWith(home + sep) ? `~${path.slice(home.length)}` : path;
}
