import assert from "node:assert/strict";
import { mkdtemp, rm, stat } from "node:fs/promises";
import http from "node:http";
import net from "node:net";
import os from "node:os";
import path from "node:path";
import { after, before, test } from "node:test";

import { startBridge } from "../../openclaw_webhooks/gateway/lib/bridge.js";
import { Refused } from "../../openclaw_webhooks/gateway/lib/flows.js";

const TOKEN = "a-token-of-the-javascript-tests";
const logged = [];
const logger = { info: (text) => logged.push(text), warn: (text) => logged.push(text), error: (text) => logged.push(text) };
let folder;
let bridge;

const flows = {
  api: "sync",
  methods: ["get"],
  sessions: 1,
  async call(sessionKey, method, params) {
    if (sessionKey !== "agent:main:main") throw new Refused("session_not_bound");
    if (params.fails) throw new TypeError("agent:main:main is secret");
    if (params.failsOddly) throw "a text";
    return method === "get" ? undefined : params;
  },
};

before(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), "bridge-"));
  const about = { plugin: "1", gateway: "2026.7.1" };
  bridge = await startBridge({ flows, settings: { token: TOKEN }, stateDir: folder, about, logger });
});

after(async () => {
  await bridge.stop();
  await rm(folder, { recursive: true });
});

function ask(method, url, body, headers = {}) {
  return new Promise((resolve, reject) => {
    const request = http.request(
      { socketPath: bridge.url.slice("unix://".length), method, path: url, headers: { Authorization: `Bearer ${TOKEN}`, ...headers } },
      (response) => {
        let text = "";
        response.setEncoding("utf8").on("data", (piece) => (text += piece));
        response.on("end", () => resolve({ status: response.statusCode, json: JSON.parse(text) }));
      },
    );
    request.on("error", reject);
    request.end(body);
  });
}

const call = (params, sessionKey = "agent:main:main", method = "finish") =>
  ask("POST", "/v1/call", JSON.stringify({ sessionKey, method, params }));

test("the socket and its folder are the owner's alone", async () => {
  const socketPath = bridge.url.slice("unix://".length);
  assert.equal((await stat(path.dirname(socketPath))).mode & 0o777, 0o700);
  assert.equal((await stat(socketPath)).mode & 0o777, 0o600);
});

test("health tells versions and capabilities", async () => {
  const { status, json } = await ask("GET", "/v1/health");
  assert.deepEqual([status, json.protocol, json.gateway, json.capabilities.reportsTasks], [200, 1, "2026.7.1", false]);
});

test("a call returns what the API returned, nothing as null", async () => {
  assert.deepEqual(await call({ text: "\ud800 and ä" }), { status: 200, json: { ok: true, value: { text: "\ud800 and ä" } } });
  assert.deepEqual((await call({}, undefined, "get")).json, { ok: true, value: null });
});

test("what is refused says so and that nothing happened", async () => {
  for (const [asked, status, code] of [
    [ask("POST", "/v1/call", "{"), 400, "invalid_request"],
    [ask("POST", "/v1/call", "[]"), 400, "invalid_request"],
    [ask("POST", "/v1/call", "null"), 400, "invalid_request"],
    [ask("POST", "/v1/call", '{"sessionKey":"k","method":"get","params":[]}'), 400, "invalid_request"],
    [ask("GET", "/v1/health", undefined, { Authorization: "Bearer wrong" }), 401, "unauthorized"],
    [ask("GET", "/v1/health", undefined, { Authorization: "" }), 401, "unauthorized"],
    [call({}, "agent:other:main"), 403, "session_not_bound"],
    [ask("GET", "/v1/call"), 404, "not_found"],
    [ask("POST", "/v2/call", "{}"), 404, "unsupported_protocol"],
    [ask("POST", "/v1/call", " ".repeat(1024 * 1024 + 1)), 413, "too_large"],
  ]) {
    const answer = await asked;
    assert.deepEqual([answer.status, answer.json.error.code, answer.json.error.applied], [status, code, "no"]);
  }
});

test("a change that fails in the middle may have happened, and its words stay here", async () => {
  for (const params of [{ fails: true }, { failsOddly: true }]) {
    const { status, json } = await call(params);
    assert.deepEqual([status, json.error.code, json.error.applied], [500, "call_failed", "unknown"]);
  }
  assert.equal((await call({ fails: true }, undefined, "get")).json.error.applied, "no");
  assert.ok(!JSON.stringify(logged).includes("is secret"));
});

test("a connection that cannot be accepted is told, and ends nothing", async (t) => {
  const made = [];
  const original = net.createServer;
  t.mock.method(net, "createServer", (...given) => (made.push(original(...given)), made.at(-1)));
  const other = await mkdtemp(path.join(os.tmpdir(), "bridge-"));
  const second = await startBridge({ flows, settings: {}, stateDir: other, about: {}, logger });
  try {
    for (let turn = 0; turn < 2; turn += 1) made[0].emit("error", Object.assign(new Error("accept"), { code: "EMFILE" }));
    assert.equal(logged.filter((line) => /could not accept a connection: EMFILE/.test(line)).length, 2);
  } finally {
    await second.stop();
    await rm(other, { recursive: true });
  }
});

test("many calls at once are each answered", async () => {
  const answers = await Promise.all(Array.from({ length: 50 }, (_, number) => call({ number })));
  assert.deepEqual(answers.map((answer) => answer.json.value.number), Array.from({ length: 50 }, (_, number) => number));
});

test("guesses of the token do not fill the Gateway's log, whatever they are called", async () => {
  logged.length = 0;
  const answers = [];
  for (let index = 0; index < 60; index += 1) {
    answers.push(await ask("GET", "/v1/health", undefined, { Authorization: "Bearer wrong", "X-Request-Id": `guess-${index}` }));
  }
  assert.ok(answers.every(({ status }) => status === 401));
  assert.ok(logged.length <= 20);
});
