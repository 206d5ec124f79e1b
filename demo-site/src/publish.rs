//! Brings the demonstration's configuration to an edge, through the same HTTP API as any site owner's tools.

use anyhow::{Context as _, bail};
use portico_protocol::problem::Problem;
use portico_protocol::site::SiteConfig;
use reqwest::{Client, Method, RequestBuilder, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::identity::DemoIdentity;

/// The configuration with `{{edge}}`, `{{bank}}` and `{{partner}}` where origins belong, and without identity keys.
pub const CONFIGURATION: &str = include_str!("../meridian.json");

/// The site's id at the edge.
pub const SITE: &str = "demo";

/// The key that the bank's pages carry.
pub const SITE_KEY: &str = "pk_demo";

/// The key of the bank's servers.
pub const SECRET_KEY: &str = "sk_demo";

/// The key that the magazine's pages carry.
pub const PARTNER_KEY: &str = "pk_roadbook";

/// What fills the placeholders. Origins are without a trailing slash.
#[derive(Clone, Debug)]
pub struct PublishOptions {
    /// The bank's origin.
    pub bank_origin: String,
    /// The magazine's origin.
    pub partner_origin: String,
    /// The key whose public half the edge is told.
    pub identity: DemoIdentity,
}

/// The configuration as the edge gets it.
///
/// # Errors
/// When `meridian.json` is not a [`SiteConfig`].
pub fn configuration(edge_origin: &str, options: &PublishOptions) -> anyhow::Result<SiteConfig> {
    let text = CONFIGURATION
        .replace("{{edge}}", edge_origin)
        .replace("{{bank}}", &options.bank_origin)
        .replace("{{partner}}", &options.partner_origin);
    let mut document: Value = serde_json::from_str(&text).context("meridian.json")?;
    if let Some(keys) = document.pointer_mut("/identity/keys") {
        *keys = json!([{ "kid": options.identity.kid(), "alg": "EdDSA", "x": options.identity.public_key_x() }]);
    }
    serde_json::from_value(document).context("meridian.json is not a site's configuration")
}

/// Creates the site where it does not exist, and publishes the configuration where it is not the published one already.
/// Doing it again changes nothing.
///
/// # Errors
/// When the edge cannot be reached or refuses; its problem document is in the message.
pub async fn publish(edge_origin: &str, operator_key: &str, options: &PublishOptions) -> anyhow::Result<()> {
    let edge = Edge::new(edge_origin)?;
    let wanted = serde_json::to_value(configuration(edge_origin, options)?)?;
    let keys = json!({ "site_key": SITE_KEY, "secret_key": SECRET_KEY });
    edge.send(Method::PUT, &format!("/v1/sites/{SITE}"), operator_key, Some(&keys)).await?;
    if edge.published().await.is_some_and(|published| published == wanted) {
        return Ok(());
    }
    edge.send(Method::PUT, "/v1/site/draft", SECRET_KEY, Some(&wanted)).await?;
    edge.send(Method::POST, "/v1/site/publish", SECRET_KEY, None).await?;
    Ok(())
}

/// A link that opens the console for this site.
///
/// # Errors
/// When the edge cannot be reached or refuses.
pub async fn console_link(edge_origin: &str) -> anyhow::Result<String> {
    #[derive(Deserialize)]
    struct Link {
        url: String,
    }
    let answer = Edge::new(edge_origin)?.send(Method::POST, "/v1/console/links", SECRET_KEY, None).await?;
    let link: Link = serde_json::from_str(&answer).context("the answer to POST /v1/console/links has no `url`")?;
    Ok(link.url)
}

struct Edge<'a> {
    client: Client,
    origin: &'a str,
}

impl<'a> Edge<'a> {
    fn new(origin: &'a str) -> anyhow::Result<Self> {
        let client = Client::builder().timeout(std::time::Duration::from_secs(30)).build()?;
        Ok(Self { client, origin: origin.trim_end_matches('/') })
    }

    fn request(&self, method: Method, path: &str, key: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.origin)).bearer_auth(key)
    }

    async fn send(&self, method: Method, path: &str, key: &str, body: Option<&Value>) -> anyhow::Result<String> {
        let what = format!("{method} {path}");
        let mut request = self.request(method, path, key);
        if let Some(body) = body {
            request = request.json(body);
        }
        let response = request.send().await.with_context(|| format!("{what}: the edge does not answer"))?;
        let status = response.status();
        let text = response.text().await.with_context(|| what.clone())?;
        if !status.is_success() {
            bail!("{what}: {}", refusal(status, &text));
        }
        Ok(text)
    }

    /// The published configuration, where the edge tells. Anything unexpected means that publishing is due.
    async fn published(&self) -> Option<Value> {
        let text = self.send(Method::GET, "/v1/site/draft", SECRET_KEY, None).await.ok()?;
        published_configuration(&serde_json::from_str(&text).ok()?)
    }
}

/// Out of `{"draft":…,"published_version":n,…}`, in its normal form: `published` where the edge gives it, else the draft,
/// if anything was published at all.
fn published_configuration(answer: &Value) -> Option<Value> {
    answer.get("published_version")?.as_u64().filter(|version| *version > 0)?;
    let document = answer.get("published").filter(|document| document.is_object()).or_else(|| answer.get("draft"))?;
    let config: SiteConfig = serde_json::from_value(document.clone()).ok()?;
    serde_json::to_value(config).ok()
}

/// A refusal in words: the problem document's title and detail, and each error with its place.
fn refusal(status: StatusCode, body: &str) -> String {
    let Ok(problem) = serde_json::from_str::<Problem>(body) else {
        return format!("{status}: {}", body.chars().take(500).collect::<String>());
    };
    let mut words = format!("{status} {}: {}", problem.title, problem.detail);
    for error in problem.errors {
        words.push_str(&format!("\n  at {}: {}", error.pointer, error.detail));
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_never_published_is_due() {
        let config: Value = serde_json::from_str(CONFIGURATION).unwrap();
        let normal = serde_json::to_value(serde_json::from_value::<SiteConfig>(config.clone()).unwrap()).unwrap();
        for (answer, expect) in [
            (json!({ "draft": config, "published_version": 3 }), Some(normal.clone())),
            (json!({ "draft": {}, "published": config, "published_version": 3 }), Some(normal)),
            (json!({ "draft": config, "published_version": null }), None),
            (json!({ "draft": config, "published_version": 0 }), None),
            (json!({ "draft": null, "published_version": 1 }), None),
            (json!([]), None),
        ] {
            assert_eq!(published_configuration(&answer), expect);
        }
    }

    #[test]
    fn a_refusal_names_what_is_wrong() {
        let problem = r#"{"type":"about:blank","title":"Not valid","status":422,"detail":"One rule is wrong.",
            "errors":[{"pointer":"/decisions/offers/3/rule","detail":"no attribute `ages`"}]}"#;
        let words = refusal(StatusCode::UNPROCESSABLE_ENTITY, problem);
        assert!(words.contains("Not valid: One rule is wrong."), "{words}");
        assert!(words.contains("/decisions/offers/3/rule: no attribute `ages`"), "{words}");
        assert!(refusal(StatusCode::BAD_GATEWAY, "<html>").contains("<html>"));
    }
}
