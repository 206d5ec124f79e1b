//! The offers table.

use leptos::ev;
use leptos::html;
use leptos::prelude::*;
use portico_engine::Arm;
use wasm_bindgen::{JsCast, JsValue};

use super::parts::{arm_tag, css_percent};
use crate::console::{Console, recall, remember};
use crate::model::curve::ARMS;
use crate::model::format;
use crate::model::offers::{self, Cell, Column, Direction, Row, Sort};

/// Rows drawn before the rest is asked for: more is slow to draw each second and nobody reads them all.
const FIRST_ROWS: usize = 100;
/// A rate of fewer impressions is drawn faint.
const FEW_IMPRESSIONS: u64 = 30;

/// The card.
pub(super) fn card(c: Console) -> impl IntoView {
    let sort = RwSignal::new(recall("offers.sort").and_then(|text| Sort::from_text(&text)).unwrap_or_default());
    let filter = RwSignal::new(String::new());
    let all_rows = RwSignal::new(false);
    let input = NodeRef::<html::Input>::new();

    let count = Memo::new(move |_| c.of_report(|report| report.offers.len()));
    let stages = Memo::new(move |_| c.of_report(|report| report.stages.clone()));
    let rows = Memo::new(move |_| {
        let (sort, filter) = (sort.get(), filter.get());
        c.of_report(|report| offers::rows(&report.offers, &report.stages, &filter, sort))
    });
    let shown = move || rows.with(|rows| if all_rows.get() { rows.len() } else { rows.len().min(FIRST_ROWS) });
    let ids = move || rows.with(|rows| rows.iter().take(shown()).map(|row| row.offer.clone()).collect::<Vec<_>>());
    let has_last = Memo::new(move |_| stages.with(|stages| stages.len() > 1));
    let press = move |column| {
        sort.update(|sort| *sort = sort.pressed(column));
        remember("offers.sort", &sort.get_untracked().to_text());
    };
    let keys = window_event_listener(ev::keydown, move |event| {
        let on_page = event.target().and_then(|t| t.dyn_into::<web_sys::HtmlInputElement>().ok()).is_none();
        if event.key() == "/"
            && on_page
            && let Some(input) = input.get_untracked()
        {
            event.prevent_default();
            // Focus is a convenience: refused, the field is a click away.
            let _ = input.focus();
        }
    });
    on_cleanup(move || keys.remove());

    let arm_columns = move || {
        let stages = stages.get();
        ARMS.map(|arm| {
            let last = stages.last().filter(|_| stages.len() > 1).cloned();
            view! {
                {header(c, sort, press, Column::Impressions(arm), "number first", move || c.t().impressions_short.to_owned())}
                {header(c, sort, press, Column::ClickRate(arm), "number", move || c.lang.get().stage_rate("click"))}
                {last.map(|last| header(c, sort, press, Column::LastRate(arm), "number", move || c.lang.get().stage_rate(&last)))}
            }
        })
        .collect_view()
    };
    view! {
        <section class="card offers" aria-labelledby="offers-title">
            <header class="card-head">
                <div>
                    <h2 id="offers-title">{move || c.t().offers}</h2>
                    <p class="muted" role="status">{move || c.lang.get().rows(rows.with(Vec::len), count.get())}</p>
                </div>
                <div class="tools">
                    <input type="search" node_ref=input aria-keyshortcuts="/" placeholder=move || format!("{}  /", c.t().filter)
                        aria-label=move || c.t().filter prop:value=filter on:input=move |event| filter.set(event_target_value(&event)) />
                    <button type="button" on:click=move |_| export(c)>{move || c.t().export}</button>
                </div>
            </header>
            <div class="table-scroll" tabindex="0" role="group" aria-labelledby="offers-title">
                <table class="offers-table">
                    <thead>
                        <tr class="arms-head">
                            <td colspan="3"></td>
                            {ARMS.map(|arm| view! {
                                <th scope="colgroup" colspan=move || if has_last.get() { "3" } else { "2" }>{arm_tag(c, arm)}</th>
                            }).collect_view()}
                        </tr>
                        <tr>
                            {header(c, sort, press, Column::Title, "offer", move || c.t().offer.to_owned())}
                            {header(c, sort, press, Column::Group, "", move || c.t().group.to_owned())}
                            {header(c, sort, press, Column::Share, "share", move || c.t().share.to_owned())}
                            {arm_columns}
                        </tr>
                    </thead>
                    <tbody>
                        <For each=ids key=|id| id.clone() children=move |id| row(c, rows, has_last, id) />
                    </tbody>
                </table>
                {move || rows.with(Vec::is_empty).then(|| view! {
                    <div class="nothing">
                        <p>{if count.get() == 0 { c.t().offers_empty } else { c.t().offers_none_match }}</p>
                        {(count.get() > 0).then(|| view! {
                            <button type="button" on:click=move |_| filter.set(String::new())>{c.t().clear_filter}</button>
                        })}
                    </div>
                })}
            </div>
            {move || (shown() < rows.with(Vec::len)).then(|| view! {
                <p class="more"><button type="button" on:click=move |_| all_rows.set(true)>
                    {c.lang.get().show_all(rows.with(Vec::len))}
                </button></p>
            })}
        </section>
    }
}

