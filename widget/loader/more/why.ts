// "Why this?": the reasons for an offer, asked of the edge when a visitor wants to know, in a box above the page that the
// browser itself closes by Esc or a click beside it.

import type { Slot } from "../slot.ts";
import { sheet } from "../help.ts";
import type { Core } from "./more.ts";

interface Why {
  locale: string;
  title: string;
  text: string;
  reasons: string[];
  end: string;
  close: string;
}

const CSS = `.reasons{position:fixed;inset:0;margin:auto;inline-size:min(30em,100vi - 32px);max-block-size:calc(100vb - 32px);
overflow:auto;padding:24px;border:1px solid var(--line);border-radius:var(--radius);background:var(--surface);color:var(--text);
box-shadow:0 12px 40px #0004;text-align:start}
.reasons::backdrop{background:#0006}
.reasons>*{margin:0 0 12px}
.reasons h2{font-size:1.125em;line-height:1.25}
.reasons ul{padding-inline-start:1.25em}
.reasons li{display:list-item;list-style:disc}
.reasons .close{justify-self:start;margin:0;min-block-size:44px;padding:8px 20px;border:1px solid var(--line);border-radius:var(--portico-radius-control,6px);background:none;color:inherit;font:inherit;cursor:pointer}`;
/** The sheet of it, made when somebody asks for the first time. */
let style: CSSStyleSheet | undefined;

const add = (to: Element, name: string, text = ""): HTMLElement => {
  const element = document.createElement(name);
  element.textContent = text;
  to.append(element);
  return element;
};

/** Shows the reasons for the offer of a card. */
export const why = async ({ edge, facts, locale, site, warn }: Core, { at }: Slot, card: Element, token: string, asked: HTMLElement): Promise<void> => {
  const root = at.shadowRoot!;
  const face = card.closest(".offers")!;
  try {
    // Nothing of the visitor goes with it: the offer's token says enough.
    const body = JSON.stringify({ site, token, locale: facts.locale ?? locale() });
    const answer = await fetch(edge + "/v1/why", { method: "POST", body, credentials: "omit", signal: AbortSignal.timeout(5e3) });
    if (!answer.ok) throw answer.status;
    const { title, text, reasons, end, close, locale: lang }: Why = await answer.json();
    style ??= sheet(CSS);
    if (!root.adoptedStyleSheets.includes(style)) root.adoptedStyleSheets = [...root.adoptedStyleSheets, style];
    const box = add(face, "div");
    Object.assign(box, { className: "reasons", popover: "auto", lang, dir: "auto", role: "dialog", ariaLabel: title });
    box.part.add("reasons");
    add(box, "h2", title);
    add(box, "p", text);
    if (reasons[0]) {
      const list = add(box, "ul");
      reasons.forEach((reason) => add(list, "li", reason));
    }
    add(box, "p", end);
    const button = Object.assign(add(box, "button", close), { className: "close", type: "button", onclick: () => box.hidePopover() });
    box.addEventListener("toggle", (event) => {
      if ((event as ToggleEvent).newState !== "closed") return;
      box.remove();
      asked.focus();
    });
    box.showPopover();
    button.focus();
  } catch (wrong) {
    warn(wrong);
  }
};
