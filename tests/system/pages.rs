//! Journeys in a real browser: the bank's and the partner's pages, the console, and an edge that is not there.

use std::time::Duration;

use anyhow::Result;
use portico_tests::{Browser, Look, World, accept_all, log_in, offer_in};
use reqwest::Method;
use serde_json::{Value, json};

#[tokio::test]
async fn the_bank_shows_an_offer_that_fits_into_its_page() -> Result<()> {
    let world = World::start().await?;
    let browser = Browser::start().await?;
    // What moves once we have painted is ours; what moves while the page itself still arrives is not.
    let measure = "addEventListener('portico:decision', () => window.painted ??= performance.now(), true); window.shifts = []; \
                   new PerformanceObserver(list => shifts.push(...list.getEntries().filter(entry => !entry.hadRecentInput))) \
                   .observe({ type: 'layout-shift', buffered: true });";
    browser.cdp("Page.addScriptToEvaluateOnNewDocument", json!({ "source": measure })).await?;
    for (name, look) in Look::ALL {
        browser.look(look).await?;
        for language in ["en", "zh"] {
            browser.open(&format!("{}/{language}/", world.bank)).await?;
            let hero = browser.until(&offer_in("home-hero")).await?;
            assert!(!hero["title"].as_str().unwrap_or_default().is_empty());
            browser.until(&offer_in("home-list")).await?;
            browser.picture(&format!("bank-home-{name}-{language}")).await?;
            let ours = "await new Promise(done => setTimeout(done, 300)); \
                        return shifts.filter(entry => entry.startTime >= painted).reduce((sum, entry) => sum + entry.value, 0)";
            let shifted = browser.run(ours).await?;
            assert!(shifted.as_f64() <= Some(0.0), "we moved the page by {shifted} at {look:?} in {language}");
            let wide = browser.run("return document.documentElement.scrollWidth - innerWidth").await?;
            assert!(wide.as_f64() <= Some(0.0), "the page scrolls sideways by {wide} at {look:?} in {language}");
        }
    }
    browser.look(Look::DESK).await?;
    browser.open(&format!("{}/en/", world.bank)).await?;
    browser.until(&offer_in("home-hero")).await?;
    accept_all(&browser).await?;
    browser.until(&offer_in("home-hero")).await?;
    assert_eq!(browser.axe().await?, Vec::<String>::new());
    assert_eq!(browser.complaints().await?, Vec::<String>::new());
    let asked = browser
        .run("return performance.getEntriesByType('resource').filter(entry => entry.name.startsWith(document.querySelector('script[data-site]').src.replace('/portico.js', ''))).map(entry => new URL(entry.name).pathname)")
        .await?;
    assert_eq!(asked.pointer("/0"), Some(&json!("/portico.js")), "{asked}");
    assert_eq!(asked.pointer("/1"), Some(&json!("/v1/decide")), "{asked}");
    Ok(())
}

/// The offers that anybody may get in a placement, as the edge paints them.
async fn painted(world: &World, placement: &str, language: &str) -> Result<Vec<Value>> {
    let mut question = world.question();
    question["placements"] = json!([{ "id": placement, "count": 20 }]);
    question["html"] = json!(true);
    question["locale"] = json!(language);
    let mut painted = Vec::new();
    for customer in [None, Some("peter"), Some("penny"), Some("jenny")] {
        question["identity"] = customer.map(|customer| world.identity_of(customer)).transpose()?.into();
        painted.push(world.post("/v1/decide", &question).await?.at("/placements/0/html").clone());
    }
    Ok(painted)
}

