//! Pages in which the widget has to live, in a real browser: `demo-site/situations`.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result};
use portico_demo_site::situations;
use portico_tests::{Browser, Look, World, offer_in};
use serde_json::{Value, json};

/// Noted before anything of the page runs: what is thrown, what we move, and what we say.
const WITNESS: &str = "\
    addEventListener('error', event => (window.thrown ??= []).push(String(event.message))); \
    addEventListener('unhandledrejection', event => (window.thrown ??= []).push(String(event.reason))); \
    addEventListener('portico:impression', event => (window.seen ??= []).push(event.detail), true); \
    addEventListener('portico:decision', event => { window.painted ??= performance.now(); (window.decided ??= []).push(event.detail) }, true); \
    addEventListener('portico:error', event => (window.failed ??= []).push(event.detail.code), true); \
    window.shifts = []; new PerformanceObserver(list => shifts.push(...list.getEntries().filter(entry => !entry.hadRecentInput))) \
      .observe({ type: 'layout-shift', buffered: true });";

async fn witness(browser: &Browser) -> Result<()> {
    browser.cdp("Page.addScriptToEvaluateOnNewDocument", json!({ "source": WITNESS })).await?;
    Ok(())
}

async fn open(browser: &Browser, world: &World, name: &str) -> Result<()> {
    browser.open(&format!("{}/situations/{name}/", world.bank)).await
}

/// What a page notes of us: nothing thrown, nothing moved, at most one warning.
async fn fits(browser: &Browser, name: &str) -> Result<()> {
    assert_eq!(browser.run("return window.thrown ?? null").await?, Value::Null, "{name} throws");
    let moved = browser
        .run("return shifts.filter(entry => entry.startTime >= (window.painted ?? Infinity)).reduce((sum, entry) => sum + entry.value, 0)")
        .await?;
    assert!(moved.as_f64() <= Some(0.0), "{name} is moved by {moved}");
    let said = browser.complaints().await?;
    assert!(said.len() <= 1, "{name}: {said:?}");
    Ok(())
}

const HERO: &str = "document.querySelector('portico-offers').shadowRoot";

