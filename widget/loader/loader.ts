// portico.js: what a site owner pastes into a page. It finds the slots, asks the edge once, paints the answer and
// reports what the visitor does. A guest: it never throws into the page, never hides it, never moves it.
//
// Deliberately absent: any dependency, any polling, any cookie, any patched global of the host.

import { ask, facts, slots } from "./decide.ts";
import { address, attempt, life, listen, sheet, site, warn } from "./page.ts";
import { leave, reached, report, resume, soon } from "./queue.ts";
import { PorticoOffers } from "./slot.ts";
import { agree, forget, identify, turnPage, type Consent } from "./visitor.ts";

/** What is answered here is answered to the caller; with no answer there is a new question to the edge. */
const commands: Record<string, (...args: never[]) => unknown> = {
  identify,
  consent(to: Consent) {
    agree(to);
    resume();
  },
  context(more: object | null) {
    facts.context = more ? { ...facts.context, ...more } : undefined;
  },
  locale(tag: string) {
    facts.locale = tag;
  },
  refresh() {},
  track(name: string, props?: object) {
    report({ type: "track", name, props });
    return 1;
  },
  stage(name: string) {
    reached(name);
    return 1;
  },
  on(name: string, heard: (detail: unknown) => void) {
    listen(document, "portico:" + name.replace("offer:", ""), (event) => heard((event as CustomEvent).detail));
    return 1;
  },
  destroy() {
    leave();
    forget();
    life.abort();
    resume();
    for (const slot of slots) {
      slot.restore();
      slot.at.style.minHeight = "";
    }
  },
};

const run = (name: string, ...args: never[]): Promise<unknown> => {
  const done = (async () => {
    if (!(name in commands)) throw Error("unknown command " + name);
    return commands[name]!(...args) ?? ask();
  })();
  // Whoever waits for it hears of a failure; who does not is not bothered with an unhandled rejection.
  done.catch(warn);
  return done;
};

attempt(() => {
  if (!site || customElements.get("portico-offers")) return;

  const page = window as { portico?: { q?: Iterable<Parameters<typeof run>> }; navigation?: EventTarget };
  const early = page.portico?.q ?? [];
  page.portico = run as never;
  for (const args of early) void run(...args);

  // Weighs nothing against any rule of the host's.
  document.adoptedStyleSheets.push(sheet(":where(portico-offers){display:block}"));
  customElements.define("portico-offers", PorticoOffers);
  void ask();

  let here = address();
  const moved = () => {
    if (here === (here = address())) return;
    turnPage();
    void ask();
  };
  // Without the Navigation API: routers move on a click or on Back, a moment later.
  listen(page.navigation ?? window, "navigatesuccess click popstate", () => setTimeout(moved, 99));

  listen(window, "pagehide pageshow visibilitychange", (event) => {
    if (document.hidden || event.type === "pagehide") leave();
    else soon();
    // Into the back/forward cache and out of it: a new view of the page, whose question waits while the page is frozen.
    if ((event as PageTransitionEvent).persisted) void ask();
    slots.forEach((slot) => slot.look());
  });
});
