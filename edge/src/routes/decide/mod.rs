//! `POST /v1/decide`: the hot path. No storage for an anonymous visitor, one object for a customer.

mod answer;

use std::borrow::Cow;
use std::cell::Cell;
use std::collections::BTreeMap;
use std::rc::Rc;

use portico_engine::evaluate::Compared;
use portico_engine::{
    Arm, Ask, Asked, Decision, Facts, Filled, Question, Reply, Seed, Source, decide as choose, decide_as, explain,
    inquire,
};
use portico_protocol::content::Layout;
use portico_protocol::decide::{Consent, DecideRequest, QuestionResponse};
use portico_protocol::id::{DecisionId, PersonId, VisitorId};
use portico_protocol::identity::{Customer, IdentityError};
use portico_protocol::limits::BODY_BYTES;
use portico_protocol::problem::ProblemKind;
use portico_protocol::profile::Profile;
use portico_protocol::report::DecisionSample;
use portico_protocol::seal::{Memory, OfferRecord, Portrait, Purpose, SealError, VisitorRecord};
use portico_protocol::site::SiteConfig;
use portico_protocol::stream::PageView;
use worker::{Context, Env};

use crate::access::{self, Caller};
use crate::crypto::random;
use crate::error::Failure;
use crate::facts::{self, ReadPage};
use crate::http::{Request, Response, now_ms};
use crate::identity::{self, verified};
use crate::log;
use crate::memory;
use crate::objects::visitor::{self, Did, See, Seen, Who};
use crate::objects::{call, ledger};
use crate::page_counts;
use crate::recording::shard_of;
use crate::routes::metrics::{Counted, count};
use crate::snapshot::Snapshot;
use answer::{Answer, Paper, Shown};

/// Least time between two decisions kept for the console's live page: a sample, so that the hot path writes nothing.
const SAMPLE_EVERY_MS: u64 = 200;
/// The same while nobody looks: enough that whoever opens the console sees something at once.
const UNWATCHED_SAMPLE_EVERY_MS: u64 = 3_000;

thread_local! {
    static SAMPLED_MS: Cell<u64> = const { Cell::new(0) };
    static SAMPLE_MS: Cell<u64> = const { Cell::new(SAMPLE_EVERY_MS) };
}

/// Who the visitor is, as far as may be known.
enum Visitor {
    /// Nothing may be kept: context alone.
    Unknown,
    /// Carries what is remembered of them in a token.
    Anonymous(Box<VisitorRecord>),
    /// Vouched for by the site's server.
    Known(Box<Known>),
}

struct Known {
    customer: Customer,
    person: PersonId,
    memory: Box<Memory>,
    profile: Profile,
    portrait: Box<Portrait>,
    /// What their device is to have as its token from now on, where that changes.
    token: Option<VisitorRecord>,
}

/// Everything that one decision needs and that its sample needs again.
struct Prepared {
    facts: Facts,
    sticky: String,
    memory: Memory,
    decision: DecisionId,
    now_ms: u64,
}

pub(crate) async fn decide(mut request: Request, env: &Env, context: &Context) -> Result<Response, Failure> {
    let bearer = access::bearer(&request);
    let origin = request.origin();
    let asked: DecideRequest = request.json(BODY_BYTES).await?;
    asked
        .check()
        .map_err(|errors| Failure::invalid(ProblemKind::Malformed, "The request is out of bounds.", errors))?;
    let caller = access::visitor_side(env, context, bearer.as_deref(), origin.as_deref(), &asked.site).await?;
    if asked.explain && !caller.trusted {
        return Err(Failure::refused(ProblemKind::Forbidden, "Only a secret key may ask for the trace."));
    }
    if asked.customer.is_some() && !caller.trusted {
        return Err(Failure::refused(ProblemKind::Forbidden, "Only a secret key may name a customer."));
    }
    let answer = answer(asked, &caller, &request, env, context).await?;
    Ok(Response::bytes(200, "application/json", answer))
}

