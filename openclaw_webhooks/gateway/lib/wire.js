// A small HTTP/1.1 server for small JSON messages: one request at a time on a connection, each answer in one write.
//
// Owns bytes, sizes and time limits. Knows no path, no token and no method. Node's own HTTP server takes three times the CPU
// time for a message of this size. Source: RFC 9112; RFC 9110 section 10.1.1 (Expect).

import net from "node:net";

import { BadMessage, fail, parseFields, parseLength } from "./framing.js";

const HEAD_MAX_BYTES = 16 * 1024;
const IDLE_MS = 75_000;
/** A peer that has presented no token yet has this long for each head. */
const HEAD_MS = 5_000;
/** At this bound the oldest peer gives way that has presented no token: none of them keeps out one that has. */
const MAX_CONNECTIONS = 1024;
/** A request that has begun must be whole by then; told to whoever sends the next piece of it. */
const REQUEST_MS = 60_000;
/** How long a caller may take to read its last answer. */
const ENDING_MS = 5_000;
const REQUEST_LINE = /^([A-Z]{1,20}) ([\x21-\x7e]{1,2000}) HTTP\/1\.([01])$/;
const NOTHING = Buffer.alloc(0);
const REASONS = {
  200: "OK",
  400: "Bad Request",
  401: "Unauthorized",
  403: "Forbidden",
  404: "Not Found",
  408: "Request Timeout",
  411: "Length Required",
  413: "Content Too Large",
  431: "Request Header Fields Too Large",
  500: "Internal Server Error",
  503: "Service Unavailable",
};

/**
 * Make a server, not yet listening.
 *
 * @param {object} app
 * @param {number} app.bodyLimitBytes What a body may have.
 * @param {(request: {method: string, path: string, fields: Map<string, string>}) => object | undefined} app.judge Asked once
 *   the head is there: an answer instead of the body, if there is one.
 * @param {(request: object, body: Buffer) => Promise<object>} app.answer `{status, text}`, the text JSON; never rejects.
 * @param {number} [app.headMs] How long a head may take.
 * @param {number} [app.maxConnections] How many there may be; a new one is never refused.
 * @param {(status: number) => object} app.refuse The answer to what is no request: 400, 408, 411, 413, 431 or 500.
 * @returns {{server: net.Server, close: () => void, closeResting: () => void}}
 */
export function createWireServer(app) {
  const conversations = new Set();
  const server = net.createServer({ noDelay: true }, (socket) => {
    if (conversations.size >= (app.maxConnections ?? MAX_CONNECTIONS)) makeRoom(conversations);
    const conversation = new Conversation(app, socket);
    conversations.add(conversation);
    socket.once("close", () => conversations.delete(conversation));
  });
  const closeThose = (isMeant) => {
    for (const conversation of conversations) if (isMeant(conversation)) conversation.socket.destroy();
  };
  return { server, close: () => closeThose(() => true), closeResting: () => closeThose((each) => each.isResting) };
}

function makeRoom(conversations) {
  const all = [...conversations];
  const leaving = all.find((each) => !each.isAdmitted) ?? all[0];
  conversations.delete(leaving);
  leaving.socket.destroy();
}

/** One connection. `isAdmitted` once a head of it was judged to be right. */
class Conversation {
  isAdmitted = false;
  #app;
  #received = NOTHING;
  #request;
  #beganAt = 0;
  #isAnswering = false;
  #isEnding = false;
  #headMs;

