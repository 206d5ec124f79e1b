// The worker's main module: hands requests to WebAssembly with everything that is read of most of them, in one crossing.
//
// worker-build's own entry makes an object and three proxies for every request, to begin anew with a fresh module after a
// panic. That happens here too, but only then: `answer` is asked for on the class below them, and a panic is told to its
// constructor.

import Recovering from "./index.js";

export * from "./index.js";

/** Bytes of a body that is handed over with its request; a larger one is read when it is known to be wanted. */
const MOST = 65536;

const { answer } = Recovering.prototype;
const state = globalThis.__worker_init_state;

const read = async (request, env, context, head, length) => {
  const body = length <= MOST ? new Uint8Array(await request.arrayBuffer()) : undefined;
  return answer(request, env, context, head, body);
};

export default {
  async fetch(request, env, context) {
    // Begins anew.
    if (state.criticalError) new Recovering(context, env);
    try {
      const { headers, method } = request;
      const length = headers.get("Content-Length");
      const get = (name) => headers.get(name) ?? "";
      const head = `${method}\n${request.url}\n${get("Origin")}\n${get("Authorization")}\n${length ?? ""}\n${get("Sec-GPC")}\n${get("User-Agent")}`;
      return await (length > 0 ? read(request, env, context, head, +length) : answer(request, env, context, head));
    } catch (error) {
      if (error instanceof WebAssembly.RuntimeError) state.criticalError = true;
      throw error;
    }
  },
};
