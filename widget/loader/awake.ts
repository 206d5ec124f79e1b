// Rung 2: the component itself, fetched when a visitor reaches for an offer and only where the host's policy lets
// WebAssembly run. If anything refuses, the painted offers simply stay as they are.

import { edge } from "./page.ts";

/** File name without extension of the browser's module, set by the build. */
declare const PORTICO_WIDGET: string;

/** Offers that the component has taken over. */
export interface Live {
  free(): void;
}

export interface Module {
  default(options: { module_or_path: string }): Promise<unknown>;
  hydrate(root: Element, view: object, heard: (event: "dismiss", token: string, offer: string) => void): Live;
}

export const load = async (): Promise<Module> => {
  // The empty module: throws where the policy forbids any.
  new WebAssembly.Module(Uint8Array.of(0, 97, 115, 109, 1, 0, 0, 0));
  const base = edge + "/assets/" + PORTICO_WIDGET;
  const module: Module = await import(base + ".js");
  await module.default({ module_or_path: base + ".wasm" });
  return module;
};
