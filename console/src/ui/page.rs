//! The frame of the console, and which of its screens is on.

use leptos::prelude::*;

use super::{curve, customers, decisions, doctor, headline, offers, states, top};
use crate::console::{Console, remember};
use crate::live;
use crate::model::link::{Link, Session};
use crate::model::route::Route;
use crate::model::stats::Metric;

/// Puts the console into `#console`, in place of what stood there while it was loading.
pub(crate) fn mount() {
    use wasm_bindgen::JsCast;
    let Some(root) = document().get_element_by_id("console") else { return };
    root.set_inner_html("");
    if let Ok(root) = root.dyn_into::<web_sys::HtmlElement>() {
        mount_to(root, page).forget();
    }
}

fn page() -> impl IntoView {
    let c = Console::new();
    Effect::new(move |_| keep_preferences(c));
    live::start(c);

    let screen = Memo::new(move |_| match c.session.get() {
        Session::SigningIn => Screen::SigningIn,
        Session::Out(_) => Screen::Out,
        Session::Open => match (c.report.with(Option::is_some), c.link.get()) {
            (true, _) if c.route.with(|route| *route == Route::Customers) => Screen::Customers,
            (true, _) if c.route.with(|route| matches!(route, Route::Doctor(_))) => Screen::Doctor,
            (true, _) => Screen::Live,
            (false, Link::Retrying { .. }) => Screen::Failed,
            (false, _) => Screen::Loading,
        },
    });
    view! {
        <a class="skip" href="#main">{move || c.t().skip}</a>
        {top::bar(c)}
        <main id="main" tabindex="-1">
            {move || match screen.get() {
                Screen::SigningIn => states::signing_in(c).into_any(),
                Screen::Out => states::signed_out(c).into_any(),
                Screen::Failed => states::failed(c).into_any(),
                Screen::Loading => states::skeleton(c).into_any(),
                Screen::Live => live_page(c).into_any(),
                Screen::Customers => customers_page(c).into_any(),
                Screen::Doctor => doctor_page(c).into_any(),
            }}
        </main>
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Screen {
    SigningIn,
    Out,
    Failed,
    Loading,
    Live,
    Customers,
    Doctor,
}

fn doctor_page(c: Console) -> impl IntoView {
    view! {
        {states::stale(c)}
        {doctor::screen(c)}
    }
}

fn customers_page(c: Console) -> impl IntoView {
    view! {
        {states::stale(c)}
        {customers::screen(c)}
    }
}

fn live_page(c: Console) -> impl IntoView {
    let metric = RwSignal::new(Metric::Value);
    view! {
        {states::stale(c)}
        {top::figures(c)}
        {states::no_visitor_yet(c)}
        <div class="learning">
            {curve::card(c, metric)}
            {headline::card(c, metric)}
        </div>
        {offers::card(c)}
        {decisions::card(c)}
    }
}

/// Language and theme on the document's root, and remembered: effects because both are outside of the view.
fn keep_preferences(c: Console) {
    let (lang, theme) = (c.lang.get().tag(), c.theme.get().name());
    remember("lang", lang);
    remember("theme", theme);
    if let Some(root) = document().document_element() {
        // Both names are valid, so setting cannot fail.
        let _ = root.set_attribute("lang", lang);
        let _ = root.set_attribute("data-theme", theme);
    }
    let site = c.of_report(|report| report.site_name.clone());
    document().set_title(&match site.as_str() {
        "" => "Portico".to_owned(),
        site => format!("{site} · Portico"),
    });
}
