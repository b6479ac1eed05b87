import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import http from "node:http";
import net from "node:net";
import os from "node:os";
import path from "node:path";
import { after, before, beforeEach, test } from "node:test";

import { createProxy } from "../../openclaw_webhooks/gateway/lib/proxy.js";

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
