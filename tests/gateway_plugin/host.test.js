import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import http from "node:http";
import os from "node:os";
import path from "node:path";
import { test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";

import { startHost } from "../../openclaw_webhooks/gateway/lib/host.js";

const SERVER = `
const bind = process.env.OPENCLAW_WEBHOOKS_BIND.split(",")[0].slice("unix:".length);
require("node:http").createServer((req, res) => {
  if (req.url === "/die") process.exit(3);
  res.end(JSON.stringify({ pid: process.pid, env: process.env }));
}).listen(bind);
console.error("a line of the server");
`;
const TOKENS = { bridge: "bridge-token", host: "host-token" };

async function run(script, work, env = {}) {
  const stateDir = await mkdtemp(path.join(os.tmpdir(), "host-"));
  const lines = [];
  const logger = { info: (text) => lines.push(text), error: (text) => lines.push(text) };
  const settings = { command: [process.execPath, "-e", script], cwd: stateDir, env };
  const host = await startHost({ settings, bridgeUrl: "unix:///b.sock", tokens: TOKENS, stateDir, logger });
  try {
    await work({ host, lines });
  } finally {
    await host.stop();
    await rm(stateDir, { recursive: true });
  }
}

function ask(host, url) {
  return new Promise((resolve, reject) => {
    const request = http.get({ socketPath: host.socketPath, path: url }, (response) => {
      let text = "";
      response.on("data", (piece) => (text += piece)).on("end", () => resolve(JSON.parse(text)));
    });
    request.on("error", reject);
  });
}

async function until(condition) {
  for (let turn = 0; turn < 1000; turn += 1) {
    if (await condition()) return;
    await wait(10);
  }
  assert.fail("it did not come to be so");
}

const answers = (host) => ask(host, "/").then(() => true, () => false);

test("the server gets its addresses and tokens by environment", async () => {
  await run(
    SERVER,
    async ({ host, lines }) => {
      await until(() => answers(host));
      const { env } = await ask(host, "/");
      assert.equal(env.OPENCLAW_WEBHOOKS_BIND, `unix:${host.socketPath},127.0.0.1:8787`);
      assert.deepEqual(
        [env.OPENCLAW_WEBHOOKS_ENGINE, env.OPENCLAW_WEBHOOKS_BRIDGE_URL, env.OPENCLAW_WEBHOOKS_BRIDGE_TOKEN, env.OPENCLAW_WEBHOOKS_HOST_TOKEN],
        ["bridge", "unix:///b.sock", "bridge-token", "host-token"],
      );
      await until(() => lines.includes("[openclaw-webhooks] a line of the server"));
    },
    { OPENCLAW_WEBHOOKS_BIND: "127.0.0.1:8787" },
  );
});

test("a server that dies is started again", async () => {
  await run(SERVER, async ({ host, lines }) => {
    await until(() => answers(host));
    const first = (await ask(host, "/")).pid;
    await ask(host, "/die").catch(() => {});
    await until(async () => (await answers(host)) && (await ask(host, "/")).pid !== first);
    assert.ok(lines.some((line) => /ended \(exit status 3\); next start in 100 ms/.test(line)));
  });
});

test("a program that cannot start is tried again, ever more slowly, and stops at once", async () => {
  await run("process.exit(1)", async ({ host, lines }) => {
    await until(() => lines.some((line) => line.includes("next start in 400 ms")));
    assert.equal(host.isUp(), false);
  });
});

test("a stop does not wait for the next start, and there is none", async () => {
  const stateDir = await mkdtemp(path.join(os.tmpdir(), "host-"));
  const lines = [];
  const logger = { info: (text) => lines.push(text), error: (text) => lines.push(text) };
  const command = [process.execPath, "-e", 'console.log("started")'];
  const begin = () => startHost({ settings: { command, cwd: stateDir }, bridgeUrl: "unix:///b.sock", tokens: TOKENS, stateDir, logger });
  const early = await begin();
  await early.stop(); // While it still looks whether the socket is free.
  assert.deepEqual(lines, []);
  const host = await begin();
  await until(() => lines.some((line) => line.includes("next start in 1600 ms")));
  const told = lines.length;
  const stopAt = Date.now();
  await host.stop();
  assert.ok(Date.now() - stopAt < 1000);
  await wait(100);
  assert.equal(lines.length, told);
  await rm(stateDir, { recursive: true });
});

test("a start that Node itself refuses is tried again", async () => {
  await run(SERVER, async ({ lines }) => {
    await until(() => lines.some((line) => line.includes("next start in 200 ms")));
  }, { TOO_LONG: "x".repeat(3_000_000) });
});

test("a line without an end is told in parts", async () => {
  await run('process.stdout.write("x".repeat(200_000), () => setTimeout(() => {}, 60_000))', async ({ lines }) => {
    await until(() => lines.some((line) => line.length > 64 * 1024));
  });
});

test("nothing of the server is left after stop", async () => {
  let pid;
  await run(SERVER, async ({ host }) => {
    await until(() => answers(host));
    ({ pid } = await ask(host, "/"));
  });
  assert.throws(() => process.kill(pid, 0), { code: "ESRCH" });
});
