// Rung 2: the component itself, fetched when a visitor reaches for an offer and only where the host's policy lets
// WebAssembly run. If anything refuses, the painted offers simply stay as they are.

import { start, type Glue } from "../start.ts";
import type { Core } from "./more.ts";
import type { Slot } from "../slot.ts";

/** File name without extension of the browser's module and the hashes of its two files, set by the build. */
declare const PORTICO_WIDGET: string;
declare const PORTICO_WIDGET_JS_HASH: string;
declare const PORTICO_WIDGET_WASM_HASH: string;

/** Offers that the component has taken over. */
export interface Live {
  free(): void;
}

interface Widget extends Glue {
  hydrate(root: Element, view: object, heard: (event: "dismiss", token: string, offer: string) => void): Live;
}

let widget: Promise<Widget> | undefined;

/** Lets the component take over what the edge painted. */
export const wake = async (core: Core, slot: Slot): Promise<void> => {
  const now = slot.placement;
  try {
    const { hydrate } = await (widget ??= start(core, PORTICO_WIDGET, PORTICO_WIDGET_JS_HASH, PORTICO_WIDGET_WASM_HASH));
    if (now && now === slot.placement)
      slot.live ??= hydrate(slot.at.shadowRoot!.firstElementChild!, now, (type, token, offer) => slot.tell(type, { offer, token }));
  } catch {
    // Refused by a policy, gone from the edge, or of another version than the paint.
  }
};
