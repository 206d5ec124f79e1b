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

/// Opens a page and waits for its first offer. A machine that is busy with something else may be later than the loader waits: the
/// page is then opened again.
async fn open_with_offer(browser: &Browser, world: &World, name: &str) -> Result<()> {
    let offer = offer_in("home-hero");
    let found = format!("return window.failed?.includes('deadline') ? 'late' : (() => {{ {offer} }})()");
    for _ in 0..3 {
        open(browser, world, name).await?;
        if browser.until(&found).await? != "late" {
            return Ok(());
        }
    }
    anyhow::bail!("the edge is too late")
}

/// What a page notes of us: nothing thrown, nothing moved, at most one warning.
async fn fits(browser: &Browser, name: &str) -> Result<()> {
    assert_eq!(browser.run("return window.thrown ?? null").await?, Value::Null, "{name} throws");
    let moved = browser
        .run("return shifts.filter(entry => entry.startTime >= (window.painted ?? Infinity)).map(entry => entry.value + ' ' + entry.sources.map(({ node }) => (node?.localName ?? '') + '.' + (node?.className ?? '')))")
        .await?;
    // The page with the hostile style takes the reserved height away by itself.
    assert!(name == "hostile-css" || moved == json!([]), "{name} is moved by {moved}");
    // The browser's own report of a frame that may not stand is not ours to keep back.
    let said: Vec<String> = browser.complaints().await?.into_iter().filter(|line| !line.contains("Framing ")).collect();
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
        ("no-storage", true),
    ];
    for (name, wakes) in pages {
        open_with_offer(&browser, &world, name).await.context(name)?;
        browser.until("return window.seen?.length > 0").await.with_context(|| format!("{name}: nothing is seen"))?;
        browser.picture(&format!("situation-{name}")).await?;
        fits(&browser, name).await?;
        // A visitor reaches for it and puts it away.
        browser
            .run("document.querySelector('portico-offers').dispatchEvent(new PointerEvent('pointerenter')); await new Promise(done => setTimeout(done, 600))")
            .await?;
        let plain = name == "trusted-types-none";
        // Also where the browser's sanitizer lets the markup in.
        assert_eq!(browser.run(&format!("return {HERO}.querySelectorAll('picture img').length")).await?, 1, "{name}");
        if !plain {
            browser.run(&format!("{HERO}.querySelector('.dismiss').click()")).await?;
            let away =
                format!("return {HERO}.querySelector('.face').hidden && !{HERO}.querySelector('.thanks').hidden");
            browser.until(&away).await.with_context(|| format!("{name}: it cannot be put away"))?;
            let undo = browser.run(&format!("return !{HERO}.querySelector('.undo').hidden")).await?;
            assert_eq!(undo, wakes, "{name}: it is awake where WebAssembly may run");
        }
    }
    Ok(())
}

#[tokio::test]
async fn without_an_answer_the_page_has_its_own_words() -> Result<()> {
    let world = World::start().await?;
    let browser = Browser::start().await?;
    witness(&browser).await?;
    for (name, says) in [("slow-edge", json!(["deadline", "deadline"])), ("dead-edge", Value::Null)] {
        open(&browser, &world, name).await?;
        // Longer than the slow edge takes: what comes too late is not shown either.
        browser.run("await new Promise(done => setTimeout(done, 6000))").await?;
        let own = "return [...document.querySelectorAll('.fallback')].map(own => own.checkVisibility() && own.getBoundingClientRect().height > 0)";
        assert_eq!(browser.run(own).await?, json!([true, true]), "{name}");
        assert_eq!(browser.run("return window.failed ?? null").await?, says, "{name}");
        browser.picture(&format!("situation-{name}")).await?;
        fits(&browser, name).await?;
    }
    Ok(())
}

