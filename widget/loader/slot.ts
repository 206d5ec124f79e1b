// <portico-offers>: a reserved place in the host's page, with the host's own content in it until there is better.

import { load, type Live, type Module } from "./awake.ts";
import { ask, slots, type Answer, type Placement } from "./decide.ts";
import { attempt, edge, emit, listen, sheet } from "./page.ts";
import { plain } from "./plain.ts";
import { report } from "./queue.ts";
import { watch } from "./sight.ts";

interface Policy {
  createHTML(html: string): string;
}
const asIs: Policy = { createHTML: (html) => html };
const { trustedTypes } = window as { trustedTypes?: { createPolicy(name: string, rules: Policy): Policy } };
/** What lets the edge's HTML in: none where the host names its Trusted Types policies and ours is not among them. */
const policy = trustedTypes ? attempt(() => trustedTypes.createPolicy("portico", asIs)) : asIs;

let module: Promise<Module> | undefined;

/** What has been said takes the place of what was asked. */
const turn = ({ children }: Element): void => {
  const [face, thanks] = children as unknown as [HTMLElement, HTMLElement];
  face.hidden = true;
  thanks.hidden = false;
  thanks.focus();
};

export interface Slot {
  /** Where it is. */
  at: HTMLElement;
  /** The latest question that is to be answered here. */
  turn?: number;
  /** Paints an answer. */
  show(answer: Answer, placement: Placement): void;
  /** Gives the place back to the host's content. */
  restore(): void;
  /** Watches for impressions, from the beginning. */
  look(): void;
  /** Lets the component take over what the edge painted, if it has been fetched. */
  wake(): void;
}

const slotAt = (at: HTMLElement): Slot => {
  let placement: Placement | undefined;
  let cards: Element[] = [];
  let live: Live | undefined;
  let rest = () => {};

  /** The page hears of it; the edge too, except of clicks, which the link itself counts there. */
  const tell = (type: "impression" | "click" | "dismiss", { offer, token }: { offer: string; token: string }): void => {
    if (type !== "click") report({ type, token });
    emit(at, type, { placement: placement?.id, offer, token });
  };

  const paint = (next: Placement, style: string): void => {
    const { html, offers } = next;
    const root = at.shadowRoot ?? at.attachShadow({ mode: "open" });
    root.adoptedStyleSheets = [sheet(style)];
    const face = document.createElement("div");
    if (policy) face.innerHTML = policy.createHTML(html);
    else plain(face, next);
    cards = [...face.querySelectorAll(".card")];
    cards.forEach((card, index) => {
      const offer = offers[index]!;
      card.querySelector("a")!.href = offer.href = new URL(offer.href, edge!).href;
    });
    root.replaceChildren(face);
    placement = next;
    slot.look();
    slot.wake();
  };

  const slot: Slot = {
    at,
    show({ decision, style }, next) {
      const { id, arm, reason, offers } = next;
      slot.restore();
      if (offers.length) attempt(() => paint(next, style));
      emit(at, "decision", { decision, placement: id, arm, reason, offers });
    },
    restore() {
      rest();
      live?.free();
      live = placement = undefined;
      at.shadowRoot?.replaceChildren(document.createElement("slot"));
    },
    look() {
      rest();
      const offers = placement?.offers;
      if (offers)
        rest = watch(cards, (index) => {
          const offer = offers[index]!;
          if (!offer.seen) tell("impression", offer);
          offer.seen = true;
        });
    },
    wake() {
      const now = placement;
      if (!now) return;
      module
        ?.then(({ hydrate }) => {
          if (now === placement)
            live ??= hydrate(at.shadowRoot!.firstElementChild!, now, (type, token, offer) =>
              tell(type, { offer, token }),
            );
        })
        // Refused by a policy, gone from the edge, or of another version than the paint.
        .catch(() => {});
    },
  };

  listen(at, "click", (event) => {
    const path = event.composedPath();
    const { name, value, form } = path[0] as HTMLButtonElement;
    if (form) {
      report({ type: "answer", name, props: { value } });
      turn(form);
    }
    const index = cards.findIndex((card) => path.includes(card));
    const offer = placement?.offers[index];
    if (!offer) return;
    const on = (selector: string) => path.includes(cards[index]!.querySelector(selector)!);
    if (on("a")) tell("click", offer);
    else if (!live && on(".dismiss")) {
      turn(cards[index]!);
      tell("dismiss", offer);
    }
  });
  listen(at, "pointerenter focusin", () => {
    module ??= load();
    slots.forEach((slot) => slot.wake());
  });
  return slot;
};

export class PorticoOffers extends HTMLElement {
  #slot = slotAt(this);

  connectedCallback(): void {
    slots.add(this.#slot);
    // Without a height this is no length, and so is ignored.
    this.style.minHeight = this.getAttribute("height") + "px";
    // What has been painted moves with its element.
    if (!this.shadowRoot) void ask([this.#slot]);
  }

  disconnectedCallback(): void {
    slots.delete(this.#slot);
  }
}
