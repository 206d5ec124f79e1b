//! What people do on the bank's pages.

use anyhow::Result;

use crate::{Browser, World};

/// The first offer painted in a placement, with where it stands.
#[must_use]
pub fn offer_in(placement: &str) -> String {
    format!(
        "const slot = document.querySelector('portico-offers[placement=\"{placement}\"]'); \
         const card = slot?.shadowRoot?.querySelector('[data-portico-offer]'); \
         return card ? {{ offer: card.dataset.porticoOffer, title: card.querySelector('[part=title]').textContent, \
         href: card.querySelector('a').href }} : null"
    )
}

/// Agrees to everything that the bank asks for.
///
/// # Errors
/// When the page does not do as it should.
pub async fn accept_all(browser: &Browser) -> Result<()> {
    browser.run("document.querySelector('#consent button[value=all]').click()").await?;
    browser.until("return document.querySelector('#consent').hidden").await?;
    // The question with consent has been answered, and what it answered is painted.
    browser.until("return Object.keys(localStorage).some(key => key.startsWith('portico.visitor'))").await?;
    Ok(())
}

/// Logs one of the demo's customers in.
///
/// # Errors
/// When the page does not do as it should.
pub async fn log_in(browser: &Browser, world: &World, customer: &str) -> Result<()> {
    browser.open(&format!("{}/en/login", world.bank)).await?;
    browser.run(&format!("document.querySelector('[data-user={customer}]').click()")).await?;
    browser.run("document.querySelector('#login-form button').click()").await?;
    browser.until("return location.pathname.endsWith('/account') && document.readyState === 'complete'").await?;
    Ok(())
}