fn header(
    c: Console,
    sort: RwSignal<Sort>,
    press: impl Fn(Column) + 'static,
    column: Column,
    class: &'static str,
    name: impl Fn() -> String + Clone + Send + 'static,
) -> impl IntoView {
    let direction = move || Some(sort.get()).filter(|s| s.column == column).map(|s| s.direction);
    let aria = move || match direction() {
        Some(Direction::Up) => "ascending",
        Some(Direction::Down) => "descending",
        None => "none",
    };
    let arrow = move || match direction() {
        Some(Direction::Up) => "↑",
        Some(Direction::Down) => "↓",
        None => "",
    };
    let label = name.clone();
    view! {
        <th scope="col" class=class aria-sort=aria>
            <button type="button" title=move || format!("{} {}", c.t().sort_by, label()) on:click=move |_| press(column)>
                {name}<span class="arrow" aria-hidden="true">{arrow}</span>
            </button>
        </th>
    }
}

/// One row; its figures change in place, so that a selection or a scroll position survives the second.
fn row(c: Console, rows: Memo<Vec<Row>>, has_last: Memo<bool>, id: String) -> impl IntoView {
    let row = Memo::new(move |_| rows.with(|rows| rows.iter().find(|row| row.offer == id).cloned()));
    let text = move |pick: fn(&Row) -> &String| row.with(|row| row.as_ref().map(|r| pick(r).clone()));
    let share = move || row.with(|row| row.as_ref().map_or(0.0, |r| r.share));
    let cells = ARMS.into_iter().enumerate().map(move |(i, arm)| {
        let cell =
            Memo::new(move |_| row.with(|row| row.as_ref().and_then(|r| r.cells.get(i).copied()).unwrap_or_default()));
        arm_cells(c, arm, cell, has_last)
    });
    view! {
        <tr>
            <th scope="row" class="offer">
                <span class="title">{move || text(|r| &r.title)}</span>
                <small>{move || text(|r| &r.offer)}</small>
            </th>
            <td class="group">{move || text(|r| &r.group)}</td>
            <td class="share">
                <span class="bar" aria-hidden="true"><span style:width=move || css_percent(share())></span></span>
                <span>{move || format::percent(share())}</span>
            </td>
            {cells.collect_view()}
        </tr>
    }
}

fn arm_cells(c: Console, _arm: Arm, cell: Memo<Cell>, has_last: Memo<bool>) -> impl IntoView {
    let few = move || cell.with(|cell| cell.impressions < FEW_IMPRESSIONS);
    let hint = move || few().then(|| c.t().few);
    let rate = |rate: Option<f64>| rate.map_or("–".to_owned(), format::percent);
    let count = move |pick: fn(&Cell) -> u64| {
        move || cell.with(|cell| (cell.impressions > 0).then(|| format::integer(pick(cell))))
    };
    view! {
        <td class="number first">{move || cell.with(|cell| format::integer(cell.impressions))}</td>
        <td class="number" class:few=few title=hint>
            {move || cell.with(|cell| rate(cell.click_rate()))}<small>{count(|cell| cell.clicks)}</small>
        </td>
        {move || has_last.get().then(|| view! {
            <td class="number" class:few=few title=hint>
                {move || cell.with(|cell| rate(cell.last_rate()))}<small>{count(|cell| cell.last)}</small>
            </td>
        })}
    }
}

/// Saves all counts as a file.
fn export(c: Console) {
    let csv = c.report.with_untracked(|report| report.as_ref().map(|r| offers::csv(&r.offers, &r.stages)));
    if let Some(csv) = csv
        && let Err(refused) = save(&csv, "portico-offers.csv")
    {
        leptos::logging::error!("the file could not be saved: {refused:?}");
    }
}

fn save(text: &str, name: &str) -> Result<(), JsValue> {
    let options = web_sys::BlobPropertyBag::new();
    options.set_type("text/csv;charset=utf-8");
    let parts = js_sys::Array::of1(&JsValue::from_str(text));
    let blob = web_sys::Blob::new_with_str_sequence_and_options(&parts, &options)?;
    let url = web_sys::Url::create_object_url_with_blob(&blob)?;
    let link: web_sys::HtmlAnchorElement = document().create_element("a")?.dyn_into()?;
    link.set_href(&url);
    link.set_download(name);
    link.click();
    web_sys::Url::revoke_object_url(&url)
}
