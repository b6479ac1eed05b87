// Reads the answers that come over one connection, one after another, in whatever pieces they come.
//
// Pure: bytes in, calls of a listener out. Knows no socket. Source: RFC 9112 sections 4 and 6.3.

import { BodyByLength, BodyInChunks, BodyToTheEnd, fail, parseFields, parseLength } from "./framing.js";

const HEAD_MAX_BYTES = 64 * 1024;
const STATUS_LINE = /^HTTP\/1\.([01]) ([1-5]\d\d)(?: ([^\0\r\n]*))?$/;
const NOTHING = Buffer.alloc(0);

export class AnswerReader {
  #rest = NOTHING;
  #body;
  #asked;

  /**
   * Expect an answer.
   *
   * @param {string} method What was asked: an answer to HEAD has no body.
   * @param {object} listener `onHead({status, reason, rawHeaders, staysOpen})`, `onBody(bytes)`, and `onEnd()` when the
   *   answer is whole. `bytes` are to be copied by whoever keeps them.
   */
  expect(method, listener) {
    this.#asked = { method, listener };
  }

  /** Take what came; throws `BadMessage`. */
  take(bytes) {
    if (!this.#asked) fail("an answer came that nobody asked for");
    const rest = this.#body ? bytes : this.#takeHead(bytes);
    if (rest && this.#body.take(rest, (piece) => this.#asked.listener.onBody(piece))) this.#end();
  }

  /** Note the end of the connection: the end of a body that has no other, else the answer broke off. */
  takeEnd() {
    if (this.#body instanceof BodyToTheEnd) return this.#end();
    return fail("the connection ended");
  }

  #end() {
    const { listener } = this.#asked;
    this.#asked = this.#body = undefined;
    listener.onEnd();
  }

  /** Return what follows the head, undefined while it is not whole. */
  #takeHead(bytes) {
    const received = this.#rest.length > 0 ? Buffer.concat([this.#rest, bytes]) : bytes;
    const end = received.indexOf("\r\n\r\n");
    if (end < 0 && received.length > HEAD_MAX_BYTES) fail("a head is too long");
    if (end < 0) {
      this.#rest = Buffer.from(received);
      return undefined;
    }
    this.#rest = NOTHING;
    const following = received.subarray(end + 4);
    return this.#beginBody(received.latin1Slice(0, end)) ? following : this.#takeHead(following);
  }

  /** Tell whether this was the answer itself; before it others may come that only say that one will. */
  #beginBody(head) {
    const [first, ...lines] = head.split("\r\n");
    const [, minor, code, reason = ""] = STATUS_LINE.exec(first) ?? fail("no status line came");
    const status = Number(code);
    const { raw, fields } = parseFields(lines);
    if (status === 101) fail("another protocol was chosen");
    if (status < 200) return false;
    this.#body = chooseBody(this.#asked.method, status, fields);
    const staysOpen = minor === "1" && !(this.#body instanceof BodyToTheEnd) && !/\bclose\b/i.test(fields.get("connection") ?? "");
    this.#asked.listener.onHead({ status, reason, rawHeaders: raw, staysOpen });
    return true;
  }
}

function chooseBody(method, status, fields) {
  if (method === "HEAD" || status === 204 || status === 304) return new BodyByLength(0);
  const coding = fields.get("transfer-encoding");
  const length = parseLength(fields);
  if (coding === undefined) return length === undefined ? new BodyToTheEnd() : new BodyByLength(length);
  if (coding.toLowerCase() !== "chunked" || length !== undefined) fail("a body's length is ambiguous");
  return new BodyInChunks();
}
