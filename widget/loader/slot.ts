// <portico-offers>: a reserved place in the host's page, with the host's own content in it until there is better.

import { ask, slots, type Answer, type Offer, type Placement } from "./decide.ts";
import { half } from "./half.ts";
import type { Live } from "./more/awake.ts";
import { attempt, sheet } from "./help.ts";
import { edge, emit, listen, warn } from "./page.ts";
import { report } from "./queue.ts";

interface Policy {
  createHTML(html: string): string;
}
const asIs: Policy = { createHTML: (html) => html };
const { trustedTypes } = window as { trustedTypes?: { createPolicy(name: string, rules: Policy): Policy } };
/** What lets the edge's HTML in: none where the host names its Trusted Types policies and ours is not among them. */
export const policy = trustedTypes ? attempt(() => trustedTypes.createPolicy("portico", asIs)) : asIs;

/** What has been said takes the place of what was asked. */
const turn = ({ children }: Element): void => {
  const [face, thanks] = children as unknown as [HTMLElement, HTMLElement];
  face.hidden = true;
  thanks.hidden = false;
  thanks.focus();
};

export interface Slot {
  /** Where it is. */
  at: PorticoOffers;
  /** The latest question that is to be answered here. */
  turn?: number;
  /** What is painted here, and its cards. */
  placement?: Placement | undefined;
  cards: Element[];
  /** Why nothing is painted here. */
  reason?: string | null;
  /** Ends the watch for impressions. */
  rest?(): void;
  /** The component, where it has taken over. */
  live?: Live | undefined;
  /** Paints an answer. */
  show(answer: Answer, placement: Placement): void;
  /** Gives the place back to the host's content. */
  restore(): void;
  /** The page hears of it; the edge too, except of clicks, which the link itself counts there. */
  tell(type: "impression" | "click" | "dismiss", offer: Pick<Offer, "offer" | "token">): void;
}

const slotAt = (at: PorticoOffers): Slot => {
  const paint = async (placement: Placement, style: string): Promise<void> => {
    const { html, offers } = placement;
    const now = slot.turn;
    const root = at.shadowRoot ?? at.attachShadow({ mode: "open" });
    root.adoptedStyleSheets = [sheet(style)];
    const face = document.createElement("div");
    if (policy) face.innerHTML = policy.createHTML(html);
    else (await half.fetch()).plain(face, placement);
    if (now !== slot.turn) return;
    slot.cards = [...face.querySelectorAll(".card")];
    slot.cards.forEach((card, index) => {
      const offer = offers[index]!;
      card.querySelector("a")!.href = offer.href = new URL(offer.href, edge!).href;
    });
    root.replaceChildren(face);
    slot.placement = placement;
    half.painted?.(slot);
  };

  const slot: Slot = {
    at,
    cards: [],
    show({ decision, style }, placement) {
      const { id, arm, reason, offers } = placement;
      slot.restore();
      slot.reason = reason;
      if (offers.length) paint(placement, style).catch(warn);
      emit(at, "decision", { decision, placement: id, arm, reason, offers });
    },
    restore() {
      slot.rest?.();
      slot.live?.free();
      slot.live = slot.placement = undefined;
      at.shadowRoot?.replaceChildren(document.createElement("slot"));
    },
    tell(type, { offer, token }) {
      if (type !== "click") report({ type, token });
      emit(at, type, { placement: slot.placement?.id, offer, token });
    },
  };

  listen(at, "click", (event) => {
    const path = event.composedPath();
    const { name, value, form } = path[0] as HTMLButtonElement;
    if (form) {
      report({ type: "answer", name, props: { value } });
      turn(form);
    }
    const index = slot.cards.findIndex((card) => path.includes(card));
    const offer = slot.placement?.offers[index];
    if (!offer) return;
    const card = slot.cards[index]!;
    const on = (selector: string) => path.includes(card.querySelector(selector)!);
    if (on("a")) slot.tell("click", offer);
    else if (!slot.live && on(".dismiss")) {
      turn(card);
      slot.tell("dismiss", offer);
    }
  });
  return slot;
};

/** An element whose attributes are its properties too. */
const reflecting = (...names: string[]) => {
  class Reflecting extends HTMLElement {}
  for (const name of names)
    Object.defineProperty(Reflecting.prototype, name, {
      get(this: Element) {
        return this.getAttribute(name);
      },
      set(this: Element, value: string) {
        this.setAttribute(name, value);
      },
    });
  return Reflecting;
};

export interface PorticoOffers {
  placement: string | null;
  count: string | null;
  height: string | null;
}
export class PorticoOffers extends reflecting("placement", "count", "height") {
  static observedAttributes = ["placement", "count"];
  #slot = slotAt(this);

  connectedCallback(): void {
    slots.add(this.#slot);
    // Without a height this is no length, and so is ignored.
    this.style.minHeight = this.height + "px";
    // What has been painted moves with its element.
    if (!this.shadowRoot) void ask([this.#slot]);
  }

  attributeChangedCallback(_: string, before: string | null, now: string | null): void {
    if (before !== now && this.isConnected) void ask([this.#slot]);
  }

  disconnectedCallback(): void {
    slots.delete(this.#slot);
  }
}

/** <portico-gadget>: all that it is comes with the second half. */
export class PorticoGadget extends reflecting("name", "height", "mode", "label", "purpose") {
  connectedCallback(): void {
    half.gadget?.(this);
  }

  disconnectedCallback(): void {
    half.gadget?.(this);
  }
}
