// portico.js: what a site owner pastes into a page. It finds the slots, asks the edge once, paints the answer and
// reports what the visitor does. A guest: it never throws into the page, never hides it, never moves it.
//
// Deliberately absent: any dependency, any polling, any cookie, any patched global of the host.

import { ask, facts, here, locale, slots } from "./decide.ts";
import { half } from "./half.ts";
import type { Half } from "./more/more.ts";
import { attempt, sheet } from "./help.ts";
import { address, edge, emit, hosts, life, listen, load, site, warn } from "./page.ts";
import { post } from "./post.ts";
import { KEY, leave, queue, report, send, stored } from "./queue.ts";
import { PorticoGadget, PorticoOffers, policy } from "./slot.ts";
import { agree, consent, ear, forget, granted, identify, jwt, remember, silent, visitor, type Consent } from "./visitor.ts";

/** File of the second half and the hash of its content, set by the build. */
declare const PORTICO_MORE: string;
declare const PORTICO_MORE_HASH: string;

/** What the second half has of us. */
const core = {
  KEY,
  address,
  agree,
  ask,
  consent,
  ear,
  edge,
  emit,
  facts,
  granted,
  hosts,
  identify,
  life,
  listen,
  load,
  locale,
  markup: policy,
  post,
  queue,
  release: PORTICO_MORE,
  remember,
  report,
  send,
  silent,
  site,
  slots,
  stored,
  visitor,
  warn,
  /** The address of the latest question. */
  asked: () => here,
  /** The identity token of the latest question. */
  jwt: () => jwt,
};
export type Core = typeof core;

/** The page's first question has been answered, or there is none. */
let first: Promise<void>;
let module: Promise<Half> | undefined;
half.fetch = () =>
  (module ??= load<{ begin(core: Core): Half }>(PORTICO_MORE, PORTICO_MORE_HASH)
    .then(({ begin }) => Object.assign(half, begin(core)))
    .catch((wrong) => {
      // Whatever wants it next tries again.
      module = undefined;
      throw wrong;
    }));

/**
 * What is answered here is answered to the caller; with no answer there is a new question to the edge. Commands that are not
 * here are the second half's.
 */
const commands: Record<string, (...args: never[]) => unknown> = {
  identify,
  consent(to: Consent) {
    agree(to);
    if (!granted("analytics")) stored();
    if (silent()) queue.length = 0;
    half.resume?.();
  },
  context(more: object | null) {
    facts.context = more ? { ...facts.context, ...more } : undefined;
  },
  locale(tag: string) {
    facts.locale = tag;
  },
  refresh() {},
  async ready(heard?: () => void) {
    await first;
    heard?.();
  },
  track(name: string, props?: object) {
    report({ type: "track", name, props });
    return 1;
  },
  stage(stage: string) {
    report({ type: "stage", stage });
    return 1;
  },
  on(name: string, heard: (detail: unknown) => void) {
    listen(document, "portico:" + name.replace("offer:", ""), (event) => heard((event as CustomEvent).detail));
    return 1;
  },
  destroy() {
    leave();
    forget();
    queue.length = 0;
    life.abort();
    stored();
    for (const slot of slots) {
      slot.restore();
      slot.at.style.minHeight = "";
    }
  },
};

const run = (name: string, ...args: never[]): Promise<unknown> => {
  const done = (async () => {
    const command = commands[name] ?? (await half.fetch()).commands[name];
    if (!command) throw Error("unknown command " + name);
    return command(...args) ?? ask();
  })();
  // Whoever waits for it hears of a failure; who does not is not bothered with an unhandled rejection.
  done.catch(warn);
  return done;
};

attempt(() => {
  if (!site || customElements.get("portico-offers")) return;

  const page = window as { portico?: { q?: Iterable<Parameters<typeof run>> } };
  const early = page.portico?.q ?? [];
  first = ask();
  page.portico = run as never;
  for (const args of early) void run(...args);

  // Weighs nothing against any rule of the host's.
  document.adoptedStyleSheets.push(sheet(":where(portico-offers,portico-gadget):not([hidden]){display:block}"));
  customElements.define("portico-offers", PorticoOffers);
  customElements.define("portico-gadget", PorticoGadget);
  listen(window, "pagehide visibilitychange", (event) => {
    // Into view too: what waits has somebody who looks at it, and goes at once.
    leave();
    // Into the back/forward cache: what comes out of it is a new view, whose question waits while the page is frozen.
    if ((event as PageTransitionEvent).persisted) void ask();
  });
});
