//! What the edge says to its operators: one JSON object a line, with the request that it is about.
//!
//! The id of a request is known wherever its future runs, for it is set whenever that is polled; it goes with calls to
//! objects, and back to the caller in [`HEADER`]. Nothing logged holds a token, an id of a visitor or an address.

use std::cell::Cell;
use std::fmt::Display;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use data_encoding::HEXLOWER;
use serde_json::json;

use crate::crypto::random;

/// Says which request an answer answers, and on whose behalf an object is called.
pub(crate) const HEADER: &str = "Portico-Request";

thread_local! {
    static CURRENT: Cell<Option<RequestId>> = const { Cell::new(None) };
}

/// A request's id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RequestId([u8; 8]);

impl RequestId {
    /// A new one. Without a source of randomness nothing works; the log is not where that shows.
    pub(crate) fn new() -> Self {
        Self(random().unwrap_or_default())
    }

    /// That of the request on whose behalf this code runs.
    pub(crate) fn current() -> Option<Self> {
        CURRENT.get()
    }

    /// As it travels.
    pub(crate) fn read(text: &str) -> Option<Self> {
        HEXLOWER.decode(text.as_bytes()).ok()?.try_into().ok().map(Self)
    }
}

impl Display for RequestId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&HEXLOWER.encode(&self.0))
    }
}

/// Runs a future on behalf of a request.
pub(crate) fn on_behalf<F: Future>(of: Option<RequestId>, work: F) -> impl Future<Output = F::Output> {
    OnBehalf { of, work: Box::pin(work) }
}

struct OnBehalf<F> {
    of: Option<RequestId>,
    work: Pin<Box<F>>,
}

impl<F: Future> Future for OnBehalf<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let before = CURRENT.replace(self.of);
        let polled = self.work.as_mut().poll(context);
        CURRENT.set(before);
        polled
    }
}

/// Goes on behind the answer of the request on whose behalf this code runs.
pub(crate) fn behind(context: &worker::Context, work: impl Future<Output = ()> + 'static) {
    context.wait_until(on_behalf(RequestId::current(), work));
}

/// Something of ours failed.
pub(crate) fn error(what: &str, failure: &dyn Display) {
    worker::console_error!("{}", line("error", what, failure));
}

fn line(level: &str, what: &str, failure: &dyn Display) -> String {
    let request = RequestId::current().map(|id| id.to_string());
    json!({ "level": level, "what": what, "error": failure.to_string(), "request": request }).to_string()
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::Waker;

    use futures_lite::future::{yield_now, zip};

    use super::*;

    #[test]
    fn each_line_names_the_request_that_it_is_about() {
        let ids = [RequestId([1; 8]), RequestId([2; 8])];
        let work = |id| {
            on_behalf(Some(id), async move {
                for _ in 0..3 {
                    let said: serde_json::Value =
                        serde_json::from_str(&line("error", "a \"ledger\"", &"full")).unwrap();
                    assert_eq!(said["request"], id.to_string());
                    assert_eq!((&said["what"], &said["error"]), (&json!("a \"ledger\""), &json!("full")));
                    yield_now().await;
                }
            })
        };
        let mut both = pin!(zip(work(ids[0]), work(ids[1])));
        while both.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending() {}
        assert_eq!(RequestId::current(), None);
        assert_eq!(RequestId::read(&ids[0].to_string()), Some(ids[0]));
        assert_eq!((RequestId::read("x"), RequestId::read("00")), (None, None));
    }
}
