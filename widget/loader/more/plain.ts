// Where Trusted Types refuse markup: the browser's own sanitizer, which needs no policy, or the same words in the same boxes,
// built node by node.

import type { Placement } from "../decide.ts";

/** What the edge paints. */
const PAINTED = {
  elements: "a button div form h2 img li p picture section source span strong ul".split(" "),
  attributes:
    "alt aria-label class decoding dir height hidden href lang loading name part rel role src srcset tabindex target title type value width".split(" "),
  dataAttributes: true,
  comments: true,
};

const add = (to: Element, name: string, text = ""): HTMLElement => {
  const element = document.createElement(name === "title" ? "h2" : name === "cta" ? "a" : "div");
  element.className = name;
  element.part = name;
  element.textContent = text;
  to.append(element);
  return element;
};

export const plain = (face: Element & { setHTML?(html: string, by: object): void }, { html, layout, offers }: Placement): void => {
  try {
    face.setHTML!(html, { sanitizer: PAINTED });
    return;
  } catch {}
  const cards = add(add(face, "offers " + layout), "cards");
  for (const { content } of offers) {
    const words = add(add(cards, "card"), "words");
    for (const name of ["title", "highlight", "body", "cta", "terms"])
      if (content[name]) add(words, name, content[name]);
  }
};
