// Requests to the edge: simple ones, with a text body and no credentials, so that no browser asks for leave first.

import { edge, site } from "./page.ts";
import { consent, jwt, visitor } from "./visitor.ts";

/**
 * Posts what somebody asks or tells. `keepalive` lets it outlive its page, as a beacon would, but with an answer that
 * confirms it if the page stays; browsers take 64 kB of that.
 */
export const post = (path: string, what: object, signal: AbortSignal): Promise<Response> => {
  // Old libraries give all arrays a `toJSON` that makes strings of them.
  for (const list of Object.values(what)) if (Array.isArray(list)) Object.assign(list, { toJSON: 0 });
  const body = JSON.stringify({
    site,
    visitor: visitor(),
    identity: jwt || null,
    consent: consent(),
    sent: Date.now(),
    offset: -new Date().getTimezoneOffset(),
    ...what,
  });
  return fetch(edge + "/v1/" + path, { method: "POST", body, credentials: "omit", keepalive: body.length < 6e4, signal });
};
