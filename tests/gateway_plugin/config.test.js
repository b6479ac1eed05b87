import assert from "node:assert/strict";
import { test } from "node:test";

import { isBundledOff, parseConfig } from "../../openclaw_webhooks/gateway/lib/config.js";

const gateway = (routes, plugins = {}) => ({ plugins: { ...plugins, entries: { webhooks: { config: { routes } } } } });

test("sessions are those of enabled routes and of the plugin's own list", () => {
  const routes = {
    zapier: { sessionKey: " agent:main:main ", secret: "s" },
    off: { enabled: false, sessionKey: "agent:main:off", secret: "s" },
    faulty: { secret: "s" },
  };
  const config = parseConfig({ sessionKeys: ["agent:ops:ci"] }, gateway(routes));
  assert.deepEqual([...config.sessionKeys], ["agent:main:main", "agent:ops:ci"]);
  assert.deepEqual(config.problems, []);
});

test("paths are normalized as the app does", () => {
  const routes = {
    one: { sessionKey: "k", path: "hooks/one/" },
    two: { sessionKey: "k" },
  };
  const paths = parseConfig({}, gateway(routes)).routes.map((route) => route.path);
  assert.deepEqual(paths, ["/hooks/one", "/plugins/webhooks/two"]);
});

test("nothing configured is nothing to do", () => {
  const config = parseConfig(undefined, undefined);
  assert.deepEqual([config.routes, config.sessionKeys.size, config.host.enabled, config.problems], [[], 0, false, []]);
});

test("a port without a token is refused, and a port beside a socket", () => {
  assert.match(parseConfig({ bridge: { port: 7001 } }, {}).problems[0], /bridge\.token/);
  assert.match(parseConfig({ bridge: { port: 7001, socketPath: "/a" } }, {}).problems[0], /exclude/);
  assert.match(parseConfig({ bridge: { socketPath: "a.sock" } }, {}).problems[0], /absolute/);
});

test("hosting says what to do about the bundled plugin", () => {
  const hosting = { host: { enabled: true } };
  assert.match(parseConfig(hosting, gateway({})).problems[0], /plugins\.deny/);
  assert.deepEqual(parseConfig(hosting, gateway({}, { deny: ["webhooks"] })).problems, []);
  assert.deepEqual(parseConfig({}, gateway({})).problems, [], "a bridge alone may run beside it");
});

test("a section that is not enabled has no routes, and hosting says what to do about it", () => {
  const off = gateway({ zapier: { sessionKey: "agent:main:main", secret: "s" } }, { deny: ["webhooks"] });
  off.plugins.entries.webhooks.enabled = false;
  const config = parseConfig({ host: { enabled: true } }, off);
  assert.deepEqual([config.routes, config.sessionKeys.size], [[], 0]);
  assert.match(config.problems[0], /enabled is false/);
  assert.deepEqual(parseConfig({}, off).problems, []);
});

test("the bundled plugin is off where it is denied or not allowed", () => {
  assert.equal(isBundledOff({}), false);
  assert.equal(isBundledOff({ plugins: { allow: [] } }), false);
  assert.equal(isBundledOff({ plugins: { allow: ["openclaw-webhooks"] } }), true);
  assert.equal(isBundledOff({ plugins: { allow: ["webhooks"] } }), false);
});
