//! A wrapper for values that must never be printed: tokens, keys, codes.
//!
//! What holds here: a `Secret` has no `Display`, no `Serialize` and no `PartialEq`, its `Debug` prints a fixed
//! word, and its memory is wiped when it is dropped. The one way to the value is [`Secret::expose`], which a
//! reviewer can search for.

use zeroize::Zeroize;

/// A value that must not appear in a log, an error text or a debug print.
///
/// ```compile_fail
/// // A secret cannot be turned into text by accident.
/// let token = protocol::secret::Secret::new(String::from("hidden"));
/// println!("{}", token);
/// ```
///
/// ```compile_fail
/// // A secret cannot be serialised by accident.
/// let token = protocol::secret::Secret::new(String::from("hidden"));
/// serde_json::to_string(&token).unwrap();
/// ```
#[derive(Clone)]
pub struct Secret<T: Zeroize>(T);

impl<T: Zeroize> Secret<T> {
    /// Takes a value into custody.
    pub const fn new(value: T) -> Self {
        Self(value)
    }

    /// The value itself, for the single place that has to send, seal or compare it.
    pub const fn expose(&self) -> &T {
        &self.0
    }
}

impl<T: Zeroize> Drop for Secret<T> {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl<T: Zeroize> std::fmt::Debug for Secret<T> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Secret(hidden)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_output_hides_the_value() {
        let printed = format!("{:?}", Secret::new(String::from("eyJ0token")));
        assert!(!printed.contains("eyJ0"), "{printed}");
    }
}
