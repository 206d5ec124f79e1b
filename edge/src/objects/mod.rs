//! The Durable Objects: each fact has one owner, and its truth is in SQLite.
//!
//! Callers and objects share one typed interface: a [`Call`] names its object, its path, its question and its answer. Both
//! ends are of one build, so how it is written on the way is nobody else's business.

pub(crate) mod census;
pub(crate) mod directory;
pub(crate) mod group;
pub(crate) mod learner;
pub(crate) mod ledger;
pub(crate) mod outbox;
pub(crate) mod pages;
pub(crate) mod site;
mod sql;
pub(crate) mod visitor;

use std::rc::Rc;

use js_sys::Uint8Array;
use serde::Serialize;
use serde::de::DeserializeOwned;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;
use worker::{Env, State};

use crate::error::Failure;
use crate::log::{self, RequestId};
use crate::now_or_later;

#[wasm_bindgen(module = "/src/boundary.js")]
extern "C" {
    /// Asks an object: `what` is its binding, the operation, the id of the request on whose behalf, and its name, a line
    /// each. Comes to the answer's bytes, or to nothing where the object failed.
    #[wasm_bindgen(catch)]
    async fn ask(env: &Env, what: &str, question: &[u8]) -> Result<JsValue, JsValue>;
}

/// A question to an object.
pub(crate) trait Call: Serialize + DeserializeOwned {
    /// The namespace's binding.
    const BINDING: &'static str;
    /// The operation, as a path.
    const PATH: &'static str;
    /// Whether question and answer travel as postcard: a third of the time of JSON, for calls that carry many rows.
    const IS_BINARY: bool = false;
    /// What comes back.
    type Answer: Serialize + DeserializeOwned;
}

/// Asks the object of a name.
pub(crate) async fn call<C: Call>(env: &Env, name: &str, question: &C) -> Result<C::Answer, Failure> {
    if C::IS_BINARY {
        let answer = send(env, C::BINDING, name, C::PATH, &postcard::to_stdvec(question)?).await?;
        return Ok(postcard::from_bytes(&answer)?);
    }
    let answer = send(env, C::BINDING, name, C::PATH, &serde_json::to_vec(question)?).await?;
    Ok(serde_json::from_slice(&answer)?)
}

/// The id of the object of a name, by which it can be asked too: `#` and the id are a name.
pub(crate) fn id_of<C: Call>(env: &Env, name: &str) -> Result<String, Failure> {
    Ok(env.durable_object(C::BINDING)?.id_from_name(name)?.to_string())
}

/// Sends bytes to an object and awaits its answer's.
pub(crate) async fn send(
    env: &Env,
    binding: &str,
    name: &str,
    path: &str,
    question: &[u8],
) -> Result<Vec<u8>, Failure> {
    let caller = RequestId::current().map(|id| id.to_string()).unwrap_or_default();
    let what = [binding, "\n", path, "\n", &caller, "\n", name].concat();
    let answer = ask(env, &what, question).await.map_err(worker::Error::from)?;
    if answer.is_undefined() {
        return Err(Failure::Internal("an object failed; its own log says why"));
    }
    Ok(Uint8Array::from(answer).to_vec())
}

/// Reads a call inside an object, and writes its answer.
pub(crate) async fn answer<C: Call>(
    question: &[u8],
    handle: impl AsyncFnOnce(C) -> Result<C::Answer, Failure>,
) -> Result<Vec<u8>, Failure> {
    if C::IS_BINARY {
        return Ok(postcard::to_stdvec(&handle(postcard::from_bytes(question)?).await?)?);
    }
    Ok(serde_json::to_vec(&handle(serde_json::from_slice(question)?).await?)?)
}

/// What an object does. [`object!`] makes a class of it.
pub(crate) trait Object: Sized + 'static {
    fn new(state: State, env: Env) -> Self;

    /// Answers a call of an operation.
    async fn answer(&self, path: &str, question: &[u8]) -> Result<Vec<u8>, Failure>;

    /// Wakes at the time that was set.
    async fn alarm(&self) -> worker::Result<()> {
        Ok(())
    }
}

/// Answers a call, or nothing where that fails, which is logged.
fn run<O: Object>(
    name: &'static str,
    object: Rc<O>,
    path: String,
    caller: &str,
    question: Vec<u8>,
) -> Result<JsValue, JsValue> {
    let work = async move {
        let answer = object.answer(&path, &question).await;
        Ok(answer.map_or_else(
            |failure| {
                log::error(&format!("{name} {path}"), &failure);
                JsValue::UNDEFINED
            },
            |answer| Uint8Array::from(answer.as_slice()).into(),
        ))
    };
    now_or_later::run(log::on_behalf(RequestId::read(caller), work))
}

fn wake<O: Object>(object: Rc<O>) -> Result<JsValue, JsValue> {
    now_or_later::run(async move {
        object.alarm().await?;
        Ok(JsValue::UNDEFINED)
    })
}

/// Makes the class of an object, which `src/entry.js` makes a Durable Object of.
macro_rules! object {
    ($object:ident) => {
        mod class {
            use std::rc::Rc;

            use wasm_bindgen::JsValue;
            use wasm_bindgen::prelude::wasm_bindgen;
            use worker::worker_sys::DurableObjectState;
            use worker::{Env, State};

            use super::$object;
            use crate::objects::{Object, run, wake};

            #[doc = "An object as JavaScript has it."]
            #[wasm_bindgen(js_name = $object)]
            pub struct Class(Rc<$object>);

            #[wasm_bindgen(js_class = $object)]
            impl Class {
                #[doc = "The object of a state."]
                #[wasm_bindgen(constructor)]
                pub fn new(state: DurableObjectState, env: Env) -> Self {
                    Self(Rc::new(Object::new(State::from(state), env)))
                }

                #[doc = "Answers a call: with bytes, with nothing where it fails, or with a promise of that."]
                pub fn answer(&self, path: String, caller: &str, question: Vec<u8>) -> Result<JsValue, JsValue> {
                    run(stringify!($object), Rc::clone(&self.0), path, caller, question)
                }

                #[doc = "Wakes at the time that was set."]
                pub fn alarm(&self) -> Result<JsValue, JsValue> {
                    wake(Rc::clone(&self.0))
                }
            }
        }
    };
}
use object;
