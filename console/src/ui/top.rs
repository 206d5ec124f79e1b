//! The top bar and the strip of figures under it.

use leptos::prelude::*;

use super::parts::{Choice, clock_offset_min, segmented};
use crate::console::{Console, Theme};
use crate::model::format;
use crate::model::link::{Failure, Link, Session};
use crate::model::route::Route;
use crate::text::{Lang, Text};

/// Name, connection, language, theme.
pub(super) fn bar(c: Console) -> impl IntoView {
    let site = move || c.of_report(|report| report.site_name.clone());
    view! {
        <header class="top">
            <a class="brand" href="#/">
                <svg viewBox="0 0 24 24" width="22" height="22" aria-hidden="true">
                    <path d="M2 9.2 12 3l10 6.2v1.6H2zM4.2 12.6h2.6v6H4.2zM10.7 12.6h2.6v6h-2.6zM17.2 12.6h2.6v6h-2.6zM2 20h20v1.8H2z" />
                </svg>
                "Portico"
            </a>
            <h1 class="site">{move || match site() {
                name if name.is_empty() => c.t().console.to_owned(),
                name => name,
            }}</h1>
            {connection(c)}
            <nav class="screens" aria-label=move || c.t().screens>
                {link(c, "#/", |t| t.screen_offers, |route| matches!(route, Route::Live | Route::Decision(_)))}
                {link(c, "#/customers", |t| t.screen_customers, |route| matches!(route, Route::Customers))}
                {link(c, "#/doctor", |t| t.screen_doctor, |route| matches!(route, Route::Doctor(_)))}
            </nav>
            <div class="preferences">
                {segmented(c, |t| t.language, LANGS, c.lang)}
                {segmented(c, |t| t.theme, THEMES, c.theme)}
            </div>
        </header>
    }
}

fn link(c: Console, href: &'static str, name: fn(&Text) -> &'static str, is_on: fn(&Route) -> bool) -> impl IntoView {
    let current = move || c.route.with(is_on).then_some("page");
    view! { <a href=href aria-current=current>{move || name(c.t())}</a> }
}

const LANGS: &[Choice<Lang>] = &[(Lang::En, |_| "English"), (Lang::Zh, |_| "简体中文")];
const THEMES: &[Choice<Theme>] =
    &[(Theme::System, |t| t.theme_system), (Theme::Light, |t| t.theme_light), (Theme::Dark, |t| t.theme_dark)];

fn connection(c: Console) -> impl IntoView {
    let state = Memo::new(move |_| match (c.session.get(), c.link.get()) {
        (Session::Out(_), _) => "out",
        (Session::SigningIn, _) | (_, Link::Connecting) => "connecting",
        (_, Link::Live) => "live",
        (_, Link::Retrying { failure: Failure::Offline, .. }) => "offline",
        (_, Link::Retrying { .. }) => "retrying",
    });
    let words = move || {
        let t = c.t();
        match state.get() {
            "out" => t.signed_out,
            "live" => t.live,
            "offline" => t.offline,
            "retrying" => t.retrying,
            _ => t.connecting,
        }
    };
    view! {
        <span class="connection" data-state=move || state.get() role="status">
            <svg viewBox="0 0 12 12" width="12" height="12" aria-hidden="true">
                {move || match state.get() {
                    "live" => view! { <circle cx="6" cy="6" r="4" /> }.into_any(),
                    "out" | "offline" => view! { <path class="open" d="M2.5 2.5l7 7M9.5 2.5l-7 7" /> }.into_any(),
                    _ => view! { <circle class="open" cx="6" cy="6" r="4" /> }.into_any(),
                }}
            </svg>
            {words}
        </span>
    }
}

/// Versions, lag, events.
pub(super) fn figures(c: Console) -> impl IntoView {
    let of = move |pick: fn(&portico_protocol::report::LiveReport) -> u64| c.of_report(pick);
    let version = move |number: u64, none: &'static str| match number {
        0 => none.to_owned(),
        n => format::integer(n),
    };
    // Where nothing has been folded lately there is no delay to tell.
    let duration = move |ms| match of(|r| r.lag.batches.into()) {
        0 => "–".to_owned(),
        _ => format::duration(c.lang.get(), ms),
    };
    view! {
        <dl class="figures">
            <div>
                <dt>{move || c.t().config}</dt>
                <dd>{move || version(of(|r| r.config), c.t().not_published)}</dd>
            </div>
            <div>
                <dt>{move || c.t().model_version}</dt>
                <dd>{move || version(of(|r| r.model), c.t().no_model)}</dd>
                <dd class="beside">{move || match of(|r| r.model_at) {
                    0 => String::new(),
                    at => format!("{} {}", c.t().published_at, format::clock(at, clock_offset_min())),
                }}</dd>
            </div>
            <div title=move || c.t().behind_note>
                <dt>{move || c.t().behind}</dt>
                <dd>{move || duration(of(|r| r.lag.last_ms))}</dd>
                <dd class="beside">{move || format!(
                    "{} {} · {} {}",
                    c.t().median, duration(of(|r| r.lag.p50_ms)), c.t().p95, duration(of(|r| r.lag.p95_ms)),
                )}</dd>
            </div>
            <div>
                <dt>{move || c.t().events}</dt>
                <dd>{move || format::integer(of(|r| r.events_folded))}</dd>
            </div>
        </dl>
    }
}
