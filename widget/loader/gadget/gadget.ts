// <portico-gadget>: a small application of the site, in the page itself where WebAssembly may run there, else in a frame of
// the edge's, else behind a link. Until it stands, and if nothing works, the host's own content does.

import { sheet, sleep } from "../help.ts";
import type { Core } from "../loader.ts";
import type { Speaker } from "../profile/profile.ts";
import { start, type Glue } from "../start.ts";
import { frame, host, launcher, tellFrames } from "./frame.ts";
import { framed } from "./framed.ts";

/** File name without extension of the calculator's module and the hashes of its two files, set by the build. */
declare const PORTICO_CALCULATOR: string;
declare const PORTICO_CALCULATOR_JS_HASH: string;
declare const PORTICO_CALCULATOR_WASM_HASH: string;

interface Calculator extends Glue {
  style(): string;
  mount(root: Element, settings: object, locale: string, settled: (purpose: Purpose, sum: number, chosen: Float64Array) => void): { free(): void };
}
type Purpose = "save" | "borrow";

interface Slider {
  min: number;
  max: number;
  step: number;
  start: number;
  /** What it is called in the visitor's profile. */
  attribute?: string;
}

/** A gadget as its site configures it. */
interface Settings {
  kind: "calculator";
  title: string;
  save: { placement: string; first: Slider; monthly: Slider; years: Slider };
  borrow: { placement: string; amount: Slider; years: Slider };
}

/** The sliders of a purpose, in the order in which the calculator tells their figures. */
const sliders = ({ save, borrow }: Settings, purpose: Purpose): Slider[] =>
  purpose === "save" ? [save.first, save.monthly, save.years] : [borrow.amount, borrow.years];

/** The nearest value that can be chosen, as the calculator has it for what is typed. */
const nearest = ({ min, max, step }: Slider, value: number): number =>
  Math.min(max, Math.max(min, min + Math.round((value - min) / step) * step));

/** How long a gadget that is ready waits for what is known of its visitor, and offers for what they said. */
const PATIENCE_MS = 400;
const SAYING_MS = 1500;

interface Shown {
  end(): void;
  /** It has figures of somebody's. */
  personal?(): boolean;
}

/** Room for the offers that follow, so that nothing moves when they come. */
const FOLLOW = sheet(":host{flex-grow:1}.follow{min-block-size:13em;margin-block-start:16px;display:grid}");

