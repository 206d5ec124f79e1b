// The tag as a function. Nothing here touches the page before it is called, so it can be imported on a server.

/** Commands wait in the queue until the loader has come. */
export const portico = (...args) => {
  if (typeof window === "undefined") return Promise.resolve();
  window.portico ??= function () {
    (window.portico.q ??= []).push(arguments);
  };
  return Promise.resolve(window.portico(...args));
};

/** Puts the tag into the page, once for all callers. */
export const load = ({ edge, site, file = "/portico.js", integrity, nonce }) => {
  if (typeof document === "undefined" || document.querySelector('script[src*="/portico"][data-site]')) return;
  const script = document.createElement("script");
  script.src = new URL(file, edge).href;
  script.async = true;
  script.dataset.site = site;
  if (nonce) script.nonce = nonce;
  if (integrity) {
    script.integrity = integrity;
    script.crossOrigin = "anonymous";
  }
  document.head.append(script);
};
