// The bridge: JSON over HTTP/1.1 on a unix socket or a loopback port. docs/bridge-protocol.md describes it.
//
// Owns addresses, tokens, codes and statuses. Bytes are wire.js's, methods are flows.js's. What the Gateway throws goes to the
// Gateway's log without its text, which may name a session, and never to the caller.

import { hash, timingSafeEqual } from "node:crypto";
import { chmod, rm } from "node:fs/promises";
import path from "node:path";

import { Floods } from "./floods.js";
import { Refused } from "./flows.js";
import { preparePrivateSocket, prepareSocketFolder } from "./sockets.js";
import { createWireServer } from "./wire.js";

const PROTOCOL = 1;
const BODY_LIMIT_BYTES = 1024 * 1024;
const STOP_PATIENCE_MS = 1_000;
const READS = new Set(["get", "list", "findLatest", "resolve", "getTaskSummary"]);

const STATUS = {
  invalid_request: 400,
  unauthorized: 401,
  session_not_bound: 403,
  method_not_allowed: 403,
  not_found: 404,
  unsupported_protocol: 404,
  request_timeout: 408,
  length_required: 411,
  too_large: 413,
  call_failed: 500,
  shutting_down: 503,
};

const MESSAGES = {
  invalid_request: "The body must be an object with the texts sessionKey and method and the object params, which has params of the method alone, in well-formed HTTP/1.1.",
  unauthorized: "The token is missing or differs.",
  session_not_bound: "No configured route is bound to this session.",
  method_not_allowed: "The bridge offers no such method.",
  not_found: "There are GET /v1/health and POST /v1/call.",
  unsupported_protocol: "This plugin speaks version 1 of the protocol.",
  request_timeout: "The request did not come to its end in time.",
  length_required: "A body needs a Content-Length; chunks are not read.",
  too_large: `A call has at most ${BODY_LIMIT_BYTES} bytes.`,
  call_failed: "The Gateway's TaskFlow API failed; its log says more.",
  shutting_down: "The Gateway is stopping.",
};

/** What is no request that can be answered, by the status it gets. */
const CODES_OF_WIRE = { 408: "request_timeout", 411: "length_required", 413: "too_large", 500: "call_failed" };

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
  const tokenDigest = settings.token && digest(settings.token);
  const bridge = { flows, about, logger, floods: new Floods(), tokenDigest, isStopping: false };
  const wire = createWireServer({
    bodyLimitBytes: BODY_LIMIT_BYTES,
    judge: (request) => judge(bridge, request),
    answer: (request, body) => answer(bridge, request, body),
    refuse: (status) => refuse(bridge, undefined, new Refused(CODES_OF_WIRE[status] ?? "invalid_request"), status),
  });
  const where = await address(settings, stateDir);
  await listen(wire.server, where);
  // Out of descriptors, for example. Without a listener an error event would end the Gateway.
  wire.server.on("error", (error) => logger.error(`[openclaw-webhooks] the bridge could not accept a connection: ${error.code}`));
  if (where.path) await chmod(where.path, 0o600);
  const url = where.path ? `unix://${where.path}` : `http://127.0.0.1:${where.port}`;
  logger.info?.(`[openclaw-webhooks] the bridge listens on ${url} for ${flows.sessions} sessions`);
  return {
    url,
    async stop() {
      bridge.isStopping = true;
      wire.closeResting();
      await new Promise((resolve) => {
        wire.server.close(resolve);
        setTimeout(wire.close, STOP_PATIENCE_MS).unref();
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
    server.listen(where, () => {
      server.off("error", reject);
      resolve();
    });
  });
}

/** Judge a request by its head: nobody without the token gets a body read. */
function judge(bridge, request) {
  if (bridge.tokenDigest && !isTokenRight(bridge.tokenDigest, request)) return refuse(bridge, request, new Refused("unauthorized"));
  const isKnown = request.path === "/v1/call" ? request.method === "POST" : request.path === "/v1/health" && request.method === "GET";
  return isKnown ? undefined : refuse(bridge, request, refusalOf(request));
}

async function answer(bridge, request, body) {
  try {
    return { status: 200, text: request.method === "GET" ? health(bridge) : await call(bridge, parseCall(body)) };
  } catch (error) {
    return refuse(bridge, request, error);
  }
}

function refuse(bridge, request, error, status = undefined) {
  const code = error instanceof Refused ? error.code : "call_failed";
  report(bridge, request, code, error);
  const told = { ok: false, error: { code, message: MESSAGES[code], applied: error.applied ?? "no" } };
  return { status: status ?? STATUS[code], text: JSON.stringify(told) };
}

function refusalOf({ path: asked }) {
  return new Refused(/^\/v1(\/|$)/.test(asked) || !/^\/v\d+\//.test(asked) ? "not_found" : "unsupported_protocol");
}

function health({ flows, about }) {
  return JSON.stringify({
    ok: true,
    protocol: PROTOCOL,
    plugin: about.plugin,
    gateway: about.gateway,
    api: flows.api,
    methods: flows.methods,
    capabilities: { reportsTasks: false, prunes: false, keepsWholeNumbers: false },
    sessions: flows.sessions,
  });
}

async function call(bridge, { sessionKey, method, params }) {
  if (bridge.isStopping) throw new Refused("shutting_down");
  try {
    return JSON.stringify({ ok: true, value: (await bridge.flows.call(sessionKey, method, params)) ?? null });
  } catch (error) {
    if (error instanceof Refused) throw error;
    throw new CallFailed(error, method);
  }
}

function parseCall(body) {
  const { sessionKey, method, params } = parseJson(body.toString("utf8")) ?? {};
  const isCall = typeof sessionKey === "string" && typeof method === "string" && typeof params === "object" && params !== null;
  if (!isCall || Array.isArray(params)) throw new Refused("invalid_request");
  return { sessionKey, method, params };
}

function parseJson(text) {
  try {
    return JSON.parse(text);
  } catch {
    throw new Refused("invalid_request");
  }
}

function report({ logger, floods }, request, code, error) {
  const id = request?.fields.get("x-request-id");
  const which = id !== undefined && /^[\w.-]{1,64}$/.test(id) ? ` request=${id}` : "";
  if (code === "call_failed") return logger.error(`[openclaw-webhooks] a TaskFlow call failed:${which} ${error.kind ?? error.name}`);
  const line = floods.pass(code, `[openclaw-webhooks] refused:${which} ${code}`);
  if (line !== undefined) logger.warn?.(line);
  return undefined;
}

function isTokenRight(expected, { fields }) {
  const presented = /^Bearer (.+)$/i.exec(fields.get("authorization") ?? "")?.[1] ?? "";
  return timingSafeEqual(expected, digest(presented.trim()));
}

function digest(text) {
  return hash("sha256", text, "buffer");
}
