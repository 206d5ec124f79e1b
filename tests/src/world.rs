//! An edge, a bank and a partner site on free ports and a scratch folder; gone when dropped.

use std::future::IntoFuture as _;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use portico_demo_site::bank::{self, BankOptions};
use portico_demo_site::identity::{Claims, DemoIdentity};
use portico_demo_site::partner::{self, PartnerOptions};
use portico_demo_site::publish::{self, PublishOptions};
use portico_demo_site::simulate;
use portico_demo_site::stack::{self, Edge, EdgeOptions};
use portico_protocol::report::LiveReport;
use portico_protocol::seal::Keyring;
use portico_protocol::site::SiteConfig;
use reqwest::{Client, Method, RequestBuilder};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::time::Instant;

/// Everything that `cargo xtask demo` starts.
pub struct World {
    /// The edge's process.
    pub edge: Edge,
    /// The bank's origin.
    pub bank: String,
    /// The partner's origin.
    pub partner: String,
    /// What was published.
    pub config: SiteConfig,
    /// Signs as the bank's server does.
    pub identity: DemoIdentity,
    client: Client,
    data: PathBuf,
    _folder: TempDir,
}

/// A response that has been read.
#[derive(Debug)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The headers, names in lower case.
    pub headers: reqwest::header::HeaderMap,
    /// The body, `null` where it is not JSON.
    pub json: Value,
    /// The body as text.
    pub text: String,
}

impl World {
    /// Starts it all and publishes the demo's configuration.
    ///
    /// # Errors
    /// When a part does not come up.
    pub async fn start() -> Result<Self> {
        Self::start_with(|_| Ok(())).await
    }

