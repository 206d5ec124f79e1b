//! Painting at the edge.

use portico_protocol::content::PlacementView;
use tachys::prelude::*;
use web_sys::MouseEvent;

use crate::offers::{Card, Visitor, placement};

/// The HTML of a placement, for one `<div>` in a shadow root that carries [`STYLE`](crate::STYLE).
/// A placement without offers is the empty string: the slot keeps what the host put there.
pub fn render(view: &PlacementView) -> String {
    if view.offers.is_empty() {
        return String::new();
    }
    placement(view.clone(), &Nobody).to_html()
}

/// Nobody is there while HTML is being made.
#[derive(Clone)]
struct Nobody;

impl Visitor for Nobody {
    fn put_away(&self, _: &Card, _: &MouseEvent) {}
    fn bring_back(&self, _: &Card, _: &MouseEvent) {}
}
