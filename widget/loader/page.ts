// The page we are guests in: who we are here, what we tell it, and how we never break it.

import { attempt } from "./help.ts";

const tag = (document.currentScript ??
  document.querySelector('script[src*="/portico"][data-site]')) as HTMLScriptElement | null;

/** The site's publishable key. */
export const site = tag?.dataset.site;
/** In a page of the edge's own: the origins that may put it into a frame. */
export const hosts = tag?.dataset.hosts;
/** The origin we were loaded from: the only one we ever speak to. */
export const edge = tag && new URL(tag.src).origin;

/** Ends at `destroy`; every listener hangs on it. */
export const life = new AbortController();

/** At most one line in the host's console, whatever happens. */
export let warn = (what: unknown): void => {
  warn = () => {};
  attempt(() => console.warn("portico:", what));
};

/** Listens until `destroy`. */
export const listen = (to: EventTarget, names: string, heard: (event: Event) => void): void => {
  for (const name of names.split(" ")) to.addEventListener(name, heard, { signal: life.signal });
};

/** Tells the page, by an event that rises from the element. */
export const emit = (at: EventTarget, name: string, detail: object): void => {
  at.dispatchEvent(new CustomEvent("portico:" + name, { bubbles: true, composed: true, detail }));
};

/** The page's address, as long as the edge takes one, without its fragment, which may hold secrets and never reaches a server by itself. */
export const address = (): string => location.href.split("#")[0]!.slice(0, 4e3);

/**
 * Fetches one of our modules and runs it if its content is what it was when we were built: preloaded, because an import
 * by itself checks nothing, and then taken from where the browser put it.
 */
export const load = <Module>(file: string, integrity: string): Promise<Module> =>
  new Promise((done, failed) => {
    const href = edge + "/assets/" + file;
    document.head.append(
      Object.assign(document.createElement("link"), {
        rel: "modulepreload",
        nonce: tag!.nonce,
        crossOrigin: "",
        integrity,
        href,
        onload: () => done(import(href)),
        onerror: failed,
      }),
    );
  });
