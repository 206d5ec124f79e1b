// The question to the edge: one for all slots of the page, and one more when something that matters has changed.

import { half } from "./half.ts";
import { sleep } from "./help.ts";
import { address, emit, listen, warn } from "./page.ts";
import { post } from "./post.ts";
import type { Slot } from "./slot.ts";
import { identified, remember, renewed, silent, turnPage } from "./visitor.ts";

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

/** The page's language, unless the site says otherwise. */
export const locale = (): string => document.documentElement.lang || navigator.language;

/** After this the host's own content stays. */
const DEADLINE_MS = 1500;
/** What the edge takes in one question. */
const MOST = 20;

const due = new Set<Slot>();
/** The next question is the page's last one again, by whom we know now: for the edge it is one view. */
let again: true | undefined;
let asking: Promise<void> | undefined;
let round = 0;
/** The address of the latest question. */
export let here = address();

/** Done at an event of the document, at once where there is nothing to wait for. */
const until = (name: string, wait: unknown) =>
  new Promise<unknown>((done) => {
    if (wait) listen(document, name, done);
    else done(0);
  });
/** The document is whole, and somebody looks at it. */
const ready = until("DOMContentLoaded", document.readyState === "loading").then(() =>
  until("prerenderingchange", (document as { prerendering?: boolean }).prerendering),
);

/** Asks soon for these slots, or for all, and first who is there; calls that come together become one question. */
export const ask = (some: Iterable<Slot> = slots): Promise<void> => {
  for (const slot of some) due.add(slot);
  return (asking ??= ready.then(() => sleep(round && 50)).then(decide));
};

const decide = async (): Promise<void> => {
  asking = undefined;
  // The page has moved within its document: all of it is another page.
  if (here !== (here = address())) {
    turnPage();
    slots.forEach((slot) => due.add(slot));
  }
  const asked: Slot[] = [];
  for (const slot of due) if (!slot.at.isConnected || (asked.length < MOST && asked.push(slot))) due.delete(slot);
  if (silent()) return;

  const turn = ++round;
  for (const slot of asked) slot.turn = turn;
  const signal = AbortSignal.timeout(DEADLINE_MS);
  await identified(() => {
    again = true;
    void ask();
  }).catch(warn);
  if (!asked.length) return void half.fetch().catch(warn);

  let status = 200;
  try {
    const question = {
      again,
      locale: locale(),
      ...facts,
      page: { url: address(), title: document.title, referrer: document.referrer },
      placements: asked.map(({ at }) => ({
        id: at.placement,
        count: +at.count! || undefined,
      })),
      html: true,
    };
    again = undefined;
    const before = renewed;
    const response = await post("decide", question, signal);
    ({ status } = response);
    const answer: Answer = await response.json();
    if (silent()) return;
    // Somebody has been forgotten meanwhile, or said something: that answer knows nothing of it.
    if (before === renewed) remember(answer.visitor);
    asked.forEach((slot, at) => {
      if (slot.turn === turn) slot.show(answer, answer.placements[at]!);
    });
  } catch {
    const code = signal.aborted ? "deadline" : status > 299 ? "http_" + status : "network";
    warn(code);
    for (const slot of asked)
      if (slot.turn === turn) {
        slot.restore();
        emit(slot.at, "error", { code, placement: slot.at.placement });
      }
  }
  // What has just been painted goes first, with its pictures.
  setTimeout(() => silent() || half.fetch().catch(warn), 99);
  if (due.size) void ask([]);
};
