//! The learning curve. An own component: the SVG chart crates for Leptos draw neither intervals nor anything that the
//! keyboard reaches, and bring a date library along.

use leptos::ev;
use leptos::html;
use leptos::prelude::*;
use portico_engine::Arm;
use wasm_bindgen::JsCast;
use wasm_bindgen::closure::Closure;

use super::parts::{Choice, arm_class, arm_tag, marker, segmented, swatch};
use crate::console::Console;
use crate::model::chart::{self, Chart, Step};
use crate::model::curve::{self, ARMS, Series, Span};
use crate::model::format;
use crate::model::stats::{Estimate, Metric};
use crate::text::Text;

const HEIGHT_PX: f64 = 320.0;

const METRICS: &[Choice<Metric>] = &[(Metric::Value, |t| t.metric_value), (Metric::ClickRate, |t| t.metric_clicks)];

/// What the card's parts share.
#[derive(Clone, Copy)]
struct Curve {
    c: Console,
    metric: RwSignal<Metric>,
    span: RwSignal<Span>,
    hidden: RwSignal<Vec<Arm>>,
    /// Where on the axis of impressions the cursor stands.
    cursor: RwSignal<Option<f64>>,
    table: RwSignal<bool>,
    series: Memo<Vec<Series>>,
}

impl Curve {
    fn with_visible<T>(self, read: impl FnOnce(&[&Series]) -> T) -> T {
        let hidden = self.hidden.get();
        self.series.with(|all| read(&all.iter().filter(|s| !hidden.contains(&s.arm)).collect::<Vec<_>>()))
    }
}

/// The card with chart, legend and table.
pub(super) fn card(c: Console, metric: RwSignal<Metric>) -> impl IntoView {
    let span = RwSignal::new(Span::Each);
    let series = Memo::new(move |_| {
        let (metric, span) = (metric.get(), span.get());
        c.of_report(|report| curve::series(&report.curve, metric, span))
    });
    let curve = Curve {
        c,
        metric,
        span,
        hidden: RwSignal::new(Vec::new()),
        cursor: RwSignal::new(None),
        table: RwSignal::new(false),
        series,
    };
    let keys = window_event_listener(ev::keydown, move |event| {
        let plain = !(event.ctrl_key() || event.meta_key() || event.alt_key());
        if plain && event.key() == "t" && !is_writing(&event) {
            curve.table.update(|open| *open = !*open);
        }
    });
    on_cleanup(move || keys.remove());

    let cumulative = move || span.get() == Span::Cumulative;
    view! {
        <section class="card curve" aria-labelledby="curve-title">
            <header class="card-head">
                <div>
                    <h2 id="curve-title">{move || c.t().curve}</h2>
                    <p class="muted">{move || unit(c.t(), metric.get())}</p>
                </div>
                <div class="tools">
                    {segmented(c, |t| t.metric, METRICS, metric)}
                    <button type="button" class="toggle" aria-pressed=move || cumulative().to_string()
                        on:click=move |_| span.update(|s| *s = match s { Span::Each => Span::Cumulative, Span::Cumulative => Span::Each })>
                        {move || c.t().cumulative}
                    </button>
                    <button type="button" class="toggle" aria-pressed=move || curve.table.get().to_string()
                        aria-keyshortcuts="t" title=move || c.t().table_hint
                        on:click=move |_| curve.table.update(|open| *open = !*open)>
                        {move || c.t().table}<kbd aria-hidden="true">"t"</kbd>
                    </button>
                </div>
            </header>
            {legend(curve)}
            {plot(curve)}
            {move || curve.table.get().then(|| table(curve))}
            <p class="note">{move || match metric.get() {
                Metric::Value => c.t().curve_note_value,
                Metric::ClickRate => c.t().curve_note_clicks,
            }}</p>
        </section>
    }
}

fn is_writing(event: &ev::KeyboardEvent) -> bool {
    event
        .target()
        .and_then(|target| target.dyn_into::<web_sys::Element>().ok())
        .is_some_and(|element| element.closest("input, textarea, select").ok().flatten().is_some())
}

fn unit(t: &Text, metric: Metric) -> &'static str {
    match metric {
        Metric::Value => t.axis_value,
        Metric::ClickRate => t.axis_clicks,
    }
}

/// A figure of the metric as text.
pub(super) fn figure(metric: Metric, value: f64) -> String {
    match metric {
        Metric::Value => format::significant(value),
        Metric::ClickRate => format::percent(value),
    }
}

/// An interval of the metric as text; a dash where there is none.
pub(super) fn interval(metric: Metric, estimate: Estimate) -> String {
    estimate
        .interval
        .map_or_else(|| "–".to_owned(), |i| format!("{} – {}", figure(metric, i.low), figure(metric, i.high)))
}

