//! Futures that often wait for nothing.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use futures_lite::future::or;
use futures_util::task::AtomicWaker;
use wasm_bindgen::JsValue;
use wasm_bindgen_futures::future_to_promise;
use worker::Delay;

/// What a future comes to, if it does so at once; else a promise of it. A promise costs several crossings and turns of
/// the event loop.
pub(crate) fn run(work: impl Future<Output = Result<JsValue, JsValue>> + 'static) -> Result<JsValue, JsValue> {
    let mut later = Later::new(work);
    match later.poll_now() {
        Poll::Ready(done) => done,
        Poll::Pending => Ok(future_to_promise(later).into()),
    }
}

/// What a future comes to within a time; nothing where it takes longer.
pub(crate) async fn within<T>(patience: Duration, work: impl Future<Output = T>) -> Option<T> {
    let late = async {
        Delay::from(patience).await;
        None
    };
    or(async { Some(work.await) }, late).await
}

/// A future that was polled before somebody waits for it. Whoever it waits for keeps the waker of its first poll, as
/// [`worker::Delay`] does, so that one leads on to whoever waits now.
struct Later<F> {
    work: Pin<Box<F>>,
    leads_on: Arc<LeadsOn>,
    waker: Waker,
}

#[derive(Default)]
struct LeadsOn(AtomicWaker);

impl Wake for LeadsOn {
    fn wake(self: Arc<Self>) {
        self.0.wake();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.wake();
    }
}

impl<F: Future> Later<F> {
    fn new(work: F) -> Self {
        let leads_on = Arc::<LeadsOn>::default();
        Self { work: Box::pin(work), waker: Arc::clone(&leads_on).into(), leads_on }
    }

    fn poll_now(&mut self) -> Poll<F::Output> {
        self.work.as_mut().poll(&mut Context::from_waker(&self.waker))
    }
}

impl<F: Future> Future for Later<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        self.leads_on.0.register(context.waker());
        self.poll_now()
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::future::poll_fn;
    use std::pin::pin;
    use std::rc::Rc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    struct Counts(AtomicUsize);

    impl Wake for Counts {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn who_waits_later_is_woken_by_what_was_asked_first() {
        // Keeps the waker of its first poll alone, until it is woken.
        let kept: Rc<Cell<Option<Waker>>> = Rc::default();
        let (first, done) = (Rc::clone(&kept), Rc::new(Cell::new(false)));
        let is_done = Rc::clone(&done);
        let mut asked = false;
        let mut later = Later::new(poll_fn(move |context| {
            if is_done.get() {
                return Poll::Ready(7);
            }
            if !std::mem::replace(&mut asked, true) {
                first.set(Some(context.waker().clone()));
            }
            Poll::Pending
        }));
        assert_eq!(later.poll_now(), Poll::Pending);
        let woken = Arc::new(Counts(AtomicUsize::new(0)));
        let waker: Waker = Arc::clone(&woken).into();
        let mut later = pin!(later);
        assert_eq!(later.as_mut().poll(&mut Context::from_waker(&waker)), Poll::Pending);
        done.set(true);
        kept.take().unwrap().wake();
        assert_eq!(woken.0.load(Ordering::Relaxed), 1);
        assert_eq!(later.as_mut().poll(&mut Context::from_waker(&waker)), Poll::Ready(7));
        assert_eq!(Later::new(async { 8 }).poll_now(), Poll::Ready(8));
    }
}
