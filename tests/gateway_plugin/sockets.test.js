// Where the sockets live: what is too deep, what belongs to somebody else, and what a killed Gateway left.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { chmod, mkdir, mkdtemp, readFile, rm, stat, symlink, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { afterEach, beforeEach, test } from "node:test";

import { preparePrivateSocket, prepareSocketFolder } from "../../openclaw_webhooks/gateway/lib/sockets.js";

let folder;
let made;

beforeEach(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), "ow-"));
  made = [folder];
});

afterEach(() => Promise.all(made.map((each) => rm(each, { recursive: true }))));

const modeOf = async (name) => (await stat(name)).mode & 0o777;

test("the sockets are in the state folder, and only their owner enters", async () => {
  await mkdir(path.join(folder, "openclaw-webhooks"), { mode: 0o755 });
  const found = await prepareSocketFolder(folder);
  assert.equal(found, path.join(folder, "openclaw-webhooks"));
  assert.equal(await modeOf(found), 0o700);
});

test("a state folder too deep for a socket has one of its own in the temporary folder", async () => {
  const states = ["a", "b"].map((name) => path.join(folder, "x".repeat(100), name));
  const found = await Promise.all(states.map(prepareSocketFolder));
  made.push(...found);
  assert.notEqual(found[0], found[1]);
  assert.equal(found[0], await prepareSocketFolder(`${states[0]}/`));
  for (const each of found) {
    assert.equal(path.dirname(each), os.tmpdir());
    assert.equal(await modeOf(each), 0o700);
    await preparePrivateSocket(path.join(each, "bridge.sock"));
  }
});

test("what somebody else put there is refused", async () => {
  await symlink("/tmp", path.join(folder, "openclaw-webhooks"));
  await assert.rejects(prepareSocketFolder(folder), /no link/);
});

test("a folder of another user is refused", { skip: process.getuid() !== 0 && "needs root" }, async () => {
  const { chown } = await import("node:fs/promises");
  const theirs = path.join(folder, "openclaw-webhooks");
  await mkdir(theirs);
  await chown(theirs, 65534, 65534);
  await assert.rejects(prepareSocketFolder(folder), /a folder of this user/);
});

test("what a killed Gateway left is taken away", async () => {
  const socketPath = path.join(folder, "own", "bridge.sock");
  await preparePrivateSocket(socketPath);
  assert.equal(await modeOf(path.dirname(socketPath)), 0o700);
  const killed = `require("node:net").createServer().listen(process.argv[1], () => process.kill(process.pid, "SIGKILL"))`;
  spawnSync(process.execPath, ["-e", killed, socketPath]);
  assert.equal((await stat(socketPath)).isSocket(), true);
  await preparePrivateSocket(socketPath);
  await assert.rejects(stat(socketPath), { code: "ENOENT" });
});

test("what is not the plugin's own is left as it is: a folder that others enter, a file in the place of the socket", async () => {
  await chmod(folder, 0o755);
  await assert.rejects(preparePrivateSocket(path.join(folder, "bridge.sock")), /mode 0700/);
  assert.equal(await modeOf(folder), 0o755);
  await chmod(folder, 0o700);
  const taken = path.join(folder, "notes.txt");
  await writeFile(taken, "mine");
  await assert.rejects(preparePrivateSocket(taken), /no socket/);
  assert.equal(await readFile(taken, "utf8"), "mine");
});

test("a path that no socket can have is named", async () => {
  await assert.rejects(preparePrivateSocket(`/tmp/${"x".repeat(108)}`), /at most 107 bytes/);
});