fn legend(curve: Curve) -> impl IntoView {
    let buttons = ARMS.map(|arm| {
        let shown = move || !curve.hidden.with(|hidden| hidden.contains(&arm));
        view! {
            <button type="button" aria-pressed=move || shown().to_string()
                on:click=move |_| curve.hidden.update(|hidden| match hidden.iter().position(|a| *a == arm) {
                    Some(i) => { hidden.remove(i); }
                    None => hidden.push(arm),
                })>
                {swatch(arm)}{move || curve.c.t().arm(arm)}
            </button>
        }
    });
    view! { <div class="legend" role="group" aria-label=move || curve.c.t().arm_head>{buttons.collect_view()}</div> }
}

fn plot(curve: Curve) -> impl IntoView {
    let c = curve.c;
    let frame = NodeRef::<html::Div>::new();
    let width = RwSignal::new(800.0);
    Effect::new(move |_| {
        if let Some(frame) = frame.get() {
            watch_width(&frame, width);
        }
    });
    let laid_out = Memo::new(move |_| {
        curve.with_visible(|series| chart::layout(series, curve.metric.get(), curve.span.get(), width.get(), HEIGHT_PX))
    });
    let stops = Memo::new(move |_| curve.with_visible(|series| chart::stops(series, curve.span.get())));
    let point_at = move |event: ev::PointerEvent| {
        let Some(frame) = frame.get_untracked() else { return };
        let x = f64::from(event.client_x()) - frame.get_bounding_client_rect().left();
        let x = laid_out.with_untracked(|chart| chart.x.value(x));
        curve.cursor.set(stops.with_untracked(|stops| chart::nearest(stops, x)));
    };
    let step_by = move |event: ev::KeyboardEvent| {
        let step = match event.key().as_str() {
            "ArrowLeft" => Step::Back,
            "ArrowRight" => Step::On,
            "Home" => Step::First,
            "End" => Step::Last,
            "Escape" => return curve.cursor.set(None),
            _ => return,
        };
        event.prevent_default();
        let here = curve.cursor.get_untracked();
        curve.cursor.set(stops.with_untracked(|stops| chart::stepped(stops, here, step)));
    };
    let summary = move || {
        let newest = laid_out.with(|chart| {
            chart
                .lines
                .iter()
                .map(|l| format!("{} {}", c.t().arm(l.arm), figure(curve.metric.get(), l.newest)))
                .collect::<Vec<_>>()
                .join(", ")
        });
        format!("{}: {newest}. {}", unit(c.t(), curve.metric.get()), c.t().chart_help)
    };
    view! {
        <div class="plot" node_ref=frame tabindex="0" role="application" aria-label=summary
            on:pointermove=point_at on:pointerleave=move |_| curve.cursor.set(None)
            on:keydown=step_by on:blur=move |_| curve.cursor.set(None)>
            {move || laid_out.with(|chart| drawing(curve, chart))}
            {move || laid_out.with(|chart| chart.lines.is_empty()).then(|| view! {
                <p class="plot-empty">{c.t().curve_empty}</p>
            })}
            {move || readout(curve, laid_out)}
        </div>
    }
}

/// Text keeps its size when the card changes its own, so the drawing follows the width in pixels.
fn watch_width(frame: &web_sys::HtmlDivElement, width: RwSignal<f64>) {
    let element: web_sys::Element = frame.clone().into();
    let measured = element.clone();
    let changed = Closure::<dyn FnMut()>::new(move || {
        let now = f64::from(measured.client_width());
        if now > 0.0 && (now - width.get_untracked()).abs() >= 1.0 {
            width.set(now);
        }
    });
    let Ok(observer) = web_sys::ResizeObserver::new(changed.as_ref().unchecked_ref()) else { return };
    observer.observe(&element);
    let kept = StoredValue::new_local((observer, changed));
    on_cleanup(move || {
        // Already gone when the whole page is torn down.
        let _ = kept.try_with_value(|(observer, _)| observer.disconnect());
    });
}

