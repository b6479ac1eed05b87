// The bridge's server, spoken to in bytes: what is cut, pipelined, too much or no request.

import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import net from "node:net";
import os from "node:os";
import path from "node:path";
import { after, before, test } from "node:test";

import { createWireServer } from "../../openclaw_webhooks/gateway/lib/wire.js";

const HEAD = "HTTP/1.1 200 OK\r\nContent-Type: application/json; charset=utf-8\r\n";
let folder, socketPath, wire, judged;

before(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), "wire-"));
  socketPath = path.join(folder, "w.sock");
  wire = createWireServer({
    bodyLimitBytes: 1000,
    headMs: 300,
    judge: ({ path: asked, fields }) => {
      judged = fields;
      if (asked === "/throws") throw new TypeError("a mistake");
      return asked === "/no" ? { status: 401, text: '"no"' } : undefined;
    },
    answer: async (request, body) => ({ status: 200, text: JSON.stringify(`${request.method} ${request.path} ${body}`) }),
    refuse: (status) => ({ status, text: String(status) }),
  });
  await new Promise((resolve) => wire.server.listen(socketPath, resolve));
});

after(async () => {
  wire.close();
  wire.server.close();
  await rm(folder, { recursive: true });
});

/** Send pieces and return all that comes until the server closes, or until `enough` is there. */
function say(pieces, enough) {
  return new Promise((resolve, reject) => {
    let told = "";
    const socket = net.connect(socketPath);
    socket.setEncoding("utf8").on("data", (text) => {
      told += text;
      if (enough && told.includes(enough)) socket.destroy();
    });
    socket.on("close", () => resolve(told)).on("error", reject);
    const next = () => {
      if (pieces.length === 0) return;
      socket.write(pieces.shift());
      setImmediate(next);
    };
    next();
  });
}

const post = (body, more = "") => `POST /a HTTP/1.1\r\nHost: b\r\nContent-Length: ${Buffer.byteLength(body)}\r\n${more}\r\n${body}`;

test("a request is answered in any pieces, and the connection stays", async () => {
  const told = await say(Array.from(post("{ä}")), "}\"");
  assert.equal(told, `${HEAD}Content-Length: 14\r\n\r\n"POST /a {ä}"`);
});

test("requests in one piece are answered in turn", async () => {
  const told = await say([post("1") + post("2") + post("3", "Connection: close\r\n")]);
  assert.deepEqual(told.match(/"POST \/a \d"/g), ['"POST /a 1"', '"POST /a 2"', '"POST /a 3"']);
  assert.equal(told.match(/Connection: close/g).length, 1);
});

test("what waits for an invitation gets one", async () => {
  const whole = post("body", "Expect: 100-continue\r\n");
  const socket = net.connect(socketPath).setEncoding("utf8");
  const hear = () => new Promise((resolve) => socket.once("data", resolve));
  socket.write(whole.slice(0, -4));
  assert.equal(await hear(), "HTTP/1.1 100 Continue\r\n\r\n");
  socket.write(whole.slice(-4));
  assert.match(await hear(), /^HTTP\/1\.1 200 [^]*body"$/);
  socket.destroy();
});

test("a head decides before its body has come, and the connection ends", async () => {
  const told = await say(["POST /no HTTP/1.1\r\nContent-Length: 900\r\n\r\nhalf"]);
  assert.match(told, /^HTTP\/1\.1 401 Unauthorized\r\n[^]*Connection: close\r\n\r\n"no"$/);
  assert.equal(judged.get("content-length"), "900");
});

for (const [name, text, status] of [
  ["too much", "POST /a HTTP/1.1\r\nContent-Length: 1001\r\n\r\n", 413],
  ["chunks", "POST /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 411],
  ["two lengths", "POST /a HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\na", 400],
  ["a length that is none", "POST /a HTTP/1.1\r\nContent-Length: +1\r\n\r\na", 400],
  ["a header that is none", "POST /a HTTP/1.1\r\nno header\r\n\r\n", 400],
  ["a bare line feed", "POST /a HTTP/1.1\r\nA: b\nContent-Length: 1\r\n\r\na", 400],
  ["another protocol", "SSH-2.0-x\r\n\r\n", 400],
  ["an endless head", `GET /a HTTP/1.1\r\nX: ${"x".repeat(20_000)}`, 431],
  ["a judge that fails", "GET /throws HTTP/1.1\r\n\r\n", 500],
]) {
  test(`${name} is ${status}`, async () => {
    assert.match(await say([text]), new RegExp(`^HTTP/1\\.1 ${status} [^]*Connection: close\\r\\n\\r\\n${status}$`));
  });
}

test("a peer that has presented nothing yet is not waited for", async () => {
  assert.equal(await say([]), "");
  assert.equal(await say(["POST /a HTTP/1.1\r\n"]), "");
});

test("peers without a token keep out none that has one", async () => {
  const full = createWireServer({
    bodyLimitBytes: 10,
    maxConnections: 4,
    judge: ({ path: asked }) => (asked === "/no" ? { status: 401, text: "no" } : undefined),
    answer: async () => ({ status: 200, text: '"ok"' }),
    refuse: (status) => ({ status, text: String(status) }),
  });
  const where = path.join(folder, "full.sock");
  await new Promise((resolve) => full.server.listen(where, resolve));
  const open = () => net.connect(where).on("error", () => {});
  const ask = (socket) => {
    socket.write(post("{}"));
    return once(socket, "data");
  };
  const admitted = open();
  await ask(admitted);
  const silent = [];
  for (let index = 0; index < 8; index += 1) {
    silent.push(open());
    await once(silent[index], "connect");
  }
  const late = open();
  await ask(late);
  await ask(admitted);
  await new Promise((resolve) => setTimeout(resolve, 20));
  assert.deepEqual(
    silent.map((socket) => socket.closed),
    [...Array(6).fill(true), false, false],
  );
  full.close();
  full.server.close();
});

test("dripping a head buys no time", async () => {
  const told = await new Promise((resolve) => {
    let text = "";
    const socket = net.connect(socketPath);
    const dripping = setInterval(() => socket.write("X"), 50);
    socket.setEncoding("utf8").on("data", (piece) => (text += piece));
    socket.on("error", () => {}).on("close", () => {
      clearInterval(dripping);
      resolve(text);
    });
  });
  assert.ok(told.startsWith("HTTP/1.1 408 "));
});
