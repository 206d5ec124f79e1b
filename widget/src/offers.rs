//! The component: one placement with its offers.
//!
//! A card carries both its faces from the start, the offer and the line that replaces it, and only `hidden` moves between
//! them. So the un-hydrated page can turn the card over too, in the visitor's language, and hydration finds every node it
//! expects whatever the loader has done before.

use portico_protocol::content::{Layout, OfferContent, OfferImage, OfferView, PlacementView};
use reactive_graph::signal::ArcRwSignal;
use reactive_graph::traits::Get;
use tachys::either::Either;
use tachys::html::element::{a, button, div, h2, li, p, picture, section, span, strong, ul};
use tachys::html::event;
use tachys::prelude::*;
use web_sys::MouseEvent;

use crate::words::{Words, direction, words};

/// How an offer stands with its visitor.
#[cfg_attr(not(feature = "browser"), expect(dead_code, reason = "at the edge every offer is just shown"))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It can be read and followed.
    Shown,
    /// It was put away and can still be brought back.
    PutAway,
    /// It was put away and reported.
    Reported,
}

/// What the visitor's hands reach: one offer and how it stands.
#[derive(Clone)]
pub(crate) struct Card {
    pub(crate) offer: String,
    #[cfg_attr(not(feature = "browser"), expect(dead_code, reason = "at the edge nothing is reported"))]
    pub(crate) token: String,
    pub(crate) standing: ArcRwSignal<Standing>,
}

/// Who looks at the offers: nobody while the edge paints, somebody in a page.
pub(crate) trait Visitor: Clone + 'static {
    /// The visitor asked for the offer to go.
    fn put_away(&self, card: &Card, click: &MouseEvent);
    /// The visitor wants it back.
    fn bring_back(&self, card: &Card, click: &MouseEvent);
}

/// The version of the markup below: raised with every change of its nodes. A page may hold a module older or newer than
/// the edge that paints for it; hydration over other markup than its own would break both.
pub(crate) const MARKUP: &str = "4";

/// A placement with its offers.
pub(crate) fn placement<V: Visitor>(view: PlacementView, visitor: &V) -> impl RenderHtml + use<V> {
    let words = words(&view.locale);
    let setting = Setting { words, lang: words.lang_within(&view.locale), heading: view.layout != Layout::Inline };
    let class = match view.layout {
        Layout::Hero => "offers hero",
        Layout::List => "offers list",
        Layout::Inline => "offers inline",
        Layout::Corner => "offers corner",
    };
    let cards: Vec<_> = view.offers.into_iter().map(|offer| card(offer, setting, visitor.clone())).collect();
    section()
        .class(class)
        .part("offers")
        // A group and no landmark: pages have several of them, and landmarks with one name help nobody.
        .role("group")
        .dir(direction(&view.locale))
        .lang(view.locale)
        .aria_label(words.offers)
        .attr("data-portico-placement", view.id)
        .attr("data-portico-markup", MARKUP)
        // Safari forgets that a list without bullets is a list.
        .child(ul().class("cards").role("list").child(cards))
}

/// What all cards of a placement share.
#[derive(Clone, Copy)]
struct Setting {
    words: &'static Words,
    /// The language of the words where it is not that of the content.
    lang: Option<&'static str>,
    /// Whether titles are headings.
    heading: bool,
}

fn card<V: Visitor>(view: OfferView, setting: Setting, visitor: V) -> impl RenderHtml {
    let card = Card { offer: view.offer, token: view.token, standing: ArcRwSignal::new(Standing::Shown) };
    let dismiss = {
        let (card, visitor) = (card.clone(), visitor.clone());
        move |click: MouseEvent| visitor.put_away(&card, &click)
    };
    let (offer, standing) = (card.offer.clone(), card.standing.clone());
    let undo = move |click: MouseEvent| visitor.bring_back(&card, &click);
    li().class("card")
        .part("card")
        .attr("data-portico-offer", offer)
        .child((face(view.content, view.href, setting, standing.clone(), dismiss), thanks(setting, standing, undo)))
}

