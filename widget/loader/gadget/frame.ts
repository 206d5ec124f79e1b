// A frame of the edge's in the host's page, and a panel with one that a button opens.
//
// The two pages speak through a channel that the host's side hands over when the frame says that it is there: to the edge's
// origin and nobody else, and the frame takes it from its parent and no other window. What passes is consent, language and looks on the
// way in; what visitors do and the wish to be closed on the way out. No token ever stands in an address.

import { sheet } from "../help.ts";
import type { Core } from "../loader.ts";

/** What a frame is told of its host. */
export interface Hello {
  portico: "hello";
  consent: unknown;
  identity: string | null;
  visitor: string | null;
  tokens: Record<string, string>;
}

/** A frame in the page. */
interface Guest {
  frame: HTMLIFrameElement;
  /** Our end of the channel that it was handed. */
  port?: MessagePort;
  /** It says that it is there. */
  welcome(): void;
  /** The host's policy forbids it. */
  refused(why: unknown): void;
}
const guests = new Set<Guest>();

/** The frames that are still in the page; channels of the others are closed. */
const present = (): Guest[] => {
  for (const guest of guests)
    if (!guest.frame.isConnected) {
      guest.port?.close();
      guests.delete(guest);
    }
  return [...guests];
};

const tell = (what: object): void => present().forEach(({ port }) => port?.postMessage(what));

/** What the visitor agreed to, or that nothing at all may be sent. */
const said = ({ consent, silent }: Core): unknown => (silent() ? "none" : consent());

/** Frames hear of a new word on consent at once: a withdrawal holds for them too. */
export const tellFrames = (core: Core): void => tell({ type: "consent", consent: said(core) });

/** What frames hear of the host's visitor: their token, none when they have been forgotten, and who is logged in. */
const word = ({ jwt }: Core, token: string | null) => ({ type: "visitor", token, identity: jwt() || null });

/** Somebody has been forgotten. */
let left = (): void => {};

/** One visitor on both sides, whoever was answered last. */
const pass = (core: Core): void => {
  if (core.hosts) return;
  core.ear.heard = (token) => {
    tell(word(core, token));
    if (!token) left();
  };
};

/** Takes over what a frame has learned, tells the others, and not the frame itself, which would say it again. */
const takeOver = (core: Core, from: Guest, token: unknown): void => {
  if (typeof token !== "string") return;
  core.ear.heard = undefined;
  core.remember(token);
  pass(core);
  for (const { port } of present()) if (port !== from.port) port?.postMessage(word(core, token));
};

/** Listens for what frames say before they have a channel, and for what the browser says of them. */
export const host = (core: Core, forgotten: () => void): void => {
  left = forgotten;
  const { edge, listen } = core;
  // The frame says when it is there, and again when it has loaded anew.
  listen(window, "message", (event) => {
    const { data, origin, source } = event as MessageEvent;
    if (source && origin === edge && data?.portico === "here") present().find(({ frame }) => frame.contentWindow === source)?.welcome();
  });
  listen(document, "securitypolicyviolation", (event) => {
    const { blockedURI, disposition, effectiveDirective } = event as SecurityPolicyViolationEvent;
    if (disposition === "enforce" && effectiveDirective === "frame-src" && edge!.startsWith(blockedURI.split("/", 3).join("/")))
      present().forEach(({ refused }) => refused("frame-src does not allow the edge"));
  });
  pass(core);
};

/** Custom properties that a frame takes over, so that it looks as its host does. */
const TOKENS = ["surface", "text", "text-muted", "line", "accent", "accent-text", "focus", "radius", "radius-control", "space", "density"];

/** How long a frame may take to answer. */
const PATIENCE_MS = 8e3;

const STYLE = sheet(`:host{position:relative}
iframe{display:block;inline-size:100%;block-size:44em;border:0;background:none}
iframe.waiting{position:absolute;inset:0;visibility:hidden}
.panel iframe{block-size:100%}
.launcher,.panel{position:fixed;inset-block-end:16px;inset-inline-end:16px;z-index:calc(var(--portico-layer,2147483000) + 1)}
.launcher{min-block-size:48px;padding:12px 20px;border:0;border-radius:999px;background:var(--portico-accent,light-dark(#0b6b63,#5fd0c2));
color:var(--portico-accent-text,light-dark(#fff,#0c1719));font:600 16px/1.5 var(--portico-font,system-ui,sans-serif);box-shadow:0 4px 16px #0004;cursor:pointer}
.launcher:focus-visible{outline:2px solid var(--portico-focus,currentColor);outline-offset:2px}
.panel{inset-block-end:80px;inline-size:min(46em,100vi - 32px);block-size:min(46em,100vb - 112px);border:1px solid var(--portico-line,light-dark(#dddad1,#33424d));
border-radius:var(--portico-radius,12px);overflow:hidden;background:var(--portico-surface,light-dark(#fff,#19242c));box-shadow:0 12px 40px #0005}
.panel[hidden]{display:block;visibility:hidden;opacity:0;translate:0 8px}
@media (prefers-reduced-motion:no-preference){.panel{transition:opacity .16s ease-out,translate .16s ease-out,visibility .16s}}`);

