//! The headline figure: the lift of the model over the control group, and how sure it is.

use leptos::prelude::*;
use portico_engine::Arm;
use portico_protocol::report::CurvePoint;

use super::curve::{figure, interval};
use super::parts::{arm_tag, css_percent};
use crate::console::Console;
use crate::model::curve::{ARMS, of_arm};
use crate::model::format;
use crate::model::stats::{self, Interval, LIFT_MIN_CLICKS, LIFT_MIN_IMPRESSIONS, Lift, Metric, Verdict};

/// The card beside the curve.
pub(super) fn card(c: Console, metric: RwSignal<Metric>) -> impl IntoView {
    let lift = Memo::new(move |_| {
        let metric = metric.get();
        c.report.with(|report| {
            let curve = report.as_ref().map(|r| r.curve.as_slice()).unwrap_or_default();
            stats::lift(metric, &of_arm(curve, Arm::Model), &of_arm(curve, Arm::Control))
        })
    });
    let verdict = Memo::new(move |_| lift.get().verdict());
    view! {
        <section class="card headline" aria-labelledby="lift-title">
            <header class="card-head">
                <div>
                    <h2 id="lift-title">{move || c.t().lift}</h2>
                    <p class="muted">{move || match metric.get() {
                        Metric::Value => c.t().metric_value,
                        Metric::ClickRate => c.t().metric_clicks,
                    }}</p>
                </div>
            </header>
            <p class="big">{move || match lift.get() {
                Lift::Known { relative, .. } => format::change(relative),
                Lift::TooEarly { .. } | Lift::NoBase => "–".to_owned(),
            }}</p>
            {move || view! { <p class="verdict" data-verdict=verdict_name(verdict.get())>
                {verdict_mark(verdict.get())}
                {match verdict.get() {
                    Verdict::Better => c.t().lift_better,
                    Verdict::Worse => c.t().lift_worse,
                    Verdict::NotYetCertain => c.t().lift_uncertain,
                    Verdict::TooEarly => c.t().lift_early,
                }}
            </p> }}
            {move || match lift.get() {
                Lift::Known { relative, interval } => whisker(c, relative, interval).into_any(),
                Lift::TooEarly { arm, has } => {
                    let need = (LIFT_MIN_IMPRESSIONS, LIFT_MIN_CLICKS);
                    view! { <p class="muted">{c.lang.get().too_early(arm, has.impressions, has.clicks, need)}</p> }.into_any()
                }
                Lift::NoBase => view! { <p class="muted">{c.t().lift_no_base}</p> }.into_any(),
            }}
            <table class="arms">
                <thead><tr>
                    <th scope="col">{move || c.t().arm_head}</th>
                    <th scope="col">{move || c.t().impressions_short}</th>
                    <th scope="col">{move || match metric.get() {
                        Metric::Value => c.t().metric_value,
                        Metric::ClickRate => c.t().metric_clicks,
                    }}</th>
                </tr></thead>
                <tbody>{ARMS.map(|arm| arm_row(c, arm, metric)).collect_view()}</tbody>
            </table>
            <details class="method">
                <summary>{move || c.t().lift_method_head}</summary>
                <p>{move || c.t().lift_method}</p>
            </details>
        </section>
    }
}

fn arm_row(c: Console, arm: Arm, metric: RwSignal<Metric>) -> impl IntoView {
    let buckets = Memo::new(move |_| c.of_report(|report| of_arm(&report.curve, arm)));
    let tally = move || buckets.with(|b| stats::sum(b.iter().copied()));
    let estimate = move || {
        let sum: CurvePoint = tally();
        stats::estimate(metric.get(), sum, buckets.with(|b| stats::value_variance(b)))
    };
    view! {
        <tr>
            <th scope="row">{arm_tag(c, arm)}</th>
            <td>{move || format::integer(tally().impressions)}</td>
            <td>
                {move || estimate().map_or("–".to_owned(), |e| figure(metric.get(), e.mean))}
                <small>{move || estimate().map(|e| interval(metric.get(), e))}</small>
            </td>
        </tr>
    }
}

/// The interval drawn against zero.
fn whisker(c: Console, relative: f64, interval: Interval) -> impl IntoView {
    let low = interval.low.min(0.0);
    let high = interval.high.max(0.0);
    let pad = (high - low).max(0.02) * 0.08;
    let (low, span) = (low - pad, high - low + 2.0 * pad);
    let at = move |value: f64| (value - low) / span;
    view! {
        <div class="whisker" aria-hidden="true">
            <span class="zero" style:left=css_percent(at(0.0))></span>
            <span class="range" style:left=css_percent(at(interval.low)) style:width=css_percent(at(interval.high) - at(interval.low))></span>
            <span class="dot" style:left=css_percent(at(relative))></span>
            <span class="zero-label" style:left=css_percent(at(0.0))>"0"</span>
        </div>
        <p class="interval">{c.t().interval}": "<b>{format::change(interval.low)}" – "{format::change(interval.high)}</b></p>
    }
}

fn verdict_name(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Better => "better",
        Verdict::Worse => "worse",
        Verdict::NotYetCertain => "uncertain",
        Verdict::TooEarly => "early",
    }
}

fn verdict_mark(verdict: Verdict) -> impl IntoView {
    let path = match verdict {
        Verdict::Better => "M2 6.5 4.8 9.5 10 3",
        Verdict::Worse => "M6 2.5v4.5M6 9.2v.6",
        Verdict::NotYetCertain | Verdict::TooEarly => "M1.5 6q2.2-3 4.5 0t4.5 0",
    };
    view! { <svg viewBox="0 0 12 12" width="14" height="14" aria-hidden="true"><path d=path /></svg> }
}
