//! One person's way through the bank, in real browsers: known by what they read, on a second device by their name, by what they
//! said; and forgotten.

use std::time::Duration;

use anyhow::{Context as _, Result};
use portico_tests::{Browser, Look, World, accept_all, log_in, offer_in};
use reqwest::Method;
use serde_json::{Value, json};

/// The demo's configuration in which one offer comes first to whoever is after mortgages, and another to who rents.
fn told_apart(world: &World) -> Result<Value> {
    let mut config = serde_json::to_value(&world.config)?;
    let decisions = &mut config["decisions"];
    let attributes = decisions["attributes"].as_array_mut().context("no attributes")?;
    attributes.push(json!({ "name": "intent", "type": "text", "source": "behaviour" }));
    attributes.push(json!({ "name": "days_away", "type": "number", "source": "behaviour", "learn": false }));
    for offer in decisions["offers"].as_array_mut().context("no offers")? {
        let rule = match offer["id"].as_str() {
            Some("mortgage-fix") => json!({ "attr": "intent", "op": "eq", "value": "mortgages" }),
            Some("fixed-saver") => json!({ "attr": "home", "op": "eq", "value": "rented" }),
            _ => continue,
        };
        offer["rule"] = rule;
        offer["mandatory"] = json!(true);
    }
    Ok(config)
}

async fn shown(browser: &Browser, placement: &str) -> Result<String> {
    let found = browser.until(&offer_in(placement)).await?;
    Ok(found["offer"].as_str().unwrap_or_default().to_owned())
}

/// A question of the page, in its slot.
const QUESTION: &str = "const form = document.querySelector('portico-offers[placement=product-side]')?.shadowRoot?.querySelector('.question');";

#[tokio::test]
async fn who_reads_of_mortgages_is_offered_one_and_is_known_on_a_second_device() -> Result<()> {
    let world = World::start().await?;
    world.publish(&told_apart(&world)?).await?;
    let phone = Browser::start().await?;
    phone.look(Look::PHONE).await?;
    phone.open(&format!("{}/en/", world.bank)).await?;
    assert_ne!(shown(&phone, "home-hero").await?, "mortgage-fix");
    accept_all(&phone).await?;
    for _ in 0..4 {
        phone.open(&format!("{}/en/mortgages", world.bank)).await?;
        phone.until(&offer_in("product-side")).await?;
    }
    phone.open(&format!("{}/en/", world.bank)).await?;
    assert_eq!(shown(&phone, "home-hero").await?, "mortgage-fix", "anonymous, by what they read");
    log_in(&phone, &world, "peter").await?;
    assert_eq!(shown(&phone, "account-top").await?, "mortgage-fix");

    let desk = Browser::start().await?;
    desk.open(&format!("{}/en/", world.bank)).await?;
    desk.until(&offer_in("home-hero")).await?;
    accept_all(&desk).await?;
    assert_ne!(shown(&desk, "home-hero").await?, "mortgage-fix", "a device of nobody's");
    log_in(&desk, &world, "peter").await?;
    assert_eq!(shown(&desk, "account-top").await?, "mortgage-fix", "the same history");
    let agent = world.server(Method::GET, "/v1/customers/peter", None).await?;
    assert_eq!(agent.at("/intent"), "mortgages", "{}", agent.text);
    Ok(())
}

