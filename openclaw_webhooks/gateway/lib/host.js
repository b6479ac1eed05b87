// The host: starts the Django server, starts it again when it dies, stops it with the Gateway.
//
// Owns a child process and its environment. Requests are proxy.js's.

import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import net from "node:net";
import path from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { fileURLToPath } from "node:url";

import { preparePrivateSocket, prepareSocketFolder } from "./sockets.js";

const CHECKOUT = fileURLToPath(new URL("../../..", import.meta.url));
const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 10_000;
/** A server that lived this long had started well: the next pause is short again. */
const STARTED_WELL_MS = 10_000;
/** The server stops within 5 seconds of SIGTERM by itself. */
const STOP_PATIENCE_MS = 6_000;
/** A longer line is told in parts. */
const LINE_MAX_LENGTH = 64 * 1024;

/**
 * Start the server; it may take seconds until it listens, which `isUp` tells.
 *
 * @returns {Promise<{socketPath: string, isUp: () => boolean, stop: () => Promise<void>}>}
 */
export async function startHost({ settings, bridgeUrl, tokens, stateDir, logger }) {
  const socketPath = path.join(await prepareSocketFolder(stateDir), "app.sock");
  await preparePrivateSocket(socketPath);
  const host = {
    command: settings.command ?? defaultCommand(),
    cwd: settings.cwd ?? CHECKOUT,
    environment: buildEnvironment({ settings, bridgeUrl, tokens, stateDir, socketPath }),
    socketPath,
    logger,
    child: undefined,
    listens: false,
    stopping: new AbortController(),
  };
  const ended = keepRunning(host);
  return {
    socketPath,
    isUp: () => host.child !== undefined && hasSocket(host),
    async stop() {
      host.stopping.abort();
      await stopChild(host);
      await ended;
    },
  };
}

function isStopping({ stopping }) {
  return stopping.signal.aborted;
}

/** Look for the socket until it is there: after that only the end of the child takes it away. */
function hasSocket(host) {
  host.listens ||= existsSync(host.socketPath);
  return host.listens;
}

function defaultCommand() {
  const own = path.join(CHECKOUT, ".venv", "bin", "python");
  return [existsSync(own) ? own : "python3", "-m", "project.serve"];
}

function buildEnvironment({ settings, bridgeUrl, tokens, stateDir, socketPath }) {
  const asked = settings.env ?? {};
  return {
    OPENCLAW_WEBHOOKS_DATA_DIR: path.join(stateDir, "openclaw-webhooks", "data"),
    ...process.env,
    ...asked,
    OPENCLAW_WEBHOOKS_BIND: [`unix:${socketPath}`, asked.OPENCLAW_WEBHOOKS_BIND].filter(Boolean).join(","),
    OPENCLAW_WEBHOOKS_ENGINE: "bridge",
    OPENCLAW_WEBHOOKS_BRIDGE_URL: bridgeUrl,
    OPENCLAW_WEBHOOKS_BRIDGE_TOKEN: tokens.bridge,
    OPENCLAW_WEBHOOKS_HOST_TOKEN: tokens.host,
  };
}

async function keepRunning(host) {
  let pauseMs = FIRST_PAUSE_MS;
  while (!isStopping(host)) {
    const startedAt = Date.now();
    // Without a process or a descriptor to spare Node throws; it is tried again as after any other end.
    const end = await runOnce(host).catch((error) => error.code ?? error.message);
    if (isStopping(host)) return;
    if (Date.now() - startedAt > STARTED_WELL_MS) pauseMs = FIRST_PAUSE_MS;
    host.logger.error(`[openclaw-webhooks] the server ended (${end}); next start in ${pauseMs} ms`);
    await wait(pauseMs, undefined, { signal: host.stopping.signal }).catch(() => {});
    pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS);
  }
}

/** Run the server to its end and say how it ended; not at all once it is to stop. Its own process group: its workers are stopped with it. */
async function runOnce(host) {
  await waitUntilFree(host.socketPath);
  if (isStopping(host)) return undefined;
  return new Promise((resolve) => {
    const [program, ...programArguments] = host.command;
    const child = spawn(program, programArguments, {
      cwd: host.cwd,
      env: host.environment,
      stdio: ["ignore", "pipe", "pipe"],
      detached: true,
    });
    host.child = child;
    const end = (how) => {
      host.child = undefined;
      host.listens = false;
      killGroup(child, "SIGKILL");
      resolve(how);
    };
    child.once("error", (error) => end(error.code ?? error.message));
    child.once("exit", (code, signal) => end(signal ?? `exit status ${code}`));
    pipeLines(child.stdout, (line) => host.logger.info?.(`[openclaw-webhooks] ${line}`));
    pipeLines(child.stderr, (line) => host.logger.info?.(`[openclaw-webhooks] ${line}`));
  });
}

/** Workers outlive a master that was killed for a moment; two servers must not answer on one socket. */
async function waitUntilFree(socketPath) {
  for (let turn = 0; turn < 50 && (await isListening(socketPath)); turn += 1) await wait(20);
  await preparePrivateSocket(socketPath);
}

function isListening(socketPath) {
  return new Promise((resolve) => {
    const socket = net.connect(socketPath, () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}

async function stopChild(host) {
  const { child } = host;
  if (!child) return;
  const ended = new Promise((resolve) => child.once("exit", resolve));
  child.kill("SIGTERM");
  const timer = setTimeout(() => killGroup(child, "SIGKILL"), STOP_PATIENCE_MS);
  await ended;
  clearTimeout(timer);
}

/** Kill what is left of it: perhaps nothing, or, as some systems say with EPERM, only what has ended and nobody waited for. */
function killGroup(child, signal) {
  try {
    if (child.pid !== undefined) process.kill(-child.pid, signal);
  } catch (error) {
    if (!["ESRCH", "EPERM"].includes(error.code)) throw error;
  }
}

function pipeLines(stream, take) {
  let rest = "";
  stream.setEncoding("utf8");
  stream.on("data", (text) => {
    const lines = (rest + text).split("\n");
    rest = lines.pop();
    for (const line of lines) take(line);
    if (rest.length < LINE_MAX_LENGTH) return;
    take(rest);
    rest = "";
  });
  stream.on("end", () => rest && take(rest));
}
