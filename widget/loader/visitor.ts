// Who looks at the page, as far as they and the site allow us to know.

import { attempt, sleep } from "./help.ts";
import { life, site, warn } from "./page.ts";

type Jwt = string | null | undefined;
export type Identity = Jwt | Promise<Jwt> | (() => Jwt | Promise<Jwt>);
export type Consent = "all" | "none" | { analytics?: boolean; personalization?: boolean };

let said: Consent | undefined;
let token: string | null | undefined;
let identity: Identity;
let late: Promise<Jwt> | undefined;
/** The JWT of the last question. */
export let jwt: Jwt | 0;

/** In localStorage: the visitor token, only with consent to personalization. */
const KEY = "portico.visitor." + site;

/** No network at all: `consent('none')`, or we are gone. */
export const silent = (): boolean => said === "none" || life.signal.aborted;

/** Global Privacy Control: the visitor's browser says no for them. */
const refuses = (): unknown => (navigator as { globalPrivacyControl?: boolean }).globalPrivacyControl;

export const granted = (purpose: "analytics" | "personalization"): boolean =>
  !refuses() && (said === "all" || !!(said as Record<string, unknown> | undefined)?.[purpose]);

/** What the edge is told; nothing where nothing was said, so that the site's own default holds. */
export const consent = (): object | undefined =>
  said || refuses() ? { analytics: granted("analytics"), personalization: granted("personalization") } : undefined;

/** The token to send: of this page, or kept from an earlier one if that was allowed. */
export const visitor = (): string | null =>
  (token ??= (granted("personalization") && attempt(() => localStorage[KEY] as string)) || null);

/** Hears of the visitor's token when it has become another one; none when they are forgotten. */
export const ear: { heard?: ((token: string | null) => void) | undefined } = {};

/** How often it has. */
export let renewed = 0;

/** Takes the token of an answer; kept beyond the page only with consent. */
export const remember = (next: string | null | undefined): void => {
  if (next && token !== next) {
    renewed++;
    ear.heard?.(next);
  }
  token = next;
  if (next && granted("personalization")) attempt(() => (localStorage[KEY] = next));
};

/** Forgets the visitor, here and in storage. */
export const forget = (): void => {
  renewed++;
  token = null;
  ear.heard?.(token);
  attempt(() => delete localStorage[KEY]);
};

/** Without consent nobody is recognised later: the page changed within its document, or consent itself did. */
export const turnPage = (): void => {
  if (!granted("personalization")) forget();
};

/** A new word on consent; what it no longer covers is deleted, what it now covers is kept. */
export const agree = (to: Consent): void => {
  said = to;
  turnPage();
  remember(token);
};

/** Sets who is logged in: a JWT, a way to get one, or nobody. */
export const identify = (who: Identity): void => {
  identity = who;
  late = jwt = undefined;
  if (!who) forget();
};

/** Takes the JWT if it comes within 300 ms. One that comes later goes with the next question, which `again` asks. */
export const identified = async (again: () => void): Promise<void> => {
  const found = late ?? (async () => (typeof identity === "function" ? identity() : identity))();
  late = jwt = undefined;
  const who = identity;
  const name = await Promise.race([found, sleep(300)]);
  // Somebody else by now.
  if (who !== identity) return;
  jwt = name;
  if (jwt === 0) {
    late = found;
    found.then(again, warn);
  }
};
