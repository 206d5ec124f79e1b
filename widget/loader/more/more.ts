// The second half of the loader. It shares the first half's state through what it is given.

import type { Gadgets } from "../gadget/gadget.ts";
import type { Core } from "../loader.ts";
import type { Speaker } from "../profile/profile.ts";
import { moves } from "./moves.ts";
import { offers } from "./offers.ts";
import { plain } from "./plain.ts";
import { sender } from "./send.ts";

/** File of the doctor and the hash of its content, set by the build. */
declare const PORTICO_DOCTOR: string;
declare const PORTICO_DOCTOR_HASH: string;
/** File of what looks at our own cost and the hash of its content, set by the build. */
declare const PORTICO_FIELD: string;
declare const PORTICO_FIELD_HASH: string;
/** File of what pages with gadgets need and the hash of its content, set by the build. */
declare const PORTICO_GADGET: string;
declare const PORTICO_GADGET_HASH: string;
/** File of what people say of themselves and the hash of its content, set by the build. */
declare const PORTICO_PROFILE: string;
declare const PORTICO_PROFILE_HASH: string;

export type { Core };

/** Called once by the first half; what it returns is added to that half. */
export const begin = (core: Core) => {
  let speaker: Promise<Speaker> | undefined;
  const profile: Speaker = async (says) => {
    speaker ??= core
      .load<{ speaker(core: Core): Speaker }>(PORTICO_PROFILE, PORTICO_PROFILE_HASH)
      .then(({ speaker }) => speaker(core));
    return (await speaker)(says);
  };
  const commands: Record<string, (...args: never[]) => unknown> = {
    profile,
    doctor: () => core.load<{ doctor(core: Core): unknown }>(PORTICO_DOCTOR, PORTICO_DOCTOR_HASH).then(({ doctor }) => doctor(core)),
  };
  const sending = sender(core);
  let gadgets: Promise<Gadgets> | undefined;
  /** A gadget has come or gone; the first one fetches what they need. */
  const gadget = (at: Element): void => {
    if (!gadgets && core.silent()) return;
    gadgets ??= core
      .load<{ gadgets(core: Core, profile: Speaker): Gadgets }>(PORTICO_GADGET, PORTICO_GADGET_HASH)
      .then(({ gadgets }) => gadgets(core, profile));
    gadgets.then(({ gadget }) => gadget(at as HTMLElement)).catch(core.warn);
  };
  /** Whether this view is one of those whose cost is told: by default one in a hundred. */
  const { measure } = document.querySelector<HTMLScriptElement>("script[data-site][data-measure]")?.dataset ?? {};
  let measured = !core.hosts && Math.random() < +(measure ?? 0.01);
  const observe = (): void => {
    if (!measured || !core.granted("analytics")) return;
    measured = false;
    core.load<{ field(core: Core): void }>(PORTICO_FIELD, PORTICO_FIELD_HASH).then(({ field }) => field(core), core.warn);
  };
  const resume = (): void => {
    sending.resume();
    observe();
    if (gadgets) gadgets.then(({ agreed }) => agreed()).catch(core.warn);
    else document.querySelectorAll("portico-gadget").forEach(gadget);
  };
  const half = { ...sending, ...offers(core), commands, gadget, plain, resume };
  moves(core, half.painted);
  document.querySelectorAll("portico-gadget").forEach(gadget);
  observe();
  return half;
};
export type Half = ReturnType<typeof begin>;
