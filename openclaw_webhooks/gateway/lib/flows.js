// The bound TaskFlow methods of the sessions that routes are bound to; every other session and method is refused.
//
// Where the Gateway differs from the specification the difference is made up for here: the latest flow is the one that
// was updated last.

const CHANGE = ["flowId", "expectedRevision"];
const BLOCKED = ["blockedTaskId", "blockedSummary"];
const TASK = [
  "flowId",
  "runtime",
  "sourceId",
  "childSessionKey",
  "parentTaskId",
  "agentId",
  "runId",
  "label",
  "task",
  "preferMetadata",
  "notifyPolicy",
  "status",
  "startedAt",
  "lastEventAt",
  "progressSummary",
];

/** What each method takes. The Gateway's own take more, times for example, that no caller may set. */
const PARAMS = new Map([
  ["createManaged", ["controllerId", "goal", "status", "notifyPolicy", "currentStep", "stateJson", "waitJson"]],
  ["get", ["flowId"]],
  ["list", []],
  ["findLatest", []],
  ["resolve", ["token"]],
  ["getTaskSummary", ["flowId"]],
  ["setWaiting", [...CHANGE, "currentStep", "stateJson", "waitJson", ...BLOCKED]],
  ["resume", [...CHANGE, "status", "currentStep", "stateJson"]],
  ["finish", [...CHANGE, "stateJson"]],
  ["fail", [...CHANGE, "stateJson", ...BLOCKED]],
  ["requestCancel", CHANGE],
  ["cancel", ["flowId"]],
  ["runTask", TASK],
]);

/** What a caller asked for and may not have. `code` is one of the protocol's. */
export class Refused extends Error {
  constructor(code) {
    super(code);
    this.code = code;
  }
}

/**
 * Bind the sessions once they are asked for.
 *
 * @param {object} tasks `api.runtime.tasks`.
 * @param {Set<string>} sessionKeys The only sessions that may be driven.
 * @param {() => object} currentConfig The Gateway's configuration, which its `cancel` wants.
 */
export function bindFlows(tasks, sessionKeys, currentConfig) {
  const bound = new Map();
  const open = (sessionKey) => {
    if (!sessionKeys.has(sessionKey)) throw new Refused("session_not_bound");
    if (!bound.has(sessionKey)) bound.set(sessionKey, buildCalls(bindSession(tasks, sessionKey), sessionKey, currentConfig));
    return bound.get(sessionKey);
  };
  return {
    api: tasks.async?.managedFlows ? "async" : "sync",
    methods: [...PARAMS.keys()],
    sessions: sessionKeys.size,
    /** Call one method; `params` is one object. Throws `Refused`, or what the Gateway throws. */
    async call(sessionKey, method, params) {
      const known = PARAMS.get(method);
      if (!known) throw new Refused("method_not_allowed");
      if (!Object.keys(params).every((name) => known.includes(name))) throw new Refused("invalid_request");
      return open(sessionKey)[method](params);
    },
  };
}

/** The asynchronous API where the Gateway has it, all but `cancel`. */
function bindSession(tasks, sessionKey) {
  const bound = tasks.managedFlows.bindSession({ sessionKey });
  const preferred = tasks.async?.managedFlows?.bindSession({ sessionKey });
  return preferred ? { ...bound, ...preferred, cancel: bound.cancel } : bound;
}

function buildCalls(bound, sessionKey, currentConfig) {
  const latest = async () => pickLatest(await bound.list());
  const mutations = ["setWaiting", "resume", "finish", "fail", "requestCancel", "runTask"];
  return {
    createManaged: (params) => bound.tryCreateManaged(params),
    get: ({ flowId }) => bound.get(flowId),
    list: () => bound.list(),
    findLatest: latest,
    resolve: ({ token }) => (token === sessionKey ? latest() : bound.resolve(token)),
    getTaskSummary: ({ flowId }) => bound.getTaskSummary(flowId),
    cancel: ({ flowId }) => bound.cancel({ flowId, cfg: currentConfig() }),
    ...Object.fromEntries(mutations.map((name) => [name, (params) => bound[name](params)])),
  };
}

/**
 * Return the flow that was updated last; of several the one that was inserted last.
 *
 * The list is newest created first, and within one millisecond the earlier inserted first.
 */
export function pickLatest(flows) {
  let latest;
  for (const flow of flows) {
    const isLater = !latest || flow.updatedAt > latest.updatedAt;
    const isSibling = latest && flow.updatedAt === latest.updatedAt && flow.createdAt === latest.createdAt;
    if (isLater || isSibling) latest = flow;
  }
  return latest;
}