/** A frame of the edge's; `hear` is told what comes out of it. Fails where the host's policy forbids it or nobody answers. */
const open = (core: Core, into: Element | ShadowRoot, address: string, title: string, hear: (said: { type: string; detail?: object }) => void): Promise<HTMLIFrameElement> => {
  const { edge, jwt, visitor } = core;
  const frame = document.createElement("iframe");
  Object.assign(frame, { src: address, title, referrerPolicy: "strict-origin", className: "waiting" });
  const height = +(into instanceof ShadowRoot ? into.host : into).getAttribute("height")!;
  if (height) frame.style.blockSize = height + "px";
  frame.setAttribute("sandbox", "allow-scripts allow-same-origin allow-popups allow-popups-to-escape-sandbox allow-top-navigation-by-user-activation");
  return new Promise((done, refused) => {
    const late = setTimeout(refused, PATIENCE_MS, "the frame does not answer");
    const guest: Guest = {
      frame,
      refused,
      welcome() {
        const { port1, port2 } = new MessageChannel();
        guest.port?.close();
        guest.port = port1;
        port1.onmessage = ({ data }) => {
          if (data?.type === "ready") {
            clearTimeout(late);
            frame.classList.remove("waiting");
            done(frame);
          } else if (data?.type === "visitor") takeOver(core, guest, data.token);
          else if (typeof data?.type === "string") hear(data);
        };
        const style = getComputedStyle(into instanceof ShadowRoot ? into.host : into);
        const tokens = Object.fromEntries(TOKENS.map((name) => [name, style.getPropertyValue("--portico-" + name).trim()]).filter(([, value]) => value));
        const hello: Hello = { portico: "hello", consent: said(core), identity: jwt() || null, visitor: visitor(), tokens };
        frame.contentWindow!.postMessage(hello, edge!, [port2]);
      },
    };
    into.append(frame);
    guests.add(guest);
  }).catch((wrong: unknown) => {
    frame.remove();
    throw wrong;
  }) as Promise<HTMLIFrameElement>;
};

const rooted = (at: HTMLElement): ShadowRoot => {
  const root = at.shadowRoot ?? at.attachShadow({ mode: "open" });
  root.adoptedStyleSheets = [STYLE];
  return root;
};

/** What happens in the frame happens to the element around it. */
const relay = (core: Core, at: HTMLElement, { type, detail }: { type: string; detail?: object }): void => {
  if (/^(decision|impression|click|dismiss|error|gadget)$/.test(type)) core.emit(at, type, detail ?? {});
};

/** An offer in the corner leaves room for the button beneath it. */
const ROOM = sheet(":where(portico-offers){--portico-launcher:64px}");

/** The gadget in a frame, in its place in the page; the host's own content stays until the frame stands. */
export const frame = async (core: Core, at: HTMLElement, address: string, title: string): Promise<{ end(): void }> => {
  const root = rooted(at);
  const fallback = document.createElement("slot");
  root.replaceChildren(fallback);
  // A frame that is moved loads again: it is put where it stays.
  await open(core, root, address, title, (said) => relay(core, at, said));
  fallback.remove();
  return { end: () => root.replaceChildren(fallback) };
};

/** A button in the corner that opens the gadget in a panel. The frame is fetched when somebody reaches for the button. */
export const launcher = (core: Core, at: HTMLElement, address: string, title: string): { end(): void } => {
  const root = rooted(at);
  const button = Object.assign(document.createElement("button"), { className: "launcher", type: "button", textContent: title, ariaExpanded: "false" });
  const panel = Object.assign(document.createElement("div"), { className: "panel", hidden: true });
  button.part.add("launcher");
  panel.part.add("panel");
  root.replaceChildren(panel, button);
  document.adoptedStyleSheets.push(ROOM);
  let opened: Promise<HTMLIFrameElement> | undefined;
  const turn = (is: boolean): void => {
    panel.hidden = !is;
    button.ariaExpanded = "" + is;
    if (is) void prepare().then((frame) => frame.focus(), core.warn);
    else button.focus();
  };
  const prepare = () =>
    (opened ??= open(core, panel, address, title, (said) => (said.type === "close" ? turn(false) : relay(core, at, said))).catch((wrong) => {
      // A link does as well.
      const link = Object.assign(document.createElement("a"), { href: address, target: "_blank", rel: "noopener", textContent: title });
      panel.append(link);
      opened = undefined;
      throw wrong;
    }));
  core.listen(button, "click", () => turn(panel.hidden));
  core.listen(button, "pointerenter", () => void prepare().catch(core.warn));
  core.listen(at, "keydown", (event) => {
    if ((event as KeyboardEvent).key === "Escape" && !panel.hidden) turn(false);
  });
  return {
    end() {
      // The host may have put other sheets in the place of all.
      const at = document.adoptedStyleSheets.indexOf(ROOM);
      if (at >= 0) document.adoptedStyleSheets.splice(at, 1);
      root.replaceChildren(document.createElement("slot"));
    },
  };
};
