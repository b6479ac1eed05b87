// The bridge: JSON over HTTP/1.1 on a unix socket or a loopback port. docs/bridge-protocol.md describes it.
//
// Owns addresses, tokens, sizes and statuses. Knows no method: flows.js does. What the Gateway throws goes to the
// Gateway's log without its text, which may name a session, and never to the caller.

import { createHash, timingSafeEqual } from "node:crypto";
import { chmod, rm } from "node:fs/promises";
import http from "node:http";
import path from "node:path";

import { Refused } from "./flows.js";
import { preparePrivateSocket, prepareSocketFolder } from "./sockets.js";

const PROTOCOL = 1;
const BODY_LIMIT_BYTES = 1024 * 1024;
const KEEP_ALIVE_MS = 75_000;
const READS = new Set(["get", "list", "findLatest", "resolve", "getTaskSummary"]);

const STATUS = {
  invalid_request: 400,
  unauthorized: 401,
  session_not_bound: 403,
  method_not_allowed: 403,
  not_found: 404,
  unsupported_protocol: 404,
  too_large: 413,
  call_failed: 500,
  shutting_down: 503,
};

const MESSAGES = {
  invalid_request: "The body must be an object with the texts sessionKey and method and the object params.",
  unauthorized: "The token is missing or differs.",
  session_not_bound: "No configured route is bound to this session.",
  method_not_allowed: "The bridge offers no such method.",
  not_found: "There are GET /v1/health and POST /v1/call.",
  unsupported_protocol: "This plugin speaks version 1 of the protocol.",
  too_large: `A call has at most ${BODY_LIMIT_BYTES} bytes.`,
  call_failed: "The Gateway's TaskFlow API failed; its log says more.",
  shutting_down: "The Gateway is stopping.",
};

/** The API threw. In the middle of a change that may be before or after it was stored. */
class CallFailed extends Error {
  constructor(cause, method) {
    super("The TaskFlow API failed.", { cause });
    this.applied = READS.has(method) ? "no" : "unknown";
    this.kind = cause instanceof Error ? cause.name : typeof cause;
  }
}

/**
 * Listen until stopped.
 *
 * @returns {Promise<{url: string, stop: () => Promise<void>}>} `url` as OPENCLAW_WEBHOOKS_BRIDGE_URL wants it.
 */
export async function startBridge({ flows, settings, stateDir, about, logger }) {
  const bridge = { flows, about, logger, tokenDigest: settings.token && digest(settings.token), isStopping: false };
  const server = http.createServer({ keepAliveTimeout: KEEP_ALIVE_MS }, (req, res) => void answer(bridge, req, res));
  const where = await address(settings, stateDir);
  await listen(server, where);
  if (where.path) await chmod(where.path, 0o600);
  const url = where.path ? `unix://${where.path}` : `http://127.0.0.1:${where.port}`;
  logger.info?.(`[openclaw-webhooks] the bridge listens on ${url} for ${flows.sessions} sessions`);
  return {
    url,
    async stop() {
      bridge.isStopping = true;
      server.closeIdleConnections();
      await new Promise((resolve) => {
        server.close(resolve);
        setTimeout(() => server.closeAllConnections(), 1000).unref();
      });
      if (where.path) await rm(where.path, { force: true });
    },
  };
}

async function address(settings, stateDir) {
  if (settings.port !== undefined) return { host: "127.0.0.1", port: settings.port };
  const socketPath = settings.socketPath ?? path.join(await prepareSocketFolder(stateDir), "bridge.sock");
  await preparePrivateSocket(socketPath);
  return { path: socketPath };
}

function listen(server, where) {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(where, resolve);
  });
}

async function answer(bridge, req, res) {
  try {
    send(res, 200, await route(bridge, req));
  } catch (error) {
    const code = error instanceof Refused ? error.code : "call_failed";
    // The caller must not take a connection for reusable whose body nobody reads.
    if (!req.complete) res.setHeader("Connection", "close");
    send(res, STATUS[code], { ok: false, error: { code, message: MESSAGES[code], applied: error.applied ?? "no" } });
    report(bridge.logger, req, code, error);
  }
}

async function route(bridge, req) {
  if (bridge.tokenDigest && !isTokenRight(bridge.tokenDigest, req)) throw new Refused("unauthorized");
  switch (`${req.method} ${req.url}`) {
    case "GET /v1/health":
      return health(bridge);
    case "POST /v1/call":
      return call(bridge, await readCall(req));
    default:
      throw refusalOf(req);
  }
}

function refusalOf(req) {
  return new Refused(/^\/v1(\/|$)/.test(req.url) || !/^\/v\d+\//.test(req.url) ? "not_found" : "unsupported_protocol");
}

function health({ flows, about }) {
  return {
    ok: true,
    protocol: PROTOCOL,
    plugin: about.plugin,
    gateway: about.gateway,
    api: flows.api,
    methods: flows.methods,
    capabilities: { reportsTasks: false, prunes: false, keepsWholeNumbers: false },
    sessions: flows.sessions,
  };
}

async function call(bridge, { sessionKey, method, params }) {
  if (bridge.isStopping) throw new Refused("shutting_down");
  try {
    return { ok: true, value: (await bridge.flows.call(sessionKey, method, params)) ?? null };
  } catch (error) {
    if (error instanceof Refused) throw error;
    throw new CallFailed(error, method);
  }
}

async function readCall(req) {
  const parsed = parseJson(await readBody(req));
  const { sessionKey, method, params } = parsed ?? {};
  const isCall = typeof sessionKey === "string" && typeof method === "string" && typeof params === "object" && params !== null;
  if (!isCall || Array.isArray(params)) throw new Refused("invalid_request");
  return { sessionKey, method, params };
}

/** By events: iterating over a request costs 20 µs more. Who sends too much is not cut off, so that he can read why. */
function readBody(req) {
  return new Promise((resolve, reject) => {
    const chunks = [];
    let size = 0;
    req.on("data", (chunk) => {
      size += chunk.length;
      if (size > BODY_LIMIT_BYTES) reject(new Refused("too_large"));
      else chunks.push(chunk);
    });
    req.once("end", () => resolve((chunks.length === 1 ? chunks[0] : Buffer.concat(chunks)).toString("utf8")));
    req.once("error", reject);
  });
}

function parseJson(text) {
  try {
    return JSON.parse(text);
  } catch {
    throw new Refused("invalid_request");
  }
}

function send(res, status, body) {
  if (res.destroyed) return;
  const text = JSON.stringify(body);
  res.writeHead(status, { "Content-Type": "application/json; charset=utf-8", "Content-Length": Buffer.byteLength(text) });
  res.end(text);
}

function report(logger, req, code, error) {
  const id = req.headers["x-request-id"];
  const which = typeof id === "string" && /^[\w.-]{1,64}$/.test(id) ? ` request=${id}` : "";
  if (code === "call_failed") logger.error(`[openclaw-webhooks] a TaskFlow call failed:${which} ${error.kind ?? error.name}`);
  else logger.warn?.(`[openclaw-webhooks] refused:${which} ${code}`);
}

function isTokenRight(expected, req) {
  const presented = /^Bearer (.+)$/i.exec(req.headers.authorization ?? "")?.[1] ?? "";
  return timingSafeEqual(expected, digest(presented.trim()));
}

function digest(text) {
  return createHash("sha256").update(text).digest();
}
