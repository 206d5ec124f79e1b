// The page moves within its document, goes away, comes back.

import type { Slot } from "../slot.ts";
import type { Core } from "./more.ts";

export const moves = (core: Core, soon: () => void, painted: (slot: Slot) => void): void => {
  const { address, ask, listen, slots } = core;
  const moved = () => {
    if (core.asked() !== address()) void ask();
  };
  // Without the Navigation API: routers move on a click or on Back, a moment later.
  const { navigation } = window as { navigation?: EventTarget };
  listen(navigation ?? window, "navigatesuccess click popstate", () => setTimeout(moved, 99));

  listen(window, "pagehide pageshow visibilitychange", (event) => {
    if (!document.hidden && event.type !== "pagehide") soon();
    // Into the back/forward cache and out of it: a new view of the page, whose question waits while the page is frozen.
    if ((event as PageTransitionEvent).persisted) void ask();
    slots.forEach(painted);
  });
};
