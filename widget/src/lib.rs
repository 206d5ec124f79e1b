//! Offers as a visitor sees them: painted at the edge, awake in the page.
//!
//! One component serves both. The edge renders it to HTML ([`render`], feature `ssr`); the loader puts that HTML into a
//! shadow root, and the browser's half (feature `browser`) hydrates the very same nodes when the visitor reaches for them.
//! The HTML alone is complete: its links work, and the loader answers "Not for me" by itself. What hydration adds is Undo.
//!
//! Deliberately absent: any markup from content (every field is text), any `<style>` or `style=""` (host pages refuse
//! them; [`STYLE`] travels beside the HTML), and any request (the loader alone speaks to the edge).

#[cfg(any(feature = "ssr", feature = "browser"))]
mod offers;
#[cfg(any(feature = "ssr", feature = "browser"))]
mod words;

#[cfg(feature = "ssr")]
mod paint;
#[cfg(feature = "ssr")]
mod question;
#[cfg(feature = "ssr")]
mod why;
#[cfg(feature = "ssr")]
pub use paint::{Around, card, frame, render};
#[cfg(feature = "ssr")]
pub use question::{QUESTION_STYLE, question};
#[cfg(feature = "ssr")]
pub use why::why;

#[cfg(feature = "browser")]
mod awake;
#[cfg(feature = "browser")]
mod from_js;
#[cfg(feature = "browser")]
pub use awake::{Hydrated, hydrate};

/// The style sheet of everything rendered here but what has one of its own, for the shadow root that receives it.
pub const STYLE: &str = include_str!("offers.css");
/// What is added for offers in [`Layout::Corner`](portico_protocol::content::Layout::Corner).
pub const CORNER_STYLE: &str = include_str!("corner.css");
