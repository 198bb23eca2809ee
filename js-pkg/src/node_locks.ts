/**
 * Locks of the kernel, which end with their holder no matter how it dies.
 *
 * Node cannot take one itself, so a child process does: `flock FILE cat` (`lockf` on macOS) runs `cat` once it has the lock,
 * and `cat` ends with its input, which the kernel closes if this process dies. On Windows a named pipe is the lock.
 * The files are never removed, so that all waiting processes wait for the same one.
 */
import { spawn, type ChildProcess } from "node:child_process";
import { createHash } from "node:crypto";
import { constants } from "node:fs";
import { open, readFile } from "node:fs/promises";
import { createServer, type Server } from "node:net";
import { join, resolve } from "node:path";
import { claimDirectory, codeOf, encode, storageFailure } from "./node_storage.js";
import { StorageFailure, type Busy, type Clock, type Held, type Locks } from "./ports.js";
import { LATE, before, queues } from "./waiting.js";

/** How often to try again on Windows, which has no queue. */
const PAUSE = 50;

export function kernelLocks(directory: string, clock: Clock): Locks {
  const enter = queues(clock);

  return {
    async acquire(name, deadline, signal) {
      const path = join(resolve(directory), `${encode(name)}.lock`);
      // In this process first, so that all its callers together need one child.
      const leave = await enter(path, deadline, signal);
      if (leave === LATE) return busy(path);
      try {
        const taken = await (process.platform === "win32" ? takePipe : takeFile)(path, clock, deadline, signal);
        if (taken === LATE) {
          leave();
          return busy(path);
        }
        return {
          release() {
            taken.release();
            leave();
          },
        };
      } catch (error) {
        leave();
        throw error;
      }
    },
  };
}

async function busy(path: string): Promise<Busy> {
  const text = await readFile(path, "utf8").catch(() => "");
  const holder = /^(\d+ [\w .:-]{1,80})/.exec(text)?.[1];
  return { busy: true, ...(holder !== undefined && { holder }) };
}

type Take = Promise<Held | typeof LATE>;

async function takeFile(path: string, clock: Clock, deadline: number, signal?: AbortSignal): Take {
  const file = await openLock(path);
  let child: ChildProcess | undefined;
  try {
    const [tool, ...args] = process.platform === "darwin" ? ["/usr/bin/lockf", "-k", path, "/bin/cat"] : ["flock", "-x", path, "cat"];
    // Detached, so that Ctrl-C on a terminal does not release the lock of a refresh that goes on.
    const holder = spawn(tool!, args, { stdio: ["pipe", "pipe", "ignore"], detached: true });
    child = holder;
    if ((await before(clock, deadline, echoed(holder, tool!, path), signal)) === LATE) {
      letGo(holder);
      return LATE;
    }
    // Only for people: the lock must work on a full disk, too.
    const line = `${process.pid} twg-auth\n`;
    await file.write(line, 0).then(() => file.truncate(line.length)).catch(() => {});
    return { release: () => letGo(holder) };
  } catch (error) {
    if (child) letGo(child);
    throw error;
  } finally {
    await file.close();
  }
}

async function openLock(path: string) {
  const { O_CREAT, O_RDWR, O_NOFOLLOW = 0, O_NONBLOCK = 0 } = constants;
  try {
    await claimDirectory(join(path, ".."));
    const file = await open(path, O_CREAT | O_RDWR | O_NOFOLLOW | O_NONBLOCK, 0o600);
    const found = await file.stat();
    if (!found.isFile()) {
      await file.close();
      throw new StorageFailure("cannot_create", path, "it is not a regular file");
    }
    await file.chmod(0o600);
    return file;
  } catch (error) {
    if (error instanceof StorageFailure) throw error;
    throw codeOf(error) === "ELOOP"
      ? new StorageFailure("cannot_create", path, "it is a symbolic link; remove it")
      : storageFailure("cannot_write", path, error);
  }
}

/** `cat` runs, and so this process has the lock, once it repeats its input. */
function echoed(child: ChildProcess, tool: string, path: string): Promise<"taken"> {
  return new Promise((resolve, reject) => {
    const fail = (detail: string) => reject(new StorageFailure("cannot_create", path, detail));
    child.on("error", (error) => {
      fail(codeOf(error) === "ENOENT" ? `the program '${tool}', which locks files, is not installed` : `'${tool}' cannot be started (${codeOf(error)})`);
    });
    child.on("exit", (code) => fail(`'${tool}' could not lock it (exit ${code})`));
    child.stdout!.once("data", () => resolve("taken"));
    child.stdin!.on("error", () => {});
    child.stdin!.write("?");
  });
}

/** The end of its input ends `cat`. A child that still waits for the lock never reads it, and is killed. */
function letGo(child: ChildProcess): void {
  child.stdin!.end();
  child.stdin!.destroy();
  child.stdout!.destroy();
  child.kill();
  child.unref();
}

async function takePipe(path: string, clock: Clock, deadline: number, signal?: AbortSignal): Take {
  const name = `\\\\.\\pipe\\twg-auth-${createHash("sha256").update(path.toLowerCase()).digest("hex").slice(0, 32)}`;
  for (;;) {
    const server = await listening(name);
    if (server) return { release: () => void server.close() };
    if (clock.now().wall >= deadline) return LATE;
    await clock.wait(clock.now().wall + PAUSE, signal);
  }
}

function listening(name: string): Promise<Server | undefined> {
  return new Promise((resolve, reject) => {
    const server = createServer((socket) => socket.destroy());
    server.once("error", (error) => {
      if (codeOf(error) === "EADDRINUSE" || codeOf(error) === "EACCES") resolve(undefined);
      else reject(storageFailure("cannot_write", name, error));
    });
    server.listen(name, () => resolve(server.unref()));
  });
}
