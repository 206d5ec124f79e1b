// The worker's main module: hands requests and calls to WebAssembly, with everything that is read of most of them, in one
// crossing.
//
// worker-build's own entry puts an object and three proxies in front of every request and one in front of every call, so
// as to begin anew with a fresh module after a panic. Here the same happens, but only then: classes are used from below
// those proxies, and making one through its proxy begins anew.

import { DurableObject } from "cloudflare:workers";
import * as wrapped from "./index.js";

/** Bytes of a body that is handed over with its request; a larger one is read when it is known to be wanted. */
const MOST = 65536;

const { answer } = wrapped.default.prototype;
const state = globalThis.__worker_init_state;

/** Does work within WebAssembly, and notices when that panics. */
const noticing = (work) => {
  try {
    return work();
  } catch (error) {
    // A trap, or what wasm-bindgen makes of an exception that went through WebAssembly without being caught there.
    if (error instanceof WebAssembly.RuntimeError || error?.message === "Critical error") state.criticalError = true;
    throw error;
  }
};

export default {
  // No async function: whatever can be answered at once is no promise.
  fetch(request, env, context) {
    const { headers } = request;
    // In the order in which `http::Request` reads them.
    const header = (name) => headers.get(name) ?? "";
    const length = header("Content-Length");
    const head = `${request.method}\n${request.url}\n${header("Origin")}\n${header("Authorization")}\n${length}\n${header("Sec-GPC")}\n${header("User-Agent")}`;
    const handOver = (body) =>
      noticing(() => {
        if (state.criticalError) new wrapped.default(context, env);
        return answer(request, env, context, head, body && new Uint8Array(body));
      });
    return length > 0 && length <= MOST ? request.arrayBuffer().then(handOver) : handOver();
  },
};

/** A Durable Object that answers calls and wakes. */
const object = (Wrapped) => {
  const { constructor: Raw } = Wrapped.prototype;
  return class extends DurableObject {
    #raw;
    #of;

    #now() {
      if (state.criticalError) new Wrapped(this.ctx, this.env);
      if (this.#of !== state.instanceId) {
        this.#raw = new Raw(this.ctx, this.env);
        this.#of = state.instanceId;
      }
      return this.#raw;
    }

    answer(path, caller, question) {
      return noticing(() => this.#now().answer(path, caller, question));
    }

    alarm() {
      return noticing(() => this.#now().alarm());
    }
  };
};

export const CensusObject = object(wrapped.CensusObject);
export const DirectoryObject = object(wrapped.DirectoryObject);
export const GroupObject = object(wrapped.GroupObject);
export const LearnerObject = object(wrapped.LearnerObject);
export const LedgerObject = object(wrapped.LedgerObject);
export const OutboxObject = object(wrapped.OutboxObject);
export const PagesObject = object(wrapped.PagesObject);
export const SiteObject = object(wrapped.SiteObject);
export const VisitorObject = object(wrapped.VisitorObject);
