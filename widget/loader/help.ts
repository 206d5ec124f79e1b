// Small helpers and bounds without a state, so that both halves can have them.

/** Below the edge's 50, so that a batch with its tokens stays within the 64 kB a browser sends from a dying page. */
export const BATCH = 40;
/** More than a long visit leaves unsent. Beyond it the oldest tracked event goes, else the newcomer. */
export const MOST = 200;

/** What fails in here stays in here: storage that throws in blocked frames, markup that a policy refuses. */
export const attempt = <T>(risky: () => T): T | undefined => {
  try {
    return risky();
  } catch {}
};

/** A style sheet that no policy on inline styles refuses. */
export const sheet = (text: string): CSSStyleSheet => {
  const made = new CSSStyleSheet();
  made.replaceSync(text);
  return made;
};

/** A timer as a promise, of 0. */
export const sleep = (ms: number): Promise<0> => new Promise((done) => setTimeout(done, ms, 0));