#[tokio::test]
async fn the_banks_slots_have_room_for_the_longest_offers() -> Result<()> {
    let world = World::start().await?;
    let browser = Browser::start().await?;
    let mut short = Vec::new();
    log_in(&browser, &world, "peter").await?;
    for (page, placement, count) in
        [("", "home-hero", 1), ("", "home-list", 3), ("savings", "product-side", 2), ("account", "account-top", 1)]
    {
        for language in ["en", "zh"] {
            let painted = painted(&world, placement, language).await?;
            for width in [1280, 1024, 768, 390, 320] {
                browser.look(Look { width, ..Look::DESK }).await?;
                browser.open(&format!("{}/{language}/{page}", world.bank)).await?;
                browser.until(&offer_in(placement)).await?;
                // The tallest cards together; the slot is what the page reserves, the face what we need.
                let measure = format!(
                    "const slot = document.querySelector('portico-offers[placement={placement}]'), face = slot.shadowRoot.firstElementChild; \
                     const painted = {painted}, cards = new Map(); \
                     for (const html of painted) {{ face.innerHTML = html; \
                       face.querySelectorAll('.card').forEach(card => cards.set(card.dataset.porticoOffer, card)); }} \
                     const box = face.querySelector('.cards'); \
                     const height = some => {{ box.replaceChildren(...some); return Math.ceil(face.getBoundingClientRect().height); }}; \
                     const tallest = [...cards.values()].map(card => [height(Array.from({{ length: {count} }}, () => card.cloneNode(true))), card]) \
                       .sort(([a], [b]) => b - a).slice(0, {count}).map(([, card]) => card); \
                     return [cards.size, height(tallest), parseFloat(getComputedStyle(slot).minHeight)]",
                    painted = json!(painted),
                );
                let measured = browser.run(&measure).await?;
                assert!(measured[0].as_u64() > Some(6), "too few offers to tell: {measured}");
                if measured[1].as_f64() > measured[2].as_f64() {
                    short.push(format!(
                        "{placement} at {width} px in {language}: [offers, needed, reserved] {measured}"
                    ));
                }
            }
        }
    }
    assert_eq!(short, Vec::<String>::new());
    Ok(())
}

#[tokio::test]
async fn each_customer_is_recognised_clicks_and_is_found_again_after_a_restart() -> Result<()> {
    let mut world = World::start().await?;
    let browser = Browser::start().await?;
    browser.open(&format!("{}/en/", world.bank)).await?;
    browser.until(&offer_in("home-hero")).await?;
    assert_eq!(browser.run("return Object.keys(localStorage).length").await?, 0, "stored before consent");
    accept_all(&browser).await?;
    browser.until("return Object.keys(localStorage).length > 0").await?;

    for customer in ["peter", "penny", "jenny"] {
        log_in(&browser, &world, customer).await?;
        let seen = browser.until(&offer_in("account-top")).await?;
        browser.picture(&format!("bank-account-{customer}")).await?;
        // In view for a second: an impression.
        let offer = seen["offer"].as_str().unwrap_or_default().to_owned();
        browser
            .run("document.querySelector('portico-offers[placement=account-top]').scrollIntoView({ block: 'center' })")
            .await?;
        let count = |report: &portico_protocol::report::LiveReport, clicks: bool| -> u64 {
            let counts =
                report.offers.iter().filter(|counted| counted.offer == offer).flat_map(|counted| counted.arms.values());
            counts
                .map(
                    |counts| if clicks { counts.stages.get("click").copied().unwrap_or(0) } else { counts.impressions },
                )
                .sum()
        };
        world.until(Duration::from_secs(6), |report| count(report, false) > 0).await?;
        browser
            .run(
                "document.querySelector('portico-offers[placement=account-top]').shadowRoot.querySelector('a').click()",
            )
            .await?;
        browser.until("return location.pathname.includes('/apply/') && document.readyState === 'complete'").await?;
        world.until(Duration::from_secs(3), |report| count(report, true) > 0).await?;
        browser.picture(&format!("bank-apply-{customer}")).await?;
        browser.open(&format!("{}/en/account", world.bank)).await?;
        browser.run("document.querySelector('.logout').requestSubmit()").await?;
        browser.until("return document.querySelector('.logout') === null").await?;
    }

    let before = world.report().await?;
    world.edge.kill().await?;
    world.edge.restart().await?;
    let after = world.report().await?;
    assert_eq!(json!(before.offers), json!(after.offers));
    log_in(&browser, &world, "peter").await?;
    browser.until(&offer_in("account-top")).await?;
    Ok(())
}

