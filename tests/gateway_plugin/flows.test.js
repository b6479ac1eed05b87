import assert from "node:assert/strict";
import { test } from "node:test";

import { Refused, bindFlows, pickLatest } from "../../openclaw_webhooks/gateway/lib/flows.js";

const KEY = "agent:main:main";

/** The Gateway's API as far as these modules use it; the tests over real Gateways are in tests/bridge. */
function buildTasks(flows = [], asynchronous = undefined) {
  const bind = (name) => ({
    bindSession: ({ sessionKey }) => ({
      get: (flowId) => ({ from: name, sessionKey, flowId }),
      list: () => flows,
      resolve: (token) => ({ from: name, token }),
      finish: (params) => ({ from: name, params }),
      cancel: (params) => ({ from: name, params }),
    }),
  });
  return { managedFlows: bind("sync"), ...(asynchronous ? { async: { managedFlows: bind("async") } } : {}) };
}

test("methods act for the bound session alone", async () => {
  const flows = bindFlows(buildTasks(), new Set([KEY]), () => ({}));
  assert.deepEqual(await flows.call(KEY, "get", { flowId: "f" }), { from: "sync", sessionKey: KEY, flowId: "f" });
  await assert.rejects(flows.call("agent:other:main", "get", {}), new Refused("session_not_bound"));
  for (const name of ["drop", "constructor", "__proto__", "toString"]) {
    await assert.rejects(flows.call(KEY, name, {}), new Refused("method_not_allowed"));
  }
});

test("a method takes its own params and no others", async () => {
  const flows = bindFlows(buildTasks(), new Set([KEY]), () => ({}));
  for (const params of [{ flowId: "f", updatedAt: 1 }, { flowId: "f", cfg: {} }, { ["__proto__"]: 1 }, { constructor: 1 }]) {
    await assert.rejects(flows.call(KEY, "finish", params), new Refused("invalid_request"));
  }
});

test("the asynchronous API is preferred but for cancel", async () => {
  const flows = bindFlows(buildTasks([], true), new Set([KEY]), () => ({ a: "config" }));
  assert.equal(flows.api, "async");
  assert.equal((await flows.call(KEY, "finish", { flowId: "f" })).from, "async");
  const cancelled = await flows.call(KEY, "cancel", { flowId: "f" });
  assert.deepEqual(cancelled, { from: "sync", params: { flowId: "f", cfg: { a: "config" } } });
});

test("the latest flow is the one that was updated last, for a look-up by the session key too", async () => {
  const list = [
    { flowId: "newest", createdAt: 9, updatedAt: 9 },
    { flowId: "touched", createdAt: 1, updatedAt: 12 },
  ];
  const flows = bindFlows(buildTasks(list), new Set([KEY]), () => ({}));
  assert.equal((await flows.call(KEY, "findLatest", {})).flowId, "touched");
  assert.equal((await flows.call(KEY, "resolve", { token: KEY })).flowId, "touched");
  assert.deepEqual(await flows.call(KEY, "resolve", { token: "f" }), { from: "sync", token: "f" });
});

test("ties go to the flow that was inserted later", () => {
  // Newest created first; within one millisecond the earlier inserted first.
  const second = { flowId: "second", createdAt: 5, updatedAt: 7 };
  const third = { flowId: "third", createdAt: 5, updatedAt: 7 };
  const first = { flowId: "first", createdAt: 4, updatedAt: 7 };
  assert.equal(pickLatest([second, third, first]).flowId, "third");
  assert.equal(pickLatest([]), undefined);
});
