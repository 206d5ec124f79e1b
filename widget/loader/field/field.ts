// What we cost the page in the field, from a few views: the browser's own records of us, told once, when the page is left.
// Nothing of the visitor or of the page's address is in it.

import type { Core } from "../more/more.ts";

/** How long after an answer what moves in the page counts as moved by us. */
const AFTER_MS = 500;

interface Frame extends PerformanceEntry {
  scripts: (PerformanceEntry & { sourceURL: string })[];
}
interface Shift extends PerformanceEntry {
  value: number;
  hadRecentInput: boolean;
}

export const field = ({ edge, granted, life, listen, site }: Core): void => {
  const ours = (address: string) => address.startsWith(edge + "/");
  /** Ends the observation, with what had not been handed over yet. */
  const ends: (() => void)[] = [];
  const frames: Frame[] = [];
  const shifts: Shift[] = [];
  const observe = (type: string, into: PerformanceEntry[]): void => {
    // Browsers that keep no such record are left out of it.
    if (!PerformanceObserver.supportedEntryTypes.includes(type)) return;
    const observer = new PerformanceObserver((list) => into.push(...list.getEntries()));
    observer.observe({ type, buffered: true });
    life.signal.addEventListener("abort", () => observer.disconnect());
    ends.push(() => {
      into.push(...observer.takeRecords());
      observer.disconnect();
    });
  };
  observe("long-animation-frame", frames);
  observe("layout-shift", shifts);

  let told = false;
  const tell = (): void => {
    if (told || !granted("analytics")) return;
    told = true;
    ends.forEach((end) => end());
    const files = (performance.getEntriesByType("resource") as PerformanceResourceTiming[]).filter(({ name }) => ours(name));
    const answered = files.filter(({ name, responseStatus }) => name === edge + "/v1/decide" && !(responseStatus > 299));
    const answers = answered.map(({ responseEnd }) => responseEnd);
    const loader = files.find(({ initiatorType }) => initiatorType === "script");
    const sum = (numbers: number[]) => numbers.reduce((sum, number) => sum + number, 0);
    const long = frames.flatMap(({ scripts }) => scripts.filter(({ sourceURL }) => ours(sourceURL)));
    const moved = shifts.filter(
      ({ startTime, hadRecentInput }) => !hadRecentInput && answers.some((at) => startTime >= at && startTime < at + AFTER_MS),
    );
    const body = JSON.stringify({
      site,
      offer_ms: loader && answers[0] ? Math.round(answers[0] - loader.startTime) : undefined,
      bytes: sum(files.map(({ transferSize }) => transferSize)),
      tasks_ms: Math.round(sum(long.map(({ duration }) => duration))),
      shift: Math.round(sum(moved.map(({ value }) => value)) * 1e4) / 1e4,
    });
    fetch(edge + "/v1/vitals", { method: "POST", body, credentials: "omit", keepalive: true }).catch(() => {});
  };
  listen(window, "pagehide visibilitychange", (event) => {
    if (document.hidden || event.type === "pagehide") tell();
  });
};
