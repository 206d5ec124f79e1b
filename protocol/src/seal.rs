//! Sealed tokens: what the edge hands out and gets back, unreadable and unchangeable on the way.
//!
//! A token is `version ‖ key id ‖ nonce ‖ XChaCha20-Poly1305(payload)` in base64url. The header, the purpose and the
//! site are authenticated with it, so a token of another site, for another purpose or under a forgotten key does not
//! open. Nonces are 24 random bytes, which makes a repeated one a non-event at any volume.

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use data_encoding::BASE64URL_NOPAD;
use portico_engine::evaluate::Compared;
use portico_engine::{Arm, Asked, Dismissal, EventMarks, Feature, Seen, keyed_hash};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::id::{DecisionId, PersonId, VisitorId};
use crate::limits::TOKEN_BYTES;
use crate::profile::{Profile, Told, VISITOR};
use crate::stream::{Stream, VISIT_PAUSE_MS};

const VERSION: u8 = 1;
const NONCE_BYTES: usize = 24;
const HEADER_BYTES: usize = 5;

/// What a token is for. A token never opens for another purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// The record of a decision, carried by each offer.
    Offer,
    /// What is remembered of an anonymous visitor.
    Visitor,
    /// A console session.
    Session,
    /// Proof that a customer was erased.
    Receipt,
    /// Proof of a word on consent.
    Consent,
}

impl Purpose {
    fn tag(self) -> u8 {
        match self {
            Self::Offer => b'o',
            Self::Visitor => b'v',
            Self::Session => b's',
            Self::Receipt => b'r',
            Self::Consent => b'c',
        }
    }
}

/// The keys of one site: the newest seals, all open.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Keyring {
    keys: Vec<SealingKey>,
}

/// One key with its number.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SealingKey {
    /// Written into every token it seals.
    pub id: u32,
    /// 32 random bytes.
    pub secret: [u8; 32],
}

impl core::fmt::Debug for SealingKey {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "SealingKey({})", self.id)
    }
}

/// Why a token did not open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// Not ours, changed, of another site or for another purpose.
    #[error("the token is not valid here")]
    Forged,
    /// Sealed with a key that is no longer kept.
    #[error("the token's key is no longer in use")]
    UnknownKey,
    /// Authentic, but its time is over.
    #[error("the token has expired")]
    Expired,
    /// The payload is too large to travel.
    #[error("the token would be too long")]
    TooLong,
}

/// A payload that ends.
pub trait Expires {
    /// First moment at which the token no longer counts, in milliseconds since 1970.
    fn expires_ms(&self) -> u64;
}

impl Keyring {
    /// A keyring; the last key seals.
    #[must_use]
    pub fn new(keys: Vec<SealingKey>) -> Self {
        Self { keys }
    }

    /// Seals a payload.
    ///
    /// # Errors
    /// [`SealError::TooLong`] when the token would exceed [`TOKEN_BYTES`], [`SealError::UnknownKey`] when there is no key.
    pub fn seal(
        &self,
        purpose: Purpose,
        site: &str,
        payload: &impl Serialize,
        nonce: [u8; NONCE_BYTES],
    ) -> Result<String, SealError> {
        let key = self.keys.last().ok_or(SealError::UnknownKey)?;
        let plain = postcard::to_stdvec(payload).map_err(|_| SealError::TooLong)?;
        let mut token = vec![VERSION];
        token.extend_from_slice(&key.id.to_le_bytes());
        let aad = associated(&token, purpose, site);
        let sealed = XChaCha20Poly1305::new(&key.secret.into())
            .encrypt(&XNonce::from(nonce), Payload { msg: &plain, aad: &aad })
            .map_err(|_| SealError::TooLong)?;
        token.extend_from_slice(&nonce);
        token.extend_from_slice(&sealed);
        let token = BASE64URL_NOPAD.encode(&token);
        if token.len() > TOKEN_BYTES { Err(SealError::TooLong) } else { Ok(token) }
    }

