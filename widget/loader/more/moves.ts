// The page moves within its document, and comes back into view.

import type { Slot } from "../slot.ts";
import type { Core } from "./more.ts";

export const moves = (core: Core, painted: (slot: Slot) => void): void => {
  const { address, ask, listen, slots } = core;
  const moved = () => {
    if (core.asked() !== address()) void ask();
  };
  // Without the Navigation API: routers move on a click or on Back, a moment later.
  const { navigation } = window as { navigation?: EventTarget };
  listen(navigation ?? window, "navigatesuccess click popstate", () => setTimeout(moved, 99));

  listen(window, "pageshow visibilitychange", () => slots.forEach(painted));
};