/// The answer, as JSON, to a question that has been checked.
pub(crate) async fn answer(
    mut asked: DecideRequest,
    caller: &Caller,
    request: &Request,
    env: &Env,
    context: &Context,
) -> Result<Vec<u8>, Failure> {
    let private = request.is_private();
    let user_agent = request.header("User-Agent").unwrap_or_default();
    let ReadPage { view, counted } = facts::read_page(&mut asked, &caller.snapshot);
    let view = if asked.again { PageView::default() } else { view };
    let now_ms = now_ms();
    let (mut visitor, consent) = identify(&asked, view, private, caller, env, now_ms).await?;
    let is_counted = consent.analytics && !asked.again && asked.identity.is_none() && asked.customer.is_none();
    if let Some(page) = counted.filter(|_| is_counted) {
        page_counts::note(env, context, &caller.snapshot.site, page);
    }
    let prepared = prepare(&mut asked, caller, (&visitor, consent), &user_agent, now_ms)?;

    let snapshot = Rc::clone(&caller.snapshot);
    let asks: Vec<Ask<'_>> = asks(&asked);
    let question = question(&snapshot, &asked, &asks, &prepared);
    let settings = &snapshot.settings;
    let (chosen, trace) = if asked.explain {
        let (chosen, trace) = explain(&settings.policy, &snapshot.predictor, &question);
        (chosen, Some(trace))
    } else {
        (choose(&settings.policy, &snapshot.predictor, &question), None)
    };
    let inquiry = inquiry(&snapshot, &asked, (&question, &chosen), caller, &mut visitor);
    let shard = shard_of(&snapshot, &prepared.sticky);
    let paper = Paper::new(&settings.config, &settings.prints, request.own_origin());
    let paper = asked.html.then_some(&paper);
    let visitor_token = visitor.token(&snapshot)?;
    let decision = prepared.decision.to_string();
    let mut answer = Answer::begin(visitor_token.as_deref(), &decision, snapshot.version, snapshot.model_version)?;
    let mut compared = compare(&snapshot, &question, &chosen).into_iter();
    let painted = inquiry.as_ref().filter(|_| asked.html).map(|inquiry| portico_widget::question(&inquiry.text));
    let mut strip = painted.as_deref();
    for (placement, filled) in asked.placements.iter().zip(&chosen.placements) {
        let compared = compared.next().flatten();
        let layout = settings.config.layouts.get(&placement.id).copied().unwrap_or_default();
        let (arm, reason, offers) = match filled {
            Filled::UnknownPlacement => (None, Some("unknown_placement"), &[][..]),
            Filled::NothingEligible => (Some(chosen.arm), Some("nothing_eligible"), &[][..]),
            Filled::Offers(offers) => (Some(chosen.arm), None, offers.as_slice()),
        };
        let mut shown = Vec::with_capacity(offers.len());
        for (rank, offer) in (1_u32..).zip(offers) {
            let Some(print) = settings.prints.offer(&settings.config, &offer.offer, &asked.locale)? else { continue };
            let record = OfferRecord {
                decision: prepared.decision,
                offer: offer.offer.clone(),
                placement: placement.id.clone(),
                rank,
                channel: asked.channel.clone(),
                arm: chosen.arm,
                propensity: offer.propensity,
                config: snapshot.version,
                model: snapshot.model_version,
                features: chosen.features.clone(),
                promised: offer.promised.clone(),
                compared: compared.filter(|_| rank == 1),
                shard,
                among: OfferRecord::bits(&offer.among),
                entered_ms: prepared.memory.entered_ms,
                person: visitor.person(),
                visitor: visitor.id(),
                customer: visitor.customer().map(str::to_owned),
                partner: caller.partner.clone(),
                decided_ms: prepared.now_ms,
            };
            let sealed = settings
                .keyring
                .seal(Purpose::Offer, &snapshot.site, &record, random()?)
                .map_err(|_| Failure::Internal("an offer's record could not be sealed"))?;
            let (offer, score, propensity) = (offer.offer.as_str(), offer.score, offer.propensity);
            let token = [&*snapshot.site, "~", &*sealed].concat();
            shown.push(Shown { offer, rank, score, propensity, token, print });
        }
        let under = strip.take_if(|_| !shown.is_empty() && asks_in(&settings.config, &placement.id, layout));
        answer.placement(&placement.id, arm, reason, layout, &shown, (paper.filter(|_| reason.is_none()), under))?;
    }
    let answer = answer.end(asked.html, inquiry.as_ref().map(|inquiry| &inquiry.text), trace.as_deref())?;
    count(&snapshot.site, Counted::Decisions, 1);
    if let (Visitor::Known(known), Some(Inquiry { asked: Some(asked), .. })) = (&visitor, inquiry) {
        note_asked(env, context, &snapshot, &known.customer.id, asked);
    }
    let customer = matches!(visitor, Visitor::Known(_));
    drop(asks);
    sample(env, context, snapshot, asked, prepared, customer);
    Ok(answer)
}

/// A question for the visitor.
struct Inquiry {
    text: QuestionResponse,
    /// What is to be remembered of it, where it was not put to them before.
    asked: Option<Asked>,
}

