//! One decision explained: every offer with what it was expected to bring, or why it was out.

use leptos::prelude::*;
use portico_engine::{Exclusion, OfferTrace, PlacementTrace, StageTrace};
use portico_protocol::report::DecisionSample;

use super::decisions::{Titles, close, title};
use super::parts::{arm_tag, clock_offset_min, css_percent};
use crate::console::Console;
use crate::model::{format, trace};

/// The trace of a decision.
pub(super) fn view(c: Console, titles: Titles, sample: &DecisionSample) -> impl IntoView + use<> {
    let copied = RwSignal::new(false);
    let copy = move |_| {
        if let Ok(address) = location().href() {
            // The promise fails when the page may not write to the clipboard; the address bar holds the same link.
            let _ = window().navigator().clipboard().write_text(&address);
            copied.set(true);
        }
    };
    let who = if sample.customer { c.t().customer } else { c.t().anonymous };
    let about = [
        format::clock(sample.at, clock_offset_min()),
        who.to_owned(),
        sample.channel.clone(),
        c.lang.get().version(c.t().model_version, sample.model),
        c.lang.get().version(c.t().config, sample.config),
    ]
    .join(" · ");
    let placements = sample.placements.iter().map(|p| placement(c, titles, p)).collect_view();
    view! {
        <article class="trace" aria-labelledby="trace-title">
            <header>
                <div>
                    <h3 id="trace-title">{c.t().trace}" "<code>{sample.decision.clone()}</code></h3>
                    <p class="muted">{about}</p>
                </div>
                <div class="tools">
                    <button type="button" on:click=copy>{move || if copied.get() { c.t().copied } else { c.t().copy_link }}</button>
                    <button type="button" aria-keyshortcuts="Escape" on:click=move |_| close()>{c.t().close}</button>
                </div>
            </header>
            {placements}
        </article>
    }
}

fn placement(c: Console, titles: Titles, placement: &PlacementTrace) -> impl IntoView + use<> {
    let fared = trace::fared(placement);
    let best = fared.chosen.iter().chain(&fared.eligible).filter_map(|o| o.score).fold(0.0, f64::max);
    let offers = |offers: &[&OfferTrace], first_open: bool| {
        offers
            .iter()
            .enumerate()
            .map(|(i, o)| offer(c, titles, placement, o, best, first_open && i == 0))
            .collect_view()
    };
    let chosen = offers(&fared.chosen, true);
    let eligible = (!fared.eligible.is_empty()).then(|| {
        view! {
            <h5>{c.lang.get().also_eligible(fared.eligible.len())}</h5>
            {offers(&fared.eligible, false)}
        }
    });
    let excluded = (!fared.excluded.is_empty()).then(|| {
        let rows = fared.excluded.iter().map(|(o, why)| excluded(c, titles, o, why)).collect_view();
        view! {
            <h5>{c.lang.get().not_eligible(fared.excluded.len())}</h5>
            <ul class="excluded">{rows}</ul>
        }
    });
    let none = fared.chosen.is_empty().then(|| view! { <p class="muted">{c.t().nothing_chosen}</p> });
    view! {
        <section class="placement">
            <h4><span>{c.t().placement}" "<code>{placement.placement.clone()}</code></span>{arm_tag(c, placement.arm)}</h4>
            <p class="muted">{c.lang.get().arm_means(placement.arm)}</p>
            {chosen}{none}{eligible}{excluded}
        </section>
    }
}

fn excluded(c: Console, titles: Titles, offer: &OfferTrace, why: &Exclusion) -> impl IntoView + use<> {
    let words = trace::excluded(c.lang.get(), &offer.offer, why, |id| title(titles, id));
    view! { <li><b>{title(titles, &offer.offer)}</b><span>{words}</span></li> }
}

/// An eligible offer: one line, and behind it the prediction, the KPIs and the drivers.
fn offer(
    c: Console,
    titles: Titles,
    placement: &PlacementTrace,
    offer: &OfferTrace,
    best: f64,
    open: bool,
) -> impl IntoView + use<> {
    let share = offer.score.filter(|_| best > 0.0).map_or(0.0, |score| score / best);
    let rank = offer.rank.map(|rank| view! { <span class="rank" title=c.t().chosen>{rank.to_string()}</span> });
    let stages = offer.stages.iter().map(|s| stage(c, placement, s)).collect_view();
    let kpis = offer
        .kpis
        .iter()
        .map(|(kpi, value)| view! { <div><dt>{kpi.clone()}</dt><dd>{format::significant(*value)}</dd></div> })
        .collect_view();
    let drivers = trace::drivers(&offer.drivers)
        .into_iter()
        .map(|(driver, bar)| {
            let factor = c.lang.get().odds(driver.weight.exp());
            let left = if bar < 0.0 { 0.5 + bar / 2.0 } else { 0.5 };
            view! {
                <li class={if bar < 0.0 { "against" } else { "for" }}>
                    <span class="fact">{driver.fact.clone()}</span>
                    <span class="diverging" aria-hidden="true">
                        <span style:left=css_percent(left) style:width=css_percent(bar.abs() / 2.0)></span>
                    </span>
                    <span class="weight">{format::signed(driver.weight)}<small>{factor}</small></span>
                </li>
            }
        })
        .collect_view();
    view! {
        <details class="offer-trace" open=open>
            <summary>
                {rank}
                <span class="title">{title(titles, &offer.offer)}</span>
                <span class="bar" aria-hidden="true"><span style:width=css_percent(share)></span></span>
                <span class="score"><small>{c.t().score}</small>{offer.score.map_or("–".to_owned(), format::significant)}</span>
            </summary>
            <div class="inside">
                <p class="sub">{c.t().prediction}</p>
                <div class="stages">{stages}</div>
                <p class="key muted">
                    <span class="mean-key" aria-hidden="true"></span>{c.t().mean}
                    <span class="sampled-key" aria-hidden="true"></span>{c.t().sampled}
                    <span class="range-key">{c.t().prediction_legend}</span>
                </p>
                {(!offer.kpis.is_empty()).then(|| view! { <p class="sub">{c.t().kpis}</p><dl class="kpis">{kpis}</dl> })}
                <p class="sub">{c.t().drivers}</p>
                {if offer.drivers.is_empty() {
                    view! { <p class="muted">{c.t().no_drivers}</p> }.into_any()
                } else {
                    view! { <ul class="drivers">{drivers}</ul> }.into_any()
                }}
            </div>
        </details>
    }
}

fn stage(c: Console, placement: &PlacementTrace, stage: &StageTrace) -> impl IntoView + use<> {
    let end = trace::stage_axis(placement, &stage.stage);
    let at = trace::stage_marks(stage, end);
    view! {
        <div class="stage">
            <span class="name">{c.lang.get().stage(&stage.stage)}</span>
            <span class="axis" aria-hidden="true">
                <span class="range" style:left=css_percent(at.low) style:width=css_percent(at.high - at.low)></span>
                <span class="mean" style:left=css_percent(at.mean)></span>
                <span class="sampled" style:left=css_percent(at.sampled)></span>
            </span>
            <span class="end muted" aria-hidden="true">{format::percent(end)}</span>
            <span class="numbers">
                {format::percent(stage.mean)}" "<small>{c.t().mean}</small>" · "
                {format::percent(stage.sampled)}" "<small>{c.t().sampled_short}</small>
            </span>
        </div>
    }
}
