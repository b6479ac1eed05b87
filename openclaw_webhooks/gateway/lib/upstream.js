// Connections to the hosted server: kept, used for one request at a time, spread over its worker processes.
//
// Owns sockets. Node's own HTTP client takes four times the CPU time of this for a small request. What a request
// and an answer mean is proxy.js's.

import { AsyncResource } from "node:async_hooks";
import net from "node:net";

import { AnswerReader } from "./answers.js";
import { BadMessage } from "./framing.js";

const BUFFER_BYTES = 64 * 1024;
/** Shorter than the server keeps an idle connection. */
const IDLE_CONNECTION_MS = 5_000;
/** A connection stays with the worker that accepted it. Those that are made anew go to a worker that is less busy. */
const REQUESTS_PER_CONNECTION = 250;

/** Make the pool; connections are made as they are asked for. */
export function createUpstream() {
  const resting = [];
  return {
    /** Return a connection for one request, preferably the one that was used last. */
    take(socketPath) {
      for (let kept = resting.pop(); kept; kept = resting.pop()) {
        if (kept.isUsable(socketPath)) return kept;
        kept.destroy();
      }
      return connect(socketPath, resting);
    },
    /** Return a connection that was never used. */
    connect: (socketPath) => connect(socketPath, resting),
  };
}

class Connection {
  #reader = new AnswerReader();
  #listener;
  #socketPath;
  #resting;
  #served = 0;
  #restsSince = 0;

  constructor(socketPath, resting) {
    this.#socketPath = socketPath;
    this.#resting = resting;
    const callback = (count, buffer) => this.#take(buffer.subarray(0, count));
    this.socket = net.connect({ path: socketPath, onread: { buffer: Buffer.allocUnsafeSlow(BUFFER_BYTES), callback } });
    this.socket.on("error", (error) => this.#fail(error));
    this.socket.on("end", () => this.#takeEnd());
    this.socket.on("close", () => this.#forget());
  }

  isUsable(socketPath) {
    return !this.socket.destroyed && this.#socketPath === socketPath && Date.now() - this.#restsSince < IDLE_CONNECTION_MS;
  }

  /**
   * Hear the answer to the request that is written now.
   *
   * @param {object} listener That of an `AnswerReader`; besides `onPause()`, when all is told that has come so far, and
   *   `onError(error)` in place of `onEnd()`.
   */
  expect(method, listener) {
    this.#listener = listener;
    this.#reader.expect(method, listener);
  }

  /** Keep it for another request; this one was written whole and its answer read whole. */
  rest() {
    this.#listener = undefined;
    this.#served += 1;
    this.#restsSince = Date.now();
    if (this.#served < REQUESTS_PER_CONNECTION && !this.socket.destroyed) this.#resting.push(this);
    else this.socket.destroy();
  }

  /** Hear nothing more, and close. */
  destroy() {
    this.#listener = undefined;
    this.socket.destroy();
  }

  #take(bytes) {
    try {
      this.#reader.take(bytes);
      this.#listener?.onPause();
    } catch (error) {
      this.#fail(error);
    }
    return true;
  }

  #takeEnd() {
    try {
      this.#reader.takeEnd();
    } catch (error) {
      this.#fail(error);
    }
  }

  #fail(error) {
    const listener = this.#listener;
    this.destroy();
    listener?.onError(error);
  }

  #forget() {
    const place = this.#resting.indexOf(this);
    if (place >= 0) this.#resting.splice(place, 1);
    this.#fail(new BadMessage("the connection was closed"));
  }
}

/** Outside the request that it is made for, because it will serve others. */
const connect = AsyncResource.bind((socketPath, resting) => new Connection(socketPath, resting));