/// Whether a question may be painted under the offers of a placement.
fn asks_in(config: &SiteConfig, placement: &str, layout: Layout) -> bool {
    !matches!(layout, Layout::Inline | Layout::Corner) && config.ask_in.iter().any(|id| id == placement)
}

/// What to ask the visitor on this page, where somebody is there whose answer may be remembered, and room to ask it. An
/// anonymous visitor's token remembers it at once.
fn inquiry(
    snapshot: &Snapshot,
    request: &DecideRequest,
    (question, chosen): (&Question<'_>, &Decision),
    caller: &Caller,
    visitor: &mut Visitor,
) -> Option<Inquiry> {
    let config = &snapshot.settings.config;
    if config.decisions.questions.is_empty() || caller.partner.is_some() {
        return None;
    }
    let layout = |id: &str| config.layouts.get(id).copied().unwrap_or_default();
    let mut placements = request.placements.iter().zip(&chosen.placements);
    // It stands under offers.
    let has_room = placements.any(|(placement, filled)| {
        matches!(filled, Filled::Offers(_)) && asks_in(config, &placement.id, layout(&placement.id))
    });
    if request.html && !has_room {
        return None;
    }
    let before = match visitor {
        Visitor::Unknown => return None,
        Visitor::Anonymous(record) => &record.portrait.asked,
        Visitor::Known(known) => &known.portrait.asked,
    };
    let inquiry = inquire(&snapshot.settings.policy, &snapshot.predictor, question, before)?;
    let text = config.question(inquiry.id, &request.locale)?;
    let (question, at_ms) = (Asked::mark(inquiry.id), question.now_ms);
    let asked = inquiry.is_new.then_some(Asked { question, at_ms, reply: Reply::Open });
    if let (Visitor::Anonymous(record), Some(asked)) = (visitor, asked) {
        record.portrait.ask(asked);
    }
    Some(Inquiry { text, asked })
}

/// Remembers what a customer was asked, behind the answer.
fn note_asked(env: &Env, context: &Context, snapshot: &Snapshot, customer: &str, asked: Asked) {
    let (env, name) = (env.clone(), visitor::name(&snapshot.site, customer));
    log::behind(context, async move {
        if let Err(failure) = call(&env, &name, &visitor::Ask { asked }).await {
            log::error("note of a question", &failure);
        }
    });
}

/// What a candidate in shadow would have put first into each slot, beside what stands there. It is decided as its model
/// would, and for an explorer so is the live configuration: nothing else tells what either would earn.
fn compare(snapshot: &Snapshot, question: &Question<'_>, chosen: &Decision) -> Vec<Option<Compared>> {
    let Some((number, policy, predictor)) = snapshot.candidate() else { return Vec::new() };
    let candidate = decide_as(policy, predictor, question, Arm::Model);
    let explores = chosen.arm == Arm::Explore;
    let live = explores.then(|| decide_as(&snapshot.settings.policy, &snapshot.predictor, question, Arm::Model));
    let compare = |slot| {
        let stands = chosen.first(slot)?;
        let same = |decision: &Decision| decision.first(slot).is_some_and(|first| first.offer == stands.offer);
        Some(Compared {
            candidate: number,
            by_candidate: same(&candidate),
            by_live: live.as_ref().map_or(chosen.arm == Arm::Model, same),
            by_chance: stands.propensity.filter(|_| explores),
        })
    };
    (0..chosen.placements.len()).map(compare).collect()
}

impl Visitor {
    fn id(&self) -> Option<VisitorId> {
        match self {
            Self::Anonymous(record) => Some(record.id),
            Self::Unknown | Self::Known(_) => None,
        }
    }

    fn customer(&self) -> Option<&str> {
        match self {
            Self::Known(known) => Some(&known.customer.id),
            Self::Unknown | Self::Anonymous(_) => None,
        }
    }

    fn person(&self) -> Option<PersonId> {
        match self {
            Self::Known(known) => Some(known.person),
            Self::Unknown | Self::Anonymous(_) => None,
        }
    }

    fn token(&self, snapshot: &Snapshot) -> Result<Option<String>, Failure> {
        let record = match self {
            Self::Unknown => None,
            Self::Anonymous(record) => Some(record.as_ref()),
            Self::Known(known) => known.token.as_ref(),
        };
        record.map(|record| seal_visitor(snapshot, record)).transpose()
    }
}

pub(crate) fn seal_visitor(snapshot: &Snapshot, record: &VisitorRecord) -> Result<String, Failure> {
    let mut record = Cow::Borrowed(record);
    loop {
        match snapshot.settings.keyring.seal(Purpose::Visitor, &snapshot.site, &*record, random()?) {
            Ok(token) => return Ok(token),
            // Long names fill a token sooner.
            Err(SealError::TooLong) if record.to_mut().forget_half() => {}
            Err(_) => return Err(Failure::Internal("a visitor's record could not be sealed")),
        }
    }
}

/// Takes a device's history over to whom an identity token names; the device's token from then on, where that changes.
pub(crate) async fn identify_visitor(
    asked: &DecideRequest,
    is_private: bool,
    caller: &Caller,
    env: &Env,
    now_ms: u64,
) -> Result<Option<String>, Failure> {
    let (visitor, _) = identify(asked, PageView::default(), is_private, caller, env, now_ms).await?;
    visitor.token(&caller.snapshot)
}

/// Who is there, and what they agreed to: by this request's word, or else by what a customer said before, or else by the site's
/// default. Without consent to personalization nobody is recognised, whatever the page sends; on a publisher's page no
/// customer is without consent to sharing.
async fn identify(
    asked: &DecideRequest,
    view: PageView,
    is_private: bool,
    caller: &Caller,
    env: &Env,
    now_ms: u64,
) -> Result<(Visitor, Consent), Failure> {
    let snapshot = &caller.snapshot;
    let unsaid = snapshot.settings.config.consent_default;
    let says = if is_private { Some(Consent::default()) } else { asked.consent };
    let mut consent = says.unwrap_or(unsaid);
    let customer = match (&asked.identity, &asked.customer) {
        (Some(token), _) => Some(verified(snapshot, token, now_ms).await?),
        (None, Some(id)) => {
            Some(Customer { id: id.clone(), attributes: BTreeMap::new(), issued_s: u64::MAX, expires_s: 0 })
        }
        (None, None) => None,
    };
    // Where the request leaves it open, a customer's own word may say otherwise.
    if !consent.personalization && (says.is_some() || customer.is_none()) {
        return Ok((Visitor::Unknown, consent));
    }
    let period_ms = snapshot.settings.policy.period_ms();
    let page_events = if asked.again { Vec::new() } else { facts::page_events(asked, snapshot) };
    // A visitor token that does not open is no reason to refuse: its bearer becomes a new visitor.
    let visitor = asked.visitor.as_deref().and_then(|token| {
        snapshot.settings.keyring.open::<VisitorRecord>(Purpose::Visitor, &snapshot.site, token, now_ms).ok()
    });
    if let Some(customer) = customer {
        let device = visitor.as_ref().map(|visitor| visitor.id);
        let taken =
            visitor.clone().map(|visitor| memory::take_over(snapshot, visitor, &customer.id, now_ms)).transpose()?;
        let (history, mut token) = taken.unwrap_or_default();
        let plan = memory::plan(snapshot, Who::Customer(customer.id.clone()));
        let issued_s = asked.identity.is_some().then_some(customer.issued_s);
        let (is_shared, happened) = (caller.partner.is_some(), page_events.clone());
        let view = view.clone();
        let see = See { issued_s, history, says, unsaid, is_shared, view, happened, plan, period_ms, now_ms };
        match call(env, &visitor::name(&snapshot.site, &customer.id), &see).await? {
            Seen::SignedOut => return Err(identity::refused(IdentityError::SignedOut)),
            Seen::NotAgreed(agreed) if !agreed.personalization => return Ok((Visitor::Unknown, agreed)),
            // On a publisher's page they are whoever the device is.
            Seen::NotAgreed(agreed) => consent = agreed,
            Seen::Known { person, memory, profile, portrait, consent, has_merged, was_erased } => {
                if was_erased {
                    token = Some(memory::begun_by(snapshot, &customer.id, now_ms)?);
                }
                if let Some(device) = device.filter(|_| has_merged) {
                    memory::stop_waiting(env, snapshot, device).await?;
                }
                let known = Known { customer, person, memory, profile, portrait, token };
                return Ok((Visitor::Known(Box::new(known)), consent));
            }
        }
    }
    let mut record = visitor.map_or_else(|| memory::anybody(now_ms), Ok)?;
    record.memory.see(view.topic.as_deref(), record.seen_ms, now_ms);
    record.portrait.stream.see(&view, now_ms);
    record.memory.enter(period_ms, now_ms);
    let page = page_events.into_iter().map(|event| (None, event)).collect();
    memory::anonymous(env, snapshot, &mut record, Did { happened: page, ..Did::default() }, now_ms).await?;
    record.seen_ms = now_ms;
    Ok((Visitor::Anonymous(Box::new(record)), consent))
}

fn prepare(
    asked: &mut DecideRequest,
    caller: &Caller,
    (visitor, consent): (&Visitor, Consent),
    user_agent: &str,
    now_ms: u64,
) -> Result<Prepared, Failure> {
    let decision = DecisionId::new(random()?);
    let publisher = caller.partner.as_deref();
    let config = &caller.snapshot.settings.config;
    let believed = match visitor {
        Visitor::Unknown => BTreeMap::new(),
        Visitor::Anonymous(record) => {
            let mut profile = Profile::new();
            record.portrait.tell(&mut profile);
            config.profile.facts(&profile, consent, now_ms)
        }
        Visitor::Known(known) => config.profile.facts(&known.profile, consent, now_ms),
    };
    if asked.locale.is_empty() {
        let preferred = config.profile.language.as_ref().and_then(|attribute| believed.get(attribute)?.as_str());
        asked.locale = preferred.or(config.locales.first().map(String::as_str)).unwrap_or("en").to_owned();
    }
    let mut facts = facts::of_request(asked, user_agent, publisher, &config.origins, now_ms);
    let (sticky, memory) = match visitor {
        // Nobody is remembered: each decision is a visitor of its own.
        Visitor::Unknown => (decision.to_string(), Memory { entered_ms: now_ms, ..Memory::default() }),
        Visitor::Anonymous(record) => {
            facts::of_memory(&mut facts, &record.memory, &caller.snapshot);
            facts::of_stream(&mut facts, &record.portrait.stream, now_ms);
            facts.extend(Source::Profile, believed);
            (record.id.to_string(), record.memory.clone())
        }
        Visitor::Known(known) => {
            let Known { customer, memory, portrait, .. } = known.as_ref();
            facts::of_memory(&mut facts, memory, &caller.snapshot);
            facts::of_stream(&mut facts, &portrait.stream, now_ms);
            facts.extend(Source::Profile, believed);
            facts.extend(Source::Identity, customer.attributes.clone());
            (format!("customer {}", customer.id), Memory::clone(memory))
        }
    };
    Ok(Prepared { facts, sticky, memory, decision, now_ms })
}

fn asks(asked: &DecideRequest) -> Vec<Ask<'_>> {
    asked.placements.iter().map(|placement| Ask { placement: &placement.id, count: placement.count }).collect()
}

