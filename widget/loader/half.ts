// The second half: what no first offer needs. It is fetched once the page has its answer, so it costs no first offer a
// byte, and kept by the browser for as long as its content stays the same.

import type { Half } from "./more/more.ts";

/** Fetches the second half, once; what is in it appears here when it has come. */
export const half = {} as { fetch(): Promise<Half> } & Partial<Half>;
