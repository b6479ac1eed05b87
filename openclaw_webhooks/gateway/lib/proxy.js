// Passes the routes' requests on to the hosted server, unbuffered, and its answers back.
//
// Owns one hop: which headers end here, the true client's address, who is told what when the server is away. A refusal
// reaches a caller that still sends its body, because the rest of that body is read and forgotten, within bounds.

import http from "node:http";

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
  CLIENT_HEADER,
  TOKEN_HEADER,
]);
const RETRY_AFTER_SECONDS = 1;
/** What the rest of a refused body may cost: the same as at the app's own doors. */
const LINGER = { bytes: 4 * 1024 * 1024, totalMs: 5_000, idleMs: 2_000 };
/** Shorter than the server keeps an idle connection. */
const IDLE_CONNECTION_MS = 5_000;

/** Make the handler of all routes; until `connect` is called the server counts as away. */
export function createProxy({ logger }) {
  const agent = new http.Agent({ keepAlive: true, maxSockets: 256, timeout: IDLE_CONNECTION_MS, scheduling: "lifo" });
  let target;
  return {
    connect(to) {
      target = to;
    },
    handle: (req, res) => {
      if (!target?.isUp()) return answerAway(req, res);
      return passOn({ req, res, target, agent, logger });
    },
  };
}

function passOn({ req, res, target, agent, logger }) {
  return new Promise((resolve) => {
    const done = () => resolve(true);
    const upstream = http.request({
      agent,
      socketPath: target.socketPath,
      method: req.method,
      path: req.url,
      headers: buildHeaders(req, target.token),
      setHost: false,
    });
    let answered = false;
    upstream.once("response", (answer) => {
      answered = true;
      res.once("close", () => answer.destroy());
      passBack(req, res, upstream, answer, done);
    });
    upstream.on("error", (error) => {
      if (answered) return; // The server need not read a body that it has refused.
      logger.warn?.(`[openclaw-webhooks] the server did not answer (${error.code ?? error.message})`);
      if (wasNeverReached(error)) answerAway(req, res);
      else answerUnknown(req, res);
      done();
    });
    res.once("close", () => {
      if (!res.writableFinished) upstream.destroy();
      done();
    });
    req.pipe(upstream);
    // The server judges the head before the first byte of a body has come; one that is there already goes with it.
    setImmediate(() => upstream.flushHeaders());
  });
}

function buildHeaders(req, token) {
  const headers = [];
  for (let index = 0; index < req.rawHeaders.length; index += 2) {
    const name = req.rawHeaders[index];
    if (!HOP_BY_HOP.has(name.toLowerCase())) headers.push(name, req.rawHeaders[index + 1]);
  }
  if (isChunked(req)) headers.push("Transfer-Encoding", "chunked");
  headers.push(CLIENT_HEADER, req.socket.remoteAddress ?? "", TOKEN_HEADER, token);
  return headers;
}

function isChunked(req) {
  return req.headers["transfer-encoding"] !== undefined;
}

function passBack(req, res, upstream, answer, done) {
  const headers = [];
  for (let index = 0; index < answer.rawHeaders.length; index += 2) {
    if (!HOP_BY_HOP.has(answer.rawHeaders[index].toLowerCase())) headers.push(answer.rawHeaders[index], answer.rawHeaders[index + 1]);
  }
  if (answer.headers.connection?.toLowerCase() === "close" && !req.complete) headers.push("Connection", "close");
  res.writeHead(answer.statusCode, answer.statusMessage, headers);
  answer.on("data", (chunk) => {
    if (!res.write(chunk)) {
      answer.pause();
      res.once("drain", () => answer.resume());
    }
  });
  answer.once("end", () => void finish(req, res, upstream).then(done));
}

async function finish(req, res, upstream) {
  if (!req.complete) {
    req.unpipe(upstream);
    await linger(req);
    upstream.destroy(); // Its request never ends, so that nobody else would.
  }
  res.end();
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

function wasNeverReached(error) {
  return ["ENOENT", "ECONNREFUSED"].includes(error.code);
}

/** The server is not there: nothing has happened, and a moment later it will be. */
function answerAway(req, res) {
  answerText(req, res, 503, "Service Unavailable", { "Retry-After": String(RETRY_AFTER_SECONDS) });
  return true;
}

/** The server died with the request: whether it has acted is not known, so nothing says "try again". */
function answerUnknown(req, res) {
  answerText(req, res, 502, "Bad Gateway: the server ended while it served this request, whose outcome is not known", {});
}

function answerText(req, res, status, text, headers) {
  if (res.headersSent || res.destroyed) return res.destroy();
  req.resume();
  res.writeHead(status, { "Content-Type": "text/plain; charset=utf-8", ...(req.complete ? {} : { Connection: "close" }), ...headers });
  return res.end(text);
}
