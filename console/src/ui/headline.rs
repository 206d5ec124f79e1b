//! The headline figure: what the model brings against the hold-out, and how sure that is.

use leptos::prelude::*;
use portico_engine::Arm;
use portico_engine::evaluate::{ExperimentFigures, Finding, Interval, MeasureFigures};

use super::curve::figure;
use super::parts::css_percent;
use crate::console::Console;
use crate::model::format;
use crate::model::stats::Metric;

/// The card beside the curve.
pub(super) fn card(c: Console, metric: RwSignal<Metric>) -> impl IntoView {
    let experiment = Memo::new(move |_| c.of_report(|report| report.experiment.clone()));
    view! {
        <section class="card headline" aria-labelledby="lift-title">
            <header class="card-head">
                <div>
                    <h2 id="lift-title">{move || c.t().lift}</h2>
                    <p class="muted">{move || match metric.get() {
                        Metric::Value => c.t().lift_of_value,
                        Metric::ClickRate => c.t().lift_of_clicks,
                    }}</p>
                </div>
            </header>
            {move || match experiment.get() {
                Some(experiment) => found(c, metric.get(), &experiment).into_any(),
                None => view! { <p class="muted">{c.t().lift_no_arms}</p> }.into_any(),
            }}
            <details class="method">
                <summary>{move || c.t().lift_method_head}</summary>
                <p>{move || c.t().lift_method}</p>
            </details>
        </section>
    }
}

fn found(c: Console, metric: Metric, experiment: &ExperimentFigures) -> impl IntoView {
    let measure = experiment.measures.iter().find(|measure| of_measure(measure) == metric);
    let Interval { lower, upper } = experiment.model_share_counted;
    let lost = experiment.model_share < lower || experiment.model_share > upper;
    view! {
        {measure.map(|measure| difference(c, metric, measure))}
        {lost.then(|| view! { <p class="alarm" role="status">{c.lang.get().visitors_lost(experiment)}</p> })}
        <table class="arms">
            <thead><tr>
                <th scope="col">{c.t().per_visitor}</th>
                <th scope="col">{c.t().arm(Arm::Model)}</th>
                <th scope="col">{c.t().arm(Arm::Control)}</th>
                <th scope="col">{c.t().difference}</th>
            </tr></thead>
            <tbody>{experiment.measures.iter().map(|measure| row(c, measure)).collect_view()}</tbody>
        </table>
        <p class="note">{c.lang.get().visitors_counted(experiment)}</p>
    }
}

/// Value, or a share of the visitors.
fn of_measure(measure: &MeasureFigures) -> Metric {
    if measure.stage.is_some() { Metric::ClickRate } else { Metric::Value }
}

fn difference(c: Console, metric: Metric, measure: &MeasureFigures) -> impl IntoView {
    let known = measure.difference;
    let base = measure.means.get(&Arm::Control).copied().filter(|base| *base > 0.0);
    view! {
        <p class="big">{known.map_or("–".to_owned(), |known| signed(c, metric, known))}</p>
        {known.zip(base).map(|(known, base)| view! { <p class="muted">{c.lang.get().than_control(known / base)}</p> })}
        <p class="verdict" data-verdict=verdict_name(measure)>
            {verdict_mark(measure)}
            {match (known, measure.finding) {
                (None, _) => c.t().lift_early,
                (_, Finding::ModelBetter) => c.t().lift_better,
                (_, Finding::ModelWorse) => c.t().lift_worse,
                (_, Finding::Open) => c.t().lift_uncertain,
            }}
        </p>
        {known.map(|known| whisker(c, metric, known, measure.interval))}
    }
}

fn row(c: Console, measure: &MeasureFigures) -> impl IntoView {
    let metric = of_measure(measure);
    let name = match measure.stage.as_deref() {
        None => c.t().lift_value.to_owned(),
        Some(stage) => c.lang.get().stage(stage),
    };
    let mean = |arm| measure.means.get(&arm).map_or("–".to_owned(), |mean| figure(metric, *mean));
    view! {
        <tr>
            <th scope="row">{name}</th>
            <td>{mean(Arm::Model)}</td>
            <td>{mean(Arm::Control)}</td>
            <td>
                {measure.difference.map_or("–".to_owned(), |known| signed(c, metric, known))}
                <small>{interval(c, metric, measure.interval)}</small>
            </td>
        </tr>
    }
}

/// A difference: of shares in percentage points.
fn signed(c: Console, metric: Metric, difference: f64) -> String {
    match metric {
        Metric::Value => format::signed(difference),
        Metric::ClickRate => c.lang.get().points(difference),
    }
}

fn interval(c: Console, metric: Metric, interval: Interval) -> String {
    let lower = match metric {
        Metric::Value => format::signed(interval.lower),
        Metric::ClickRate => format::signed(interval.lower * 100.0),
    };
    format!("{lower} … {}", signed(c, metric, interval.upper))
}

/// The interval drawn against zero.
fn whisker(c: Console, metric: Metric, known: f64, found: Interval) -> impl IntoView {
    let low = found.lower.min(0.0).min(known);
    let high = found.upper.max(0.0).max(known);
    let pad = (high - low).max(f64::MIN_POSITIVE) * 0.08;
    let (low, span) = (low - pad, high - low + 2.0 * pad);
    let at = move |value: f64| (value - low) / span;
    view! {
        <div class="whisker" aria-hidden="true">
            <span class="zero" style:left=css_percent(at(0.0))></span>
            <span class="range" style:left=css_percent(at(found.lower)) style:width=css_percent(at(found.upper) - at(found.lower))></span>
            <span class="dot" style:left=css_percent(at(known))></span>
            <span class="zero-label" style:left=css_percent(at(0.0))>"0"</span>
        </div>
        <p class="interval">{c.t().interval}": "<b>{interval(c, metric, found)}</b></p>
    }
}

fn verdict_name(measure: &MeasureFigures) -> &'static str {
    match (measure.difference, measure.finding) {
        (None, _) => "early",
        (_, Finding::ModelBetter) => "better",
        (_, Finding::ModelWorse) => "worse",
        (_, Finding::Open) => "uncertain",
    }
}

fn verdict_mark(measure: &MeasureFigures) -> impl IntoView {
    let path = match measure.finding {
        Finding::ModelBetter => "M2 6.5 4.8 9.5 10 3",
        Finding::ModelWorse => "M6 2.5v4.5M6 9.2v.6",
        Finding::Open => "M1.5 6q2.2-3 4.5 0t4.5 0",
    };
    view! { <svg viewBox="0 0 12 12" width="14" height="14" aria-hidden="true"><path d=path /></svg> }
}
