// Small helpers without a state, so that both halves can have them.

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
