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
  image?: { url: string; alt: string; width: number; height: number };
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

/** The offers could not be fetched; the host's own content stays. `code`: `deadline`, `network` or `http_<status>`. */
export interface PorticoError {
  code: string;
  placement: string | null;
}

export interface PorticoEvents {
  decision: PorticoDecision;
  "offer:impression": PorticoResponse;
  "offer:click": PorticoResponse;
  "offer:dismiss": PorticoResponse;
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
  (command: "destroy"): Promise<unknown> | void;
  <Name extends keyof PorticoEvents>(
    command: "on",
    event: Name,
    heard: (detail: PorticoEvents[Name]) => void,
  ): Promise<unknown> | void;
  /** Commands that wait for the loader. */
  q?: IArguments[];
}

declare global {
  interface Window {
    portico: Portico;
  }
  const portico: Portico;

  interface HTMLElementTagNameMap {
    /** Attributes: `placement`, `count` (offers at most), `height` (reserved, in CSS pixels). After a change: `refresh`. */
    "portico-offers": HTMLElement;
  }

  interface HTMLElementEventMap {
    "portico:decision": CustomEvent<PorticoDecision>;
    "portico:impression": CustomEvent<PorticoResponse>;
    "portico:click": CustomEvent<PorticoResponse>;
    "portico:dismiss": CustomEvent<PorticoResponse>;
    "portico:error": CustomEvent<PorticoError>;
  }
}
