// What is written of a flood of equal lines.

import assert from "node:assert/strict";
import { test } from "node:test";

import { Floods } from "../../openclaw_webhooks/gateway/lib/floods.js";

test("the first lines of a minute are written, and how many were not is told with the next one", () => {
  let now = 0;
  const floods = new Floods(() => now);
  const written = Array.from({ length: 100 }, (_, index) => floods.pass("refused", `refused ${index}`));
  assert.deepEqual(written.filter(Boolean), Array.from({ length: 20 }, (_, index) => `refused ${index}`));
  assert.equal(floods.pass("another", "another"), "another");
  now = 60_000;
  assert.equal(floods.pass("refused", "again"), "again (repeated 80 times)");
  assert.equal(floods.pass("refused", "again"), "again");
});
