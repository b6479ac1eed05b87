import assert from "node:assert/strict";
import { EventEmitter } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import http from "node:http";
import net from "node:net";
import os from "node:os";
import path from "node:path";
import { after, before, beforeEach, test } from "node:test";

import { Passage, buildHead } from "../../openclaw_webhooks/gateway/lib/passage.js";
import { createProxy } from "../../openclaw_webhooks/gateway/lib/proxy.js";
import { createUpstream } from "../../openclaw_webhooks/gateway/lib/upstream.js";

const TOKEN = "a-host-token-of-the-tests";
const logger = { warn() {} };
let folder, app, outer, proxy, serve, isUp;

before(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), "proxy-"));
  const socketPath = path.join(folder, "app.sock");
  app = http.createServer((req, res) => serve(req, res)).listen(socketPath);
  proxy = createProxy({ logger });
  outer = http.createServer((req, res) => void proxy.handle(req, res)).listen(0, "127.0.0.1");
  await new Promise((resolve) => outer.once("listening", resolve));
  proxy.connect({ socketPath, token: TOKEN, isUp: () => isUp });
});

beforeEach(() => {
  isUp = true;
});

after(async () => {
  outer.closeAllConnections();
  app.closeAllConnections();
  outer.close();
  app.close();
  await rm(folder, { recursive: true });
});

function ask(options, body) {
  return new Promise((resolve, reject) => {
    const request = http.request({ port: outer.address().port, host: "127.0.0.1", method: "POST", ...options }, (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (piece) => (text += piece));
      response.on("end", () => resolve({ status: response.statusCode, headers: response.headers, text }));
    });
    request.on("error", reject);
    if (body !== undefined) request.end(body);
  });
}

function echo(req, res) {
  let text = "";
  req.setEncoding("utf8").on("data", (piece) => (text += piece));
  req.on("end", () => res.setHeader("X-From", "app").end(JSON.stringify({ url: req.url, headers: req.headers, text })));
}

test("a request arrives whole, with the true address and without forged ones", async () => {
  serve = echo;
  const forged = { "X-OpenClaw-Webhooks-Client": "198.51.100.1", "X-OpenClaw-Webhooks-Host": "guess", "X-Forwarded-For": "203.0.113.9" };
  const answer = await ask({ path: "/hook?a=1", headers: forged }, "ä body");
  const seen = JSON.parse(answer.text);
  assert.deepEqual([seen.url, seen.text, answer.headers["x-from"]], ["/hook?a=1", "ä body", "app"]);
  assert.equal(seen.headers["x-openclaw-webhooks-client"], "127.0.0.1");
  assert.equal(seen.headers["x-openclaw-webhooks-host"], TOKEN);
  assert.equal(seen.headers["x-forwarded-for"], "203.0.113.9");
});

test("a forged header is dropped however it is spelled", async () => {
  serve = echo;
  const seen = JSON.parse((await ask({ path: "/hook", headers: { X_OpenClaw_Webhooks_Client: "198.51.100.1" } }, "{}")).text);
  assert.deepEqual(Object.keys(seen.headers).filter((name) => /webhooks/.test(name)), ["x-openclaw-webhooks-client", "x-openclaw-webhooks-host"]);
});

test("a server that is away is 503 with Retry-After", async () => {
  isUp = false;
  const answer = await ask({ path: "/hook" }, "{}");
  assert.deepEqual([answer.status, answer.headers["retry-after"]], [503, "1"]);
});

test("a server that dies with a request is 502: nobody knows what happened", async () => {
  serve = (req) => req.socket.destroy();
  const answer = await ask({ path: "/hook" }, "{}");
  assert.equal(answer.status, 502);
  assert.equal(answer.headers["retry-after"], undefined);
});

test("an early refusal reaches a caller that sends everything first", async () => {
  serve = (req, res) => {
    // As the app does: the answer goes out at once, and the rest of the body is read and forgotten.
    res.writeHead(413, { "Content-Type": "text/plain", "Content-Length": 17, Connection: "close" });
    res.write("Payload too large");
    req.resume().once("end", () => res.end());
  };
  const answer = await ask({ path: "/hook" }, "x".repeat(3 * 1024 * 1024));
  assert.deepEqual([answer.status, answer.text], [413, "Payload too large"]);
});

test("an early refusal reaches a caller that withholds its body", async () => {
  serve = (req, res) => {
    res.writeHead(401, { "Content-Type": "text/plain", "Content-Length": 12 });
    res.write("unauthorized");
  };
  const socket = net.connect(outer.address().port, "127.0.0.1");
  socket.write("POST /hook HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\n");
  const first = await new Promise((resolve) => socket.once("data", (bytes) => resolve(bytes.toString())));
  assert.match(first, /^HTTP\/1\.1 401 /);
  socket.destroy();
});