    /// The same with an edge that is made of something else.
    ///
    /// # Errors
    /// When a part does not come up.
    pub async fn start_with(change: impl FnOnce(&mut EdgeOptions) -> Result<()>) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let mut options = EdgeOptions::from_env(folder.path().join("data"), stack::free_port()?)?;
        change(&mut options)?;
        let data = options.data.clone();
        let edge = Edge::start(options).await?;
        let (bank, bank_listener) = listen().await?;
        let (partner, partner_listener) = listen().await?;
        let identity = DemoIdentity::load_or_create(&folder.path().join("identity.key"))?;
        let edge_origin = edge.origin();
        let bank_site = bank::router(BankOptions {
            edge_origin: edge_origin.clone(),
            origin: bank.clone(),
            partner_origin: partner.clone(),
            identity: identity.clone(),
        });
        let partner_site = partner::router(PartnerOptions {
            edge_origin: edge_origin.clone(),
            origin: partner.clone(),
            bank_origin: bank.clone(),
        });
        tokio::spawn(axum::serve(bank_listener, bank_site).into_future());
        tokio::spawn(axum::serve(partner_listener, partner_site).into_future());
        let options =
            PublishOptions { bank_origin: bank.clone(), partner_origin: partner.clone(), identity: identity.clone() };
        publish::publish(&edge_origin, edge.operator_key(), &options).await?;
        let config = publish::configuration(&edge_origin, &options)?;
        let client =
            Client::builder().redirect(reqwest::redirect::Policy::none()).timeout(Duration::from_secs(10)).build()?;
        Ok(Self { edge, bank, partner, config, identity, client, data, _folder: folder })
    }

    /// A request to the edge.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.edge.origin()))
    }

    /// A visitor-side POST as a page of the bank sends it.
    ///
    /// # Errors
    /// When the edge does not answer.
    pub async fn post(&self, path: &str, body: &Value) -> Result<Answer> {
        self.post_from(&self.bank, path, body).await
    }

    /// The same from another origin.
    ///
    /// # Errors
    /// When the edge does not answer.
    pub async fn post_from(&self, origin: &str, path: &str, body: &Value) -> Result<Answer> {
        let request = self.request(Method::POST, path).header("Origin", origin).header("Content-Type", "text/plain");
        Answer::of(request.body(body.to_string())).await
    }

    /// A server-side request with the secret key.
    ///
    /// # Errors
    /// When the edge does not answer.
    pub async fn server(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Answer> {
        let mut request = self.request(method, path).bearer_auth(publish::SECRET_KEY);
        if let Some(body) = body {
            request = request.body(body.to_string());
        }
        Answer::of(request).await
    }

    /// A decide request of an anonymous visitor on the bank's front page.
    #[must_use]
    pub fn question(&self) -> Value {
        json!({
            "site": publish::SITE_KEY,
            "page": { "url": format!("{}/en/", self.bank) },
            "context": { "topic": "home" },
            "placements": [{ "id": "home-hero" }],
            "consent": { "analytics": true, "personalization": true },
        })
    }

    /// Publishes a configuration of the site and waits until the edge decides with it.
    ///
    /// # Errors
    /// When it is refused, or not taken over in three seconds.
    pub async fn publish(&self, config: &Value) -> Result<()> {
        let draft = self.server(Method::PUT, "/v1/site/draft", Some(config)).await?;
        let published = self.server(Method::POST, "/v1/site/publish", None).await?;
        ensure!(published.status == 200, "{}\n{}", draft.text, published.text);
        let deadline = Instant::now() + Duration::from_secs(3);
        while self.post("/v1/decide", &self.question()).await?.at("/config") != published.at("/version") {
            ensure!(Instant::now() < deadline, "the edge does not take over {}", published.text);
        }
        Ok(())
    }

    /// The identity token of one of the demo's customers.
    ///
    /// # Errors
    /// When there is no such customer.
    pub fn identity_of(&self, customer: &str) -> Result<String> {
        let mut people = bank::personas().iter();
        let person = people.find(|person| person.id == customer).context("no such customer")?;
        Ok(self.identity.sign(&self.claims(customer, person.attributes())))
    }

    /// Claims that the edge accepts.
    #[must_use]
    pub fn claims(&self, customer: &str, attributes: serde_json::Map<String, Value>) -> Claims {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |since| since.as_secs());
        Claims {
            iss: self.bank.clone(),
            aud: "demo".to_owned(),
            sub: customer.to_owned(),
            iat: now,
            exp: now + 300,
            attributes,
        }
    }

    /// The live report.
    ///
    /// # Errors
    /// When the edge does not answer with one.
    pub async fn report(&self) -> Result<LiveReport> {
        let answer = self.server(Method::GET, "/v1/reports/live", None).await?;
        serde_json::from_value(answer.json).with_context(|| answer.text)
    }

    /// Asks again until something holds.
    ///
    /// # Errors
    /// When it does not hold within the deadline.
    pub async fn until(&self, deadline: Duration, mut holds: impl FnMut(&LiveReport) -> bool) -> Result<LiveReport> {
        let end = Instant::now() + deadline;
        loop {
            let report = self.report().await?;
            if holds(&report) {
                return Ok(report);
            }
            ensure!(Instant::now() < end, "still not so after {deadline:?}: {report:?}");
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
    }

    /// The site's sealing keys, read from the edge's files as whoever owns the machine could: to seal what the edge would
    /// not seal today, such as a token whose time is over.
    ///
    /// # Errors
    /// When no file holds them.
    pub fn keyring(&self) -> Result<Keyring> {
        const BEGINNING: &[u8] = br#"{"keys":[{"id":"#;
        for file in self.files()? {
            let bytes = std::fs::read(file)?;
            if let Some(at) = find(&bytes, BEGINNING) {
                let mut values = serde_json::Deserializer::from_slice(bytes.get(at..).unwrap_or_default()).into_iter();
                return values.next().context("the keyring has no end")?.context("not a keyring");
            }
        }
        anyhow::bail!("no keyring in the edge's files")
    }

    /// The database of the only object of a class.
    ///
    /// # Errors
    /// When there is none, or more than one.
    pub fn database(&self, class: &str) -> Result<PathBuf> {
        let folder = self.data.join("objects").join(format!("portico-{class}"));
        let mut found = Vec::new();
        for file in std::fs::read_dir(&folder).with_context(|| format!("no {}", folder.display()))? {
            let path = file?.path();
            // The platform keeps the alarms of a class beside its objects.
            let is_object = path.file_stem().is_some_and(|stem| stem != "metadata");
            if is_object && path.extension().is_some_and(|extension| extension == "sqlite") {
                found.push(path);
            }
        }
        anyhow::ensure!(found.len() == 1, "{} databases in {}", found.len(), folder.display());
        found.pop().context("no database")
    }

    /// The files of all objects in which something can be read.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn files_with(&self, text: &str) -> Result<Vec<PathBuf>> {
        let mut found = Vec::new();
        for file in self.files()? {
            match std::fs::read(&file) {
                Ok(bytes) if find(&bytes, text.as_bytes()).is_some() => found.push(file),
                Ok(_) => {}
                // Gone since it was listed, as logs of databases are.
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => return Err(error).with_context(|| file.display().to_string()),
            }
        }
        Ok(found)
    }

    /// The files of all objects.
    fn files(&self) -> Result<Vec<PathBuf>> {
        let objects = self.data.join("objects");
        let mut files = Vec::new();
        for object in std::fs::read_dir(&objects).with_context(|| format!("no {}", objects.display()))? {
            for file in std::fs::read_dir(object?.path())? {
                files.push(file?.path());
            }
        }
        Ok(files)
    }

    /// What a simulation of so many visitors needs.
    #[must_use]
    pub fn simulation(&self, visitors: u64) -> simulate::Options {
        simulate::Options {
            edge_origin: self.edge.origin(),
            bank_origin: self.bank.clone(),
            partner_origin: self.partner.clone(),
            identity: self.identity.clone(),
            config: self.config.clone(),
            visitors,
            seed: 7,
        }
    }
}

impl Answer {
    /// Sends a request and reads what comes.
    ///
    /// # Errors
    /// When nothing comes.
    pub async fn of(request: RequestBuilder) -> Result<Self> {
        let response = request.send().await?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let text = String::from_utf8_lossy(&response.bytes().await?).into_owned();
        let json = serde_json::from_str(&text).unwrap_or(Value::Null);
        Ok(Self { status, headers, json, text })
    }

    /// A part of the body by JSON pointer; `null` where there is none.
    #[must_use]
    pub fn at(&self, pointer: &str) -> &Value {
        self.json.pointer(pointer).unwrap_or(&Value::Null)
    }

    /// The last part of a problem document's type, after checking that it is one.
    #[must_use]
    pub fn problem(&self) -> &str {
        let media_type = self.headers.get("content-type").and_then(|value| value.to_str().ok());
        let whole = media_type == Some("application/problem+json")
            && self.at("/status").as_u64() == Some(self.status.into())
            && ["/title", "/detail"].iter().all(|part| self.at(part).is_string());
        if !whole {
            return "not a problem document";
        }
        self.at("/type").as_str().and_then(|kind| kind.rsplit(':').next()).unwrap_or("no type")
    }
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}

async fn listen() -> Result<(String, TcpListener)> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    Ok((format!("http://{}", listener.local_addr()?), listener))
}
