//! What answers to decisions say of offers, written once for everybody: words as JSON, and the painted HTML as it stands in
//! a JSON string. Only links and tokens differ from decision to decision; painting and escaping the rest anew took longer
//! than deciding.
//!
//! The configuration's own placements, offers and languages are all that is ever asked for, which bounds what is kept.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use portico_protocol::content::Layout;
use portico_protocol::site::SiteConfig;
use portico_widget::Around;

use crate::error::Failure;

/// The prints of one configuration, made as they are needed.
#[derive(Debug, Default)]
pub(crate) struct Prints {
    offers: ByName<OfferPrint>,
    cards: ByName<Around>,
    frames: ByName<Around>,
}

/// By id; the few forms of each are gone through.
type ByName<T> = RefCell<BTreeMap<String, Vec<(Form, Rc<T>)>>>;

/// The language of the content, that of the words around it, and how it is arranged.
type Form = (String, String, Layout);

/// An offer in one language.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct OfferPrint {
    /// The language's tag.
    pub(crate) locale: String,
    /// Its content as JSON.
    pub(crate) content: String,
}

impl Prints {
    /// An offer's words in the language wanted, or the nearest there is.
    pub(crate) fn offer(
        &self,
        config: &SiteConfig,
        offer: &str,
        wanted: &str,
    ) -> Result<Option<Rc<OfferPrint>>, Failure> {
        let Some((locale, content)) = config.words(offer, wanted) else { return Ok(None) };
        let write = || {
            let content = serde_json::to_string(content)?;
            Ok(OfferPrint { locale: locale.to_owned(), content })
        };
        find(&self.offers, offer, (locale, "", Layout::default()), write).map(Some)
    }

    /// The card of an offer with content in one language, in a placement of another or the same: around its link, within a
    /// JSON string.
    pub(crate) fn card(
        &self,
        config: &SiteConfig,
        offer: &str,
        content_locale: &str,
        layout: Layout,
        locale: &str,
    ) -> Result<Rc<Around>, Failure> {
        let paint = || {
            let (_, content) = config.words(offer, content_locale).ok_or(UNPAINTED)?;
            escaped(&portico_widget::card(offer, content, layout, locale).ok_or(UNPAINTED)?)
        };
        find(&self.cards, offer, (content_locale, locale, layout), paint)
    }

    /// A placement around its cards, within a JSON string.
    pub(crate) fn frame(&self, placement: &str, layout: Layout, locale: &str) -> Result<Rc<Around>, Failure> {
        let paint = || escaped(&portico_widget::frame(placement, layout, locale).ok_or(UNPAINTED)?);
        find(&self.frames, placement, ("", locale, layout), paint)
    }
}

const UNPAINTED: Failure = Failure::Internal("an offer could not be painted");

fn find<T>(
    kept: &ByName<T>,
    id: &str,
    form: (&str, &str, Layout),
    make: impl FnOnce() -> Result<T, Failure>,
) -> Result<Rc<T>, Failure> {
    let is_it = |((content, around, layout), _): &&(Form, Rc<T>)| (content.as_str(), around.as_str(), *layout) == form;
    let found = kept.borrow().get(id).and_then(|all| all.iter().find(is_it).map(|(_, print)| Rc::clone(print)));
    if let Some(found) = found {
        return Ok(found);
    }
    let made = Rc::new(make()?);
    let form = (form.0.to_owned(), form.1.to_owned(), form.2);
    kept.borrow_mut().entry(id.to_owned()).or_default().push((form, Rc::clone(&made)));
    Ok(made)
}

/// The same inside of a JSON string.
fn escaped(around: &Around) -> Result<Around, Failure> {
    let inside = |text: &str| -> Result<String, Failure> {
        let quoted = serde_json::to_string(text)?;
        Ok(quoted.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or_default().to_owned())
    };
    Ok(Around { before: inside(&around.before)?, after: inside(&around.after)? })
}
