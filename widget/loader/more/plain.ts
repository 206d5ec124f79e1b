// Where markup is refused: the same words in the same boxes, built node by node.

import type { Placement } from "../decide.ts";

const add = (to: Element, name: string, text = ""): HTMLElement => {
  const element = document.createElement(name === "title" ? "h2" : name === "cta" ? "a" : "div");
  element.className = name;
  element.part = name;
  element.textContent = text;
  to.append(element);
  return element;
};

export const plain = (face: Element, { layout, offers }: Placement): void => {
  const cards = add(add(face, "offers " + layout), "cards");
  for (const { content } of offers) {
    const words = add(add(cards, "card"), "words");
    for (const name of ["title", "highlight", "body", "cta", "terms"])
      if (content[name]) add(words, name, content[name]);
  }
};