    /// Opens a token and checks that its time is not over.
    ///
    /// # Errors
    /// See [`SealError`]. Nothing is said about a token that is not authentic.
    pub fn open<T: DeserializeOwned + Expires>(
        &self,
        purpose: Purpose,
        site: &str,
        token: &str,
        now_ms: u64,
    ) -> Result<T, SealError> {
        let payload: T = self.open_expired(purpose, site, token)?;
        if now_ms >= payload.expires_ms() { Err(SealError::Expired) } else { Ok(payload) }
    }

    /// Opens a token whatever its age: for a link that a person follows late.
    ///
    /// # Errors
    /// As [`Keyring::open`], without [`SealError::Expired`].
    pub fn open_expired<T: DeserializeOwned>(&self, purpose: Purpose, site: &str, token: &str) -> Result<T, SealError> {
        if token.len() > TOKEN_BYTES {
            return Err(SealError::Forged);
        }
        let bytes = BASE64URL_NOPAD.decode(token.as_bytes()).map_err(|_| SealError::Forged)?;
        let (header, rest) = bytes.split_first_chunk::<HEADER_BYTES>().ok_or(SealError::Forged)?;
        let (nonce, sealed) = rest.split_first_chunk::<NONCE_BYTES>().ok_or(SealError::Forged)?;
        let [version, key_id @ ..] = *header;
        if version != VERSION {
            return Err(SealError::Forged);
        }
        let key_id = u32::from_le_bytes(key_id);
        let key = self.keys.iter().find(|key| key.id == key_id).ok_or(SealError::UnknownKey)?;
        let aad = associated(header, purpose, site);
        let plain = XChaCha20Poly1305::new(&key.secret.into())
            .decrypt(&XNonce::from(*nonce), Payload { msg: sealed, aad: &aad })
            .map_err(|_| SealError::Forged)?;
        read_grown(plain).map_err(|_| SealError::Forged)
    }
}

/// Reads what may have been written before the last fields of its type were added: what it lacks is absent, empty or 0.
fn read_grown<T: DeserializeOwned>(mut bytes: Vec<u8>) -> Result<T, postcard::Error> {
    bytes.extend_from_slice(&[0; LATER_FIELDS]);
    postcard::from_bytes(&bytes)
}

fn associated(header: &[u8], purpose: Purpose, site: &str) -> Vec<u8> {
    let mut aad = header.to_vec();
    aad.push(purpose.tag());
    aad.extend_from_slice(site.as_bytes());
    aad
}

/// The record of one shown offer: all that learning from its answer needs, so that nothing is stored when deciding.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OfferRecord {
    /// The decision.
    pub decision: DecisionId,
    /// The offer.
    pub offer: String,
    /// Where it stands.
    pub placement: String,
    /// Its rank there, 1 for the first.
    pub rank: u32,
    /// The channel on which it was offered; empty in records from before it was noted.
    #[serde(default)]
    pub channel: String,
    /// Who chose.
    pub arm: Arm,
    /// Probability of the choice, where known exactly.
    pub propensity: Option<f64>,
    /// Configuration version that decided.
    pub config: u64,
    /// Model version that decided.
    pub model: u64,
    /// Features of the decision.
    pub features: Vec<Feature>,
    /// Probabilities by stage that it was chosen with.
    #[serde(default)]
    pub promised: Vec<f32>,
    /// Who saw it, where that may be kept.
    pub visitor: Option<VisitorId>,
    /// The customer, where verified and where that may be kept. It travels in the token and is recorded nowhere.
    pub customer: Option<String>,
    /// The publisher on whose page it stood.
    pub partner: Option<String>,
    /// When, in milliseconds since 1970.
    pub decided_ms: u64,
    /// What a candidate in shadow would have put in its place.
    #[serde(default)]
    pub compared: Option<Compared>,
    /// The ledger's shard that records its answers: settled when it was decided, so that answers to one showing meet in one
    /// place however the number of shards grows.
    #[serde(default)]
    pub shard: u16,
    /// Among which offers chance put it first, see [`OfferRecord::among`]; a bit for each offer of the configuration.
    #[serde(default)]
    pub among: Vec<u8>,
    /// When the visitor's first decision of the arms' period was made, in milliseconds since 1970; 0 in records from before
    /// it was noted.
    #[serde(default)]
    pub entered_ms: u64,
    /// Who the customer is on record.
    #[serde(default)]
    pub person: Option<PersonId>,
}

