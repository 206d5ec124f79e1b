// Thin components: an element, its attributes, and its events as properties.

import { createElement, useEffect, useRef } from "react";

const EVENTS = ["Decision", "Impression", "Click", "Dismiss", "Gadget", "Error"];

const component = (tag) => {
  const Component = (properties) => {
    const at = useRef(null);
    const heard = useRef(properties);
    heard.current = properties;
    useEffect(() => {
      const ended = new AbortController();
      for (const event of EVENTS)
        at.current.addEventListener("portico:" + event.toLowerCase(), ({ detail }) => heard.current["onPortico" + event]?.(detail), ended);
      return () => ended.abort();
    }, []);
    const given = Object.entries(properties).filter(([name]) => !name.startsWith("onPortico"));
    return createElement(tag, { ...Object.fromEntries(given), ref: at });
  };
  Component.displayName = tag;
  return Component;
};

/** A place for offers; its children are what stands there until, unless, something better comes. */
export const PorticoOffers = component("portico-offers");
/** A gadget of the site. */
export const PorticoGadget = component("portico-gadget");
