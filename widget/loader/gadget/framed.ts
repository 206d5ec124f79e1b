// Inside a frame of the edge's: the other end of `frame.ts`.

import type { Consent } from "../visitor.ts";
import type { Hello } from "./frame.ts";
import type { Core } from "../loader.ts";

/** Waits for the host's word, where this page of ours stands in somebody's frame. Done when it has come, at once elsewhere. */
export const framed = async ({ agree, ear, hosts, identify, listen, remember, warn }: Core, forgotten: () => void): Promise<void> => {
  if (!hosts || parent === window) return;
  let heard!: () => void;
  const hello = new Promise<void>((done) => (heard = done));
  const known = hosts.split(" ");
  let port: MessagePort | undefined;
  /** Who is logged in at the host. */
  let who: string | null = null;
  listen(window, "message", (event) => {
    const { data, origin, source, ports } = event as MessageEvent<Hello>;
    if (source !== parent || !known.includes(origin) || data?.portico !== "hello" || !ports[0]) return;
    port = ports[0];
    try {
      for (const [name, value] of Object.entries(data.tokens)) {
        // A colour or a length, never more: what else it might say is none of a frame's business.
        if (/^[\w#%.,()\s/-]{1,80}$/.test(value)) document.documentElement.style.setProperty("--portico-" + name, value);
      }
      if (data.consent) agree(data.consent as Consent);
      if (data.identity) identify((who = data.identity));
      if (data.visitor) remember(data.visitor);
    } catch (wrong) {
      warn(wrong);
    }
    port.onmessage = ({ data }) => {
      if (data?.type === "consent" && data.consent) agree(data.consent);
      if (data?.type === "visitor") {
        ear.heard = undefined;
        // Whoever the host has forgotten is forgotten here too.
        if (!data.token || data.identity !== who) {
          identify(null);
          who = data.identity;
          if (who) identify(who);
        }
        if (data.token) remember(data.token);
        else forgotten();
        ear.heard = tell;
      }
    };
    port.postMessage({ type: "ready" });
    heard();
  });
  const tell = (token: string | null): void => port?.postMessage({ type: "visitor", token });
  ear.heard = tell;
  // The host is told that we are there: the one that the browser says has sent us here, if it is one of ours.
  const host = document.referrer && new URL(document.referrer).origin;
  if (known.includes(host)) parent.postMessage({ portico: "here" }, host);
  for (const name of ["decision", "impression", "click", "dismiss", "error", "gadget"])
    listen(document, "portico:" + name, (event) => port?.postMessage({ type: name, detail: JSON.parse(JSON.stringify((event as CustomEvent).detail)) }));
  listen(window, "keydown", (event) => {
    if ((event as KeyboardEvent).key === "Escape" && !event.defaultPrevented) port?.postMessage({ type: "close" });
  });
  return hello;
};
