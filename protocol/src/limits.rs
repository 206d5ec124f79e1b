//! Every bound on what comes from outside, each with its reason.

/// Largest body of a visitor-side request, in bytes: a full batch of events with their tokens is about 60 kB, twice that is room.
pub const BODY_BYTES: usize = 128 * 1024;
/// Largest site configuration, in bytes: 1,000 offers in five languages stay below 2 MB, the object store's limit for a value.
pub const CONFIG_BYTES: usize = 2 * 1024 * 1024;
/// Events in one batch (public contract).
pub const EVENTS_PER_BATCH: usize = 50;
/// Sources of what is known of customers that a site puts in order.
pub const PROFILE_SOURCES: usize = 16;
/// Kinds of groups that customers belong to.
pub const GROUP_KINDS: usize = 4;
/// Length of the reason why somebody puts a customer on a level, in bytes.
pub const TIER_REASON_BYTES: usize = 500;
/// Changes of a customer's profile that are kept, the latest.
pub const PROFILE_CHANGES: u64 = 200;
/// Words on consent of a customer that are kept, the latest.
pub const CONSENTS: u64 = 100;
/// Length of a question and of each of its answers, in bytes.
pub const QUESTION_BYTES: usize = 200;
/// Attributes of one customer.
pub const CUSTOMER_ATTRIBUTES: usize = 200;
/// Largest customer document, in bytes: 200 attributes with their longest texts.
pub const CUSTOMER_BYTES: usize = 64 * 1024;
/// Customers in one import.
pub const CUSTOMERS_PER_BATCH: usize = 5_000;
/// Largest body of an import of customers, in bytes.
pub const CUSTOMERS_BYTES: usize = 4 * 1024 * 1024;
/// Largest body of Segment's tracking API, in bytes, as it travels and unpacked: its own limit for a batch.
pub const SEGMENT_BYTES: usize = 500 * 1024;
/// Messages in one batch of it: its largest batch holds about so many.
pub const SEGMENT_MESSAGES: usize = 500;
/// Outcomes in one batch: a server sends what a branch has signed in a day in a few requests.
pub const OUTCOMES_PER_BATCH: usize = 500;
/// Largest body of a batch of outcomes, in bytes: each carries a token of about 1 kB.
pub const OUTCOMES_BYTES: usize = 1024 * 1024;
/// Shards of a site's ledger: a decision's outcomes without a token ask all of them.
pub const LEDGER_SHARDS: u16 = 64;
/// Days in which an outcome may be attributed to a showing: as long as an offer's token counts.
pub const ATTRIBUTION_DAYS: u32 = 30;
/// Days for which recorded rows are kept, at most.
pub const KEEP_DAYS: u32 = 3660;
/// Placements in one decide request: more slots than a page shows.
pub const PLACEMENTS_PER_REQUEST: usize = 20;
/// Offers in one placement: beyond this a list is a catalogue.
pub const OFFERS_PER_PLACEMENT: u32 = 20;
/// Minutes by which clocks are ahead of UTC, or behind: those of the furthest islands.
pub const OFFSET_MINUTES: usize = 14 * 60;
/// Context facts in one request.
pub const CONTEXT_FACTS: usize = 64;
/// Size of a context fact with its name: bytes of a text, members of a list.
pub const FACT_BYTES: usize = 1024;
/// Rules in a site's table of pages.
pub const PAGE_RULES: usize = 500;
/// Triggers of a site: what has begun travels in a visitor's token.
pub const TRIGGERS: usize = 16;
/// Webhooks of a site.
pub const WEBHOOKS: usize = 16;
/// Length of an event's name that rules and triggers count, in bytes.
pub const EVENT_NAME_BYTES: usize = 64;
/// Length of ids, keys, names and short texts, in bytes.
pub const NAME_BYTES: usize = 128;
/// Length of an address, in bytes: what browsers and proxies pass on.
pub const URL_BYTES: usize = 4096;
/// Length of a token, in bytes: sealed records stay below 1 kB, links of 2 kB pass every proxy.
pub const TOKEN_BYTES: usize = 2048;
/// Keys that may have signed a site's identity tokens: the old and the new of each of its login servers.
pub const IDENTITY_KEYS: usize = 32;
/// Minutes that an identity token may live, at most: a month.
pub const IDENTITY_MINUTES: u32 = 30 * 24 * 60;
/// Largest JWK set, in bytes: 32 RSA keys of 4,096 bits with their certificates.
pub const JWKS_BYTES: usize = 256 * 1024;
/// Length of an identity token, in bytes: the size of a request header.
pub const JWT_BYTES: usize = 8192;