#[tokio::test]
async fn pictures_come_in_the_best_format_and_a_broken_one_keeps_its_box() -> Result<()> {
    let world = World::start().await?;
    let browser = Browser::start().await?;
    witness(&browser).await?;
    let mut config = serde_json::to_value(&world.config)?;
    let known = config["content"]["fixed-saver"]["locales"]["en"]["image"].clone();
    let broken = json!({ "url": format!("{}/static/offers/nothing.jpg", world.bank), "alt": "A picture", "width": 640, "height": 400 });
    let image = format!("{HERO}.querySelector('picture img')");
    for (picture, script) in [
        (known, "return image.complete && image.naturalWidth === 1280 && image.currentSrc.endsWith('.avif')"),
        (broken, "return image.complete && image.naturalWidth === 0 && image.getBoundingClientRect().height > 150"),
    ] {
        for (_, content) in config["content"].as_object_mut().context("no content")? {
            content["locales"]["en"]["image"] = picture.clone();
        }
        world.publish(&config).await?;
        open(&browser, &world, "head").await?;
        browser.until(&format!("const image = {image}; if (!image) return false; {script}")).await?;
        fits(&browser, "head").await?;
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
    let leave = "document.querySelector('main a').click()";
    // Somebody looks at it, or is gone before what comes after the first offer has been fetched.
    for early in [false, true] {
        let browser = Browser::start().await?;
        witness(&browser).await?;
        let noted = format!(
            "if (location.pathname.endsWith('/back/')) {{ \
               addEventListener('pageshow', event => {{ if (event.persisted) window.came_back = true }}); \
               if ({early}) addEventListener('portico:decision', () => setTimeout(() => {leave}), {{ once: true }}) }}"
        );
        browser.cdp("Page.addScriptToEvaluateOnNewDocument", json!({ "source": noted })).await?;
        open(&browser, &world, "back").await?;
        if !early {
            browser.until(&offer_in("home-hero")).await?;
            browser.until("return window.seen?.length > 0").await?;
            browser.run(leave).await?;
        }
        browser.until("return location.pathname.endsWith('/head/') && document.readyState === 'complete'").await?;
        browser.driver.back().await?;
        browser.until("return window.came_back").await.context("it was not kept")?;
        browser.until("return window.decided.length >= 4").await.with_context(|| format!("early: {early}"))?;
        browser.until(&offer_in("home-hero")).await?;
        fits(&browser, "back").await?;
    }
    Ok(())
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
    Ok(())
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
    assert_eq!(reflected, json!(["product-side", "2", "520", true, "none"]));
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

const GADGET: &str = "document.querySelector('portico-gadget').shadowRoot";

/// A page whose gadget stands in a frame, once it does.
async fn open_framed(browser: &Browser, world: &World) -> Result<()> {
    open(browser, world, "csp-frame").await?;
    let frame = format!("const frame = {GADGET}?.querySelector('iframe'); return frame && !frame.className");
    browser.until(&frame).await.map(drop)
}

/// Goes on inside that frame.
async fn enter_frame(browser: &Browser) -> Result<()> {
    let root = browser.driver.find(thirtyfour::By::Css("portico-gadget")).await?.get_shadow_root().await?;
    Ok(root.find(thirtyfour::By::Css("iframe")).await?.enter_frame().await?)
}

#[tokio::test]
async fn a_framed_gadget_is_filled_in_for_whom_its_host_knows() -> Result<()> {
    let world = World::start().await?;
    let browser = Browser::start().await?;
    let early =
        "window.portico = function () { (portico.q = portico.q || []).push(arguments) }; portico('consent', 'all')";
    browser.cdp("Page.addScriptToEvaluateOnNewDocument", json!({ "source": early })).await?;
    let amount =
        "const box = document.querySelector('portico-gadget')?.shadowRoot?.querySelectorAll('input[type=number]')[3];";
    for (finds, leaves) in [("8000", "12000"), ("12000", "9500")] {
        // It does not wait long for what is known, so a busy machine is asked again.
        let mut found = Value::Null;
        for _ in 0..3 {
            open_framed(&browser, &world).await?;
            enter_frame(&browser).await?;
            found = browser.until(&format!("{amount} return box?.value")).await?;
            if found == finds {
                break;
            }
            browser.driver.enter_default_frame().await?;
        }
        assert_eq!(found, finds);
        browser
            .run(&format!("{amount} document.querySelector('portico-gadget').shadowRoot.querySelectorAll('input[type=radio]')[1].click(); \
                  box.value = {leaves}; box.dispatchEvent(new Event('change', {{ bubbles: true }}))"))
            .await?;
        let said = format!("return (await portico('profile')).attributes.wants_to_borrow === {leaves}");
        browser.until(&said).await.context("the frame does not remember it")?;
        let token = "return localStorage['portico.visitor.pk_demo']";
        let kept = browser.until(token).await?;
        browser.driver.enter_default_frame().await?;
        browser.until(&format!("{token} === {kept}")).await.context("the host does not hear of it")?;
    }
    // Somebody logs in beside the frame: what they choose in it is theirs from then on.
    let login = json!(world.identity_of("peter")?);
    browser.run(&format!("await portico('identify', {login})")).await?;
    enter_frame(&browser).await?;
    browser
        .run(&format!("{amount} box.value = 11000; box.dispatchEvent(new Event('change', {{ bubbles: true }}))"))
        .await?;
    let end = tokio::time::Instant::now() + std::time::Duration::from_secs(10);
    loop {
        let peter = world.server(reqwest::Method::GET, "/v1/customers/peter", None).await?;
        if peter.at("/attributes/wants_to_borrow") == &json!(11_000) {
            return Ok(());
        }
        assert!(tokio::time::Instant::now() < end, "the frame does not know them: {}", peter.text);
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    }
}

#[tokio::test]
async fn a_gadget_runs_in_the_page_and_ends_in_an_offer() -> Result<()> {
    let world = World::start().await?;
    let browser = Browser::start().await?;
    witness(&browser).await?;
    browser.open(&format!("{}/en/savings", world.bank)).await?;
    let figure = format!("return {GADGET}?.querySelector('.figure')?.textContent");
    assert_eq!(browser.until(&figure).await?, "£11,174");
    let wide = browser.run("return document.documentElement.scrollWidth - innerWidth").await?;
    assert!(wide.as_f64() <= Some(0.0), "the page scrolls sideways by {wide}");
    // What is typed out of range is put right.
    browser
        .run(&format!("const box = {GADGET}.querySelector('input[type=number]'); box.value = 70000; box.dispatchEvent(new Event('change', {{ bubbles: true }}))"))
        .await?;
    let typed = format!(
        "return {GADGET}.querySelector('input[type=number]').value === '50000' && {GADGET}.querySelector('input[type=range]').value === '50000'"
    );
    browser.until(&typed).await?;
    let offer = |placement: &str| {
        format!(
            "const slot = {GADGET}.querySelector('portico-offers[placement={placement}]'); return slot?.shadowRoot?.querySelector('[data-portico-offer]')?.dataset.porticoOffer"
        )
    };
    browser.until(&offer("calculator-save")).await?;
    browser.run(&format!("{GADGET}.querySelectorAll('input[type=radio]')[1].click()")).await?;
    let lent = browser.until(&offer("calculator-borrow")).await?;
    assert_ne!(lent, "mortgage-fix", "no mortgage for so small a sum");
    browser.until(&format!("return {GADGET}.querySelector('.figure').textContent === '£188.69'")).await?;
    fits(&browser, "savings").await?;
    browser.run("document.querySelector('portico-gadget').scrollIntoView()").await?;
    browser.picture("bank-savings-calculator").await?;
    // In the record it is an event without the sum.
    let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(10);
    loop {
        let events = world.server(reqwest::Method::GET, "/v1/events", None).await?;
        if let Some(line) = events.text.lines().find(|line| line.contains("calculator_used")) {
            assert!(!line.contains("50000"), "{line}");
            break;
        }
        assert!(tokio::time::Instant::now() < deadline, "nothing is recorded");
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    }
    Ok(())
}

#[tokio::test]
async fn a_gadget_lives_in_a_frame_where_the_page_has_no_room_for_it() -> Result<()> {
    let world = World::start().await?;
    let browser = Browser::start().await?;
    witness(&browser).await?;
    open_framed(&browser, &world).await?;
    assert_eq!(
        browser.run(&format!("return {GADGET}.querySelector('iframe').title")).await?,
        "Savings and loan calculator"
    );
    let address = browser.run(&format!("return {GADGET}.querySelector('iframe').src")).await?;
    assert!(!address.as_str().unwrap_or_default().contains('~'), "a token in an address: {address}");
    enter_frame(&browser).await?;
    browser.until(&format!("return {GADGET}?.querySelector('.figure')?.textContent")).await?;
    browser.run(&format!("{GADGET}.querySelectorAll('input[type=radio]')[1].click()")).await?;
    browser
        .until(&format!("return {GADGET}.querySelector('portico-offers')?.shadowRoot?.querySelector('.card') != null"))
        .await?;
    browser.driver.enter_default_frame().await?;
    browser.picture("situation-csp-frame").await?;
    browser
        .until("return window.decided.some(detail => detail.placement === 'calculator-borrow')")
        .await
        .context("the host does not hear of it")?;
    assert_eq!(browser.run("return window.thrown ?? null").await?, Value::Null);

    // Neither WebAssembly nor frames: a link, and what the page says by itself.
    open(&browser, &world, "csp-list").await?;
    let link = browser.until(&format!("return {GADGET}?.querySelector('a')?.href")).await?;
    assert!(link.as_str().is_some_and(|link| link.contains("/embed/calculator?")), "{link}");
    assert_eq!(browser.run(&format!("return {GADGET}.querySelector('slot').assignedNodes().length")).await?, 1);
    assert_eq!(browser.run("return window.thrown ?? null").await?, Value::Null);
    Ok(())
}

#[tokio::test]
async fn a_gadget_follows_what_is_said_of_it() -> Result<()> {
    let world = World::start().await?;
    let browser = Browser::start().await?;
    witness(&browser).await?;
    browser.open(&format!("{}/en/savings", world.bank)).await?;
    let inline = format!("return {GADGET}?.querySelector('.figure')?.textContent");
    browser.until(&inline).await?;
    browser.run("document.querySelector('portico-gadget').purpose = 'borrow'").await?;
    browser.until(&format!("return {GADGET}.querySelectorAll('input[type=radio]')[1]?.checked")).await?;
    browser.run("document.querySelector('portico-gadget').mode = 'frame'").await?;
    browser
        .until(&format!("const frame = {GADGET}.querySelector('iframe'); return frame && !frame.className && !{GADGET}.querySelector('.figure')"))
        .await?;
    // Said anew before the frame has answered: whoever comes late touches nothing of what stands by then.
    browser
        .run("const gadget = document.querySelector('portico-gadget'); gadget.purpose = 'save'; await new Promise(done => setTimeout(done, 20)); \
              gadget.purpose = 'borrow'; await new Promise(done => setTimeout(done, 9000))")
        .await?;
    let frames = format!(
        "return [{GADGET}.querySelectorAll('iframe:not(.waiting)').length, {GADGET}.querySelectorAll('a').length]"
    );
    assert_eq!(browser.run(&frames).await?, json!([1, 0]));
    // One that nobody has configured: the page's own words again.
    browser.run("document.querySelector('portico-gadget').name = 'rocket'").await?;
    browser.until(&format!("return {GADGET}.querySelector('slot') && !{GADGET}.querySelector('iframe')")).await?;
    // Three changes at once are one.
    browser
        .run("const gadget = document.querySelector('portico-gadget'); gadget.removeAttribute('mode'); gadget.purpose = 'save'; gadget.name = 'calculator'")
        .await?;
    browser.until(&inline).await?;
    assert_eq!(browser.run(&format!("return {GADGET}.querySelectorAll('.figure').length")).await?, 1);
    assert_eq!(browser.run("return window.thrown ?? null").await?, Value::Null);
    Ok(())
}

#[tokio::test]
async fn a_frame_and_its_host_know_one_visitor() -> Result<()> {
    let world = World::start().await?;
    let browser = Browser::start().await?;
    witness(&browser).await?;
    open_framed(&browser, &world).await?;
    browser.run("portico('consent', 'all')").await?;
    let token = "return localStorage['portico.visitor.pk_demo']";
    let before = browser.until(token).await?;
    enter_frame(&browser).await?;
    browser.until(&format!("{token} === {before}")).await.context("the frame does not take over the host's")?;
    browser.run(&format!("{GADGET}.querySelectorAll('input[type=radio]')[1].click()")).await?;
    let after = browser
        .until(&format!("const token = localStorage['portico.visitor.pk_demo']; return token !== {before} && token"))
        .await?;
    browser.driver.enter_default_frame().await?;
    browser.until(&format!("{token} === {after}")).await.context("the host does not take over the frame's")?;
    // Whoever is forgotten is forgotten on both sides.
    browser.run("portico('identify', null)").await?;
    enter_frame(&browser).await?;
    browser.until(&format!("{token} !== {after}")).await.context("the frame still knows who was forgotten")?;
    Ok(())
}

#[tokio::test]
async fn an_answer_about_whom_we_forgot_is_nobodys() -> Result<()> {
    let world = World::start().await?;
    let browser = Browser::start().await?;
    // The first answer comes at once, the second late, the third later still.
    let late = "window.portico = function () { (portico.q = portico.q || []).push(arguments) }; portico('consent', 'all'); \
        const own = fetch, delays = window.delays = [0, 400, 1300]; window.arrived = 0; \
        window.fetch = async (to, init) => { \
            const delay = String(to).endsWith('/v1/decide') ? delays.shift() : undefined; \
            const answer = await own(to, init); \
            if (delay !== undefined) { await new Promise(done => setTimeout(done, delay)); arrived++ } \
            return answer \
        }";
    browser.cdp("Page.addScriptToEvaluateOnNewDocument", json!({ "source": late })).await?;
    open(&browser, &world, "head").await?;
    browser.until("return localStorage['portico.visitor.pk_demo']").await?;
    let kept = "const pause = ms => new Promise(done => setTimeout(done, ms)); \
        portico('refresh'); while (delays.length > 1) await pause(10); portico('identify', null); \
        while (arrived < 2) await pause(10); await pause(100); \
        return [arrived, localStorage['portico.visitor.pk_demo'] ?? null]";
    assert_eq!(browser.run(kept).await?, json!([2, null]));
    browser.until("return localStorage['portico.visitor.pk_demo']").await?;
    Ok(())
}

#[tokio::test]
async fn a_launcher_is_worked_by_keyboard() -> Result<()> {
    let world = World::start().await?;
    let browser = Browser::start().await?;
    witness(&browser).await?;
    open(&browser, &world, "components").await?;
    let launcher = "document.querySelector('portico-gadget[mode=launcher]').shadowRoot";
    browser.until(&format!("return {launcher}?.querySelector('button') != null")).await?;
    browser.run(&format!("{launcher}.querySelector('button').focus()")).await?;
    browser.press("Enter").await?;
    browser.until(&format!("return {launcher}.querySelector('button').ariaExpanded === 'true' && {launcher}.activeElement?.tagName === 'IFRAME'")).await?;
    browser.run("await new Promise(done => setTimeout(done, 800))").await?;
    browser.picture("launcher-open").await?;
    browser.look(Look::PHONE).await?;
    browser.run("await new Promise(done => setTimeout(done, 500))").await?;
    browser.picture("launcher-open-phone").await?;
    browser.look(Look::DESK).await?;
    browser.press("Escape").await?;
    browser.until(&format!("return {launcher}.querySelector('button').ariaExpanded === 'false' && {launcher}.activeElement?.tagName === 'BUTTON'")).await?;
    assert_eq!(browser.run("return window.thrown ?? null").await?, Value::Null);
    Ok(())
}

#[tokio::test]
async fn every_component_is_looked_at() -> Result<()> {
    let world = World::start().await?;
    let browser = Browser::start().await?;
    witness(&browser).await?;
    for (name, look) in [
        ("desk", Look::DESK),
        ("phone", Look::PHONE),
        ("desk-dark", Look::DESK.dark()),
        ("phone-dark", Look::PHONE.dark()),
    ] {
        browser.look(Look { height: 4200, ..look }).await?;
        for lang in ["en", "zh-Hans", "de", "ar"] {
            browser.open(&format!("{}/situations/components/?lang={lang}", world.bank)).await?;
            browser
                .run(&format!("document.documentElement.dir = '{}'", if lang == "ar" { "rtl" } else { "ltr" }))
                .await?;
            browser.until("return document.querySelectorAll('portico-gadget')[1].shadowRoot?.querySelector('iframe:not(.waiting)') != null").await?;
            browser.until(&offer_in("home-corner")).await?;
            browser.until(&format!("return {GADGET}?.querySelector('.figure') != null")).await?;
            browser.run("await new Promise(done => setTimeout(done, 700))").await?;
            browser.picture(&format!("components-{name}-{lang}")).await?;
            let wide = browser.run("return document.documentElement.scrollWidth - innerWidth").await?;
            assert!(wide.as_f64() <= Some(0.0), "the page scrolls sideways by {wide} at {look:?} in {lang}");
            assert_eq!(browser.axe().await?, Vec::<String>::new(), "{name} {lang}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn whoever_sees_an_offer_can_ask_why() -> Result<()> {
    let world = World::start().await?;
    let browser = Browser::start().await?;
    witness(&browser).await?;
    open(&browser, &world, "head").await?;
    browser.until(&format!("return {HERO}?.querySelector('.able .why') != null")).await?;
    browser.run(&format!("{HERO}.querySelector('.why').click()")).await?;
    let reasons = browser.until(&format!("return {HERO}.querySelector('.reasons:popover-open')?.innerText")).await?;
    assert!(reasons.as_str().is_some_and(|text| text.contains("Why you see this offer")), "{reasons}");
    browser.picture("why").await?;
    assert_eq!(browser.axe().await?, Vec::<String>::new());
    browser.run(&format!("{HERO}.querySelector('.close').click()")).await?;
    browser.until(&format!("return {HERO}.querySelector('.reasons') === null && document.querySelector('portico-offers').shadowRoot.activeElement?.className === 'why'")).await?;
    fits(&browser, "why").await
}

#[tokio::test]
async fn what_is_embedded_stands_only_where_it_may() -> Result<()> {
    let world = World::start().await?;
    let get = async |path: &str| portico_tests::Answer::of(world.request(reqwest::Method::GET, path)).await;
    let page = get("/embed/calculator?site=pk_demo&locale=zh-Hans").await?;
    assert_eq!(page.status, 200, "{}", page.text);
    let policy = page.headers["content-security-policy"].to_str()?;
    assert!(policy.ends_with(&format!("frame-ancestors {}", world.bank)), "{policy}");
    assert!(page.text.contains("<title>储蓄与贷款计算器</title>"), "{}", page.text);
    let partner = get("/embed/calculator?site=pk_roadbook").await?;
    assert!(
        partner.headers["content-security-policy"].to_str()?.ends_with(&format!("frame-ancestors {}", world.partner))
    );
    for (path, status) in [
        ("/embed/calculator?site=pk_nobody", 401),
        ("/embed/calculator?site=sk_demo", 401),
        ("/embed/calculator", 401),
        ("/embed/nothing?site=pk_demo", 404),
        ("/v1/gadgets/nothing?site=pk_demo", 404),
        ("/oembed", 400),
        ("/oembed?url=https://evil.example/embed/calculator", 400),
        (&format!("/embed/calculator?site={}", "x".repeat(200)), 400),
    ] {
        assert_eq!(get(path).await?.status, status, "{path}");
    }
    let hostile = get("/embed/calculator?site=pk_demo&locale=%22%3E%3Cscript%3Ealert(1)%3C/script%3E").await?;
    assert!(!hostile.text.contains("<script>alert"), "{}", hostile.text);

    let offers = get("/embed/offers?site=pk_demo&placement=home-hero&locale=en").await?;
    assert!(offers.text.contains("class=\"card\"") && offers.text.contains("/v1/go/"), "{}", offers.text);
    let settings = get("/v1/gadgets/calculator?site=pk_demo&locale=zh").await?;
    assert_eq!((settings.at("/title"), settings.at("/currency")), (&json!("储蓄与贷款计算器"), &json!("GBP")));

    let address = format!("{}/embed/calculator?site=pk_demo", world.edge.origin());
    let found = get(&format!("/oembed?url={}&maxwidth=500", address.replace('&', "%26"))).await?;
    assert_eq!(
        (found.at("/version"), found.at("/type"), found.at("/width")),
        (&json!("1.0"), &json!("rich"), &json!(500))
    );
    let html = found.at("/html").as_str().unwrap_or_default();
    assert!(html.contains(&address) && html.contains("title=\"Savings and loan calculator\""), "{html}");
    Ok(())
}

#[tokio::test]
async fn the_doctor_says_what_is_wrong_and_how_to_mend_it() -> Result<()> {
    let world = World::start().await?;
    let browser = Browser::start().await?;
    let states = async |browser: &Browser| -> Result<std::collections::BTreeMap<String, (String, String)>> {
        let findings = browser.run("return await portico('doctor')").await?;
        let text = |finding: &Value, key: &str| finding[key].as_str().unwrap_or_default().to_owned();
        let one = |finding: &Value| (text(finding, "check"), (text(finding, "state"), text(finding, "fix")));
        Ok(findings.as_array().into_iter().flatten().map(one).collect())
    };
    open(&browser, &world, "head").await?;
    browser.until(&offer_in("home-hero")).await?;
    let found = states(&browser).await?;
    for check in [
        "script tag",
        "key and origin",
        "WebAssembly",
        "Trusted Types",
        "frames",
        "storage",
        "release",
        "place home-hero",
    ] {
        assert_eq!(found.get(check).map(|(state, _)| state.as_str()), Some("good"), "{check}: {found:?}");
    }
    assert_eq!(found["consent"].0, "note", "{found:?}");

    for (page, check, state, fix) in [
        ("csp-list", "WebAssembly", "note", "'wasm-unsafe-eval'"),
        ("csp-list", "frames", "note", "frame-src"),
        ("twice", "script tag", "note", "Keep one tag"),
        ("trusted-types-none", "Trusted Types", "note", "trusted-types portico"),
    ] {
        open(&browser, &world, page).await?;
        browser.until(&offer_in("home-hero")).await?;
        let found = states(&browser).await?;
        assert!(found[check].0 == state && found[check].1.contains(fix), "{page}: {found:?}");
    }

    // The same pages by another name: an origin that the site does not know.
    browser.open(&format!("{}/situations/head/", world.bank.replace("127.0.0.1", "localhost"))).await?;
    browser.until("return window.portico?.q === undefined").await?;
    let found = states(&browser).await?;
    assert!(found["key and origin"].0 == "bad" && found["key and origin"].1.contains("http://localhost"), "{found:?}");
    Ok(())
}

#[tokio::test]
async fn a_module_with_another_content_is_not_run() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let world = World::start_with(|options| {
        for part in ["edge", "assets"] {
            std::fs::create_dir_all(folder.path().join(part))?;
            for entry in std::fs::read_dir(options.dist.join(part))? {
                let entry = entry?;
                if entry.file_type()?.is_dir() {
                    continue;
                }
                let name = entry.file_name().to_string_lossy().into_owned();
                let mut content = std::fs::read(entry.path())?;
                if name.starts_with("more-") && name.ends_with(".br") {
                    continue;
                }
                if name.starts_with("more-") {
                    content.extend_from_slice(b"\nwindow.changed = true;");
                }
                std::fs::write(folder.path().join(part).join(name), content)?;
            }
        }
        options.dist = folder.path().to_owned();
        Ok(())
    })
    .await?;
    let browser = Browser::start().await?;
    witness(&browser).await?;
    open(&browser, &world, "head").await?;
    browser.until(&offer_in("home-hero")).await?;
    browser.run("await new Promise(done => setTimeout(done, 1000))").await?;
    assert_eq!(browser.run("return window.changed ?? null").await?, Value::Null);
    assert_eq!(browser.run("return window.thrown ?? null").await?, Value::Null);
    // Painted offers can be put away all the same.
    browser.run(&format!("{HERO}.querySelector('.dismiss').click()")).await?;
    browser.until(&format!("return {HERO}.querySelector('.face').hidden")).await?;
    Ok(())
}

/// WCAG 2.2: 1.4.10 (1,280 px at 400 % are 320 px), 2.1.1, 2.3.3, 2.4.3, 2.5.8, and forced colours.
#[tokio::test]
async fn offers_and_gadgets_are_there_for_everybody() -> Result<()> {
    let world = World::start().await?;
    let browser = Browser::start().await?;
    witness(&browser).await?;
    browser.look(Look { width: 320, height: 4200, dark: false }).await?;
    let media = json!({ "features": [
        { "name": "forced-colors", "value": "active" },
        { "name": "prefers-reduced-motion", "value": "reduce" },
        { "name": "prefers-contrast", "value": "more" },
    ] });
    browser.cdp("Emulation.setEmulatedMedia", media).await?;
    open(&browser, &world, "components").await?;
    browser.until(&offer_in("home-corner")).await?;
    browser
        .until(&format!("return {GADGET}?.querySelector('.figure') != null && {HERO}.querySelector('.able') != null"))
        .await?;
    browser.picture("components-320-forced-colours").await?;
    let wide = browser.run("return document.documentElement.scrollWidth - innerWidth").await?;
    assert!(wide.as_f64() <= Some(0.0), "at 400 % it scrolls sideways by {wide}");
    let roots = "[...document.querySelectorAll('portico-offers, portico-gadget')].map(at => at.shadowRoot)";
    let moving = browser.run(&format!("return {roots}.flatMap(root => root.getAnimations?.() ?? []).length")).await?;
    assert_eq!(moving, 0, "something moves although motion is to be reduced");
    let small = browser
        .run(&format!(
            "return {roots}.flatMap(root => [...root.querySelectorAll('button, a, summary, input')]).filter(at => at.checkVisibility({{ visibilityProperty: true }})) \
             .map(at => [at.className || at.localName, at.getBoundingClientRect()]).filter(([, {{ width, height }}]) => width < 24 || height < 24).map(([name]) => name)"
        ))
        .await?;
    assert_eq!(small, json!([]), "too small to be hit");
    assert_eq!(browser.axe().await?, Vec::<String>::new());

    // By keyboard alone: the offer's link, its buttons, the reasons and back.
    browser.look(Look::DESK).await?;
    open(&browser, &world, "head").await?;
    browser.until(&format!("return {HERO}?.querySelector('.able .why') != null")).await?;
    let mut order = Vec::new();
    for _ in 0..3 {
        browser.press("Tab").await?;
        order.push(browser.run(&format!("return {HERO}.activeElement?.className")).await?);
    }
    assert_eq!(order, [json!("cta"), json!("dismiss"), json!("why")]);
    browser.press("Enter").await?;
    browser.until(&format!("return {HERO}.activeElement?.className === 'close'")).await?;
    browser.press("Escape").await?;
    browser.until(&format!("return {HERO}.activeElement?.className === 'why'")).await?;
    Ok(())
}

#[tokio::test]
async fn without_any_network_there_is_no_gadget_and_with_it_one_comes() -> Result<()> {
    let world = World::start().await?;
    let browser = Browser::start().await?;
    witness(&browser).await?;
    open(&browser, &world, "head").await?;
    browser.until(&format!("return {HERO}?.querySelector('.able') != null")).await?;
    browser.run("await portico('consent', 'none')").await?;
    let put = "performance.clearResourceTimings(); const gadget = document.createElement('portico-gadget'); gadget.name = 'calculator'; \
               document.querySelector('main').append(gadget); await new Promise(done => setTimeout(done, 500)); \
               return performance.getEntriesByType('resource').map(entry => entry.name)";
    assert_eq!(browser.run(put).await?, json!([]), "it asks all the same");
    browser.run("await portico('consent', { analytics: false, personalization: false })").await?;
    browser.until(&format!("return {GADGET}?.querySelector('.figure')?.textContent")).await?;
    browser.run("await portico('consent', 'none')").await?;
    browser
        .until(&format!("return {GADGET}.querySelector('.figure') === null && {GADGET}.querySelector('slot') !== null"))
        .await?;
    assert_eq!(browser.run("return window.thrown ?? null").await?, Value::Null);
    Ok(())
}
