// What happened, on its way to the edge. Nothing leaves the queue before the edge has confirmed it; an event that
// arrives twice carries the same id and counts once, so sending again is always safe.

import { address, attempt, site } from "./page.ts";
import { post } from "./post.ts";
import { granted, remember, silent } from "./visitor.ts";

interface Happening {
  type: "impression" | "click" | "dismiss" | "stage" | "track" | "answer";
  token?: string | undefined;
  stage?: string;
  name?: string;
  props?: object | undefined;
}
type Queued = Happening & { id: string; at: number };

/** Below the edge's 50, so that a batch with its tokens stays within the 64 kB a browser sends from a dying page. */
const BATCH = 40;
/** More than a long visit leaves unsent. Beyond it the oldest tracked event goes, else the newcomer. */
const MOST = 200;
/**
 * Only with consent to analytics. In sessionStorage: the offer that led here, for the tab's next page. In localStorage, with
 * a name of the page added: what it left unsent, for whichever page of the site comes next.
 */
const KEY = "portico.events." + site + ".";

/** A UUID: a blob's address ends with one, also in pages without TLS, where `crypto.randomUUID` is missing. */
const unique = () => URL.createObjectURL(new Blob()).slice(-36);
const MINE = KEY + unique();

/**
 * Token of the offer whose link led here. The edge's link puts it into the fragment, which no server sees; it is taken
 * from there before anybody copies the address.
 */
let came = location.hash.split("#portico=")[1];
if (came) attempt(() => history.replaceState(history.state, "", address()));

let queue: Queued[] = [];
/** Set while something is under way or about to be. */
let timer: ReturnType<typeof setTimeout> | undefined;
let failures = 0;

/** Puts an event into the queue. */
export const report = (event: Happening): void => {
  if (silent()) return;
  queue.push({ id: unique(), at: Date.now(), ...event });
  if (queue.length > MOST) queue.splice(queue.findIndex(({ type }) => type === "track"), 1);
  soon();
};

/** The offer through which the visitor came has led further. */
export const reached = (stage: string): void => {
  if (came) report({ type: "stage", stage, token: came });
};

/** After a word on consent: takes up what earlier pages left unsent, or forgets it. Two tabs that take it up send it twice. */
export const resume = (): void => {
  attempt(() => {
    const may = granted("analytics");
    if (may) came ??= sessionStorage[KEY];
    delete sessionStorage[KEY];
    for (const key of Object.keys(localStorage))
      if (key.startsWith(KEY)) {
        const kept = localStorage[key];
        delete localStorage[key];
        if (may) queue = [...JSON.parse(kept), ...queue].slice(-MOST);
      }
  });
  if (silent()) queue = [];
  soon();
};

/** Sends a little later, so that what happens together travels together. */
export const soon = (ms = 400): void => {
  timer ??= setTimeout(flush, ms);
};

const flush = async (): Promise<void> => {
  const batch = queue.slice(0, BATCH);
  let wait = 0;
  if (batch[0])
    try {
      const answer = await post("events", { events: batch }, AbortSignal.timeout(1e4));
      const { status } = answer;
      // Any other 4xx is the edge's last word.
      if (status > 499 || status === 429) throw answer.headers.get("retry-after");
      // What was put away is remembered in the visitor's token.
      const { visitor } = await answer.json().catch(() => 0);
      if (visitor) remember(visitor);
      queue = queue.filter((event) => !batch.includes(event));
      failures = 0;
    } catch (after) {
      // Full jitter: a thousand pages that failed together do not come back together.
      wait = Math.random() * Math.min(6e4, 1e3 * 2 ** failures++) + (1e3 * (after as number) || 0);
    }
  timer = undefined;
  if (queue[0]) soon(wait);
};

/** The page may go away: what waits goes now. */
export const leave = (): void => {
  clearTimeout(timer!);
  void flush();
  if (granted("analytics"))
    attempt(() => {
      if (came) sessionStorage[KEY] = came;
      if (queue[0]) localStorage[MINE] = JSON.stringify(queue);
      else delete localStorage[MINE];
    });
};