fn question<'a>(
    snapshot: &'a Snapshot,
    asked: &'a DecideRequest,
    asks: &'a [Ask<'a>],
    prepared: &'a Prepared,
) -> Question<'a> {
    Question {
        facts: &prepared.facts,
        sticky: &prepared.sticky,
        channel: &asked.channel,
        dismissals: &prepared.memory.dismissals,
        seen: &prepared.memory.seen,
        placements: asks,
        now_ms: prepared.now_ms,
        seed: Seed::of_decision(&snapshot.settings.hash_key, &prepared.decision.to_string()),
        site_key: &snapshot.settings.hash_key,
    }
}

/// Keeps a decision for the console now and then, behind the answer. Its trace is worked out there: the same question
/// has the same answer.
fn sample(
    env: &Env,
    context: &Context,
    snapshot: Rc<Snapshot>,
    asked: DecideRequest,
    prepared: Prepared,
    customer: bool,
) {
    let due = SAMPLED_MS.get() + SAMPLE_MS.get() <= prepared.now_ms;
    if !due {
        return;
    }
    SAMPLED_MS.set(prepared.now_ms);
    let env = env.clone();
    log::behind(context, async move {
        let asks = asks(&asked);
        let question = question(&snapshot, &asked, &asks, &prepared);
        let (_, placements) = explain(&snapshot.settings.policy, &snapshot.predictor, &question);
        let shadow = snapshot.candidate().map(|(_, policy, predictor)| explain(policy, predictor, &question).1);
        let sample = DecisionSample {
            decision: prepared.decision.to_string(),
            at: prepared.now_ms,
            channel: asked.channel.clone(),
            customer,
            config: snapshot.version,
            model: snapshot.model_version,
            placements,
            shadow: shadow.unwrap_or_default(),
        };
        let keep = ledger::KeepSample { sample };
        match call(&env, &ledger::name(&snapshot.site, 0), &keep).await {
            Ok(watched) => SAMPLE_MS.set(if watched { SAMPLE_EVERY_MS } else { UNWATCHED_SAMPLE_EVERY_MS }),
            Err(failure) => log::error("sample of a decision", &failure),
        }
    });
}
