//! The second screen: what people are after, which pages say so, and how customers are spread over the levels of the tiers.

use leptos::prelude::*;
use portico_protocol::report::{PageReport, ReadBy, TierReport};

use super::parts::css_percent;
use crate::console::{Console, Customers};
use crate::model::format;

/// The screen.
pub(super) fn screen(c: Console) -> impl IntoView {
    view! {
        <div class="halves">
            {topics(c)}
            {tiers(c)}
        </div>
        {pages(c)}
    }
}

fn of<T: Default>(c: Console, pick: impl FnOnce(&Customers) -> T) -> T {
    c.customers.with(|found| found.as_deref().map(pick)).unwrap_or_default()
}

fn topics(c: Console) -> impl IntoView {
    let topics = Memo::new(move |_| of(c, |found| found.pages.topics.clone()));
    view! {
        <section class="card" aria-labelledby="topics-title">
            <header class="card-head"><div>
                <h2 id="topics-title">{move || c.t().topics}</h2>
                <p class="muted">{move || c.t().topics_note}</p>
            </div></header>
            {move || {
                let topics = topics.get();
                let most = topics.iter().map(|topic| topic.views).max().unwrap_or(0).max(1);
                let bar = |topic: &portico_protocol::report::TopicReport| {
                    bar(topic.topic.clone(), topic.views as f64 / most as f64, format::integer(topic.views), None)
                };
                match topics.is_empty() {
                    true => empty(c, c.t().topics_empty).into_any(),
                    false => view! { <ul class="bars">{topics.iter().map(bar).collect_view()}</ul> }.into_any(),
                }
            }}
        </section>
    }
}

fn tiers(c: Console) -> impl IntoView {
    let tiers = Memo::new(move |_| of(c, |found| found.tiers.tiers.clone()));
    view! {
        <section class="card" aria-labelledby="tiers-title">
            <header class="card-head"><div>
                <h2 id="tiers-title">{move || c.t().tiers}</h2>
                <p class="muted">{move || c.t().tiers_note}</p>
            </div></header>
            {move || {
                let tiers = tiers.get();
                match tiers.iter().all(|tier| tier.levels.iter().all(|level| level.customers == 0)) {
                    true => empty(c, c.t().tiers_empty).into_any(),
                    false => tiers.iter().map(tier).collect_view().into_any(),
                }
            }}
        </section>
    }
}

/// A tier's levels: how many customers, their part of all, and what they are worth together.
fn tier(tier: &TierReport) -> impl IntoView {
    let all = tier.levels.iter().map(|level| level.customers).sum::<u64>().max(1) as f64;
    let levels = tier.levels.iter().map(|level| {
        let share = level.customers as f64 / all;
        let worth = level
            .worth
            .iter()
            .map(|(attribute, sum)| format!("{} {}", attribute.replace('_', " "), format::significant(*sum)));
        let worth = worth.collect::<Vec<String>>().join(" · ");
        let figure = format!("{} · {}", format::integer(level.customers), format::percent(share));
        bar(level.level.replace('-', " "), share, figure, (!worth.is_empty()).then_some(worth))
    });
    view! {
        <h3 class="tier">{tier.tier.replace('-', " ")}</h3>
        <ul class="bars">{levels.collect_view()}</ul>
    }
}

fn bar(name: String, share: f64, figure: String, note: Option<String>) -> impl IntoView {
    view! {
        <li>
            <span class="name">{name}</span>
            <span class="figure">{figure}</span>
            <span class="bar" aria-hidden="true"><span style:width=css_percent(share)></span></span>
            {note.map(|note| view! { <small class="muted">{note}</small> })}
        </li>
    }
}

fn pages(c: Console) -> impl IntoView {
    let pages = Memo::new(move |_| of(c, |found| found.pages.pages.clone()));
    view! {
        <section class="card offers" aria-labelledby="pages-title">
            <header class="card-head"><div>
                <h2 id="pages-title">{move || c.t().pages}</h2>
                <p class="muted">{move || c.t().pages_note}</p>
            </div></header>
            {move || {
                let pages = pages.get();
                match pages.is_empty() {
                    true => empty(c, c.t().pages_empty).into_any(),
                    false => view! {
                        <div class="table-scroll" tabindex="0" role="group" aria-labelledby="pages-title">
                            <table class="pages-table">
                                <thead><tr>
                                    <th scope="col">{c.t().page}</th>
                                    <th scope="col">{c.t().topic}</th>
                                    <th scope="col">{c.t().said_by}</th>
                                    <th scope="col" class="number">{c.t().views}</th>
                                </tr></thead>
                                <tbody>{pages.iter().map(|page| row(c, page)).collect_view()}</tbody>
                            </table>
                        </div>
                    }.into_any(),
                }
            }}
        </section>
    }
}

fn row(c: Console, page: &PageReport) -> impl IntoView {
    let by = match (page.by, page.confidence) {
        (ReadBy::Page, _) => c.t().by_page.to_owned(),
        (ReadBy::Table, _) => c.t().by_table.to_owned(),
        (ReadBy::Words, sure) => format!("{} {}", c.t().by_words, format::percent(sure.unwrap_or(0.0))),
        (ReadBy::Nobody, _) => c.t().by_nobody.to_owned(),
    };
    view! {
        <tr>
            <th scope="row">
                {(!page.title.is_empty()).then(|| view! { <span class="title">{page.title.clone()}</span> })}
                <small class="muted">{page.path.clone()}</small>
            </th>
            <td>{page.topic.clone().unwrap_or_else(|| "–".to_owned())}</td>
            <td class="muted">{by}</td>
            <td class="number">{format::integer(page.views)}</td>
        </tr>
    }
}

/// Nothing yet, or nothing arrived yet.
fn empty(c: Console, words: &'static str) -> impl IntoView {
    let known = c.customers.with(Option::is_some);
    view! { <p class="muted">{if known { words } else { c.t().loading }}</p> }
}