  constructor(app, socket) {
    this.#app = app;
    this.socket = socket;
    this.#headMs = app.headMs ?? HEAD_MS;
    socket.setTimeout(this.#headMs, () => socket.destroy());
    socket.on("error", () => socket.destroy());
    socket.on("data", (bytes) => this.#take(bytes));
  }

  /** Nothing was asked that is not answered. */
  get isResting() {
    return !this.#isAnswering && !this.#request && this.#received.length === 0;
  }

  #take(bytes) {
    if (this.#isEnding) return; // Read and forgotten, so that the refusal can be read.
    if (this.isResting) this.#beganAt = Date.now();
    this.#received = this.#received.length > 0 ? Buffer.concat([this.#received, bytes]) : bytes;
    if (this.#received.length > HEAD_MAX_BYTES + this.#app.bodyLimitBytes) this.socket.pause();
    this.#goOn();
  }

  #goOn() {
    if (this.#isAnswering || this.#received.length === 0) return;
    try {
      if (this.#isLate()) return this.#refuse(408);
      this.#request ??= this.#takeHead();
      if (this.#request) this.#takeBody(this.#request);
    } catch (error) {
      this.#refuse(error instanceof BadMessage ? 400 : 500); // Thrown on, it would end the Gateway.
    }
  }

  #isLate() {
    return Date.now() - this.#beganAt > (this.#request ? REQUEST_MS : this.#headMs);
  }

  #takeHead() {
    const end = this.#received.indexOf("\r\n\r\n");
    if (end > HEAD_MAX_BYTES || (end < 0 && this.#received.length > HEAD_MAX_BYTES)) return this.#refuse(431);
    if (end < 0) return undefined;
    const request = parseHead(this.#received.latin1Slice(0, end));
    this.#received = this.#received.subarray(end + 4);
    return this.#admit(request);
  }

  /** Return the request where its body is to be read. */
  #admit(request) {
    const refusal = this.#app.judge(request);
    if (refusal) return this.#end(refusal);
    this.isAdmitted = true;
    this.socket.setTimeout(IDLE_MS);
    if (request.fields.has("transfer-encoding")) return this.#refuse(411);
    if (request.length > this.#app.bodyLimitBytes) return this.#refuse(413);
    if (request.expects && request.length > this.#received.length) this.socket.write("HTTP/1.1 100 Continue\r\n\r\n");
    return request;
  }

  #takeBody(request) {
    if (this.#received.length < request.length) return;
    const body = this.#received.subarray(0, request.length);
    this.#received = this.#received.subarray(request.length);
    this.#request = undefined;
    this.#isAnswering = true;
    void this.#app.answer(request, body).then((answer) => this.#answer(request, answer));
  }

  #answer(request, answer) {
    if (!request.staysOpen) return this.#end(answer);
    if (this.socket.write(format(answer, true))) return this.#beginAnew();
    return this.socket.once("drain", () => this.#beginAnew());
  }

  #beginAnew() {
    this.#isAnswering = false;
    this.#beganAt = Date.now();
    this.socket.resume();
    this.#goOn();
  }

  #refuse(status) {
    return this.#end(this.#app.refuse(status));
  }

  /** Answer for the last time. What still comes is read until the caller has read this, or the time for that is over. */
  #end(answer) {
    this.#isEnding = true;
    this.#received = NOTHING;
    this.#request = undefined;
    this.socket.end(format(answer, false));
    setTimeout(() => this.socket.destroy(), ENDING_MS).unref();
    this.socket.resume();
    return undefined;
  }
}

function parseHead(text) {
  const [first, ...lines] = text.split("\r\n");
  const [, method, path, minor] = REQUEST_LINE.exec(first) ?? fail("no request line came");
  const { fields } = parseFields(lines);
  const staysOpen = minor === "1" && !/\bclose\b/i.test(fields.get("connection") ?? "");
  const expects = /^100-continue$/i.test(fields.get("expect") ?? "");
  return { method, path, fields, staysOpen, expects, length: parseLength(fields) ?? 0 };
}

function format({ status, text }, staysOpen) {
  const length = Buffer.byteLength(text);
  const ending = staysOpen ? "" : "Connection: close\r\n";
  return `HTTP/1.1 ${status} ${REASONS[status]}\r\nContent-Type: application/json; charset=utf-8\r\nContent-Length: ${length}\r\n${ending}\r\n${text}`;
}