/// An [`OfferRecord`] inside of something that is written: as bytes of their own, so that records from before its last
/// fields were added are read too.
pub mod grown {
    use serde::de::Error as _;
    use serde::ser::Error as _;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::{OfferRecord, read_grown};

    /// For `#[serde(with)]`.
    ///
    /// # Errors
    /// The serializer's.
    pub fn serialize<S: Serializer>(record: &OfferRecord, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            return record.serialize(serializer);
        }
        serializer.serialize_bytes(&postcard::to_stdvec(record).map_err(S::Error::custom)?)
    }

    /// For `#[serde(with)]`.
    ///
    /// # Errors
    /// Where it is no record.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Box<OfferRecord>, D::Error> {
        if deserializer.is_human_readable() {
            return Box::deserialize(deserializer);
        }
        let bytes = <&[u8]>::deserialize(deserializer)?;
        read_grown(bytes.to_vec()).map(Box::new).map_err(D::Error::custom)
    }
}

impl OfferRecord {
    /// Notes offers by their places in the configuration's order.
    #[must_use]
    pub fn bits(places: &[usize]) -> Vec<u8> {
        let mut bits = vec![0; places.iter().max().map_or(0, |last| last / 8 + 1)];
        for place in places {
            if let Some(byte) = bits.get_mut(place / 8) {
                *byte |= 1 << (place % 8);
            }
        }
        bits
    }

    /// The places, in the order of the configuration that decided, of the offers among which chance put this one first;
    /// nothing where it was not chance.
    pub fn among(&self) -> impl Iterator<Item = usize> + '_ {
        let bytes = self.among.iter().enumerate();
        bytes.flat_map(|(at, byte)| (0..8).filter(move |bit| byte >> bit & 1 == 1).map(move |bit| at * 8 + bit))
    }
}

/// Fields that a payload may have gained at its end since a token was sealed; each reads as one byte 0.
const LATER_FIELDS: usize = 8;

/// Days for which an answer to an offer counts.
const OFFER_DAYS: u64 = 30;

impl Expires for OfferRecord {
    fn expires_ms(&self) -> u64 {
        self.decided_ms.saturating_add(OFFER_DAYS * 86_400_000)
    }
}

/// What is remembered of an anonymous visitor who agreed to it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct VisitorRecord {
    /// Their id.
    pub id: VisitorId,
    /// When they were last seen, in milliseconds since 1970.
    pub seen_ms: u64,
    /// What they did. It is not the last field: one more in it cannot be read out of older tokens.
    pub memory: Memory,
    /// When the latest of their events that `memory` counts was recorded, in milliseconds since 1970.
    #[serde(default)]
    pub heard_ms: u64,
    /// The mark of the customer who took this history over; 0 for nobody.
    #[serde(default)]
    pub taken_by: u64,
    /// When they first did, in milliseconds since 1970.
    #[serde(default)]
    pub taken_ms: u64,
    /// What they showed of themselves.
    #[serde(default)]
    pub portrait: Portrait,
}

impl VisitorRecord {
    /// Forgets the older half of what has no end of its own, for what does not fit into a token; what they said goes last. False
    /// where nothing is left.
    pub fn forget_half(&mut self) -> bool {
        self.memory.forget_half() || self.portrait.forget_half()
    }
}

/// Things that somebody said of themselves.
const MOST_SAID: usize = 16;
/// Questions remembered of one visitor.
const MOST_ASKED: usize = 32;

/// What somebody showed of themselves: what they said, what they were asked, and what their page views say.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Portrait {
    /// What they said, the latest last; each attribute once.
    pub said: Vec<Said>,
    /// Questions that were put to them, the latest last; each once.
    pub asked: Vec<Asked>,
    /// The trace of their page views.
    #[serde(default)]
    pub stream: Stream,
}

/// Something that somebody said of themselves.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Said {
    /// When, in milliseconds since 1970.
    pub at_ms: u64,
    /// The attribute.
    pub attribute: String,
    /// Its value as JSON; empty where they took it back.
    pub value: String,
    /// Until when it counts and is kept, in milliseconds since 1970; 0 for no end.
    pub until_ms: u64,
}

