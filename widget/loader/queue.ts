// What happened and has not been confirmed. An event that arrives twice carries the same id and counts once, so sending
// again is always safe. `more/send.ts` sends; here is only what must work from the first moment to the page's last.

import { half } from "./half.ts";
import { BATCH, MOST, attempt } from "./help.ts";
import { site } from "./page.ts";
import { post } from "./post.ts";
import { granted, silent } from "./visitor.ts";

interface Happening {
  type: "impression" | "click" | "dismiss" | "stage" | "track" | "answer";
  token?: string | undefined;
  stage?: string;
  name?: string;
  props?: object | undefined;
}
export type Queued = Happening & { id: string; at: number };

/**
 * Only with consent to analytics. In sessionStorage: the offer that led here, for the tab's next page. In localStorage, with
 * a name of the page added: what it left unsent, for whichever page of the site comes next.
 */
export const KEY = "portico.events." + site + ".";

/** A UUID: a blob's address ends with one, also in pages without TLS, where `crypto.randomUUID` is missing. */
const unique = () => URL.createObjectURL(new Blob()).slice(-36);
const MINE = KEY + unique();

export const queue: Queued[] = Object.assign([], { toJSON: 0 });

/** Puts an event into the queue. */
export const report = (event: Happening): void => {
  if (silent()) return;
  queue.push({ id: unique(), at: Date.now(), ...event });
  if (queue.length > MOST) queue.splice(queue.findIndex(({ type }) => type === "track"), 1);
  half.soon?.();
};

/** Sends a batch, whatever becomes of it. */
export const send = (events: Queued[] = queue.slice(0, BATCH)): Promise<Response> =>
  post("events", { events }, AbortSignal.timeout(1e4));

/** The page goes, perhaps for good, or comes into view: what waits goes now, and stays in store where that is allowed. */
export const leave = (): void => {
  if (queue[0]) void (half.flush?.() ?? send().catch(() => {}));
  if (granted("analytics"))
    attempt(() => {
      if (queue[0]) localStorage[MINE] = JSON.stringify(queue);
      else delete localStorage[MINE];
    });
};

/** Takes out of the stores what pages have left there, where consent does not cover it or for the second half to take up. */
export const stored = (): string[] => {
  const found: string[] = [];
  attempt(() => {
    for (const store of [sessionStorage, localStorage])
      for (const key of Object.keys(store))
        if (key.startsWith(KEY)) {
          found.push(store[key]);
          delete store[key];
        }
  });
  return found;
};
