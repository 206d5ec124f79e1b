// Starting WebAssembly, in both bundles that do.

import type { Core } from "./loader.ts";

/** A module of wasm-bindgen's making. */
export interface Glue {
  default(options: { module_or_path: Promise<Response> }): Promise<unknown>;
}

/** Fetches a WebAssembly module with its glue, where the host's policy allows any. */
export const start = async <Module extends Glue>({ edge, load }: Core, stem: string, js: string, wasm: string): Promise<Module> => {
  // The empty module: throws where the policy forbids any.
  new WebAssembly.Module(Uint8Array.of(0, 97, 115, 109, 1, 0, 0, 0));
  const module = await load<Module>(stem + ".js", js);
  await module.default({ module_or_path: fetch(edge + "/assets/" + stem + ".wasm", { integrity: wasm }) });
  return module;
};
