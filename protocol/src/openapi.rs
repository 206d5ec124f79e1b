//! The OpenAPI 3.1 document, made from the wire types so that it cannot say something else.

use utoipa::openapi::path::{HttpMethod, OperationBuilder, PathItem};
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::security::{
    ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme,
};
use utoipa::openapi::{
    ComponentsBuilder, ContentBuilder, InfoBuilder, OpenApi, OpenApiBuilder, PathsBuilder, Ref, ResponseBuilder,
};
use utoipa::{PartialSchema, ToSchema};

use crate::console::{ConsoleLink, ConsoleLogin};
use crate::customers::{
    ConsentReceipt, ConsentRecord, ConsentRequest, CustomerLine, CustomerProfile, CustomerRecord, EraseRequest,
    Erasure, ErasureProof, GroupProfile, GroupRecord, Identified, IdentifyRequest, ImportedLine, Membership, Merge,
    MergeCustomer, OwnProfile, ProfileRequest, TierOverride, UndoMerge, VerifyConsent, VerifyErasure,
};
use crate::decide::{DecideRequest, DecideResponse, WhyRequest, WhyResponse};
use crate::doctor::{DoctorReport, DoctorRequest};
use crate::events::{Event, EventsRequest, EventsResponse};
use crate::export::{DecisionLine, EventLine};
use crate::gadgets::Gadget;
use crate::identity::IdentitySecrets;
use crate::outcomes::{Outcome, OutcomesRequest};
use crate::problem::{MEDIA_TYPE, Problem, ProblemKind};
use crate::report::{LiveReport, ModelReport, PagesReport, TiersReport};
use crate::segment::{SegmentBatch, SegmentMessage, SegmentReceipt};
use crate::site::{CreateSite, DraftState, Published, Rollback, ShadowStarted, ShadowState, SiteConfig};
use crate::triggers::WebhooksState;
use crate::vitals::Vitals;

/// What an operation takes and gives.
struct Operation {
    method: HttpMethod,
    path: &'static str,
    summary: &'static str,
    request: Option<&'static str>,
    request_types: &'static [&'static str],
    status: u16,
    response: Option<&'static str>,
    media_type: &'static str,
    query: &'static [(&'static str, &'static str)],
    credential: Option<&'static str>,
}

/// What an export can be asked for.
const EXPORT_PARAMETERS: [(&str, &str); 5] = [
    ("from", "Recorded at this time or later, in milliseconds since 1970"),
    ("to", "Recorded before this time"),
    ("cursor", "After the line with this cursor"),
    ("limit", "At most so many rows"),
    ("format", "`ndjson`; for decisions also `dsjson` (Vowpal Wabbit) and `obd` (Open Bandit CSV), explorers' only"),
];

/// What an embedded page is asked for with.
const EMBED_PARAMETERS: [(&str, &str); 4] = [
    ("site", "The publishable key"),
    ("locale", "BCP 47 tag of the language wanted"),
    ("purpose", "What a calculator opens on, `save` or `borrow`"),
    ("placement", "Whose offers, where `offers` are embedded"),
];

const fn operation(method: HttpMethod, path: &'static str, summary: &'static str, status: u16) -> Operation {
    Operation {
        method,
        path,
        summary,
        request: None,
        request_types: &["application/json", "text/plain"],
        status,
        response: None,
        media_type: "application/json",
        query: &[],
        credential: None,
    }
}

impl Operation {
    const fn takes(mut self, schema: &'static str) -> Self {
        self.request = Some(schema);
        self
    }

    const fn gives(mut self, schema: &'static str) -> Self {
        self.response = Some(schema);
        self
    }

    const fn takes_lines(mut self, schema: &'static str) -> Self {
        self.request_types = &["application/x-ndjson"];
        self.takes(schema)
    }

    const fn lists(mut self, query: &'static [(&'static str, &'static str)], schema: &'static str) -> Self {
        self.query = query;
        self.media_type = "application/x-ndjson";
        self.gives(schema)
    }

    const fn asks(mut self, query: &'static [(&'static str, &'static str)]) -> Self {
        self.query = query;
        self
    }

    const fn with(mut self, credential: &'static str) -> Self {
        self.credential = Some(credential);
        self
    }
}

