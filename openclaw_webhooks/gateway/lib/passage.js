// One request on its way to the hosted server, unbuffered, and its answer on the way back.
//
// Owns one hop: which headers end here, the true client's address, what goes out in one write. A refusal reaches a caller
// that still sends its body, because the rest of that body is read and forgotten, within bounds.

export const CLIENT_HEADER = "x-openclaw-webhooks-client";
export const TOKEN_HEADER = "x-openclaw-webhooks-host";

const HOP_BY_HOP = new Set([
  "connection",
  "keep-alive",
  "proxy-authenticate",
  "proxy-authorization",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
  "expect",
]);
/** What only the host may say, however it is spelled. */
const OWN = /^x[-_]openclaw[-_]webhooks[-_](client|host)$/;
const NOTHING = Buffer.alloc(0);
const FORBIDDEN = /[\0\r\n]/;
const FORBIDDEN_IN_TARGET = /[^\x21-\x7e\x80-\xff]/;
/** Up to here copying head and body into one text is cheaper than handing two buffers to the kernel. */
const ONE_WRITE_BYTES = 16 * 1024;
/** What the rest of a refused body may cost: the same as at the app's own doors. */
const LINGER = { bytes: 16 * 1024 * 1024, totalMs: 30_000, idleMs: 5_000 };

/**
 * Write the head that the server gets.
 *
 * @returns {string | undefined} Latin-1 as it came; undefined where a caller's words would not stay in their line, which
 *   the Gateway's parser refuses before.
 */
export function buildHead(req, token) {
  if (!isUnambiguous(req)) return undefined;
  let fields = "";
  for (let index = 0; index < req.rawHeaders.length; index += 2) {
    const [name, value] = [req.rawHeaders[index], req.rawHeaders[index + 1]];
    if (isPassedOn(name.toLowerCase(), req)) fields += `${name}: ${value}\r\n`;
  }
  if (isChunked(req)) fields += "Transfer-Encoding: chunked\r\n";
  fields += `${CLIENT_HEADER}: ${req.socket.remoteAddress}\r\n${TOKEN_HEADER}: ${token}\r\n`;
  return `${req.method} ${req.url} HTTP/1.1\r\n${fields}\r\n`;
}

function isUnambiguous({ url, headers, rawHeaders }) {
  const coding = headers["transfer-encoding"];
  const isCodingKnown = coding === undefined || coding.toLowerCase() === "chunked";
  return isCodingKnown && !FORBIDDEN_IN_TARGET.test(url) && !rawHeaders.some((text) => FORBIDDEN.test(text));
}

/**
 * A body has one framing: where it comes in chunks, a length beside them is nobody's. To a WSGI server a name with underscores
 * is the one with hyphens.
 */
function isPassedOn(name, req) {
  return !HOP_BY_HOP.has(name) && !OWN.test(name) && !(name === "content-length" && isChunked(req));
}

/** The parser tells the end of a body later than its last byte. */
function isBodyThere(req) {
  return req.complete || (!isChunked(req) && req.readableLength === Number(req.headers["content-length"] ?? 0));
}

function isChunked(req) {
  return req.headers["transfer-encoding"] !== undefined;
}

/** A request under way. It listens to the answer that its connection reads. */
export class Passage {
  #isSent = false;
  #isAnswered = false;
  #isWhole = false;
  #staysOpen = false;
  #held;
  #sendAgain;