impl Portrait {
    /// Remembers what they said.
    pub fn say(&mut self, said: Said) {
        if self.said.iter().any(|known| known.attribute == said.attribute && *known > said) {
            return;
        }
        self.said.retain(|known| known.attribute != said.attribute);
        self.said.push(said);
        self.said.sort();
        self.said.drain(..self.said.len().saturating_sub(MOST_SAID));
    }

    /// Remembers that a question was put to them, or what became of it.
    pub fn ask(&mut self, asked: Asked) {
        let order = |asked: &Asked| (asked.at_ms, asked.reply as u8);
        if self.asked.iter().any(|known| known.question == asked.question && order(known) > order(&asked)) {
            return;
        }
        self.asked.retain(|known| known.question != asked.question);
        self.asked.push(asked);
        self.asked.sort_by_key(|asked| (order(asked), asked.question));
        self.asked.drain(..self.asked.len().saturating_sub(MOST_ASKED));
    }

    /// Adds what was shown under another name: of two words on one thing the later one counts.
    pub fn add(&mut self, other: &Self) {
        other.said.iter().for_each(|said| self.say(said.clone()));
        other.asked.iter().for_each(|asked| self.ask(*asked));
        self.stream.add(&other.stream);
    }

    /// Lets go of what they said whose time is over; the attributes.
    pub fn expire(&mut self, now_ms: u64) -> Vec<String> {
        let is_over = |said: &mut Said| (1..=now_ms).contains(&said.until_ms);
        self.said.extract_if(.., is_over).map(|said| said.attribute).collect()
    }

    /// Whether nothing was shown.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.said.is_empty() && self.asked.is_empty() && self.stream.is_empty()
    }

    /// What they said, as a source of a profile.
    pub fn tell(&self, profile: &mut Profile) {
        for Said { at_ms, attribute, value, until_ms } in &self.said {
            if let Ok(value) = serde_json::from_str(value) {
                let told = Told { until: (*until_ms > 0).then_some(*until_ms), ..Told::new(value, *at_ms) };
                profile.entry(attribute.clone()).or_default().insert(VISITOR.to_owned(), told);
            }
        }
    }

    fn forget_half(&mut self) -> bool {
        let half = |length: usize| length.div_ceil(2);
        self.asked.drain(..half(self.asked.len()));
        self.said.drain(..half(self.said.len()));
        self.stream.forget_half() || !self.said.is_empty() || !self.asked.is_empty()
    }
}

/// What a receipt of an erasure says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErasureRecord {
    /// A hash of the customer's id: who has the id can tell that it is theirs, nobody can tell the id.
    pub subject: [u8; 32],
    /// When, in milliseconds since 1970.
    pub erased_ms: u64,
    /// Objects that held something of theirs alone, and hold nothing now.
    pub objects: u32,
    /// Showings on record that name nobody any more.
    pub showings: u64,
    /// Messages to webhooks that were not sent any more.
    pub messages: u64,
}

impl Expires for ErasureRecord {
    /// After ten years, the longest time in which somebody may ask.
    fn expires_ms(&self) -> u64 {
        self.erased_ms.saturating_add(3_653 * 86_400_000)
    }
}

/// What a receipt of a word on consent says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConsentProof {
    /// A hash of the customer's or visitor's id; of nothing where nobody was known.
    pub subject: [u8; 32],
    /// When, in milliseconds since 1970.
    pub at_ms: u64,
    /// What they agreed to, by bit: analytics, personalization, marketing, sharing.
    pub agreed: u8,
    /// Whether their browser said no for them (Global Privacy Control).
    pub by_browser: bool,
    /// The version of the text that they were shown.
    pub version: String,
}

impl Expires for ConsentProof {
    /// After ten years, as the other receipt.
    fn expires_ms(&self) -> u64 {
        self.at_ms.saturating_add(3_653 * 86_400_000)
    }
}

/// Days without a visit after which an anonymous visitor is forgotten.
pub const VISITOR_DAYS: u64 = 180;

impl Expires for VisitorRecord {
    fn expires_ms(&self) -> u64 {
        self.seen_ms.saturating_add(VISITOR_DAYS * 86_400_000)
    }
}

