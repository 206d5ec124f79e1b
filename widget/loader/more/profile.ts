// What somebody says of themselves, and what is known of it: forms come filled in, here and on their other devices.

import type { Core } from "./more.ts";

/** What is known of somebody that they may say themselves. */
export interface OwnProfile {
  attributes: Record<string, unknown>;
  /** Forms that they began and did not finish, the latest last. */
  left_off: { form: string; path: string; at_ms: number }[];
}

/** Tells the edge what somebody says, nothing at first, and has what is known now. */
export type Speaker = (says?: object) => Promise<OwnProfile>;

export const speaker = (core: Core): Speaker => async (attributes = {}) => {
  const { ask, consent, edge, granted, identified, jwt, remember, silent, site, visitor } = core;
  // A page without offers has not asked who is there.
  if (!jwt()) await identified(() => void ask());
  // Whom we may remember has a token, or has just agreed; of anybody else the edge would say no.
  if (silent() || !(visitor() || (jwt() && granted("personalization")))) throw Error("no consent to personalization");
  const body = JSON.stringify({ site, visitor: visitor(), identity: jwt() || null, consent: consent(), attributes });
  const answer = await fetch(edge + "/v1/profile", { method: "PUT", body, credentials: "omit" });
  const { visitor: token, detail, ...own } = await answer.json();
  if (!answer.ok) throw Error(detail);
  if (token) remember(token);
  return own;
};