test("the body is passed on as it comes, not gathered", async () => {
  let noteFirst;
  const first = new Promise((resolve) => (noteFirst = resolve));
  serve = (req, res) => {
    req.once("data", (piece) => noteFirst(piece.toString()));
    echo(req, res);
  };
  const socket = net.connect(outer.address().port, "127.0.0.1");
  socket.write("POST /hook HTTP/1.1\r\nHost: h\r\nContent-Length: 6\r\n\r\nabc");
  assert.equal(await first, "abc");
  socket.write("def");
  const answer = await new Promise((resolve) => socket.once("data", (bytes) => resolve(bytes.toString())));
  assert.match(answer, /^HTTP\/1\.1 200 /);
  socket.destroy();
});

test("head and body that come together leave in one write, which wakes the server once", async () => {
  let written = [];
  // As the Gateway does, which asks its plugins while its parser is at the head.
  const front = http.createServer((req, res) => {
    const socket = { cork() {}, uncork() {}, write: (text) => written.push(text) };
    new Passage({ req, res, connection: { socket, expect() {}, destroy() {} }, connectAnew: assert.fail, end() {} }).send("HEAD ");
    setImmediate(() => res.end());
  });
  await new Promise((resolve) => front.listen(0, "127.0.0.1", resolve));
  try {
    for (const body of ['{"action":"list_flows"}', ""]) {
      written = [];
      await ask({ path: "/hook", port: front.address().port }, body);
      assert.deepEqual(written, [`HEAD ${body}`]);
    }
  } finally {
    front.closeAllConnections();
    front.close();
  }
});

test("a caller that leaves ends the request at the server", async () => {
  const left = new Promise((resolve) => {
    serve = (req) => {
      req.on("error", () => {});
      req.socket.once("close", resolve);
    };
  });
  const socket = net.connect(outer.address().port, "127.0.0.1");
  socket.write("POST /hook HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\nhalf");
  setTimeout(() => socket.destroy(), 50);
  await left;
});

/** Send bytes to the Gateway's port and return all that comes until it closes. */
function say(...pieces) {
  return new Promise((resolve) => {
    let told = "";
    const socket = net.connect(outer.address().port, "127.0.0.1");
    socket.setEncoding("latin1").on("data", (text) => (told += text)).on("close", () => resolve(told));
    const next = () => pieces.length > 0 && (socket.write(pieces.shift()), setTimeout(next, 20));
    next();
  });
}

const seenBy = (told) => JSON.parse(told.slice(told.indexOf("{"), told.lastIndexOf("}") + 1));

test("a body in chunks arrives in chunks, at once or as it comes", async () => {
  serve = echo;
  const head = "POST /hook HTTP/1.1\r\nHost: h\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n";
  for (const pieces of [[`${head}3\r\nabc\r\n0\r\n\r\n`], [head, "3\r\nabc\r\n", "0\r\n\r\n"], [`${head}0\r\n\r\n`]]) {
    const expected = pieces.join("").includes("abc") ? "abc" : "";
    const seen = seenBy(await say(...pieces));
    assert.deepEqual([seen.text, seen.headers["transfer-encoding"], seen.headers["content-length"]], [expected, "chunked", undefined]);
  }
});

test("a request that could be read in two ways never reaches the server", async () => {
  let reached = 0;
  serve = (req, res) => (reached += 1) && res.end();
  for (const fields of ["Content-Length: 4\r\nTransfer-Encoding: chunked", "Content-Length: 1\r\nContent-Length: 4", "Transfer-Encoding: xchunked", "A: b\rc: d"]) {
    assert.match(await say(`POST /hook HTTP/1.1\r\nHost: h\r\n${fields}\r\n\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\n\r\n`), /^HTTP\/1\.1 400 /);
  }
  assert.equal(reached, 0);
});

test("words that would not stay in their line go no further", () => {
  const req = { method: "POST", url: "/hook", headers: {}, rawHeaders: ["A", "b"], socket: { remoteAddress: "127.0.0.1" } };
  assert.match(buildHead(req, TOKEN), /^POST \/hook HTTP\/1\.1\r\nA: b\r\n/);
  for (const change of [{ url: "/ HTTP/1.1\r\nx: y" }, { url: "/a b" }, { rawHeaders: ["A", "b\r\nx: y"] }, { rawHeaders: ["A\n", "b"] }]) {
    assert.equal(buildHead({ ...req, ...change }, TOKEN), undefined);
  }
});

test("large bodies go both ways whole, and a caller that reads late is waited for", async () => {
  serve = echo;
  const body = "ä".repeat(3_000_000);
  assert.equal(JSON.parse((await ask({ path: "/hook" }, body)).text).text, body);
});