#[tokio::test]
async fn an_application_is_reported_as_a_stage() -> Result<()> {
    let world = World::start().await?;
    let browser = Browser::start().await?;
    browser.open(&format!("{}/en/", world.bank)).await?;
    browser.until(&offer_in("home-hero")).await?;
    accept_all(&browser).await?;
    browser.until(&offer_in("home-hero")).await?;
    browser
        .run("document.querySelector('portico-offers[placement=home-hero]').shadowRoot.querySelector('a').click()")
        .await?;
    browser.until("return location.pathname.includes('/apply/') && document.readyState === 'complete'").await?;
    assert_eq!(browser.until("return location.hash === '' || null").await?, true, "the token stays in the address");
    // Any offer may have led here: every product's questions have an answer.
    let fill = "const sums = { property_value: 300000, mortgage_amount: 200000, term_years: 25, income: 40000, first_deposit: 1000, \
                  monthly_deposit: 150, balance: 2000, limit: 1000, loan_amount: 10000, yearly_miles: 8000, bedrooms: 3, \
                  adults: 2, children: 1 }; \
                const form = document.querySelector('main form'); \
                for (const field of form.querySelectorAll('input, select, textarea')) { \
                  if (field.type === 'checkbox') field.checked = true; \
                  else if (field.type === 'date') field.value = '1980-05-04'; \
                  else if (field.type === 'email') field.value = 'someone@example.com'; \
                  else if (field.type === 'tel') field.value = '020 7946 0000'; \
                  else if (field.tagName === 'SELECT') field.selectedIndex = field.options.length - 1; \
                  else if (field.name in sums) field.value = sums[field.name]; \
                  else if (field.type !== 'hidden' && !field.value) field.value = 'Somebody'; } \
                form.noValidate = true; form.requestSubmit(); return true";
    browser.run(fill).await?;
    if let Err(error) = browser.until("return location.pathname.endsWith('/done')").await {
        browser.picture("bank-apply-refused").await?;
        return Err(error);
    }
    let applied = |report: &portico_protocol::report::LiveReport| -> u64 {
        let counts = report.offers.iter().flat_map(|offer| offer.arms.values());
        counts.map(|counts| counts.stages.get("applied").copied().unwrap_or(0)).sum()
    };
    world.until(Duration::from_secs(5), |report| applied(report) == 1).await?;
    browser.picture("bank-applied").await?;
    Ok(())
}

/// Names of the tracked events on record.
async fn tracked(world: &World) -> Result<Vec<String>> {
    let events = world.server(Method::GET, "/v1/events", None).await?;
    let lines = events.text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    Ok(lines.filter_map(|line| line["name"].as_str().map(str::to_owned)).collect())
}

