// The Gateway's side of openclaw-webhooks: what is registered, and in which order things start and stop.
//
// Owns no behaviour: lib/ has one module per concern. Speaks the protocol of docs/bridge-protocol.md.

import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";

import { startBridge } from "./lib/bridge.js";
import { parseConfig } from "./lib/config.js";
import { bindFlows } from "./lib/flows.js";
import { startHost } from "./lib/host.js";
import { createProxy } from "./lib/proxy.js";

const { version } = JSON.parse(readFileSync(new URL("./package.json", import.meta.url), "utf8"));

/** Register the bridge as a service and, where this plugin hosts the app, its routes on the Gateway's HTTP server. */
function register(api) {
  const config = parseConfig(api.pluginConfig, api.config);
  const { logger } = api;
  for (const problem of config.problems) logger.error(`[openclaw-webhooks] ${problem}`);
  if (config.problems.length > 0) return;
  const proxy = config.host.enabled ? createProxy({ logger }) : undefined;
  if (proxy) registerRoutes(api, config.routes, proxy);
  let running = [];
  api.registerService({
    id: "openclaw-webhooks",
    async start(context) {
      running = await startAll({ api, config, proxy, stateDir: context.stateDir, logger });
    },
    async stop() {
      const stopping = running;
      running = [];
      for (const part of stopping.reverse()) await part.stop();
    },
  });
}

async function startAll({ api, config, proxy, stateDir, logger }) {
  const tokens = { bridge: config.bridge.token ?? (proxy ? newToken() : undefined), host: newToken() };
  const bridge = await startBridge({
    flows: bindFlows(api.runtime.tasks, config.sessionKeys, () => api.config),
    settings: { ...config.bridge, token: tokens.bridge },
    stateDir,
    about: { plugin: version, gateway: gatewayVersion(api) },
    logger,
  });
  if (!proxy) return [bridge];
  const host = await startHost({ settings: config.host, bridgeUrl: bridge.url, tokens, stateDir, logger }).catch(async (error) => {
    await bridge.stop();
    throw error;
  });
  proxy.connect({ socketPath: host.socketPath, token: tokens.host, isUp: host.isUp });
  return [bridge, host];
}

function registerRoutes(api, routes, proxy) {
  for (const route of routes) {
    // One path does for both: the Gateway compares paths without the slash at their end.
    api.registerHttpRoute({ path: route.path, auth: "plugin", match: "exact", replaceExisting: true, handler: proxy.handle });
    api.logger.info?.(`[openclaw-webhooks] route ${route.routeId} is served on ${route.path}`);
  }
}

function newToken() {
  return randomBytes(32).toString("base64url");
}

function gatewayVersion(api) {
  return api.runtime?.version ?? null;
}

export default {
  id: "openclaw-webhooks",
  name: "openclaw-webhooks",
  description: "Offers managed TaskFlows to the Django app openclaw-webhooks, and can host it.",
  register,
};