fn drawing(curve: Curve, chart: &Chart) -> impl IntoView + use<> {
    let c = curve.c;
    let metric = curve.metric.get();
    let (left, right, bottom, top) = (chart.x.start_px, chart.x.end_px, chart.y.start_px, chart.y.end_px);
    let y_axis = chart
        .y_ticks
        .iter()
        .map(|(value, text)| {
            let y = chart.y.px(*value);
            view! {
                <line class="grid" x1=left x2=right y1=y y2=y />
                <text class="tick" x={left - 8.0} y={y + 4.0} text-anchor="end">{text.clone()}</text>
            }
        })
        .collect_view();
    let x_axis = chart
        .x_ticks
        .iter()
        .map(|tick| {
            let x = chart.x.px(*tick as f64);
            let text = format::compact(c.lang.get(), *tick);
            view! { <text class="tick" x=x y={bottom + 18.0} text-anchor="middle">{text}</text> }
        })
        .collect_view();
    let bands = chart
        .lines
        .iter()
        .rev()
        .map(|line| view! { <path class=format!("band {}", arm_class(line.arm)) d=line.band.clone() /> })
        .collect_view();
    let lines = chart
        .lines
        .iter()
        .rev()
        .map(|line| {
            let markers: String = line.markers.iter().map(|(x, y)| marker(line.arm, *x, *y)).collect();
            let (end_x, end_y) = line.end;
            let label_x = right + 14.0;
            view! {
                <g class=arm_class(line.arm)>
                    <path class="stroke" d=line.path.clone() />
                    <path class="mark" d=markers />
                    <path class="leader" d=format!("M{:.1} {end_y:.1}L{:.1} {:.1}", end_x + 5.0, label_x - 3.0, line.label_y) />
                    <text class="label" x=label_x y={line.label_y + 1.0}>{c.t().arm(line.arm)}</text>
                    <text class="label-value" x=label_x y={line.label_y + 15.0}>{figure(metric, line.newest)}</text>
                </g>
            }
        })
        .collect_view();
    view! {
        <svg width=chart.width height=chart.height viewBox=format!("0 0 {:.0} {:.0}", chart.width, chart.height) aria-hidden="true">
            <clipPath id="curve-clip"><rect x=left y=top width={right - left} height={bottom - top} /></clipPath>
            {y_axis}
            <line class="axis" x1=left x2=right y1=bottom y2=bottom />
            {x_axis}
            <text class="axis-title" x=left y={bottom + 38.0}>{c.t().axis_x}</text>
            <g clip-path="url(#curve-clip)">{bands}</g>
            {lines}
        </svg>
    }
}

/// The figures at the cursor, with a rule through the chart. Told to screen readers as it moves.
fn readout(curve: Curve, laid_out: Memo<Chart>) -> impl IntoView {
    let c = curve.c;
    let x = curve.cursor.get()?;
    let metric = curve.metric.get();
    let rows = curve.with_visible(|series| {
        series
            .iter()
            .filter_map(|s| chart::reading(s, x).map(|point| (s.arm, *point)))
            .map(|(arm, point)| {
                view! {
                    <tr>
                        <th scope="row">{arm_tag(c, arm)}</th>
                        <td>{figure(metric, point.estimate.mean)}</td>
                        <td class="muted">{interval(metric, point.estimate)}</td>
                    </tr>
                }
            })
            .collect_view()
    });
    let left_px = laid_out.with(|chart| chart.x.px(x));
    let on_left = laid_out.with(|chart| left_px > chart.width / 2.0);
    Some(view! {
        <div class="rule" style:left=format!("{left_px:.1}px")></div>
        <div class="readout" class:on-left=on_left role="status" style:left=format!("{left_px:.1}px")>
            <p>{c.lang.get().impressions(x as u64)}</p>
            <table><tbody>{rows}</tbody></table>
        </div>
    })
}

fn table(curve: Curve) -> impl IntoView {
    let c = curve.c;
    let body = move || {
        let metric = curve.metric.get();
        curve.with_visible(|series| {
            series
                .iter()
                .flat_map(|s| s.points.iter().rev().map(|point| (s.arm, *point)))
                .map(|(arm, point)| {
                    view! {
                        <tr>
                            <th scope="row">{arm_tag(c, arm)}</th>
                            <td>{format!("{} – {}", format::integer(point.from), format::integer(point.to))}</td>
                            <td>{format::integer(point.tally.impressions)}</td>
                            <td>{format::integer(point.tally.clicks)}</td>
                            <td>{figure(metric, point.estimate.mean)}</td>
                            <td>{interval(metric, point.estimate)}</td>
                        </tr>
                    }
                })
                .collect_view()
        })
    };
    view! {
        <div class="table-scroll curve-table" tabindex="0" role="group" aria-labelledby="curve-title">
            <table class="figures-table">
                <thead><tr>
                    <th scope="col">{move || c.t().arm_head}</th>
                    <th scope="col">{move || c.t().stretch}</th>
                    <th scope="col">{move || c.t().impressions}</th>
                    <th scope="col">{move || c.t().clicks}</th>
                    <th scope="col">{move || match curve.metric.get() {
                        Metric::Value => c.t().metric_value,
                        Metric::ClickRate => c.t().metric_clicks,
                    }}</th>
                    <th scope="col">{move || c.t().interval}</th>
                </tr></thead>
                <tbody>{body}</tbody>
            </table>
        </div>
    }
}
