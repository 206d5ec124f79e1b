//! A `PlacementView` read from a plain JavaScript object, field by field: a deserialiser would weigh more than the
//! whole component.

use js_sys::{Array, Reflect};
use portico_protocol::content::{Layout, OfferContent, OfferImage, OfferView, PlacementView};
use wasm_bindgen::JsValue;

/// The placement, in the language `painted` where it names none itself, or nothing when a required field is missing or of another type.
pub(crate) fn placement_view(value: &JsValue, painted: String) -> Option<PlacementView> {
    Some(PlacementView {
        id: text(value, "id")?,
        layout: match text(value, "layout").as_deref() {
            Some("hero") => Layout::Hero,
            Some("inline") => Layout::Inline,
            Some("corner") => Layout::Corner,
            _ => Layout::List,
        },
        locale: text(value, "locale").unwrap_or(painted),
        offers: Array::from(&field(value, "offers")?).iter().map(|offer| offer_view(&offer)).collect::<Option<_>>()?,
    })
}

fn offer_view(value: &JsValue) -> Option<OfferView> {
    let content = field(value, "content")?;
    Some(OfferView {
        offer: text(value, "offer")?,
        token: text(value, "token")?,
        href: text(value, "href")?,
        content: OfferContent {
            eyebrow: text(&content, "eyebrow"),
            title: text(&content, "title")?,
            body: text(&content, "body")?,
            cta: text(&content, "cta")?,
            highlight: text(&content, "highlight"),
            terms: text(&content, "terms"),
            // What is in it stays as it was painted.
            image: field(&content, "image").map(|_| OfferImage::default()),
        },
    })
}

fn field(of: &JsValue, key: &str) -> Option<JsValue> {
    Reflect::get(of, &JsValue::from_str(key)).ok().filter(|value| value.is_object())
}

fn text(of: &JsValue, key: &str) -> Option<String> {
    Reflect::get(of, &JsValue::from_str(key)).ok()?.as_string()
}
