// The plugin's configuration and the routes of the bundled plugin, from which the sessions are known that may be driven.
//
// Pure: values in, values or sentences about what is wrong out. Secrets of routes are never read.

import path from "node:path";

const BUNDLED = "webhooks";

/**
 * Parse what the Gateway hands over.
 *
 * @param {object | undefined} own The plugin's own section, already checked against openclaw.plugin.json.
 * @param {object | undefined} gateway The Gateway's whole configuration.
 * @returns {{problems: string[], routes: {routeId: string, path: string}[], sessionKeys: Set<string>,
 *   bridge: object, host: object}} `problems` are sentences; with any of them nothing may start.
 */
export function parseConfig(own = {}, gateway = {}) {
  const routes = readRoutes(gateway);
  const bridge = own.bridge ?? {};
  const host = { ...own.host, enabled: own.host?.enabled === true };
  return {
    problems: [...checkBridge(bridge), ...(host.enabled ? checkBundled(gateway) : [])],
    routes: routes.map(({ routeId, path: routePath }) => ({ routeId, path: routePath })),
    sessionKeys: new Set([...routes.map((route) => route.sessionKey), ...(own.sessionKeys ?? []).map((key) => key.trim())]),
    bridge,
    host,
  };
}

/** A section that is not enabled has no routes; so the app reads it, too. */
function readRoutes(gateway) {
  const section = gateway.plugins?.entries?.[BUNDLED];
  const configured = (section?.enabled !== false && section?.config?.routes) || {};
  return Object.entries(configured)
    .filter(([, route]) => route?.enabled !== false && typeof route?.sessionKey === "string" && route.sessionKey.trim())
    .map(([routeId, route]) => ({
      routeId,
      path: normalizePath(route.path ?? `/plugins/webhooks/${routeId}`),
      sessionKey: route.sessionKey.trim(),
    }));
}

function normalizePath(text) {
  const trimmed = text.trim();
  const rooted = trimmed.startsWith("/") ? trimmed : `/${trimmed}`;
  return rooted.length > 1 && rooted.endsWith("/") ? rooted.slice(0, -1) : rooted;
}

function checkBridge({ socketPath, port, token }) {
  if (port !== undefined && socketPath !== undefined) return ["bridge.port and bridge.socketPath exclude each other."];
  if (port !== undefined && !token) return ["bridge.port needs bridge.token: any program of this machine can connect to it."];
  if (socketPath !== undefined && !path.isAbsolute(socketPath)) return ["bridge.socketPath must be an absolute path."];
  return [];
}

/** Two plugins cannot serve one path: hosting the app takes the bundled plugin off, and keeps its section. */
function checkBundled(gateway) {
  if (gateway.plugins?.entries?.[BUNDLED]?.enabled === false) {
    return ["plugins.entries.webhooks.enabled is false, so there are no routes to host: take that out. It is plugins.deny that turns the bundled plugin off."];
  }
  if (isBundledOff(gateway)) return [];
  return [
    'The bundled plugin "webhooks" is still on and serves the same paths. ' +
      'Add "webhooks" to plugins.deny in openclaw.json (its section plugins.entries.webhooks stays: the routes are read from there), then restart the Gateway.',
  ];
}

/** Tell whether the bundled plugin stays out of the way. */
export function isBundledOff(gateway = {}) {
  const plugins = gateway.plugins ?? {};
  if (plugins.deny?.includes(BUNDLED)) return true;
  return Array.isArray(plugins.allow) && plugins.allow.length > 0 && !plugins.allow.includes(BUNDLED);
}
