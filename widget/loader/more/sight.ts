// Impressions: half of a card, or half of the window filled by it, for one uninterrupted second of a visible page.

/** Calls `seen` with a card's index whenever it has been in sight for its second. The answer ends the watch. */
export const watch = (cards: Element[], seen: (at: number) => void): (() => void) => {
  const timers: (ReturnType<typeof setTimeout> | undefined | void)[] = [];
  const eye = new IntersectionObserver(
    (entries) => {
      for (const { target, intersectionRatio, intersectionRect } of entries) {
        const at = cards.indexOf(target);
        if (document.hidden || (intersectionRatio < 0.5 && intersectionRect.height < innerHeight / 2))
          timers[at] = clearTimeout(timers[at]!);
        else timers[at] ??= setTimeout(seen, 1e3, at);
      }
    },
    // The steps below a half are for cards taller than the window.
    { threshold: [0.1, 0.3, 0.5] },
  );
  cards.forEach((card) => eye.observe(card));
  return () => {
    eye.disconnect();
    timers.forEach((timer) => clearTimeout(timer!));
  };
};
