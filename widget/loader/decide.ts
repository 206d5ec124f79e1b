// The question to the edge: one for all slots of the page, and one more when something that matters has changed.

import { address, emit, listen, sleep, warn } from "./page.ts";
import { post } from "./post.ts";
import type { Slot } from "./slot.ts";
import { identified, remember, silent } from "./visitor.ts";

export interface Offer {
  offer: string;
  token: string;
  href: string;
  /** Its impression has been told. */
  seen?: boolean;
  content: Record<string, string> & { title: string };
}
export interface Placement {
  id: string;
  arm: string | null;
  reason: string | null;
  layout: string;
  html: string;
  offers: Offer[];
}
export interface Answer {
  visitor: string | null;
  decision: string;
  placements: Placement[];
  style: string;
}

/** The slots now in the document. */
export const slots = new Set<Slot>();

/** What the site told us about the page. */
export const facts: { context?: object | undefined; locale?: string } = {};

/** After this the host's own content stays. */
const DEADLINE_MS = 1500;
/** What the edge takes in one question. */
const MOST = 20;

const due = new Set<Slot>();
/** The next question is the page's last one again, by whom we know now: for the edge it is one view. */
let again: true | undefined;
let asking: Promise<void> | undefined;
let round = 0;

const ready = new Promise<unknown>((done) => {
  if (document.readyState === "loading") listen(document, "DOMContentLoaded", done);
  else done(0);
});

/** Asks soon for these slots, or for all; calls that come together become one question. */
export const ask = (some: Iterable<Slot> = slots): Promise<void> => {
  for (const slot of some) due.add(slot);
  return (asking ??= ready.then(() => sleep(round && 50)).then(decide));
};

const decide = async (): Promise<void> => {
  asking = undefined;
  const asked = [...due].filter((slot) => slot.at.isConnected).slice(0, MOST);
  due.clear();
  if (silent() || !asked.length) return;

  const turn = ++round;
  for (const slot of asked) slot.turn = turn;
  const signal = AbortSignal.timeout(DEADLINE_MS);
  let status = 200;
  try {
    await identified(() => {
      again = true;
      void ask();
    }).catch(warn);
    const question = {
      again,
      locale: document.documentElement.lang || navigator.language,
      ...facts,
      page: { url: address(), title: document.title, referrer: document.referrer },
      placements: asked.map(({ at }) => ({
        id: at.getAttribute("placement"),
        count: +at.getAttribute("count")! || undefined,
      })),
      html: true,
    };
    again = undefined;
    const response = await post("decide", question, signal);
    ({ status } = response);
    const answer: Answer = await response.json();
    if (silent()) return;
    remember(answer.visitor);
    asked.forEach((slot, at) => {
      if (slot.turn === turn) slot.show(answer, answer.placements[at]!);
    });
  } catch {
    const code = signal.aborted ? "deadline" : status > 299 ? "http_" + status : "network";
    warn(code);
    for (const slot of asked)
      if (slot.turn === turn) {
        slot.restore();
        emit(slot.at, "error", { code, placement: slot.at.getAttribute("placement") });
      }
  }
};
