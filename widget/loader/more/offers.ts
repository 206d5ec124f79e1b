// What happens to offers after they have been painted: they are seen, reached for, woken, asked about.

import type { Slot } from "../slot.ts";
import { wake } from "./awake.ts";
import type { Core } from "./more.ts";
import { watch } from "./sight.ts";
import { why } from "./why.ts";

export const offers = (core: Core) => {
  const { listen, slots } = core;
  /** A visitor has reached for an offer of this page. */
  let touched = false;
  const known = new WeakSet<Slot>();

  /** Offers have been painted into a slot, or their page has come back into view. */
  const painted = (slot: Slot): void => {
    slot.rest?.();
    const offers = slot.placement?.offers;
    if (offers)
      slot.rest = watch(slot.cards, (index) => {
        const offer = offers[index]!;
        if (!offer.seen) slot.tell("impression", offer);
        offer.seen = true;
      });
    if (touched) void wake(core, slot);
    slot.at.shadowRoot?.firstElementChild?.classList.add("able");
    if (known.has(slot)) return;
    known.add(slot);
    listen(slot.at, "pointerenter focusin", () => {
      touched = true;
      slots.forEach((slot) => wake(core, slot));
    });
    listen(slot.at, "click", (event) => {
      const path = event.composedPath() as Element[];
      const index = slot.cards.findIndex((card) => path.includes(card));
      const offer = slot.placement?.offers[index];
      if (offer && path[0]!.matches(".why")) void why(core, slot, slot.cards[index]!, offer.token, path[0] as HTMLElement);
    });
  };
  slots.forEach(painted);
  return { painted };
};