const OPERATIONS: [Operation; 67] = [
    operation(HttpMethod::Get, "/healthz", "Whether the edge answers", 200),
    operation(HttpMethod::Get, "/openapi.json", "This document", 200),
    operation(HttpMethod::Get, "/portico.js", "The loader", 200),
    operation(HttpMethod::Get, "/portico-{release}.js", "The loader of a release", 200),
    operation(HttpMethod::Get, "/assets/{name}", "An asset, immutable where its name holds a hash", 200),
    operation(HttpMethod::Post, "/v1/decide", "Which offers should this visitor see", 200)
        .takes("DecideRequest")
        .gives("DecideResponse"),
    operation(HttpMethod::Get, "/embed/{name}", "A gadget, or offers, as a page for a frame", 200)
        .asks(&EMBED_PARAMETERS),
    operation(HttpMethod::Get, "/oembed", "How to embed such a page (oEmbed 1.0)", 200).asks(&[
        ("url", "An address below /embed/ of this edge"),
        ("maxwidth", "In CSS pixels"),
        ("maxheight", "In CSS pixels"),
    ]),
    operation(HttpMethod::Get, "/v1/gadgets/{name}", "A gadget's settings", 200)
        .gives("Gadget")
        .asks(&EMBED_PARAMETERS),
    operation(HttpMethod::Post, "/v1/why", "Why an offer is shown, for whoever sees it", 200)
        .takes("WhyRequest")
        .gives("WhyResponse"),
    operation(HttpMethod::Post, "/v1/vitals", "What the widget cost a page", 204).takes("Vitals"),
    operation(HttpMethod::Post, "/v1/events", "What the visitor did with them", 202)
        .takes("EventsRequest")
        .gives("EventsResponse"),
    operation(HttpMethod::Post, "/v1/outcomes", "What became of offers, as the site's servers know it", 202)
        .takes("OutcomesRequest")
        .gives("EventsResponse")
        .with("secret"),
    operation(HttpMethod::Put, "/v1/customers/{id}", "Store what is known of a customer", 204)
        .takes("CustomerProfile")
        .with("secret"),
    operation(HttpMethod::Get, "/v1/customers/{id}", "Everything known of a customer", 200)
        .gives("CustomerRecord")
        .with("secret"),
    operation(HttpMethod::Post, "/v1/customers/{id}/merge", "Take over what was done under another name", 200)
        .takes("MergeCustomer")
        .gives("Merge")
        .with("secret"),
    operation(HttpMethod::Post, "/v1/customers/{id}/merge/undo", "Give a history back that was taken over", 204)
        .takes("UndoMerge")
        .with("secret"),
    operation(HttpMethod::Post, "/v1/customers/{id}/sign-out", "Refuse all identity tokens issued so far", 204)
        .with("secret"),
    operation(HttpMethod::Get, "/v1/customers/{id}/export", "Everything held on a customer, as one document", 200)
        .with("secret"),
    operation(HttpMethod::Post, "/v1/customers/{id}/erase", "Erase everything held on a customer", 200)
        .gives("Erasure")
        .with("secret"),
    operation(HttpMethod::Put, "/v1/customers/{id}/tiers/{tier}", "Put a customer on a level of a tier", 204)
        .takes("TierOverride")
        .with("secret"),
    operation(HttpMethod::Delete, "/v1/customers/{id}/tiers/{tier}", "Let the tier's rules say again", 204)
        .with("secret"),
    operation(HttpMethod::Get, "/v1/reports/pages", "Which pages are about what", 200)
        .gives("PagesReport")
        .with("session"),
    operation(HttpMethod::Get, "/v1/reports/tiers", "How customers are spread over the tiers", 200)
        .gives("TiersReport")
        .with("session"),
    operation(HttpMethod::Put, "/v1/customers/{id}/groups/{kind}", "Make a customer a member of a group", 204)
        .takes("Membership")
        .with("secret"),
    operation(HttpMethod::Delete, "/v1/customers/{id}/groups/{kind}", "End a customer's membership in a group", 204)
        .with("secret"),
    operation(HttpMethod::Put, "/v1/groups/{kind}/{id}", "Store what a group shares with its members", 204)
        .takes("GroupProfile")
        .with("secret"),
    operation(HttpMethod::Get, "/v1/groups/{kind}/{id}", "What a group shares with its members", 200)
        .gives("GroupRecord")
        .with("secret"),
    operation(HttpMethod::Post, "/v1/identify", "What was done on this device is a customer's", 200)
        .takes("IdentifyRequest")
        .gives("Identified"),
    operation(HttpMethod::Get, "/v1/profile", "What is known of a customer that they may say themselves", 200)
        .gives("OwnProfile")
        .with("identity"),
    operation(HttpMethod::Put, "/v1/profile", "What somebody says of themselves", 200)
        .takes("ProfileRequest")
        .gives("OwnProfile"),
    operation(HttpMethod::Put, "/v1/consent", "What somebody agreed to, with a receipt", 200)
        .takes("ConsentRequest")
        .gives("ConsentReceipt"),
    operation(HttpMethod::Post, "/v1/consent/verify", "What a receipt of a word on consent proves", 200)
        .takes("VerifyConsent")
        .gives("ConsentRecord")
        .with("secret"),
    operation(HttpMethod::Get, "/v1/privacy/export", "The same for a customer who asks, by identity token", 200)
        .with("identity"),
    operation(HttpMethod::Post, "/v1/privacy/erase", "Erase everything held on whoever asks", 200)
        .takes("EraseRequest")
        .gives("Erasure"),
    operation(HttpMethod::Post, "/v1/privacy/verify", "What a receipt of an erasure proves", 200)
        .takes("VerifyErasure")
        .gives("ErasureProof")
        .with("secret"),
    operation(HttpMethod::Get, "/v1/identity", "Secrets to sign identity tokens with HS256", 200)
        .gives("IdentitySecrets")
        .with("secret"),
    operation(HttpMethod::Post, "/v1/customers:batch", "Store what is known of many customers, a line each", 200)
        .takes_lines("CustomerLine")
        .lists(&[], "ImportedLine")
        .with("secret"),
    operation(HttpMethod::Post, "/segment/v1/identify", "Segment's tracking API: identify", 200)
        .takes("SegmentMessage")
        .gives("SegmentReceipt")
        .with("segment"),
    operation(HttpMethod::Post, "/segment/v1/track", "Segment's tracking API: track", 200)
        .takes("SegmentMessage")
        .gives("SegmentReceipt")
        .with("segment"),
    operation(HttpMethod::Post, "/segment/v1/page", "Segment's tracking API: page", 200)
        .takes("SegmentMessage")
        .gives("SegmentReceipt")
        .with("segment"),
    operation(HttpMethod::Post, "/segment/v1/screen", "Segment's tracking API: screen", 200)
        .takes("SegmentMessage")
        .gives("SegmentReceipt")
        .with("segment"),
    operation(HttpMethod::Post, "/segment/v1/group", "Segment's tracking API: group", 200)
        .takes("SegmentMessage")
        .gives("SegmentReceipt")
        .with("segment"),
    operation(HttpMethod::Post, "/segment/v1/alias", "Segment's tracking API: alias", 200)
        .takes("SegmentMessage")
        .gives("SegmentReceipt")
        .with("segment"),
    operation(HttpMethod::Post, "/segment/v1/batch", "Segment's tracking API: several messages", 200)
        .takes("SegmentBatch")
        .gives("SegmentReceipt")
        .with("segment"),
    operation(HttpMethod::Get, "/v1/decisions", "Offers that were seen and what they led to, a line each", 200)
        .lists(&EXPORT_PARAMETERS, "DecisionLine")
        .with("secret"),
    operation(HttpMethod::Get, "/v1/events", "Events as they were recorded, a line each", 200)
        .lists(&EXPORT_PARAMETERS, "EventLine")
        .with("secret"),
    operation(HttpMethod::Get, "/metrics", "Figures for Prometheus", 200).with("secret"),
    operation(HttpMethod::Get, "/v1/go/{token}", "Count the click and lead to the offer's target", 302),
    operation(HttpMethod::Put, "/v1/sites/{id}", "Create a site with its keys, or confirm it", 204)
        .takes("CreateSite")
        .with("operator"),
    operation(HttpMethod::Get, "/v1/site/draft", "The draft and what is published", 200)
        .gives("DraftState")
        .with("secret"),
    operation(HttpMethod::Put, "/v1/site/draft", "Replace the draft", 200)
        .takes("SiteConfig")
        .gives("DraftState")
        .with("secret"),
    operation(HttpMethod::Post, "/v1/site/publish", "Publish the draft as a new version", 200)
        .gives("Published")
        .with("secret"),
    operation(HttpMethod::Post, "/v1/site/rollback", "Publish an earlier version again", 200)
        .takes("Rollback")
        .gives("Published")
        .with("secret"),
    operation(HttpMethod::Get, "/v1/site/shadow", "What is tried in shadow, and how it compares", 200)
        .gives("ShadowState")
        .with("secret"),
    operation(
        HttpMethod::Post,
        "/v1/site/shadow",
        "Try the draft in shadow: decided for everybody, shown to nobody",
        200,
    )
    .gives("ShadowStarted")
    .with("secret"),
    operation(HttpMethod::Delete, "/v1/site/shadow", "Try nothing in shadow any more", 204).with("secret"),
    operation(HttpMethod::Get, "/v1/webhooks", "Webhooks with their secrets, what waits, and what was given up", 200)
        .gives("WebhooksState")
        .with("secret"),
    operation(HttpMethod::Post, "/v1/webhooks/dead", "Send everything again that was given up", 202).with("secret"),
    operation(HttpMethod::Post, "/v1/webhooks/dead/{id}", "Send a message again that was given up", 202).with("secret"),
    operation(HttpMethod::Get, "/v1/reports/live", "Figures of the live page", 200).gives("LiveReport").with("session"),
    operation(
        HttpMethod::Get,
        "/v1/reports/model",
        "How good the predictions are; with ?offer= also which facts go with that offer's success",
        200,
    )
    .gives("ModelReport")
    .with("session"),
    operation(HttpMethod::Post, "/v1/console/links", "A one-time link that opens the console", 200)
        .gives("ConsoleLink")
        .with("secret"),
    operation(HttpMethod::Post, "/v1/console/session", "Exchange a one-time code for a session cookie", 204)
        .takes("ConsoleLogin"),
    operation(HttpMethod::Post, "/v1/doctor", "What is wrong with the installation in a page of the site", 200)
        .takes("DoctorRequest")
        .gives("DoctorReport")
        .with("session"),
    operation(HttpMethod::Get, "/console", "The console", 200),
    operation(HttpMethod::Get, "/doctor", "The console's look at a page", 302).asks(&[("url", "The page's address")]),
];