  /**
   * @param {object} parts
   * @param {object} parts.connection One of upstream.js, perhaps kept; `connectAnew()` makes another.
   * @param {(error?: Error) => void} parts.end Called with what went wrong before there was an answer, or with nothing.
   */
  constructor({ req, res, connection, connectAnew, end }) {
    this.req = req;
    this.res = res;
    this.connection = connection;
    this.connectAnew = connectAnew;
    this.end = end;
    this.isChunked = isChunked(req);
    connection.expect(req.method, this);
    res.once("close", () => this.#endWithCaller());
  }

  /**
   * Send the head, and with it a body that has come with it; one that has not follows as it comes.
   *
   * The Gateway asks from within its parser, which has yet to see what follows the head in the same piece. Two writes would
   * wake the server twice.
   */
  send(head) {
    queueMicrotask(() => this.#begin(head));
  }

  #begin(head) {
    if (isBodyThere(this.req)) {
      const body = this.req.read() ?? NOTHING;
      this.#sendAgain = () => this.#sendAnew(head, body);
      return this.#sendWhole(head, body);
    }
    this.connection.socket.write(head, "latin1");
    this.req.on("data", this.#sendPiece);
    return this.req.once("end", () => {
      if (this.isChunked) this.connection.socket.write("0\r\n\r\n", "latin1");
      this.#isSent = true;
    });
  }

  onHead({ status, reason, rawHeaders, staysOpen }) {
    this.#isAnswered = true;
    this.#staysOpen = staysOpen;
    const headers = [];
    for (let index = 0; index < rawHeaders.length; index += 2) {
      if (!HOP_BY_HOP.has(rawHeaders[index].toLowerCase())) headers.push(rawHeaders[index], rawHeaders[index + 1]);
    }
    if (!this.req.complete) headers.push("Connection", "close");
    this.res.writeHead(status, reason, headers);
  }

  onBody(piece) {
    this.#passHeld();
    this.#held = Buffer.from(piece);
  }

  onPause() {
    if (this.#held) this.#passHeld();
    else if (this.#isAnswered) this.res.flushHeaders();
  }

  onEnd() {
    this.#isWhole = true;
    if (!this.#isSent) return void this.#refuse();
    if (this.#staysOpen) this.connection.rest();
    else this.connection.destroy();
    const last = this.#held ?? "";
    if (last.length > ONE_WRITE_BYTES) this.res.end(last);
    else this.res.end(last.toString("latin1"), "latin1");
    return this.end();
  }

  onError(error) {
    if (this.#isWhole) return; // The server need not read a body that it has refused.
    if (!this.#isAnswered && error.syscall === "write" && this.#sendAgain) return this.#sendAgain();
    if (this.#isAnswered) this.res.destroy();
    this.end(this.#isAnswered ? undefined : error);
  }

  /** Once more, on a new connection: the kept one had ended, and what could not be written whole cannot have acted. */
  #sendAnew(head, body) {
    this.#sendAgain = undefined;
    this.connection = this.connectAnew();
    this.connection.expect(this.req.method, this);
    this.#sendWhole(head, body);
  }

  #sendWhole(head, body) {
    const { socket } = this.connection;
    this.#isSent = true;
    const [before, after] = this.isChunked ? asOneChunk(body.length) : ["", ""];
    if (body.length <= ONE_WRITE_BYTES) return socket.write(`${head}${before}${body.latin1Slice()}${after}`, "latin1");
    socket.cork();
    socket.write(head + before, "latin1");
    socket.write(body);
    socket.write(after, "latin1");
    return socket.uncork();
  }

  #sendPiece = (piece) => {
    const { socket } = this.connection;
    socket.cork();
    if (this.isChunked) socket.write(`${piece.length.toString(16)}\r\n`, "latin1");
    const hasRoom = socket.write(piece);
    if (this.isChunked) socket.write("\r\n", "latin1");
    socket.uncork();
    if (hasRoom) return;
    this.req.pause();
    socket.once("drain", () => this.req.resume());
  };

  #passHeld() {
    const held = this.#held;
    this.#held = undefined;
    if (!held || this.res.write(held)) return;
    this.connection.socket.pause();
    this.res.once("drain", () => this.connection.socket.resume());
  }

  async #refuse() {
    this.req.removeListener("data", this.#sendPiece);
    this.#passHeld();
    await linger(this.req);
    this.connection.destroy(); // Its request never ends, so that nobody else would.
    this.res.end();
    this.end();
  }

  /** Once the answer was read whole, the connection may serve somebody else already. */
  #endWithCaller() {
    if (!this.#isWhole) this.connection.destroy();
    this.end();
  }
}

/** What stands before and after a body that is one chunk; one of no bytes would be the end. */
function asOneChunk(length) {
  return length > 0 ? [`${length.toString(16)}\r\n`, "\r\n0\r\n\r\n"] : ["", "0\r\n\r\n"];
}

/** Read and forget the rest of a body, so that closing does not reset the answer away (RFC 9112 section 9.6). */
function linger(req) {
  return new Promise((resolve) => {
    let left = LINGER.bytes;
    const end = () => {
      clearTimeout(total);
      clearTimeout(idle);
      resolve();
    };
    const total = setTimeout(end, LINGER.totalMs);
    let idle = setTimeout(end, LINGER.idleMs);
    req.on("data", (chunk) => {
      clearTimeout(idle);
      idle = setTimeout(end, LINGER.idleMs);
      left -= chunk.length;
      if (left <= 0) end();
    });
    req.once("end", end);
    req.once("close", end);
    req.resume();
  });
}
