//! The texts of the lists, written once.
//!
//! What holds here: a list depends on its method and on what is offered, and on nothing else. Both stay the same for as
//! long as an instance lives, and putting the catalogue together took three quarters of the time of a `tools/list`.
//! Therefore the text is kept, together with what it was written for: it is given out for just that.
//!
//! Must never hold anything of a person or of a request.

use std::cell::RefCell;
use std::rc::Rc;

use serde_json::value::{RawValue, to_raw_value};

use super::method::Method;
use super::results::{Cache, list_result, stateless_result};
use crate::linked_app::LinkedApp;
use crate::tools::{Offer, Toolsets};

/// Two eras of five lists; an instance has one offer, tests have several.
const KEPT_MAX: usize = 16;

#[derive(PartialEq)]
struct Written {
    method: Method,
    is_stateless: bool,
    toolsets: Toolsets,
    condenses: bool,
    linked_apps: Vec<LinkedApp>,
}

impl Written {
    fn is_for(&self, method: Method, is_stateless: bool, offer: Offer<'_>) -> bool {
        let Offer { toolsets, linked_apps, condenses } = offer;
        self.method == method
            && self.is_stateless == is_stateless
            && self.toolsets == toolsets
            && self.condenses == condenses
            && self.linked_apps == linked_apps
    }
}

thread_local! {
    static KEPT: RefCell<Vec<(Written, Rc<RawValue>)>> = const { RefCell::new(Vec::new()) };
}

/// The result of a method whose answer is the same for everybody with the same offer, as text; none for the others.
/// `is_stateless`: with what the revision without sessions demands of a complete result.
#[must_use]
pub fn list_text(method: Method, offer: Offer<'_>, is_stateless: bool) -> Option<Rc<RawValue>> {
    let kept = KEPT.with_borrow(|kept| {
        let known = kept.iter().find(|(written, _)| written.is_for(method, is_stateless, offer));
        known.map(|(_, text)| text.clone())
    });
    if kept.is_some() {
        return kept;
    }
    let list = to_raw_value(&list_result(method, offer)?).ok()?;
    let text: Rc<RawValue> =
        if is_stateless { stateless_result(list.get(), Cache::of(method)).into() } else { list.into() };
    let Offer { toolsets, linked_apps, condenses } = offer;
    let written = Written { method, is_stateless, toolsets, condenses, linked_apps: linked_apps.to_vec() };
    KEPT.with_borrow_mut(|kept| {
        if kept.len() >= KEPT_MAX {
            kept.clear();
        }
        kept.push((written, text.clone()));
    });
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_given_out_for_the_offer_that_it_was_written_for() {
        let named =
            |toolsets: &str| Offer { toolsets: Toolsets::parse(toolsets).unwrap(), ..Offer::default() };
        let linked = |name: &str| {
            let setting = format!(
                r#"[{{"name": "{name}", "baseUrl": "https://{name}.example", "paths": ["/"], "methods": ["GET"], "description": "d"}}]"#
            );
            crate::linked_app::parse(&setting).unwrap()
        };
        let (orders, stock) = (linked("orders"), linked("stock"));
        let offers = [
            named("mail"),
            named("calendar"),
            Offer { condenses: true, ..Offer::default() },
            Offer { linked_apps: &orders, ..Offer::default() },
            Offer { linked_apps: &stock, ..Offer::default() },
        ];
        // Twice, so that each is also found again; and more than are kept.
        for _ in 0..2 {
            for offer in offers {
                for method in [Method::ListTools, Method::ListPrompts, Method::Discover] {
                    let list = to_raw_value(&list_result(method, offer).unwrap()).unwrap();
                    assert_eq!(list_text(method, offer, false).unwrap().get(), list.get());
                    let dressed = stateless_result(list.get(), Cache::of(method));
                    assert_eq!(list_text(method, offer, true).unwrap().get(), dressed.get());
                }
            }
        }
        assert!(list_text(Method::CallTool, Offer::default(), true).is_none());
    }

    #[test]
    fn a_text_is_written_once_and_few_are_kept() {
        let first = list_text(Method::ListTools, Offer::default(), true).unwrap();
        assert!(Rc::ptr_eq(&first, &list_text(Method::ListTools, Offer::default(), true).unwrap()));
        for toolsets in [
            "mail",
            "calendar",
            "teams",
            "people",
            "files",
            "tasks",
            "mail,tasks",
            "mail,files",
            "mail,teams",
        ] {
            let offer = Offer { toolsets: Toolsets::parse(toolsets).unwrap(), ..Offer::default() };
            let _texts = [true, false].map(|is_stateless| list_text(Method::ListTools, offer, is_stateless));
        }
        assert!(KEPT.with_borrow(Vec::len) <= KEPT_MAX);
    }
}