/// Topics remembered of one visitor.
const MOST_TOPICS: usize = 8;
/// Dismissals remembered of one visitor.
const MOST_DISMISSALS: usize = 16;

/// What a visitor did, bounded so that it fits into a token.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Memory {
    /// Visits, each begun after half an hour without a page view.
    pub visits: u32,
    /// Page views by topic, the most viewed first.
    pub topics: Vec<(String, u32)>,
    /// Offers put away, the newest last.
    pub dismissals: Vec<Dismissal>,
    /// Impressions, the newest last; kept only where the site has contact rules.
    #[serde(default)]
    pub seen: Vec<Seen>,
    /// When their first decision of the arms' period was made, in milliseconds since 1970.
    #[serde(default)]
    pub entered_ms: u64,
    /// How often the events that rules count happened, by day.
    #[serde(default)]
    pub events: EventMarks,
    /// Triggers that wait or rest, each once.
    #[serde(default)]
    pub triggers: Vec<Begun>,
}

/// A trigger that waits to fire, or rests after it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Begun {
    /// Its mark.
    pub trigger: u32,
    /// When what began it happened, in milliseconds since 1970.
    pub begun_ms: u64,
    /// When it fires, or may begin again.
    pub due_ms: u64,
    /// Whether it has fired and rests.
    pub fired: bool,
}

impl Begun {
    /// A short name of a trigger: half of a hash.
    #[must_use]
    pub fn mark(trigger: &str) -> u32 {
        keyed_hash(&[0; 16], &[b"trigger", trigger.as_bytes()]) as u32
    }
}

impl Memory {
    /// Notes a decision: the first of a period is remembered.
    pub fn enter(&mut self, period_ms: u64, now_ms: u64) {
        let period = |at_ms: u64| at_ms / period_ms.max(1);
        if period(self.entered_ms) != period(now_ms) {
            self.entered_ms = now_ms;
        }
    }

    /// Remembers a page view.
    pub fn see(&mut self, topic: Option<&str>, last_seen_ms: u64, now_ms: u64) {
        if self.visits == 0 || now_ms.saturating_sub(last_seen_ms) >= VISIT_PAUSE_MS {
            self.visits = self.visits.saturating_add(1);
        }
        let Some(topic) = topic else {
            return;
        };
        match self.topics.iter_mut().find(|(known, _)| known == topic) {
            Some((_, views)) => *views = views.saturating_add(1),
            None => {
                // The least viewed gives way, so that a new interest can always begin.
                self.topics.truncate(MOST_TOPICS - 1);
                self.topics.push((topic.to_owned(), 1));
            }
        }
        self.topics.sort_by_key(|(_, views)| core::cmp::Reverse(*views));
    }

    /// Remembers that an offer was put away.
    pub fn dismiss(&mut self, offer: &str, at_ms: u64) {
        self.dismissals.retain(|dismissal| dismissal.offer != offer);
        if self.dismissals.len() >= MOST_DISMISSALS {
            self.dismissals.remove(0);
        }
        self.dismissals.push(Dismissal { offer: offer.to_owned(), at_ms });
    }

    /// Remembers impressions for the contact policy.
    pub fn look(&mut self, seen: impl IntoIterator<Item = Seen>) {
        self.seen.extend(seen);
        let beyond = self.seen.len().saturating_sub(Seen::MOST as usize);
        self.seen.drain(..beyond);
    }

    /// Adds what somebody did under another name. What waits for them is not part of it, see [`Begun`]; and they stay in the
    /// arm that they are in.
    pub fn add(&mut self, other: &Self) {
        self.visits = self.visits.saturating_add(other.visits);
        for (topic, views) in &other.topics {
            match self.topics.iter_mut().find(|(known, _)| known == topic) {
                Some((_, known)) => *known = known.saturating_add(*views),
                None => self.topics.push((topic.clone(), *views)),
            }
        }
        self.topics.sort_by(|(left, of_left), (right, of_right)| (of_right, left).cmp(&(of_left, right)));
        self.topics.truncate(MOST_TOPICS);
        for dismissal in &other.dismissals {
            match self.dismissals.iter_mut().find(|known| known.offer == dismissal.offer) {
                Some(known) => known.at_ms = known.at_ms.max(dismissal.at_ms),
                None => self.dismissals.push(dismissal.clone()),
            }
        }
        self.dismissals.sort_by(|left, right| (left.at_ms, &left.offer).cmp(&(right.at_ms, &right.offer)));
        self.dismissals.drain(..self.dismissals.len().saturating_sub(MOST_DISMISSALS));
        self.seen.extend(other.seen.iter().cloned());
        self.seen.sort_by_key(|seen| (seen.at_ms, seen.offer));
        self.look([]);
        if self.entered_ms == 0 {
            self.entered_ms = other.entered_ms;
        }
        self.events.add(&other.events);
    }