/// The document.
#[must_use]
pub fn document() -> OpenApi {
    let mut paths = PathsBuilder::new();
    for operation in OPERATIONS {
        let mut built = OperationBuilder::new()
            .summary(Some(operation.summary))
            .response(operation.status.to_string(), response(&operation))
            .response("default", problem());
        if let Some(name) = operation.path.split_once('{').and_then(|(_, rest)| rest.split_once('}')) {
            built = built.parameter(
                utoipa::openapi::path::ParameterBuilder::new()
                    .name(name.0)
                    .parameter_in(utoipa::openapi::path::ParameterIn::Path)
                    .required(utoipa::openapi::Required::True)
                    .schema(Some(String::schema())),
            );
        }
        for (name, description) in operation.query {
            built = built.parameter(
                utoipa::openapi::path::ParameterBuilder::new()
                    .name(*name)
                    .description(Some(*description))
                    .parameter_in(utoipa::openapi::path::ParameterIn::Query)
                    .schema(Some(String::schema())),
            );
        }
        if let Some(schema) = operation.request {
            let mut body = RequestBodyBuilder::new().required(Some(utoipa::openapi::Required::True));
            for media_type in operation.request_types {
                body = body
                    .content(*media_type, ContentBuilder::new().schema(Some(Ref::from_schema_name(schema))).build());
            }
            built = built.request_body(Some(body.build()));
        }
        if let Some(credential) = operation.credential {
            built = built.security(SecurityRequirement::new(credential, Vec::<String>::new()));
        }
        paths = paths.path(operation.path, PathItem::new(operation.method, built));
    }
    let bearer = || SecurityScheme::Http(HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build());
    let session = SecurityScheme::ApiKey(ApiKey::Cookie(ApiKeyValue::new("portico_session")));
    let mut components = ComponentsBuilder::new()
        .security_scheme("secret", bearer())
        .security_scheme("operator", bearer())
        .security_scheme("identity", bearer())
        .security_scheme("segment", SecurityScheme::Http(HttpBuilder::new().scheme(HttpAuthScheme::Basic).build()))
        .security_scheme("session", session);
    components = schema::<DecideRequest>(components);
    components = schema::<DecideResponse>(components);
    components = schema::<Gadget>(components);
    components = schema::<WhyRequest>(components);
    components = schema::<WhyResponse>(components);
    components = schema::<Vitals>(components);
    components = schema::<DoctorRequest>(components);
    components = schema::<DoctorReport>(components);
    components = schema::<EventsRequest>(components);
    components = schema::<EventsResponse>(components);
    components = schema::<OutcomesRequest>(components);
    components = schema::<Outcome>(components);
    components = schema::<SegmentMessage>(components);
    components = schema::<SegmentBatch>(components);
    components = schema::<SegmentReceipt>(components);
    components = schema::<CustomerProfile>(components);
    components = schema::<CustomerRecord>(components);
    components = schema::<Membership>(components);
    components = schema::<TierOverride>(components);
    components = schema::<TiersReport>(components);
    components = schema::<PagesReport>(components);
    components = schema::<GroupProfile>(components);
    components = schema::<GroupRecord>(components);
    components = schema::<IdentifyRequest>(components);
    components = schema::<Identified>(components);
    components = schema::<ProfileRequest>(components);
    components = schema::<OwnProfile>(components);
    components = schema::<ConsentRequest>(components);
    components = schema::<ConsentReceipt>(components);
    components = schema::<ConsentRecord>(components);
    components = schema::<VerifyConsent>(components);
    components = schema::<MergeCustomer>(components);
    components = schema::<Merge>(components);
    components = schema::<UndoMerge>(components);
    components = schema::<IdentitySecrets>(components);
    components = schema::<EraseRequest>(components);
    components = schema::<Erasure>(components);
    components = schema::<VerifyErasure>(components);
    components = schema::<ErasureProof>(components);
    components = schema::<WebhooksState>(components);
    components = schema::<CustomerLine>(components);
    components = schema::<ImportedLine>(components);
    components = schema::<DecisionLine>(components);
    components = schema::<EventLine>(components);
    components = schema::<ModelReport>(components);
    components = schema::<ShadowStarted>(components);
    components = schema::<ShadowState>(components);
    components = schema::<Event>(components);
    components = schema::<Problem>(components);
    components = schema::<LiveReport>(components);
    components = schema::<SiteConfig>(components);
    components = schema::<CreateSite>(components);
    components = schema::<DraftState>(components);
    components = schema::<Published>(components);
    components = schema::<Rollback>(components);
    components = schema::<ConsoleLink>(components);
    components = schema::<ConsoleLogin>(components);
    OpenApiBuilder::new()
        .info(InfoBuilder::new().title("Portico").version(env!("CARGO_PKG_VERSION")).build())
        .paths(paths)
        .components(Some(components.build()))
        .build()
}

