//! The savings and loan calculator: a gadget that runs in a host's page or in a frame of ours.
//!
//! It knows sums and how to draw them. Which offers follow from them is not its business: it tells its caller what somebody
//! settled on, and the caller asks the edge.

mod chart;
mod format;
mod money;
mod settings;
mod view;
mod words;

use any_spawner::Executor;
use js_sys::Function;
use tachys::prelude::*;
use wasm_bindgen::prelude::*;
use web_sys::Element;

/// The style sheet, for the shadow root that receives the calculator.
#[wasm_bindgen]
pub fn style() -> String {
    include_str!("calculator.css").to_owned()
}

/// Shows the calculator in `root`, a `<div>` in a shadow root, in the language `locale`.
///
/// `settings` is a gadget of the site's configuration, with `purpose` (`"save"` or `"borrow"`) for what it opens on. `on_settled`
/// is called with that, a sum, and the figures that were chosen (`first`, `monthly` and `years` of saving, `amount` and `years` of
/// borrowing) whenever somebody has changed one and let go of it. Fails when `settings` are no calculator's.
#[wasm_bindgen]
pub fn mount(root: Element, settings: &JsValue, locale: &str, on_settled: Function) -> Result<Mounted, JsValue> {
    let settings = settings::read(settings).ok_or("not a calculator")?;
    let _ = Executor::init_wasm_bindgen();
    let mut state = view::calculator(settings, locale, on_settled).build();
    state.mount(&root, None);
    Ok(Mounted(Box::new(state)))
}

/// A calculator in the page. Freeing it takes it out.
#[wasm_bindgen]
pub struct Mounted(Box<dyn Mountable>);

impl Drop for Mounted {
    fn drop(&mut self) {
        self.0.unmount();
    }
}
