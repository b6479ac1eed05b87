// Where the unix sockets live: a folder that only this user can enter, with a path that a socket can have.
//
// Owns folders and their modes. Knows nothing of what is spoken over the sockets.

import { createHash } from "node:crypto";
import { chmod, lstat, mkdir, rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";

/** The kernel's limit for `sun_path`, without the closing zero. */
const SOCKET_PATH_MAX_BYTES = 107;
const FOLDER = "openclaw-webhooks";
const LONGEST_NAME = "bridge.sock";

/**
 * Make the folder of the default sockets and return its path.
 *
 * It is in the Gateway's state folder. Where that is too deep for a socket, it is a folder of the temporary folder whose
 * name is derived from the state folder, so that whoever knows the one finds the other.
 *
 * @throws {Error} Somebody else made a folder, a file or a link of that name.
 */
export async function prepareSocketFolder(stateDir) {
  const folder = path.join(stateDir, FOLDER);
  if (Buffer.byteLength(path.join(folder, LONGEST_NAME)) <= SOCKET_PATH_MAX_BYTES) return preparePrivateFolder(folder);
  const name = createHash("sha256").update(path.resolve(stateDir)).digest("hex").slice(0, 16);
  return preparePrivateFolder(path.join(os.tmpdir(), `${FOLDER}-${name}`));
}

/**
 * Make the folder of a socket if there is none, and remove a socket that a killed Gateway left.
 *
 * @throws {Error} Others may enter the folder, or something else has the socket's name. Neither is changed: who names
 *   /tmp/bridge.sock means no harm to /tmp.
 */
export async function preparePrivateSocket(socketPath) {
  if (Buffer.byteLength(socketPath) > SOCKET_PATH_MAX_BYTES) {
    throw new Error(`The path of a unix socket has at most ${SOCKET_PATH_MAX_BYTES} bytes; choose a shorter one: ${socketPath}`);
  }
  const folder = path.dirname(socketPath);
  if ((await makeFolder(folder)).mode & 0o077) throw new Error(`The folder of the sockets must be for this user alone (mode 0700): ${folder}`);
  await removeSocket(socketPath);
}

async function removeSocket(socketPath) {
  const found = await lstat(socketPath).catch((error) => (error.code === "ENOENT" ? undefined : Promise.reject(error)));
  if (found && !found.isSocket()) throw new Error(`This is no socket and will not be replaced by one: ${socketPath}`);
  await rm(socketPath, { force: true });
}

async function preparePrivateFolder(folder) {
  await makeFolder(folder);
  await chmod(folder, 0o700);
  return folder;
}

async function makeFolder(folder) {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const found = await lstat(folder);
  if (!found.isDirectory() || found.uid !== process.getuid()) {
    throw new Error(`The folder of the sockets must be a folder of this user, and no link: ${folder}`);
  }
  return found;
}
