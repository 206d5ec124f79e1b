// What somebody says of themselves, and what is known of it: forms come filled in, here and on their other devices.

import type { Core } from "../loader.ts";

/** What is known of somebody that they may say themselves. */
export interface OwnProfile {
  attributes: Record<string, unknown>;
  /** Forms that they began and did not finish, the latest last. */
  left_off: { form: string; path: string; at_ms: number }[];
}

/** Has what is known of somebody, after telling what they say where they say something. */
export type Speaker = (says?: object) => Promise<OwnProfile>;

/** How often something is said at most: again with another identity token, or when the visitor's token has become another one. */
const TRIES = 3;

export const speaker = (core: Core): Speaker => {
  const { ask, consent, edge, granted, jwt, remember, silent, site, visitor } = core;
  /** Where nothing was said of consent, whomever the edge knows has its site's default. */
  const agreed = (): unknown => !silent() && (consent() ? granted("personalization") : visitor() || jwt());

  const speak = async (says?: object): Promise<OwnProfile> => {
    for (let tries = TRIES; ; tries--) {
      // Who is there is asked with every question, also with one for no slot.
      if (!jwt()) await ask([]);
      if (!agreed()) throw Error("no consent to personalization");
      const [identity, sent] = [jwt() || null, visitor()];
      const reads = !says && identity;
      if (!says && !identity && !sent) return { attributes: {}, left_off: [] };
      const answer = await fetch(edge + "/v1/profile" + (reads ? "?site=" + site : ""), {
        ...(reads
          ? { headers: { authorization: "Bearer " + identity } }
          : { method: "PUT", body: JSON.stringify({ site, visitor: sent, identity, consent: consent(), attributes: says ?? {} }) }),
        credentials: "omit",
        keepalive: true,
        signal: AbortSignal.timeout(5e3),
      });
      const { visitor: token, detail, ...own } = await answer.json().catch(() => ({}));
      if (answer.status === 401 && identity && tries > 1) {
        // It has expired: the page gets another one.
        await ask([]);
        continue;
      }
      if (!answer.ok) throw Error(detail ?? "profile: " + answer.status);
      // What somebody who is not known says is in their token alone.
      if (!says || !token) return own;
      if (visitor() === sent && agreed()) remember(token);
      else if (tries > 1) continue;
      return own;
    }
  };

  let last: Promise<unknown> = Promise.resolve();
  // One after the other: each answer renews the token that the next one goes with.
  return (says) => {
    const said = last.then(() => speak(says));
    last = said.catch(() => {});
    return said;
  };
};