#[tokio::test]
async fn a_question_is_answered_in_one_tap_and_not_asked_again() -> Result<()> {
    let world = World::start().await?;
    world.publish(&told_apart(&world)?).await?;
    let browser = Browser::start().await?;
    browser.open(&format!("{}/en/", world.bank)).await?;
    browser.until(&offer_in("home-hero")).await?;
    accept_all(&browser).await?;
    for (name, look, language) in [
        ("desk", Look::DESK, "en"),
        ("phone", Look::PHONE, "en"),
        ("desk-dark", Look::DESK.dark(), "zh"),
        ("phone-dark", Look::PHONE.dark(), "zh"),
    ] {
        browser.look(look).await?;
        browser.open(&format!("{}/{language}/savings", world.bank)).await?;
        browser.until(&format!("{QUESTION} return form !== null && form !== undefined")).await?;
        browser.run(&format!("{QUESTION} form.scrollIntoView({{ block: 'center' }})")).await?;
        browser.picture(&format!("bank-question-{name}-{language}")).await?;
        assert_eq!(browser.axe().await?, Vec::<String>::new(), "{name}");
    }
    browser.look(Look::DESK).await?;
    browser.open(&format!("{}/en/savings", world.bank)).await?;
    log_in(&browser, &world, "peter").await?;
    browser.open(&format!("{}/en/savings", world.bank)).await?;
    browser.until(&format!("{QUESTION} return form?.querySelector('.answer') != null")).await?;
    // By the keyboard, as whoever does not see it: the answer is reached by its name.
    browser
        .run(&format!(
            "{QUESTION} const rent = [...form.querySelectorAll('button')].find(button => button.textContent === 'I rent'); \
             rent.focus(); rent.click()"
        ))
        .await?;
    let thanked = format!(
        "{QUESTION} return form.querySelector('.thanks').offsetHeight > 0 && form.querySelector('.ask').offsetHeight === 0 \
         && form.getRootNode().activeElement === form.querySelector('.thanks')"
    );
    assert_eq!(browser.run(&thanked).await?, true, "the line is there and has the focus");
    browser.picture("bank-question-answered").await?;
    let end = tokio::time::Instant::now() + Duration::from_secs(10);
    loop {
        let agent = world.server(Method::GET, "/v1/customers/peter", None).await?;
        if agent.at("/attributes/home") == "rented" {
            break;
        }
        anyhow::ensure!(tokio::time::Instant::now() < end, "the agent does not see it: {}", agent.text);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    browser.open(&format!("{}/en/savings", world.bank)).await?;
    assert_eq!(shown(&browser, "product-side").await?, "fixed-saver", "the next decision knows it");
    assert_eq!(
        browser.run(&format!("{QUESTION} return form ?? null")).await?,
        Value::Null,
        "and it is not asked again"
    );
    assert_eq!(browser.complaints().await?, Vec::<String>::new());
    Ok(())
}

/// The calculator's slider for what is saved each month.
const MONTHLY: &str = "const gadget = document.querySelector('portico-gadget')?.shadowRoot; \
                       const monthly = gadget?.querySelectorAll('.field')[1]?.querySelector('input[type=number]');";

/// Somebody saves so much each month, and has the offers that follow.
async fn saves(browser: &Browser, sum: u32) -> Result<()> {
    let change =
        format!("{MONTHLY} monthly.value = {sum}; monthly.dispatchEvent(new Event('change', {{ bubbles: true }}))");
    browser.run(&change).await?;
    browser
        .until(&format!(
            "{MONTHLY} return gadget.querySelector('portico-offers')?.shadowRoot?.querySelector('.card') != null"
        ))
        .await?;
    Ok(())
}

/// The calculator opens with so much. It does not wait long for what is known, so a busy machine is asked again.
async fn opens_with(browser: &Browser, page: &str, sum: &str) -> Result<()> {
    let mut found = Value::Null;
    for _ in 0..3 {
        browser.open(page).await?;
        found = browser.until(&format!("{MONTHLY} return monthly?.value")).await?;
        if found == sum {
            return Ok(());
        }
    }
    anyhow::bail!("it opens with {found} instead of {sum}")
}

#[tokio::test]
async fn what_somebody_reckoned_with_is_there_again() -> Result<()> {
    let world = World::start().await?;
    let savings = format!("{}/en/savings", world.bank);
    let browser = Browser::start().await?;
    opens_with(&browser, &savings, "150").await.context("nothing is known of them")?;
    accept_all(&browser).await?;
    saves(&browser, 320).await?;
    until_said(&browser, 320).await?;
    opens_with(&browser, &savings, "320").await.context("the device knows it")?;

    log_in(&browser, &world, "peter").await?;
    browser.open(&savings).await?;
    browser.until(&format!("{MONTHLY} return monthly != null")).await?;
    saves(&browser, 410).await?;
    until_said(&browser, 410).await?;
    let peter = world.server(Method::GET, "/v1/customers/peter", None).await?;
    assert_eq!(peter.at("/attributes/saves_monthly"), &json!(410), "{}", peter.text);
    assert_eq!(peter.at("/profile/saves_monthly/visitor/value"), &json!(410), "{}", peter.text);

    // On another device, as soon as they are known there; by the page's own word too, for a form of its own.
    let desk = Browser::start().await?;
    desk.open(&savings).await?;
    accept_all(&desk).await?;
    log_in(&desk, &world, "peter").await?;
    opens_with(&desk, &savings, "410").await?;
    desk.run("document.querySelector('portico-gadget').scrollIntoView()").await?;
    desk.picture("bank-savings-filled-in").await?;
    let own = desk.run("return await portico('profile', { contact_time: 'evening' })").await?;
    assert_eq!(own["attributes"], json!({ "contact_time": "evening", "saves_monthly": 410 }));
    assert!(own["left_off"].is_array() && own["visitor"].is_null(), "{own}");
    let wrong = "return await portico('profile', { age: 3 }).catch(error => error.message)";
    assert_eq!(desk.run(wrong).await?, "Nothing was remembered.");

    // What is out of the slider's range is its nearest end.
    put(&world, json!({ "saves_monthly": 1e6 })).await?;
    opens_with(&desk, &savings, "2000").await?;
    // Who moves another slider says nothing of this one.
    let term = format!(
        "{MONTHLY} const term = gadget.querySelectorAll('.field')[2].querySelector('input[type=number]'); \
                        term.value = 7; term.dispatchEvent(new Event('change', {{ bubbles: true }}))"
    );
    desk.run(&term).await?;
    desk.until(&format!(
        "{MONTHLY} return gadget.querySelector('portico-offers')?.shadowRoot?.querySelector('.card') != null"
    ))
    .await?;
    let peter = world.server(Method::GET, "/v1/customers/peter", None).await?;
    assert_eq!(peter.at("/attributes/saves_monthly"), &json!(1e6), "{}", peter.text);
    // Whoever logs out takes their figures along.
    desk.run("portico('identify', null)").await?;
    desk.until(&format!("{MONTHLY} return monthly?.value === '150'")).await?;
    Ok(())
}

async fn until_said(browser: &Browser, sum: u32) -> Result<()> {
    let said = format!("return (await portico('profile')).attributes.saves_monthly === {sum}");
    browser.until(&said).await.map(drop)
}

/// What the bank's own servers say of Peter.
async fn put(world: &World, attributes: Value) -> Result<()> {
    let answer = world.server(Method::PUT, "/v1/customers/peter", Some(&json!({ "attributes": attributes }))).await?;
    anyhow::ensure!(answer.status < 300, "{} {}", answer.status, answer.text);
    Ok(())
}

#[tokio::test]
async fn who_refuses_leaves_nothing_behind() -> Result<()> {
    let world = World::start().await?;
    let browser = Browser::start().await?;
    // Everything that leaves the page is looked at, beacons included.
    let listen = "const own = fetch; window.sent = []; \
                  window.fetch = (to, init) => { if (String(to).includes('/v1/') && init?.body) sent.push(JSON.parse(init.body)); return own(to, init); };";
    browser.cdp("Page.addScriptToEvaluateOnNewDocument", json!({ "source": listen })).await?;
    browser.open(&format!("{}/en/", world.bank)).await?;
    browser.until(&offer_in("home-hero")).await?;
    browser.run("document.querySelector('#consent button[value=necessary]').click()").await?;
    browser.until("return document.querySelector('#consent').hidden").await?;
    log_in(&browser, &world, "peter").await?;
    browser.until(&offer_in("account-top")).await?;
    browser.open(&format!("{}/en/savings", world.bank)).await?;
    browser.until(&offer_in("product-side")).await?;
    browser.until(&format!("{MONTHLY} return monthly != null")).await?;
    saves(&browser, 320).await?;
    browser.until("return sent.some(body => body.events?.some(event => event.name === 'calculator_used'))").await?;
    let refused = "return await portico('profile', { saves_monthly: 1 }).catch(error => error.message)";
    assert_eq!(browser.run(refused).await?, "no consent to personalization");
    let stored = "return [...Object.keys(localStorage), ...Object.keys(sessionStorage)].filter(key => key.startsWith('portico'))";
    assert_eq!(browser.run(stored).await?, json!([]));
    let sent = browser.until("return sent.length > 1 && sent").await?;
    for body in sent.as_array().context("nothing was sent")? {
        assert_eq!((&body["visitor"], &body["consent"]["personalization"]), (&Value::Null, &json!(false)), "{body}");
        assert_eq!(body["attributes"], Value::Null, "{body}");
    }
    assert_eq!(browser.run(&format!("{QUESTION} return form ?? null")).await?, Value::Null, "nobody is asked");
    let peter = world.server(Method::GET, "/v1/customers/peter", None).await?;
    assert_eq!((peter.at("/seen_at"), peter.at("/memory/visits")), (&json!(0), &json!(0)), "{}", peter.text);
    Ok(())
}

#[tokio::test]
async fn who_asks_has_everything_in_a_document_and_is_forgotten() -> Result<()> {
    let world = World::start().await?;
    let mut config = told_apart(&world)?;
    config["profile"]["attributes"]["contact_time"] = json!({ "by_visitor": true });
    world.publish(&config).await?;
    let browser = Browser::start().await?;
    browser.open(&format!("{}/en/", world.bank)).await?;
    browser.until(&offer_in("home-hero")).await?;
    accept_all(&browser).await?;
    log_in(&browser, &world, "peter").await?;
    browser.until(&offer_in("account-top")).await?;
    // What the page does with the person's own token.
    let own = format!(
        "const token = await (await fetch('/portico-token')).text(), edge = '{}'; \
         const ask = async (path, method, body) => {{ const answer = await fetch(edge + path, {{ method, body: body && JSON.stringify(body), \
           headers: body ? {{ 'content-type': 'text/plain' }} : {{ authorization: 'Bearer ' + token }} }}); \
           return {{ status: answer.status, body: await answer.json() }}; }};",
        world.edge.origin()
    );
    let said = browser
        .run(&format!(
            "{own} return await ask('/v1/profile', 'PUT', {{ site: 'pk_demo', identity: token, consent: {{ personalization: true }}, \
             attributes: {{ contact_time: 'when the owl calls' }} }})"
        ))
        .await?;
    assert_eq!(said["status"], 200, "{said}");
    let agreed = browser
        .run(&format!(
            "{own} return await ask('/v1/consent', 'PUT', {{ site: 'pk_demo', identity: token, consent: {{ personalization: true }}, \
             version: 'text of autumn' }})"
        ))
        .await?;
    assert_eq!(agreed["status"], 200, "{agreed}");
    let document = browser.run(&format!("{own} return await ask('/v1/privacy/export?site=pk_demo', 'GET')")).await?;
    let text = document["body"].to_string();
    assert!(text.contains("when the owl calls") && text.contains("text of autumn"), "{text}");
    assert!(!world.files_with("when the owl calls")?.is_empty());
    let secrets = browser
        .run(&format!("{own} return [token, ...Object.values(localStorage).filter(value => value.length > 40)]"))
        .await?;
    let addresses =
        browser.run("return performance.getEntriesByType('resource').map(entry => entry.name).join(' ')").await?;
    // What fails has a line in the log, such as keys that are not to be had; of whom it was about it has nothing.
    for path in ["/v1/customers/peter/nothing", "/v1/customers/peter%0A", "/v1/groups/peter/owl"] {
        world.server(Method::GET, path, None).await?;
    }
    let mut elsewhere = config.clone();
    elsewhere["identity"]["keys"] = json!([]);
    elsewhere["identity"]["jwks_url"] = json!("http://127.0.0.1:9/keys");
    world.publish(&elsewhere).await?;
    let mut wrong = world.question();
    wrong["identity"] = json!(format!("{}x", secrets[0].as_str().unwrap_or_default()));
    wrong["context"] = json!({ "name": "peter when the owl calls", "deep": [[[]]] });
    world.post("/v1/decide", &wrong).await?;
    let metrics = world.server(Method::GET, "/metrics", None).await?.text;
    world.publish(&config).await?;
    let log = world.edge.log();
    assert!(log.contains("keys of an issuer"), "a log without a line shows nothing: {log}");
    let told = ["peter", "Peter", "owl calls", "text of autumn"].into_iter();
    for secret in told.chain(secrets.as_array().into_iter().flatten().filter_map(Value::as_str)) {
        for (name, text) in
            [("log", log.as_str()), ("metrics", &metrics), ("addresses", addresses.as_str().unwrap_or_default())]
        {
            assert!(!text.contains(secret), "{secret} is in the {name}: {text}");
        }
    }
    let erased = browser
        .run(&format!(
            "{own} const token_of_device = Object.entries(localStorage).find(([key]) => key.startsWith('portico.visitor'))?.[1]; \
             const erased = await ask('/v1/privacy/erase', 'POST', {{ site: 'pk_demo', identity: token, visitor: token_of_device }}); \
             await portico('identify', null); return erased"
        ))
        .await?;
    assert!(erased["status"] == 200 && erased["body"]["receipt"].is_string(), "{erased}");
    tokio::time::sleep(Duration::from_secs(3)).await;
    for secret in ["when the owl calls", "text of autumn"] {
        assert_eq!(world.files_with(secret)?, Vec::<std::path::PathBuf>::new(), "{secret}");
    }
    Ok(())
}