fn schema<T: ToSchema>(components: ComponentsBuilder) -> ComponentsBuilder {
    let mut schemas = vec![(T::name().into_owned(), T::schema())];
    T::schemas(&mut schemas);
    schemas.into_iter().fold(components, |components, (name, schema)| components.schema(name, schema))
}

fn response(operation: &Operation) -> utoipa::openapi::Response {
    let mut response = ResponseBuilder::new().description(operation.summary);
    if let Some(schema) = operation.response {
        response = response
            .content(operation.media_type, ContentBuilder::new().schema(Some(Ref::from_schema_name(schema))).build());
    }
    response.build()
}

fn problem() -> utoipa::openapi::Response {
    let kinds: Vec<String> = ProblemKind::ALL
        .iter()
        .map(|kind| {
            let (name, title, status) = kind.describe();
            format!("{status} `urn:portico:problem:{name}`: {title}.")
        })
        .collect();
    ResponseBuilder::new()
        .description(kinds.join("\n"))
        .content(MEDIA_TYPE, ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build())
        .build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_schema_that_is_named_is_there() {
        let document = document().to_json().unwrap();
        let json: serde_json::Value = serde_json::from_str(&document).unwrap();
        assert_eq!(json.pointer("/openapi").and_then(serde_json::Value::as_str), Some("3.1.0"));
        for name in document.split("#/components/schemas/").skip(1) {
            let name = name.split('"').next().unwrap();
            assert!(json.pointer(&format!("/components/schemas/{name}")).is_some(), "{name} is missing");
        }
    }
}
