import type { HTMLAttributes, FunctionComponent } from "react";
import type { PorticoDecision, PorticoError, PorticoGadgetEvent, PorticoResponse } from "./portico.js";

/** What is told of an element, by the names of the DOM events. */
export interface PorticoHandlers {
  onPorticoDecision?: (detail: PorticoDecision) => void;
  onPorticoImpression?: (detail: PorticoResponse) => void;
  onPorticoClick?: (detail: PorticoResponse) => void;
  onPorticoDismiss?: (detail: PorticoResponse) => void;
  onPorticoGadget?: (detail: PorticoGadgetEvent) => void;
  onPorticoError?: (detail: PorticoError) => void;
}

export interface PorticoOffersProps extends HTMLAttributes<HTMLElement>, PorticoHandlers {
  /** The placement of the site's configuration. */
  placement: string;
  /** Offers at most. */
  count?: number;
  /** Height that is reserved, in CSS pixels. */
  height?: number;
}

export interface PorticoGadgetProps extends HTMLAttributes<HTMLElement>, PorticoHandlers {
  /** The gadget of the site's configuration. */
  name: string;
  /** Height that is reserved, in CSS pixels. */
  height?: number;
  /** Where it runs; in the page or else in a frame when absent. */
  mode?: "frame" | "launcher";
  /** Its name, and the words on its button. */
  label?: string;
  /** What a calculator opens on. */
  purpose?: "save" | "borrow";
}

/** A place for offers; its children are what stands there until, unless, something better comes. */
export declare const PorticoOffers: FunctionComponent<PorticoOffersProps>;
/** A gadget of the site. */
export declare const PorticoGadget: FunctionComponent<PorticoGadgetProps>;
