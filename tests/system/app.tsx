// An application as a site owner would write it, bundled with React by the test.

import { createElement, useState } from "react";
import { createRoot } from "react-dom/client";
import { load, portico } from "portico-web";
import { PorticoGadget, PorticoOffers } from "portico-web/react";

load({ edge: document.body.dataset["edge"]!, site: "pk_demo" });
void portico("consent", { analytics: true, personalization: true });

const App = () => {
  const [placement, show] = useState("home-hero");
  const [decided, hear] = useState<string[]>([]);
  return createElement(
    "main",
    null,
    createElement("h1", null, "A React page"),
    createElement("button", { onClick: () => show("product-side") }, "Show others"),
    createElement(
      PorticoOffers,
      { placement, count: 1, height: 700, onPorticoDecision: (detail) => hear((before) => [...before, detail.placement]) },
      createElement("p", { className: "fallback" }, "What the page itself has to say."),
    ),
    createElement(PorticoGadget, { name: "calculator", height: 700, purpose: "borrow" }),
    createElement("output", null, decided.join(" ")),
  );
};

createRoot(document.getElementById("root")!).render(createElement(App));
