/** Types of what `portico.js` puts into a page. */

/** What a visitor has agreed to. `'none'`: no network at all. Purposes that are not named are refused. */
export type PorticoConsent = "all" | "none" | { analytics?: boolean; personalization?: boolean };

/** A JWT signed by the site's server, a promise of one, or a function that gets one whenever it is needed. `null` logs out. */
export type PorticoIdentity =
  | string
  | null
  | Promise<string | null | undefined>
  | (() => string | null | undefined | Promise<string | null | undefined>);

/** Content of an offer; every field is text. */
export interface PorticoContent {
  eyebrow?: string;
  title: string;
  body: string;
  cta: string;
  highlight?: string;
  terms?: string;
  image?: { url: string; avif?: string; webp?: string; alt: string; width: number; height: number };
}

/** An offer as the edge chose it. */
export interface PorticoOffer {
  offer: string;
  rank: number;
  score: number | null;
  propensity: number | null;
  token: string;
  href: string;
  content: PorticoContent;
}

/** Something was decided for a placement. `reason` says why there are no offers. */
export interface PorticoDecision {
  decision: string;
  placement: string;
  arm: string | null;
  reason: "unknown_placement" | "nothing_eligible" | null;
  offers: PorticoOffer[];
}

/** Something happened to an offer. */
export interface PorticoResponse {
  placement: string;
  offer: string;
  token: string;
}

/** Something happened to a gadget: it stands, or somebody settled on something in it. */
export interface PorticoGadgetEvent {
  name: string;
  purpose?: string;
}

/** What is known of somebody that they may say themselves, on whichever device they said it. */
export interface PorticoProfile {
  attributes: Record<string, unknown>;
  /** Forms that they began and did not finish, with the paths of their pages, the latest last. */
  left_off: { form: string; path: string; at_ms: number }[];
}

/** One thing that the doctor looked at. */
export interface PorticoFinding {
  check: string;
  /** `bad` keeps offers from the page, `note` takes something from them. */
  state: "good" | "note" | "bad";
  found: string;
  /** What to change, where something is to be changed. */
  fix?: string;
}

/**
 * The offers could not be fetched, or a gadget could not be shown; the host's own content stays. `code`: `deadline`, `network`,
 * `http_<status>` or `gadget`.
 */
export interface PorticoError {
  code: string;
  placement: string | null;
}

export interface PorticoEvents {
  decision: PorticoDecision;
  "offer:impression": PorticoResponse;
  "offer:click": PorticoResponse;
  "offer:dismiss": PorticoResponse;
  gadget: PorticoGadgetEvent;
  error: PorticoError;
}

/** The command queue. Every call is valid before the loader has arrived; it then answers nothing. */
export interface Portico {
  (command: "identify", who: PorticoIdentity): Promise<unknown> | void;
  (command: "context", facts: Record<string, string | number | boolean | string[]> | null): Promise<unknown> | void;
  (command: "consent", to: PorticoConsent): Promise<unknown> | void;
  (command: "track", name: string, props?: Record<string, unknown>): Promise<unknown> | void;
  (command: "stage", stage: string): Promise<unknown> | void;
  (command: "locale", tag: string): Promise<unknown> | void;
  (command: "refresh"): Promise<unknown> | void;
  /** Done, and `heard` called, once the page's first question has been answered, whatever the answer. */
  (command: "ready", heard?: () => void): Promise<unknown> | void;
  /**
   * Tells what somebody says of themselves, by attribute (`null` takes it back), and has what is known of them that they may say:
   * to fill forms in with. Rejected without consent to personalization, without a network, and with what nobody may say of
   * themselves.
   */
  (command: "profile", says?: Record<string, unknown>): Promise<PorticoProfile> | void;
  /** What is wrong with the installation in this page, and how to mend it; also told in the console. */
  (command: "doctor"): Promise<PorticoFinding[]> | void;
  (command: "destroy"): Promise<unknown> | void;
  <Name extends keyof PorticoEvents>(
    command: "on",
    event: Name,
    heard: (detail: PorticoEvents[Name]) => void,
  ): Promise<unknown> | void;
  /** Commands that wait for the loader. */
  q?: IArguments[];
}

/** A place for offers. Attributes are properties too; a change of `placement` or `count` asks again. */
export interface PorticoOffersElement extends HTMLElement {
  /** The placement of the site's configuration. */
  placement: string | null;
  /** Offers at most. */
  count: string | null;
  /** Height that is reserved, in CSS pixels. */
  height: string | null;
}

/** A gadget. Attributes are properties too. */
export interface PorticoGadgetElement extends HTMLElement {
  /** The gadget of the site's configuration. */
  name: string | null;
  /** Height that is reserved, in CSS pixels. */
  height: string | null;
  /** Where it runs: in the page or else in a frame when absent, always in a `frame`, or in a panel behind a `launcher` button. */
  mode: string | null;
  /** Its name, and the words on its button; the configured title when absent. */
  label: string | null;
  /** What a calculator opens on: `save` or `borrow`. */
  purpose: string | null;
}

declare global {
  interface Window {
    portico: Portico;
  }
  const portico: Portico;

  interface HTMLElementTagNameMap {
    "portico-offers": PorticoOffersElement;
    "portico-gadget": PorticoGadgetElement;
  }

  interface HTMLElementEventMap {
    "portico:decision": CustomEvent<PorticoDecision>;
    "portico:impression": CustomEvent<PorticoResponse>;
    "portico:click": CustomEvent<PorticoResponse>;
    "portico:dismiss": CustomEvent<PorticoResponse>;
    "portico:gadget": CustomEvent<PorticoGadgetEvent>;
    "portico:error": CustomEvent<PorticoError>;
  }
}
