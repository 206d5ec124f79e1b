// The page we are guests in: who we are here, what we tell it, and how we never break it.

const tag = (document.currentScript ??
  document.querySelector('script[src*="/portico.js"]')) as HTMLScriptElement | null;

/** The site's publishable key. */
export const site = tag?.dataset.site;
/** The origin we were loaded from: the only one we ever speak to. */
export const edge = tag && new URL(tag.src).origin;

/** Ends at `destroy`; every listener hangs on it. */
export const life = new AbortController();

/** At most one line in the host's console, whatever happens. */
export let warn = (what: unknown): void => {
  warn = () => {};
  console.warn("portico:", what);
};

/** What fails in here stays in here: storage that throws in blocked frames, markup that a policy refuses. */
export const attempt = <T>(risky: () => T): T | undefined => {
  try {
    return risky();
  } catch {}
};

/** Listens until `destroy`. */
export const listen = (to: EventTarget, names: string, heard: (event: Event) => void): void =>
  names.split(" ").forEach((name) => to.addEventListener(name, heard, { signal: life.signal }));

/** Tells the page, by an event that rises from the element. */
export const emit = (at: EventTarget, name: string, detail: object): void => {
  at.dispatchEvent(new CustomEvent("portico:" + name, { bubbles: true, composed: true, detail }));
};

/** A style sheet that no policy on inline styles refuses. */
export const sheet = (text: string): CSSStyleSheet => {
  const made = new CSSStyleSheet();
  made.replaceSync(text);
  return made;
};

/** A timer as a promise, of 0. */
export const sleep = (ms: number): Promise<0> => new Promise((done) => setTimeout(done, ms, 0));

/** The page's address, as long as the edge takes one, without its fragment, which may hold secrets and never reaches a server by itself. */
export const address = (): string => location.href.split("#")[0]!.slice(0, 4e3);