test("a connection is kept for the next request, and not for ever", async () => {
  const sockets = new Set();
  serve = (req, res) => {
    sockets.add(req.socket);
    req.resume().once("end", () => res.end("{}"));
  };
  for (let turn = 0; turn < 300; turn += 1) await ask({ path: "/hook" }, "{}");
  assert.equal(sockets.size <= 3, true, `${sockets.size} connections`);
  assert.equal(sockets.size >= 2, true, "each worker process gets its share");
});

test("an answer that breaks off is not made to look whole", async () => {
  serve = (req, res) => {
    res.writeHead(200, { "Content-Length": 100 }).write("half");
    setTimeout(() => res.destroy(), 30);
  };
  const told = await say("POST /hook HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\n{}");
  assert.match(told, /Content-Length: 100\r\n[^]*half$/);
});

test("an answer without a body, one to HEAD and one in chunks are passed back", async () => {
  serve = (req, res) => res.writeHead(204).end();
  assert.equal((await ask({ path: "/hook" }, "{}")).status, 204);
  serve = (req, res) => res.writeHead(405, { Allow: "POST", "Content-Length": 18 }).end();
  const refused = await ask({ path: "/hook", method: "HEAD" }, "");
  assert.deepEqual([refused.status, refused.headers.allow, refused.text], [405, "POST", ""]);
  serve = (req, res) => {
    res.write("one ");
    setTimeout(() => res.end("two"), 20);
  };
  assert.equal((await ask({ path: "/hook" }, "{}")).text, "one two");
});

test("what could not be written whole goes once more, on a new connection; what may have arrived does not", async () => {
  const connect = () => {
    const made = { written: "", expect() {}, destroy() {}, socket: { write: (text) => (made.written += text) } };
    return made;
  };
  const begin = async () => {
    const [kept, anew, ended] = [connect(), connect(), []];
    const req = { method: "POST", complete: true, headers: {}, read: () => Buffer.from("{}") };
    const parts = { req, res: { once() {} }, connection: kept, connectAnew: () => anew, end: (error) => ended.push(error.syscall) };
    const passage = new Passage(parts);
    passage.send("HEAD ");
    await undefined;
    return { passage, anew, ended };
  };
  const broken = await begin();
  broken.passage.onError({ syscall: "write", code: "EPIPE" });
  assert.deepEqual([broken.anew.written, broken.ended], ["HEAD {}", []]);
  broken.passage.onError({ syscall: "write", code: "EPIPE" });
  assert.deepEqual([broken.anew.written, broken.ended], ["HEAD {}", ["write"]]);
  const lost = await begin();
  lost.passage.onError({ syscall: "read", code: "ECONNRESET" });
  assert.deepEqual([lost.anew.written, lost.ended], ["", ["read"]]);
});

test("a caller that leaves late does not take a connection along that serves another one by then", async () => {
  serve = echo;
  const upstream = createUpstream();
  const socketPath = path.join(folder, "app.sock");
  const begin = () => {
    const res = Object.assign(new EventEmitter(), { told: "", writeHead() {}, write: () => true, flushHeaders() {}, writableFinished: false });
    const done = new Promise((resolve) => (res.end = (text) => resolve((res.told += text))));
    const req = { method: "POST", complete: true, headers: {}, read: () => Buffer.from("{}") };
    const passage = new Passage({ req, res, connection: upstream.take(socketPath), connectAnew: assert.fail, end() {} });
    passage.send("POST /hook HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\n");
    return { res, done, passage };
  };
  const late = begin();
  assert.match(await late.done, /"text":"{}"/);
  const next = begin();
  assert.equal(next.passage.connection, late.passage.connection);
  late.res.emit("close"); // It has not read its answer.
  assert.match(await next.done, /"text":"{}"/);
  next.passage.connection.destroy();
});

test("a server that cannot be connected to has seen nothing, whatever the reason", async () => {
  const warned = [];
  const unreachable = createProxy({ logger: { warn: (text) => warned.push(text) } });
  unreachable.connect({ socketPath: path.join(folder, "x".repeat(200)), token: TOKEN, isUp: () => true });
  const front = http.createServer((req, res) => void unreachable.handle(req, res)).listen(0, "127.0.0.1");
  await new Promise((resolve) => front.once("listening", resolve));
  const answers = [];
  for (let index = 0; index < 30; index += 1) answers.push(await ask({ path: "/hook", port: front.address().port }, "{}"));
  front.closeAllConnections();
  front.close();
  assert.ok(answers.every(({ status, headers }) => status === 503 && headers["retry-after"] === "1"));
  assert.equal(warned.length, 20, "callers cannot fill the Gateway's log");
});