    /// Forgets the older half of everything that has no end of its own, for what does not fit into a token. False where
    /// nothing is left.
    pub fn forget_half(&mut self) -> bool {
        fn older_half<T>(of: &mut Vec<T>) -> bool {
            of.drain(..of.len().div_ceil(2));
            !of.is_empty()
        }
        self.topics.truncate(self.topics.len() / 2);
        let left = [older_half(&mut self.dismissals), older_half(&mut self.seen), self.events.forget_half()];
        left.contains(&true) || !self.topics.is_empty()
    }

    /// The most viewed topic.
    #[must_use]
    pub fn interest(&self) -> Option<&str> {
        self.topics.first().map(|(topic, _)| topic.as_str())
    }
}

/// A console session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionRecord {
    /// First moment at which it no longer counts, in milliseconds since 1970.
    pub expires_ms: u64,
}

impl Expires for SessionRecord {
    fn expires_ms(&self) -> u64 {
        self.expires_ms
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ring(ids: &[u32]) -> Keyring {
        Keyring::new(ids.iter().map(|id| SealingKey { id: *id, secret: [*id as u8; 32] }).collect())
    }

    fn session(expires_ms: u64) -> SessionRecord {
        SessionRecord { expires_ms }
    }

    fn open(ring: &Keyring, purpose: Purpose, site: &str, token: &str, now: u64) -> Result<SessionRecord, SealError> {
        ring.open(purpose, site, token, now)
    }

    #[test]
    fn a_token_opens_only_where_it_belongs() {
        let token = ring(&[1]).seal(Purpose::Session, "demo", &session(10), [3; 24]).unwrap();
        assert_eq!(open(&ring(&[1, 2]), Purpose::Session, "demo", &token, 9), Ok(session(10)));
        assert_eq!(open(&ring(&[1]), Purpose::Session, "demo", &token, 10), Err(SealError::Expired));
        assert_eq!(open(&ring(&[1]), Purpose::Session, "other", &token, 9), Err(SealError::Forged));
        assert_eq!(open(&ring(&[1]), Purpose::Visitor, "demo", &token, 9), Err(SealError::Forged));
        assert_eq!(open(&ring(&[2]), Purpose::Session, "demo", &token, 9), Err(SealError::UnknownKey));
    }

    #[test]
    fn a_token_from_before_a_field_was_added_still_opens() {
        #[derive(Serialize)]
        struct Before {
            expires_ms: u64,
        }
        #[derive(Debug, PartialEq, Deserialize)]
        struct After {
            expires_ms: u64,
            choice: Option<u64>,
            words: Vec<String>,
        }
        let token = ring(&[1]).seal(Purpose::Session, "demo", &Before { expires_ms: 10 }, [3; 24]).unwrap();
        let opened = ring(&[1]).open_expired::<After>(Purpose::Session, "demo", &token);
        assert_eq!(opened, Ok(After { expires_ms: 10, choice: None, words: vec![] }));
    }

    #[test]
    fn places_are_read_as_they_were_noted() {
        for places in [vec![], vec![0], vec![3, 7, 8, 64], (0..1_000).collect::<Vec<usize>>()] {
            let record = OfferRecord { among: OfferRecord::bits(&places), ..record() };
            assert_eq!(record.among().collect::<Vec<usize>>(), places);
        }
        let record = OfferRecord { features: vec![u32::MAX; 80], among: vec![255; 125], ..record() };
        let token = ring(&[1]).seal(Purpose::Offer, "demo", &record, [3; 24]).unwrap();
        assert!(token.len() < TOKEN_BYTES, "{} bytes at 80 features and 1,000 offers", token.len());
    }

    fn record() -> OfferRecord {
        OfferRecord {
            decision: DecisionId::new([1; 16]),
            offer: "savings-plus".into(),
            placement: "home-hero".into(),
            rank: 1,
            channel: "web".into(),
            arm: Arm::Explore,
            propensity: Some(0.1),
            config: 1,
            model: 1,
            features: vec![],
            promised: vec![0.1, 0.2],
            visitor: None,
            customer: None,
            partner: None,
            decided_ms: 1,
            compared: None,
            shard: 0,
            among: vec![],
            entered_ms: 0,
            person: None,
        }
    }

    #[test]
    fn a_payload_that_is_too_large_is_refused() {
        let huge = "x".repeat(TOKEN_BYTES);
        assert_eq!(ring(&[1]).seal(Purpose::Session, "demo", &huge, [3; 24]), Err(SealError::TooLong));
    }

    #[test]
    fn histories_add_up_within_bounds_whichever_comes_first() {
        let history = |topics: &[&str], offers: std::ops::Range<u64>, entered_ms| {
            let mut memory = Memory { entered_ms, ..Memory::default() };
            topics.iter().for_each(|topic| memory.see(Some(topic), 0, 1_000));
            offers.clone().for_each(|at_ms| memory.dismiss(&format!("offer-{}", at_ms % 20), at_ms));
            memory.look(offers.map(|at_ms| Seen { offer: 1, at_ms }));
            memory.events.record("opened", 1_000);
            memory
        };
        let (left, right) = (history(&["a", "b", "b"], 0..15, 0), history(&["a", "c"], 10..40, 7));
        let sum = |mut left: Memory, right: &Memory| {
            left.add(right);
            left
        };
        let both = sum(left.clone(), &right);
        assert_eq!(both, sum(right, &left));
        assert_eq!((both.visits, both.topics.len(), both.entered_ms), (2, 3, 7));
        assert_eq!(both.topics[0].1 + both.topics[1].1 + both.topics[2].1, 5);
        assert_eq!((both.dismissals.len(), both.seen.len()), (MOST_DISMISSALS, Seen::MOST as usize));
        assert_eq!(both.seen.last().map(|seen| seen.at_ms), Some(39));
        assert_eq!(both.events.counts(["opened"].into_iter()).within_days("opened", 1, 1_000), 2);
    }

    #[test]
    fn memory_is_bounded_and_keeps_the_newest() {
        let mut memory = Memory::default();
        for at in 0..100_u64 {
            memory.see(Some(&format!("topic {at}")), at, at);
            memory.dismiss(&format!("offer {at}"), at);
        }
        memory.see(Some("topic 99"), 99, 100);
        assert_eq!((memory.visits, memory.interest()), (1, Some("topic 99")));
        assert_eq!((memory.topics.len(), memory.dismissals.len()), (MOST_TOPICS, MOST_DISMISSALS));
        memory.see(None, 0, VISIT_PAUSE_MS);
        assert_eq!(memory.visits, 2);
    }

    #[test]
    fn the_first_decision_of_a_period_is_remembered() {
        let mut memory = Memory::default();
        for (now_ms, entered_ms) in [(150, 150), (199, 150), (200, 200), (250, 200), (120, 120)] {
            memory.enter(100, now_ms);
            assert_eq!(memory.entered_ms, entered_ms);
        }
    }

    proptest! {
        #[test]
        fn a_changed_token_never_opens(at in 0..60_usize, flip in 1..255_u8) {
            let token = ring(&[1]).seal(Purpose::Session, "demo", &session(10), [3; 24]).unwrap();
            let mut bytes = BASE64URL_NOPAD.decode(token.as_bytes()).unwrap();
            let at = at % bytes.len();
            bytes[at] ^= flip;
            prop_assert!(open(&ring(&[1]), Purpose::Session, "demo", &BASE64URL_NOPAD.encode(&bytes), 1).is_err());
        }

        #[test]
        fn hostile_tokens_are_refused(token in ".{0,200}") {
            prop_assert!(open(&ring(&[1]), Purpose::Session, "demo", &token, 1).is_err());
        }
    }
}