/// The offer itself.
fn face(
    content: OfferContent,
    href: String,
    Setting { words, lang, heading }: Setting,
    standing: ArcRwSignal<Standing>,
    dismiss: impl FnMut(MouseEvent) + 'static,
) -> impl RenderHtml {
    let dismiss_label = [words.dismiss, ": ", &content.title].concat();
    let why_label = [words.why, " ", &content.title].concat();
    let title = if heading {
        Either::Left(h2().class("title").part("title").child(content.title))
    } else {
        Either::Right(strong().class("title").part("title").child(content.title))
    };
    let actions = div().class("actions").part("actions").child((
        a().class("cta").part("cta").href(web_address(href)).target("_top").rel("nofollow").child(content.cta),
        button()
            .r#type("button")
            .class("dismiss")
            .part("dismiss")
            .lang(lang)
            .aria_label(dismiss_label)
            .attr("data-portico-action", "dismiss")
            .on(event::click, dismiss)
            .child(words.dismiss),
    ));
    // Answered by the loader's second half, which shows it.
    let why = button()
        .r#type("button")
        .class("why")
        .part("why")
        .lang(lang)
        .title(words.why)
        .aria_label(why_label)
        .attr("data-portico-action", "why")
        .child("i");
    div().class("face").hidden(move || standing.get() != Standing::Shown).child((
        content.image.map(image),
        div().class("words").child((
            content.eyebrow.map(|text| line("eyebrow", text)),
            title,
            content.highlight.map(|text| line("highlight", text)),
            line("body", content.body),
            actions,
            content.terms.map(|text| line("terms", text)),
        )),
        why,
    ))
}

/// What takes the offer's place once it is put away.
fn thanks(
    Setting { words, lang, .. }: Setting,
    standing: ArcRwSignal<Standing>,
    undo: impl FnMut(MouseEvent) + 'static,
) -> impl RenderHtml {
    let line_standing = standing.clone();
    p().class("thanks")
        .part("thanks")
        .lang(lang)
        // So that the focus can be led here when the button under it vanishes.
        .tabindex("-1")
        .hidden(move || line_standing.get() == Standing::Shown)
        .child((
            span().child(words.thanks),
            button()
                .r#type("button")
                .class("undo")
                .part("undo")
                .attr("data-portico-action", "undo")
                .hidden(move || standing.get() != Standing::PutAway)
                .on(event::click, undo)
                .child(words.undo),
        ))
}

fn line(name: &'static str, text: String) -> impl RenderHtml {
    p().class(name).part(name).child(text)
}

/// A picture never changes, so it is painted as text, and whoever hydrates it has nothing to know of it.
fn image(image: OfferImage) -> impl RenderHtml {
    picture().class("picture").inner_html(painted(image))
}

#[cfg(not(feature = "ssr"))]
fn painted(_: OfferImage) -> String {
    String::new()
}

/// The browser takes the first format that it knows.
#[cfg(feature = "ssr")]
fn painted(image: OfferImage) -> String {
    use tachys::html::element::{img, source};
    let format = |name: &'static str, url: Option<String>| {
        url.and_then(web_address).map(|url| source().r#type(name).srcset(url))
    };
    let fallback = img()
        .class("image")
        .part("image")
        .src(web_address(image.url))
        .alt(image.alt)
        .width(image.width.to_string())
        .height(image.height.to_string())
        .loading("lazy")
        .decoding("async");
    (format("image/avif", image.avif), format("image/webp", image.webp), fallback).to_html()
}

/// An address as it may stand in a link: over HTTP or from this origin's root, else none at all. Configurations are
/// checked when they are published; this holds whatever reaches the page.
fn web_address(address: String) -> Option<String> {
    let allowed = ["https://", "http://", "/"].iter().any(|start| address.starts_with(start));
    allowed.then_some(address)
}