/// The edge is away, then the tab is closed: what was not confirmed goes with the next page, in another tab, and counts
/// once.
#[tokio::test]
async fn what_could_not_be_sent_survives_its_page() -> Result<()> {
    let mut world = World::start().await?;
    let browser = Browser::start().await?;
    let home = format!("{}/en/", world.bank);
    let kept = "return Object.keys(localStorage).filter(key => key.startsWith('portico.events.')).length > 0";
    browser.open(&home).await?;
    browser.until(&offer_in("home-hero")).await?;
    accept_all(&browser).await?;
    world.edge.kill().await?;
    browser.run("for (const name of ['one', 'two', 'three']) await portico('track', name)").await?;
    browser.another_tab().await?;
    // A page that does not carry the tag tells what is kept.
    browser.open(&format!("{}/robots.txt", world.bank)).await?;
    browser.until(kept).await?;
    world.edge.restart().await?;
    assert_eq!(tracked(&world).await?, Vec::<String>::new(), "nothing has come through");
    browser.open(&home).await?;
    browser.until(&offer_in("home-hero")).await?;
    let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
    let names = loop {
        let names = tracked(&world).await?;
        if names.len() >= 3 || tokio::time::Instant::now() > deadline {
            break names;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    assert_eq!(names, ["one", "two", "three"]);
    assert_eq!(browser.run(kept).await?, false, "what was taken up is nowhere else");
    Ok(())
}

/// Several tabs while the edge is away: each keeps its own, one is closed, and two that come later both take up what it
/// left. Whatever is sent twice counts once.
#[tokio::test]
async fn tabs_neither_lose_nor_repeat_what_they_tell() -> Result<()> {
    let mut world = World::start().await?;
    let browser = Browser::start().await?;
    let home = format!("{}/en/", world.bank);
    browser.open(&home).await?;
    browser.until(&offer_in("home-hero")).await?;
    accept_all(&browser).await?;
    browser.run("window.other = open(location.href)").await?;
    browser
        .until("return other.document.querySelector('portico-offers')?.shadowRoot?.querySelector('a') != null")
        .await?;
    world.edge.kill().await?;
    browser.run("await portico('track', 'stays'); await other.portico('track', 'leaves'); other.close()").await?;
    browser.until("return Object.keys(localStorage).some(key => key.startsWith('portico.events.'))").await?;
    world.edge.restart().await?;
    browser.run("window.later = [open(location.href), open(location.href)]").await?;
    let deadline = tokio::time::Instant::now() + Duration::from_secs(30);
    let mut names = tracked(&world).await?;
    while names.len() < 2 && tokio::time::Instant::now() < deadline {
        tokio::time::sleep(Duration::from_millis(200)).await;
        names = tracked(&world).await?;
    }
    // Time for whoever would send something again.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let mut names = tracked(&world).await?;
    names.sort();
    assert_eq!(names, ["leaves", "stays"]);
    Ok(())
}

#[tokio::test]
async fn an_offer_can_be_put_away_and_brought_back() -> Result<()> {
    let world = World::start().await?;
    let browser = Browser::start().await?;
    browser.open(&format!("{}/en/", world.bank)).await?;
    browser.until(&offer_in("home-list")).await?;
    accept_all(&browser).await?;
    browser.until(&offer_in("home-list")).await?;
    let list = "const root = document.querySelector('portico-offers[placement=home-list]').shadowRoot;";
    browser.run(&format!("{list} root.host.scrollIntoView({{ block: 'center' }}); window.card = root.querySelector('[data-portico-offer]'); \
                          card.dispatchEvent(new PointerEvent('pointerover', {{ bubbles: true, composed: true }})); \
                          card.dispatchEvent(new PointerEvent('pointerenter', {{ composed: true }})); root.host.dispatchEvent(new PointerEvent('pointerenter'))")).await?;
    browser.until("return performance.getEntriesByType('resource').some(entry => entry.name.endsWith('.wasm') && entry.responseEnd > 0)").await?;
    browser.run("await new Promise(done => setTimeout(done, 500))").await?;
    let same = browser.run(&format!("{list} return root.querySelector('[data-portico-offer]') === card")).await?;
    assert_eq!(same, true, "hydration replaced the edge's nodes");
    browser.run("card.querySelector('[data-portico-action=dismiss]').click()").await?;
    browser
        .until("return card.querySelector('.face').hidden && !card.querySelector('[data-portico-action=undo]').hidden")
        .await?;
    browser.picture("bank-offer-put-away").await?;
    browser.run("card.querySelector('[data-portico-action=undo]').click()").await?;
    browser.until("return !card.querySelector('.face').hidden").await?;
    assert_eq!(browser.complaints().await?, Vec::<String>::new());
    Ok(())
}

#[tokio::test]
async fn the_partner_shows_offers_under_its_own_key() -> Result<()> {
    let world = World::start().await?;
    let browser = Browser::start().await?;
    for (name, look) in [("desk", Look::DESK), ("phone", Look::PHONE), ("desk-dark", Look::DESK.dark())] {
        browser.look(look).await?;
        for page in ["en/", "en/what-a-car-costs", "zh/coast-road"] {
            browser.open(&format!("{}/{page}", world.partner)).await?;
            browser.until(&offer_in("partner-sidebar")).await?;
            browser.picture(&format!("partner-{name}-{}", page.replace('/', "-"))).await?;
        }
    }
    let offer = browser.until(&offer_in("partner-sidebar")).await?;
    assert!(offer["href"].as_str().is_some_and(|href| href.starts_with(&world.edge.origin())), "{offer}");
    assert_eq!(browser.complaints().await?, Vec::<String>::new());
    Ok(())
}

#[tokio::test]
async fn without_an_edge_the_page_stays_as_it_was() -> Result<()> {
    let mut world = World::start().await?;
    let browser = Browser::start().await?;
    // Loaded once, so that the loader is there and only its question fails.
    browser.open(&format!("{}/en/", world.bank)).await?;
    browser.until(&offer_in("home-hero")).await?;
    world.edge.kill().await?;
    let fallback = "const slot = document.querySelector('portico-offers[placement=home-hero]'); \
                    const words = slot.querySelector('h2'); \
                    return words && words.getBoundingClientRect().height > 0 && document.readyState === 'complete'";
    let listen = "addEventListener('error', event => (window.thrown ??= []).push(String(event.message))); \
                  addEventListener('unhandledrejection', event => (window.thrown ??= []).push(String(event.reason))); \
                  addEventListener('portico:error', event => (window.told ??= []).push(event.detail.code));";
    browser.cdp("Page.addScriptToEvaluateOnNewDocument", json!({ "source": listen })).await?;
    browser.open(&format!("{}/en/", world.bank)).await?;
    browser.until(fallback).await?;
    browser.until("return window.told?.length > 0").await?;
    browser.picture("bank-home-edge-down").await?;
    assert_eq!(browser.run("return window.thrown ?? null").await?, Value::Null);

    // An edge that accepts and never answers.
    let address = world.edge.origin().trim_start_matches("http://").to_owned();
    let silent = tokio::net::TcpListener::bind(&address).await?;
    let silence = tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok((connection, _)) = silent.accept().await {
            held.push(connection);
        }
    });
    browser.open(&format!("{}/en/", world.bank)).await?;
    browser.until(fallback).await?;
    browser.until("return window.told?.includes('deadline')").await?;
    browser.until(fallback).await?;
    assert_eq!(browser.run("return window.thrown ?? null").await?, Value::Null);
    silence.abort();
    Ok(())
}

