import type { Portico } from "./portico.js";

export type * from "./portico.js";

/** Which tag to put into the page. */
export interface PorticoTag {
  /** The edge's origin, such as `https://edge.example`. */
  edge: string;
  /** The site's publishable key. */
  site: string;
  /** The loader's path: `/portico.js`, that of a release, or a pinned file. */
  file?: string;
  /** Subresource integrity of a pinned file. */
  integrity?: string;
  /** The nonce of the page's content security policy. */
  nonce?: string;
}

/** Puts the tag into the page, once for all callers. Does nothing on a server. */
export declare const load: (tag: PorticoTag) => void;

/** A command; those given before the loader has come wait for it. Does nothing on a server. */
export declare const portico: Portico;