#[tokio::test]
async fn offers_live_in_every_page() -> Result<()> {
    let world = World::start().await?;
    let browser = Browser::start().await?;
    witness(&browser).await?;
    // Whether WebAssembly may run there, so that what is put away can be brought back.
    let pages = [
        ("csp-list", false),
        ("csp-nonce", false),
        ("csp-nonce-wasm", true),
        ("trusted-types", true),
        ("trusted-types-none", false),
        ("head", true),
        ("twice", true),
        ("module", true),
        ("before-body", true),
        ("hostile-css", true),
        ("patched", true),
        ("rtl", true),
        ("privacy", true),
    ];
    for (name, wakes) in pages {
        open(&browser, &world, name).await?;
        browser.until(&offer_in("home-hero")).await.context(name)?;
        browser.until("return window.seen?.length > 0").await.with_context(|| format!("{name}: nothing is seen"))?;
        browser.picture(&format!("situation-{name}")).await?;
        // A visitor reaches for it and puts it away.
        browser
            .run("document.querySelector('portico-offers').dispatchEvent(new PointerEvent('pointerenter')); await new Promise(done => setTimeout(done, 600))")
            .await?;
        let plain = name == "trusted-types-none";
        if !plain {
            browser.run(&format!("{HERO}.querySelector('.dismiss').click()")).await?;
            let away =
                format!("return {HERO}.querySelector('.face').hidden && !{HERO}.querySelector('.thanks').hidden");
            browser.until(&away).await.with_context(|| format!("{name}: it cannot be put away"))?;
            let undo = browser.run(&format!("return !{HERO}.querySelector('.undo').hidden")).await?;
            assert_eq!(undo, wakes, "{name}: it is awake where WebAssembly may run");
        }
        fits(&browser, name).await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_page_that_moves_is_asked_for_once_each_time() -> Result<()> {
    let world = World::start().await?;
    let browser = Browser::start().await?;
    witness(&browser).await?;
    let asked =
        "return performance.getEntriesByType('resource').filter(entry => entry.name.endsWith('/v1/decide')).length";
    open(&browser, &world, "single-page").await?;
    browser.until(&offer_in("home-hero")).await?;
    assert_eq!(browser.run(asked).await?, 1);
    for (count, path) in [(2, "loans"), (3, "cards")] {
        browser.run(&format!("go('{path}')")).await?;
        browser.until(&offer_in("product-side")).await?;
        browser.run("await new Promise(done => setTimeout(done, 500))").await?;
        assert_eq!(browser.run(asked).await?, count, "{path}");
    }
    browser.run("history.back()").await?;
    browser.until("return document.querySelector('h1').textContent === 'At loans'").await?;
    browser.until(&offer_in("product-side")).await?;
    fits(&browser, "single-page").await?;

    open(&browser, &world, "body-swap").await?;
    browser.until(&offer_in("home-hero")).await?;
    browser.run("document.querySelector('a[data-swap]').click()").await?;
    browser.until("return window.swapped === 1").await?;
    browser.until(&offer_in("home-hero")).await?;
    browser.run("await new Promise(done => setTimeout(done, 500))").await?;
    assert_eq!(browser.run(asked).await?, 2);
    fits(&browser, "body-swap").await
}

#[tokio::test]
async fn a_page_kept_in_the_back_forward_cache_is_a_view_again() -> Result<()> {
    let world = World::start().await?;
    let browser = Browser::start().await?;
    witness(&browser).await?;
    open(&browser, &world, "back").await?;
    browser.until(&offer_in("home-hero")).await?;
    browser.run("window.kept = true; addEventListener('pageshow', event => window.came_back = event.persisted); document.querySelector('main a').click()").await?;
    browser.until("return location.pathname.endsWith('/head/') && document.readyState === 'complete'").await?;
    browser.driver.back().await?;
    browser.until("return window.kept && window.came_back === true").await.context("it was not kept")?;
    browser.until("return window.decided.length >= 4").await?;
    browser.until(&offer_in("home-hero")).await?;
    fits(&browser, "back").await
}

#[tokio::test]
async fn a_page_rendered_ahead_asks_when_somebody_comes() -> Result<()> {
    let world = World::start().await?;
    let browser = Browser::start().await?;
    witness(&browser).await?;
    browser.open(&format!("{}/situations/prerender/door", world.bank)).await?;
    browser.run("await new Promise(done => setTimeout(done, 1500))").await?;
    browser.run("document.querySelector('main a').click()").await?;
    browser.until("return location.pathname === '/situations/prerender/'").await?;
    browser.until(&offer_in("home-hero")).await?;
    let (activated, asked) = {
        let times = browser
            .run("return [performance.getEntriesByType('navigation')[0].activationStart, performance.getEntriesByType('resource').find(entry => entry.name.endsWith('/v1/decide')).startTime]")
            .await?;
        (times[0].as_f64().unwrap_or_default(), times[1].as_f64().unwrap_or_default())
    };
    assert!(activated > 0.0, "it was not rendered ahead");
    assert!(asked >= activated, "asked at {asked}, looked at from {activated} on");
    fits(&browser, "prerender").await
}

#[tokio::test]
async fn a_host_may_do_with_our_elements_as_it_likes() -> Result<()> {
    let world = World::start().await?;
    let browser = Browser::start().await?;
    witness(&browser).await?;
    open(&browser, &world, "moved").await?;
    browser.until("return window.settled").await?;
    let painted = "return [...document.querySelectorAll('portico-offers')].filter(slot => slot.shadowRoot?.querySelector('.card')).length === 2";
    browser.until(painted).await?;
    assert_eq!(browser.run("return window.thrown ?? null").await?, Value::Null);

    open(&browser, &world, "many").await?;
    browser.until("return window.decided?.length === 50").await?;
    let asked =
        "return performance.getEntriesByType('resource').filter(entry => entry.name.endsWith('/v1/decide')).length";
    assert_eq!(browser.run(asked).await?, 3);
    assert_eq!(browser.run("return window.failed ?? null").await?, Value::Null);
    fits(&browser, "many").await?;

    // Attributes are properties, and a change asks again.
    open(&browser, &world, "head").await?;
    browser.until(&offer_in("home-hero")).await?;
    browser
        .run("const slot = document.querySelector('portico-offers'); slot.placement = 'product-side'; slot.count = 2")
        .await?;
    browser.until(&offer_in("product-side")).await?;
    let reflected = browser.run("const slot = document.querySelector('portico-offers'); return [slot.placement, slot.getAttribute('count'), slot.height, slot.hidden = true, getComputedStyle(slot).display]").await?;
    assert_eq!(reflected, json!(["product-side", "2", "420", true, "none"]));
    Ok(())
}

#[tokio::test]
async fn a_page_without_scripts_or_modules_is_whole() -> Result<()> {
    let world = World::start().await?;
    let browser = Browser::start().await?;
    browser.cdp("Emulation.setScriptExecutionDisabled", json!({ "value": true })).await?;
    open(&browser, &world, "no-script").await?;
    browser.picture("situation-no-script").await?;
    browser.cdp("Emulation.setScriptExecutionDisabled", json!({ "value": false })).await?;
    witness(&browser).await?;
    open(&browser, &world, "wordpress").await?;
    assert_eq!(browser.run("return customElements.get('portico-offers') === undefined").await?, true);
    browser.run("dispatchEvent(new PointerEvent('pointermove'))").await?;
    browser.until(&offer_in("home-hero")).await?;
    browser.picture("situation-wordpress").await?;
    fits(&browser, "wordpress").await
}

#[tokio::test]
async fn every_situation_has_a_page_and_the_list_names_it() -> Result<()> {
    let world = World::start().await?;
    let browser = Browser::start().await?;
    browser.open(&format!("{}/situations/", world.bank)).await?;
    let listed = browser
        .run("return [...document.querySelectorAll('dt a')].map(link => link.getAttribute('href').slice(0, -1))")
        .await?;
    let listed: BTreeSet<&str> = listed.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    assert_eq!(listed, situations::names().into_iter().collect());
    browser.look(Look::PHONE).await?;
    browser.picture("situations").await?;
    Ok(())
}
