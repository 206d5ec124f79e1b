// Events on their way to the edge. Nothing leaves the queue before the edge has confirmed it.

import { BATCH, MOST, attempt } from "../help.ts";
import type { Core } from "./more.ts";

export const sender = (core: Core) => {
  const { KEY, address, granted, queue, remember, send, stored } = core;
  /** Set while something is under way or about to be. */
  let timer: ReturnType<typeof setTimeout> | undefined;
  let failures = 0;
  /**
   * Token of the offer whose link led here. The edge's link puts it into the fragment, which no server sees; it is taken
   * from there before anybody copies the address.
   */
  let came = location.hash.split("#portico=")[1];
  if (came) attempt(() => history.replaceState(history.state, "", address()));

  /** Sends a little later, so that what happens together travels together. */
  const soon = (ms = 400): void => {
    timer ??= setTimeout(flush, ms);
  };

  /** Sends now. */
  const flush = async (): Promise<void> => {
    clearTimeout(timer);
    let wait = 0;
    // Stages belong to the offer through which the visitor came, and to none where they came by themselves.
    replace(queue.filter((event) => event.type !== "stage" || (event.token ??= came)));
    const batch = queue.slice(0, BATCH);
    if (batch[0])
      try {
        const before = core.visitor();
        const answer = await send(batch);
        const { status } = answer;
        // Any other 4xx is the edge's last word.
        if (status > 499 || status === 429) throw answer.headers.get("retry-after");
        // What was put away is remembered in the visitor's token, unless it is another one by now.
        const { visitor } = await answer.json().catch(() => 0);
        if (visitor && core.visitor() === before) remember(visitor);
        replace(queue.filter((event) => !batch.includes(event)));
        failures = 0;
      } catch (after) {
        // Full jitter: a thousand pages that failed together do not come back together.
        wait = Math.random() * Math.min(6e4, 1e3 * 2 ** failures++) + (1e3 * (after as number) || 0);
      }
    timer = undefined;
    if (queue[0]) soon(wait);
  };

  const replace = (events: typeof queue): void => {
    queue.splice(0, MOST, ...events);
  };

  /** After a word on consent: takes up what earlier pages left unsent. Two tabs that take it up send it twice. */
  const resume = (): void => {
    if (granted("analytics"))
      attempt(() => {
        came ??= sessionStorage[KEY];
        const left = stored().filter((kept) => kept.startsWith("["));
        replace([...left.flatMap((kept) => JSON.parse(kept)), ...queue].slice(-MOST));
        if (came) sessionStorage[KEY] = came;
      });
    soon();
  };
  resume();
  return { soon, flush, resume };
};
