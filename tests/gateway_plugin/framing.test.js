// Answers of the hosted server as bytes: every way to cut them, and what must not pass for one.

import assert from "node:assert/strict";
import { test } from "node:test";

import { AnswerReader } from "../../openclaw_webhooks/gateway/lib/answers.js";
import { BadMessage, parseFields } from "../../openclaw_webhooks/gateway/lib/framing.js";

function read(pieces, { method = "POST", ends = false } = {}) {
  const told = { head: undefined, body: "", isWhole: false };
  const reader = new AnswerReader();
  reader.expect(method, {
    onHead: (head) => (told.head = head),
    onBody: (bytes) => (told.body += bytes.toString("latin1")),
    onEnd: () => (told.isWhole = true),
  });
  for (const piece of pieces) reader.take(Buffer.from(piece, "latin1"));
  if (ends) reader.takeEnd();
  return told;
}

const ANSWERS = {
  "a length": ["HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-A: b\r\n\r\nhello", {}, "hello", true],
  "no body": ["HTTP/1.1 204 No Content\r\n\r\n", {}, "", true],
  "of HEAD": ["HTTP/1.1 405 Method Not Allowed\r\nContent-Length: 18\r\n\r\n", { method: "HEAD" }, "", true],
  chunks: ["HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nhel\r\n2\r\nlo\r\n0\r\nT: r\r\n\r\n", {}, "hello", true],
  "the connection's end": ["HTTP/1.1 200 OK\r\n\r\nhello", { ends: true }, "hello", false],
  "a wish to close": ["HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: Close\r\n\r\nhello", {}, "hello", false],
  "an older version": ["HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello", {}, "hello", false],
  "news before it": ["HTTP/1.1 102 Wait\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", {}, "hello", true],
};

for (const [name, [text, options, body, staysOpen]] of Object.entries(ANSWERS)) {
  test(`an answer with ${name} is read however it is cut`, () => {
    for (let cut = 0; cut <= text.length; cut += 1) {
      const told = read([text.slice(0, cut), text.slice(cut)].filter(Boolean), options);
      assert.deepEqual([told.isWhole, told.body, told.head.staysOpen], [true, body, staysOpen], `cut at ${cut}`);
    }
    assert.equal(read(Array.from(text), options).body, body);
  });
}

test("a field of blanks costs what its length costs", () => {
  const began = process.cpuUsage().user;
  for (const end of ["\0", "", "x", " \0", "\t"]) {
    const line = `X:${" \t".repeat(8_000)}${end}`;
    if (end.includes("\0")) assert.throws(() => parseFields([line]), BadMessage);
    else assert.equal(parseFields([line]).fields.get("x"), end.trim());
  }
  // Under a millisecond; the cube of the length took minutes.
  assert.ok(process.cpuUsage().user - began < 1_000_000);
});

test("what is around a field's value does not count", () => {
  assert.deepEqual(parseFields(["A: \t b c\t ", "B:", "a:d"]).fields, new Map([["a", "b c, d"], ["b", ""]]));
});

const WRONG = {
  "no HTTP": "SSH-2.0-OpenSSH_9.2\r\n\r\n",
  "two lengths": "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
  "a length and chunks": "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
  "a negative length": "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
  "another coding": "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
  "a folded header": "HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 0\r\n\r\n",
  "a blank before the colon": "HTTP/1.1 200 OK\r\nContent-Length : 0\r\n\r\n",
  "a bare line feed": "HTTP/1.1 200 OK\r\nX: a\nContent-Length: 0\r\n\r\n",
  "more than its length": "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nab",
  "a chunk without a size": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n",
  "a chunk that is longer": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n0\r\n\r\n",
  "a chunk's line without CR": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\nab",
  "more than its last chunk": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
  "another protocol": "HTTP/1.1 101 Switching Protocols\r\n\r\n",
  "an endless head": `HTTP/1.1 200 OK\r\nX: ${"x".repeat(70_000)}`,
};

for (const [name, text] of Object.entries(WRONG)) {
  test(`an answer with ${name} is none`, () => {
    assert.throws(() => read([text]), BadMessage);
  });
}

test("an answer that breaks off, and one that nobody asked for, are none", () => {
  assert.throws(() => read(["HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel"], { ends: true }), BadMessage);
  assert.throws(() => new AnswerReader().take(Buffer.from("HTTP/1.1 200 OK\r\n\r\n")), BadMessage);
});
