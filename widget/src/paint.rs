//! Painting at the edge: a whole placement, or its parts once for everybody.
//!
//! What differs from decision to decision is which offers stand in a placement and where their links lead. Everything
//! else is painted once for each language and layout and put together for each visitor: [`frame`], and in it a [`card`]
//! for each offer. Put together they are what [`render`] paints.

use portico_protocol::content::{Layout, OfferContent, OfferView, PlacementView};
use tachys::prelude::*;
use web_sys::MouseEvent;

use crate::offers::{Card, Visitor, placement};

/// The HTML of a placement, for one `<div>` in a shadow root that carries [`STYLE`](crate::STYLE).
/// A placement without offers is the empty string: the slot keeps what the host put there.
pub fn render(view: &PlacementView) -> String {
    if view.offers.is_empty() { String::new() } else { paint(view.clone()) }
}

/// HTML around something that is put in later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Around {
    /// What comes before it.
    pub before: String,
    /// What comes after it.
    pub after: String,
}

/// A placement around its cards.
pub fn frame(id: &str, layout: Layout, locale: &str) -> Option<Around> {
    let painted = paint(empty(id, layout, locale));
    let (before, after) = painted.rsplit_once(LIST_END)?;
    Some(Around { before: before.to_owned(), after: [LIST_END, after].concat() })
}

/// The end of a list, with the node before it by which hydration finds that the list is over.
const LIST_END: &str = "<!></ul>";

/// An offer's card around the address of its link, which is to be escaped as the value of an attribute.
pub fn card(offer: &str, content: &OfferContent, layout: Layout, locale: &str) -> Option<Around> {
    let frame = frame("", layout, locale)?;
    let painted = |href: &str| {
        let offer = OfferView {
            offer: offer.to_owned(),
            token: String::new(),
            href: href.to_owned(),
            content: content.clone(),
        };
        paint(PlacementView { offers: vec![offer], ..empty("", layout, locale) })
    };
    // An address that the content does not have by chance.
    let (content, mut mark) = (painted("/"), "/-".to_owned());
    while content.contains(&mark) {
        mark.push('-');
    }
    let card = painted(&mark);
    let (before, after) = card.strip_prefix(&frame.before)?.strip_suffix(&frame.after)?.split_once(&mark)?;
    Some(Around { before: before.to_owned(), after: after.to_owned() })
}

fn empty(id: &str, layout: Layout, locale: &str) -> PlacementView {
    PlacementView { id: id.to_owned(), layout, locale: locale.to_owned(), offers: Vec::new() }
}

fn paint(view: PlacementView) -> String {
    placement(view, &Nobody).to_html()
}

/// Nobody is there while HTML is being made.
#[derive(Clone)]
struct Nobody;

impl Visitor for Nobody {
    fn put_away(&self, _: &Card, _: &MouseEvent) {}
    fn bring_back(&self, _: &Card, _: &MouseEvent) {}
}