#[tokio::test]
async fn the_console_shows_what_is_learned() -> Result<()> {
    let world = World::start().await?;
    portico_demo_site::simulate::run(world.simulation(2_500)).await?;
    let link = world.server(Method::POST, "/v1/console/links", None).await?;
    let browser = Browser::start().await?;
    browser.open(link.at("/url").as_str().unwrap_or_default()).await?;
    browser
        .until("return document.body.innerText.includes('Meridian Bank') && document.querySelector('svg') !== null")
        .await?;
    assert_eq!(browser.run("return location.hash.includes('login')").await?, false, "the code stays in the address");
    let offers = browser
        .until("const rows = document.querySelectorAll('tbody tr'); return rows.length >= 14 && rows.length")
        .await?;
    assert!(offers.as_u64() >= Some(14), "{offers}");
    for (name, look) in [("desk", Look::DESK), ("phone", Look::PHONE), ("desk-dark", Look::DESK.dark())] {
        browser.look(look).await?;
        browser.run("scrollTo(0, 0); await new Promise(done => setTimeout(done, 1200))").await?;
        browser.picture(&format!("console-{name}")).await?;
    }
    browser.look(Look::DESK).await?;
    assert_eq!(browser.axe().await?, Vec::<String>::new());
    // What people are after, and what customers are worth.
    browser.run("document.querySelector('a[href=\"#/customers\"]').click()").await?;
    browser
        .until("return document.querySelectorAll('.pages-table tbody tr').length > 3 && document.body.innerText.includes('most valuable')")
        .await?;
    browser.pictures("console-customers").await?;
    browser.look(Look::DESK.dark()).await?;
    browser.run("[...document.querySelectorAll('.segmented button')].find(button => button.textContent === '简体中文').click()").await?;
    browser.picture("console-customers-zh").await?;
    assert_eq!(browser.complaints().await?, Vec::<String>::new());
    Ok(())
}