export const gadgets = (core: Core, profile: Speaker) => {
  const { ask, edge, emit, facts, locale, report, silent, site, warn } = core;
  const wanted = (): string => facts.locale ?? locale();
  /** What is shown for an element, and how it ends. */
  const shown = new Map<Element, Shown>();

  /** An address below the edge that knows whose gadget in which language. */
  const address = (path: string, name: string): string =>
    edge + path + encodeURIComponent(name) + "?" + new URLSearchParams({ site: site!, locale: wanted() });

  const inline = async (at: HTMLElement, name: string, settings: Settings, stands: () => boolean): Promise<Shown> => {
    // What is known of the visitor comes while the module does.
    const all = [...sliders(settings, "save"), ...sliders(settings, "borrow")];
    const known = all.some(({ attribute }) => attribute) && told.then(() => profile()).catch(() => {});
    const calculator = await start<Calculator>(core, PORTICO_CALCULATOR, PORTICO_CALCULATOR_JS_HASH, PORTICO_CALCULATOR_WASM_HASH);
    let personal = false;
    const own = await Promise.race([known, sleep(PATIENCE_MS)]);
    if (own)
      for (const slider of all) {
        const value = slider.attribute && own.attributes[slider.attribute];
        if (typeof value === "number") {
          slider.start = nearest(slider, value);
          personal = true;
        }
      }
    if (!stands()) throw "something else is wanted by now";
    const root = at.shadowRoot ?? at.attachShadow({ mode: "open" });
    root.adoptedStyleSheets = [sheet(calculator.style()), FOLLOW];
    const face = document.createElement("div");
    const follow = Object.assign(document.createElement("div"), { className: "follow" });
    root.replaceChildren(face, follow);
    let offers: HTMLElement | undefined;
    let latest = 0;
    const mounted = calculator.mount(face, { ...settings, purpose: at.getAttribute("purpose") }, wanted(), async (purpose, sum, chosen) => {
      // What decides what fits is rounded: it says no more of anybody than it must.
      facts.context = { ...facts.context, calculator_purpose: purpose, calculator_sum: +sum.toPrecision(2) };
      report({ type: "track", name: "calculator_used", props: { purpose, years: chosen.at(-1) } });
      emit(at, "gadget", { name, purpose });
      // They say what they have moved, and nothing of what they found there.
      const turn = ++latest;
      const moved = sliders(settings, purpose).map((slider, index) => ({ slider, value: chosen[index]! }))
        .filter(({ slider, value }) => slider.attribute && slider.start !== value);
      if (moved[0]) {
        personal = true;
        const says = Object.fromEntries(moved.map(({ slider, value }) => [slider.attribute, value]));
        const said = profile(says).then(() => moved.forEach(({ slider, value }) => (slider.start = value)));
        // The offers that follow are decided for whom this tells of.
        await Promise.race([said.catch(() => {}), sleep(SAYING_MS)]);
        if (turn !== latest) return;
      }
      const { placement } = settings[purpose];
      if (offers?.getAttribute("placement") === placement) return void ask([...core.slots].filter((slot) => slot.at === offers));
      offers = document.createElement("portico-offers");
      offers.setAttribute("placement", placement);
      follow.replaceChildren(offers);
    });
    return {
      personal: () => personal,
      end() {
        latest = 0;
        mounted.free();
        root.replaceChildren(document.createElement("slot"));
      },
    };
  };

  /** The last rung: a link, beside what the page says by itself. */
  const link = (at: HTMLElement, href: string, textContent: string): Shown => {
    const root = at.shadowRoot ?? at.attachShadow({ mode: "open" });
    const link = Object.assign(document.createElement("a"), { href, textContent, target: "_blank", rel: "noopener" });
    link.part.add("link");
    root.replaceChildren(document.createElement("slot"), link);
    return { end: () => link.remove() };
  };

  /** An element has come or gone, or may be shown again. */
  const gadget = async (at: HTMLElement): Promise<void> => {
    const name = at.getAttribute("name");
    if (!at.isConnected || silent()) {
      // What has only been moved is connected again by now.
      shown.get(at)?.end();
      shown.delete(at);
      return;
    }
    // What is said of it may change while it is there.
    changes.observe(at, { attributeFilter: ["name", "mode", "label", "purpose"] });
    if (!name || shown.has(at)) return;
    // Whoever is forgotten while it comes: what is fetched is theirs as well.
    const turn: Shown = { end() {}, personal: () => true };
    shown.set(at, turn);
    /** Whether nothing else has been said of the element since. Whoever comes late touches nothing. */
    const stands = (): boolean => shown.get(at) === turn;
    at.style.minHeight = at.getAttribute("height") + "px";
    const mode = at.getAttribute("mode");
    try {
      const answer = await fetch(address("/v1/gadgets/", name));
      if (!answer.ok) throw "gadget " + name + ": " + answer.status;
      const settings: Settings = await answer.json();
      if (!stands()) return;
      const purpose = at.getAttribute("purpose");
      const [alone, title] = [address("/embed/", name) + (purpose ? "&purpose=" + encodeURIComponent(purpose) : ""), at.getAttribute("label") ?? settings.title];
      let now: Shown | undefined;
      try {
        if (mode === "launcher") now = launcher(core, at, alone, title);
        else if (mode !== "frame") now = await inline(at, name, settings, stands);
      } catch (wrong) {
        // In a page of our own there is nothing further down.
        if (mode === "inline") throw wrong;
      }
      if (!stands()) return now?.end();
      try {
        now ??= await frame(core, at, alone, title);
      } catch (wrong) {
        if (!stands()) return;
        warn(wrong);
        now = link(at, alone, title);
      }
      if (!stands()) return now.end();
      shown.set(at, now);
      emit(at, "gadget", { name });
    } catch (wrong) {
      if (!stands()) return;
      warn(wrong);
      // The host's own content again, and another try when the element comes again.
      at.shadowRoot?.replaceChildren(document.createElement("slot"));
      shown.delete(at);
      emit(at, "error", { code: "gadget", placement: null });
    }
  };
  const changes = new MutationObserver((records) => {
    new Set(records.map(({ target }) => target as HTMLElement)).forEach(anew);
  });
  const anew = (at: Element): void => {
    shown.get(at)?.end();
    shown.delete(at);
    void gadget(at as HTMLElement);
  };
  /** Somebody has been forgotten: so are their figures. */
  const forgotten = (): void => {
    for (const [at, { personal }] of [...shown]) if (personal?.()) anew(at);
  };
  const all = (): void => document.querySelectorAll<HTMLElement>("portico-gadget").forEach((at) => void gadget(at));
  host(core, forgotten);
  /** In a frame: the host has said who is there, or says nothing. */
  const told = framed(core, forgotten);
  all();
  core.life.signal.addEventListener("abort", () => {
    changes.disconnect();
    for (const { end } of shown.values()) end();
    shown.clear();
  });
  /** After a word on consent: without any network there are no gadgets, and with it they come again. */
  const agreed = (): void => {
    tellFrames(core);
    all();
  };
  return { gadget: (at: HTMLElement) => void gadget(at), agreed };
};
export type Gadgets = ReturnType<typeof gadgets>;
