// Passes the routes' requests on to the hosted server, and tells callers when it is away.
//
// Owns who is told what when the server does not answer. One request's way is passage.js, connections are upstream.js.

import { Floods } from "./floods.js";
import { Passage, buildHead } from "./passage.js";
import { createUpstream } from "./upstream.js";

const RETRY_AFTER_SECONDS = 1;

/** Make the handler of all routes; until `connect` is called the server counts as away. */
export function createProxy({ logger }) {
  const upstream = createUpstream();
  const floods = new Floods();
  let target;
  return {
    connect(to) {
      target = to;
    },
    handle: (req, res) => {
      if (req.socket.remoteAddress === undefined) return dropGone(res);
      if (!target?.isUp()) return answerAway(req, res);
      const head = buildHead(req, target.token);
      if (head === undefined) return answerText(req, res, 400, "Bad Request");
      const { socketPath } = target;
      const report = (why) => {
        const line = floods.pass(why, `[openclaw-webhooks] the server did not answer (${why})`);
        if (line !== undefined) logger.warn?.(line);
      };
      return passOn({ req, res, head, connection: upstream.take(socketPath), connectAnew: () => upstream.connect(socketPath), report });
    },
  };
}

/** A caller that has left has no address any more, and so its request could not be counted. */
function dropGone(res) {
  res.destroy();
  return true;
}

function passOn({ req, res, head, report, ...connections }) {
  return new Promise((resolve) => {
    const end = (error) => {
      if (error) answerFailure({ req, res, error, report });
      resolve(true);
    };
    new Passage({ req, res, end, ...connections }).send(head);
  });
}

function answerFailure({ req, res, error, report }) {
  report(error.code ?? error.message);
  if (wasNeverReached(error)) answerAway(req, res);
  else answerUnknown(req, res);
}

function wasNeverReached(error) {
  return error.syscall === "connect";
}

/** The server is not there: nothing has happened, and a moment later it will be. */
function answerAway(req, res) {
  return answerText(req, res, 503, "Service Unavailable", { "Retry-After": String(RETRY_AFTER_SECONDS) });
}

/** The server died with the request: whether it has acted is not known, so nothing says "try again". */
function answerUnknown(req, res) {
  answerText(req, res, 502, "Bad Gateway: the server ended while it served this request, whose outcome is not known");
}

function answerText(req, res, status, text, headers = {}) {
  if (res.headersSent || res.destroyed) {
    res.destroy();
    return true;
  }
  req.resume();
  res.writeHead(status, { "Content-Type": "text/plain; charset=utf-8", ...(req.complete ? {} : { Connection: "close" }), ...headers });
  res.end(text);
  return true;
}
