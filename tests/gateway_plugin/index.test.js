// What is registered, and that a start which fails half-way leaves nothing behind.

import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm, stat, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { test } from "node:test";

import plugin from "../../openclaw_webhooks/gateway/index.js";

function buildApi(pluginConfig, config) {
  const told = { services: [], paths: [], lines: [] };
  const note = (text) => told.lines.push(text);
  const api = {
    pluginConfig,
    config,
    logger: { info: note, warn: note, error: note },
    runtime: { version: "2026.7.1", tasks: { managedFlows: { bindSession: () => ({}) } } },
    registerService: (service) => told.services.push(service),
    registerHttpRoute: (route) => told.paths.push(route.path),
  };
  return { api, told };
}

const GATEWAY = { plugins: { deny: ["webhooks"], entries: { webhooks: { config: { routes: { zapier: { sessionKey: "agent:main:main" } } } } } } };

test("a bridge alone registers no route", () => {
  const { api, told } = buildApi({}, GATEWAY);
  plugin.register(api);
  assert.deepEqual([told.services.length, told.paths], [1, []]);
});

test("a faulty configuration registers nothing and says why", () => {
  const { api, told } = buildApi({ host: { enabled: true } }, {});
  plugin.register(api);
  assert.deepEqual([told.services, told.paths], [[], []]);
  assert.match(told.lines[0], /still on/);
});

test("a host that cannot start leaves no bridge", async () => {
  const stateDir = await mkdtemp(path.join(os.tmpdir(), "index-"));
  await mkdir(path.join(stateDir, "openclaw-webhooks"));
  await writeFile(path.join(stateDir, "openclaw-webhooks", "app.sock"), "in the way");
  const { api, told } = buildApi({ host: { enabled: true } }, GATEWAY);
  plugin.register(api);
  assert.deepEqual(told.paths, ["/plugins/webhooks/zapier"]);
  await assert.rejects(told.services[0].start({ stateDir }), /no socket/);
  assert.ok(told.lines.some((line) => line.includes("the bridge listens on")));
  await assert.rejects(stat(path.join(stateDir, "openclaw-webhooks", "bridge.sock")), { code: "ENOENT" });
  await told.services[0].stop();
  await rm(stateDir, { recursive: true });
});
