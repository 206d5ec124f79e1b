// portico('doctor'): what is wrong with the installation in this page, for whoever put it there, with the line that mends it.

import type { Core } from "../loader.ts";

/** One thing that was looked at. */
export interface Finding {
  /** What was looked at. */
  check: string;
  /** `bad` keeps offers from the page, `note` takes something from them. */
  state: "good" | "note" | "bad";
  /** What was found. */
  found: string;
  /** What to change, where something is to be changed. */
  fix?: string;
}

/** How long a frame that nothing forbids is given. */
const FRAME_MS = 1500;

export const doctor = async (core: Core): Promise<Finding[]> => {
  const { consent, edge, listen, markup, post, release, silent, site, slots } = core;
  const findings: Finding[] = [];
  const say = (check: string, state: Finding["state"], found: string, fix?: string): void => {
    findings.push(fix ? { check, state, found, fix } : { check, state, found });
  };

  const tags = document.querySelectorAll('script[src*="/portico"][data-site]');
  if (tags.length > 1) say("script tag", "note", tags.length + " tags; the first one works, the others do nothing", "Keep one tag.");
  else say("script tag", "good", "one tag, key " + site);

  if (silent()) say("consent", "bad", "portico('consent', 'none') forbids all requests", "Call portico('consent', …) with what the visitor agreed to.");
  else {
    await post("decide", { placements: [{ id: "doctor" }], page: { url: location.origin + "/" }, again: true, html: false }, AbortSignal.timeout(5e3)).then(
      async (answer) => {
        if (answer.ok) return say("key and origin", "good", "the edge answers this page");
        const problem: { title?: string; detail?: string } = await answer.json().catch(() => ({}));
        const fix =
          answer.status === 403
            ? 'Add "' + location.origin + "\" to the site's origins and publish."
            : answer.status === 401
              ? "Copy data-site from the console's embed page."
              : "Look at the edge's log.";
        say("key and origin", "bad", answer.status + " " + (problem.detail ?? problem.title ?? ""), fix);
      },
      () => say("key and origin", "bad", "the edge cannot be reached from this page", "Content-Security-Policy: connect-src " + edge),
    );
    if (!consent())
      say("consent", "note", "nothing was said: the site's default holds", "Call portico('consent', { analytics: true, personalization: true }) once the visitor has agreed.");
    else say("consent", "good", JSON.stringify(consent()));
  }
  if ((navigator as { globalPrivacyControl?: boolean }).globalPrivacyControl)
    say("Global Privacy Control", "note", "this browser says no for its visitor: offers come from the page alone");

  try {
    new WebAssembly.Module(Uint8Array.of(0, 97, 115, 109, 1, 0, 0, 0));
    say("WebAssembly", "good", "allowed: offers can be brought back, gadgets run in the page");
  } catch {
    say("WebAssembly", "note", "forbidden by the page's policy: gadgets run in a frame", "Content-Security-Policy: script-src … 'wasm-unsafe-eval'");
  }

  if (markup) say("Trusted Types", "good", "markup may be set");
  else say("Trusted Types", "note", "the policy portico is not allowed: offers are built without markup", "Content-Security-Policy: trusted-types portico");

  const frame = Object.assign(document.createElement("iframe"), { src: edge + "/healthz", hidden: true, title: "portico doctor" });
  const framed = await new Promise<boolean>((done) => {
    listen(document, "securitypolicyviolation", (event) => {
      if ((event as SecurityPolicyViolationEvent).effectiveDirective === "frame-src") done(false);
    });
    document.body.append(frame);
    setTimeout(done, FRAME_MS, true);
  });
  frame.remove();
  if (framed) say("frames", "good", "frames of the edge may stand here");
  else say("frames", "note", "forbidden by the page's policy: where WebAssembly is too, gadgets are links", "Content-Security-Policy: frame-src " + edge);

  try {
    localStorage.length;
    say("storage", "good", "available; used only with consent");
  } catch {
    say("storage", "note", "blocked: nobody is recognised on their next page");
  }

  const newest = await fetch(edge + "/portico.js").then(
    (answer) => answer.text(),
    () => "",
  );
  if (newest && !newest.includes(release)) say("release", "note", "this page has an older release than the edge", "Load " + edge + "/portico.js, or pin the newest file.");
  else say("release", "good", "the newest");

  if (!slots.size) say("places", "note", "there is no <portico-offers> in this page", '<portico-offers placement="…" height="320"></portico-offers>');
  for (const { at, reason } of slots) {
    const name = "place " + (at.getAttribute("placement") ?? "without a placement");
    if (!at.getAttribute("placement")) say(name, "bad", "it has no placement", 'placement="…" names one of the configuration.');
    else if (reason === "unknown_placement") say(name, "bad", "the configuration has no such placement", "Add it in the console and publish, or mend the name.");
    else if (!parseFloat(getComputedStyle(at).minHeight) && at.getBoundingClientRect().height < 1)
      say(name, "note", "no height is reserved: the page moves when offers come", 'height="320", or min-height in the page\'s style.');
    else say(name, "good", reason === "nothing_eligible" ? "no offer fits this visitor; the page's own content stays" : "works");
  }

  // Asked for, so the console is where it is looked for.
  for (const { check, state, found, fix } of findings) console.info("portico doctor: " + state + " · " + check + ": " + found + (fix ? "\n    → " + fix : ""));
  return findings;
};
