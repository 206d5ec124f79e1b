//! The list of the last decisions, with the opened one's trace beside it.

use std::collections::BTreeMap;
use std::sync::Arc;

use leptos::ev;
use leptos::html;
use leptos::prelude::*;
use portico_protocol::report::DecisionSample;
use wasm_bindgen::JsCast;

use super::parts::{arm_tag, clock_offset_min};
use super::trace;
use crate::console::Console;
use crate::model::feed::Hold;
use crate::model::format;
use crate::model::route::{self, Route};
use crate::model::trace as explained;

/// Offer titles by id.
pub(super) type Titles = Memo<BTreeMap<String, String>>;

/// The card.
pub(super) fn card(c: Console) -> impl IntoView {
    let titles: Titles = Memo::new(move |_| {
        c.of_report(|report| report.offers.iter().map(|o| (o.offer.clone(), o.title.clone())).collect())
    });
    let paused = RwSignal::new(false);
    let reading = RwSignal::new(false);
    let hold = move || {
        let still = paused.get_untracked() || reading.get_untracked();
        c.feed.update(|feed| feed.hold(if still { Hold::Still } else { Hold::Running }));
    };
    let read = move |on: bool| {
        if reading.get_untracked() != on {
            reading.set(on);
            hold();
        }
    };
    let waiting = Memo::new(move |_| c.feed.with(|feed| feed.waiting()));
    let empty = Memo::new(move |_| c.feed.with(|feed| feed.shown().is_empty()));
    let opened = Memo::new(move |_| match c.route.get() {
        Route::Live | Route::Customers | Route::Doctor(_) => None,
        Route::Decision(id) => Some(id),
    });
    let section = NodeRef::<html::Section>::new();
    Effect::new(move |_| {
        // A link to a decision leads to it, wherever on the page it is opened.
        if opened.with(Option::is_some)
            && let Some(section) = section.get()
            && section.get_bounding_client_rect().top() > 400.0
        {
            section.scroll_into_view();
        }
    });
    let follow = move |event: ev::KeyboardEvent| {
        if event.key() == "Escape" {
            close();
        }
    };
    view! {
        <section class="card decisions" node_ref=section aria-labelledby="decisions-title" class:opened=move || opened.with(Option::is_some) on:keydown=follow>
            <header class="card-head">
                <div>
                    <h2 id="decisions-title">{move || c.t().decisions}</h2>
                    <p class="muted">{move || c.t().decisions_note}</p>
                </div>
                <div class="tools">
                    {move || (waiting.get() > 0).then(|| view! {
                        <span class="held" role="status">
                            {c.lang.get().newer(waiting.get())}
                            {(!paused.get()).then(|| format!(" · {}", c.t().held))}
                        </span>
                    })}
                    <button type="button" class="toggle" aria-pressed=move || paused.get().to_string()
                        on:click=move |_| { paused.update(|p| *p = !*p); hold(); }>
                        {move || if paused.get() { c.t().resume } else { c.t().pause }}
                    </button>
                </div>
            </header>
            <div class="split">
                <ul class="feed" aria-labelledby="decisions-title" on:pointerenter=move |_| read(true) on:pointerleave=move |_| read(false)
                    on:focusin=move |_| read(true) on:focusout=move |_| read(false) on:keydown=arrows>
                    <For each=move || c.feed.with(|feed| feed.shown()) key=|sample| sample.decision.clone()
                        children=move |sample| entry(c, titles, opened, &sample) />
                    {move || empty.get().then(|| view! { <li class="nothing"><p>{c.t().decisions_empty}</p></li> })}
                </ul>
                {pane(c, titles, opened)}
            </div>
        </section>
    }
}

fn pane(c: Console, titles: Titles, opened: Memo<Option<String>>) -> impl IntoView {
    // Compared by id: a decision does not change, and its trace must not be drawn anew every second while it is read.
    let sample: Memo<Option<Arc<DecisionSample>>> = Memo::new_with_compare(
        move |_| opened.with(|id| id.as_ref().and_then(|id| c.feed.with(|feed| feed.find(id)))),
        |a, b| a.map(|s| s.as_ref().map(|s| &s.decision)) != b.map(|s| s.as_ref().map(|s| &s.decision)),
    );
    view! {
        <div class="pane">
            {move || match (opened.get(), sample.get()) {
                (None, _) => view! { <p class="pick muted">{c.t().trace_pick}</p> }.into_any(),
                (Some(_), Some(sample)) => trace::view(c, titles, &sample).into_any(),
                (Some(_), None) => view! {
                    <div class="nothing">
                        <h3>{c.t().trace_gone}</h3>
                        <p>{c.t().trace_gone_detail}</p>
                        <button type="button" on:click=move |_| close()>{c.t().back}</button>
                    </div>
                }.into_any(),
            }}
        </div>
    }
}

/// Leads back to the live page.
pub(super) fn close() {
    // The fragment is valid; nothing else can refuse it.
    let _ = location().set_hash("/");
}

fn entry(c: Console, titles: Titles, opened: Memo<Option<String>>, sample: &DecisionSample) -> impl IntoView + use<> {
    let id = sample.decision.clone();
    let current = move || opened.with(|opened| opened.as_deref() == Some(id.as_str())).then_some("true");
    let chosen: Vec<String> = explained::headline(sample).into_iter().map(str::to_owned).collect();
    let names = move || match chosen.as_slice() {
        [] => c.t().nothing_chosen.to_owned(),
        ids => ids.iter().map(|id| title(titles, id)).collect::<Vec<_>>().join(", "),
    };
    let arm = sample.placements.first().map(|p| arm_tag(c, p.arm));
    let placement = sample.placements.first().map(|p| p.placement.clone()).unwrap_or_default();
    let more = sample.placements.len().saturating_sub(1);
    let customer = sample.customer;
    view! {
        <li><a href=route::decision_href(&sample.decision) aria-current=current>
            <time>{format::clock(sample.at, clock_offset_min())}</time>
            <span class="names">{names}</span>
            <span class="arm">{arm}</span>
            <span class="about">
                {move || if customer { c.t().customer } else { c.t().anonymous }}
                " · "{sample.channel.clone()}" · "{placement}
                {(more > 0).then(|| format!(" +{more}"))}
            </span>
            <span class="model">{format!("m{}", sample.model)}</span>
        </a></li>
    }
}

/// An offer's title; its id where the configuration no longer has it.
pub(super) fn title(titles: Titles, id: &str) -> String {
    titles.with(|titles| titles.get(id).filter(|title| !title.is_empty()).cloned()).unwrap_or_else(|| id.to_owned())
}

/// Up and down move between the entries.
fn arrows(event: ev::KeyboardEvent) {
    let row =
        event.target().and_then(|t| t.dyn_into::<web_sys::Element>().ok()).and_then(|t| t.closest("li").ok().flatten());
    let next = match (event.key().as_str(), row) {
        ("ArrowDown", Some(row)) => row.next_element_sibling(),
        ("ArrowUp", Some(row)) => row.previous_element_sibling(),
        _ => return,
    };
    let link = next.and_then(|row| row.query_selector("a").ok().flatten());
    if let Some(link) = link.and_then(|link| link.dyn_into::<web_sys::HtmlElement>().ok()) {
        event.prevent_default();
        // Focus is a convenience: refused, tabbing still works.
        let _ = link.focus();
    }
}
