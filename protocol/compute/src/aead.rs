//! AES-256-GCM (NIST SP 800-38D), with the tag behind the ciphertext.
//!
//! What holds here: a nonce is the caller's to draw, and never to use again under one key. Opening does not say why it
//! failed.

use aes_gcm::aead::{Aead as _, KeyInit as _, Payload};
use aes_gcm::{Aes256Gcm, Nonce};

/// Bytes of a nonce.
pub const NONCE_BYTES: usize = 12;

/// A key, ready for use.
pub struct Cipher(Aes256Gcm);

impl Cipher {
    /// The cipher of a key.
    #[must_use]
    pub fn new(key: &[u8; 32]) -> Self {
        Self(Aes256Gcm::new(key.into()))
    }

    /// Encrypts `plaintext` and authenticates it with `associated_data`; `None` above 64 GiB.
    #[must_use]
    pub fn seal(
        &self,
        nonce: [u8; NONCE_BYTES],
        associated_data: &[u8],
        plaintext: &[u8],
    ) -> Option<Vec<u8>> {
        self.0.encrypt(&Nonce::from(nonce), Payload { msg: plaintext, aad: associated_data }).ok()
    }

    /// Decrypts what [`Cipher::seal`] made; `None` for anything else.
    #[must_use]
    pub fn open(&self, nonce: [u8; NONCE_BYTES], associated_data: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
        self.0.decrypt(&Nonce::from(nonce), Payload { msg: sealed, aad: associated_data }).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Test case 14 of the paper that defined the mode (McGrew and Viega, "The Galois/Counter Mode of Operation"): a key,
    /// a nonce and a block of zeros.
    #[test]
    fn a_block_of_zeros_becomes_what_the_paper_says() {
        let cipher = Cipher::new(&[0; 32]);
        let sealed = cipher.seal([0; NONCE_BYTES], b"", &[0; 16]).unwrap();
        let hex: String = sealed.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, "cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919");
        assert_eq!(cipher.open([0; NONCE_BYTES], b"", &sealed).unwrap(), [0; 16]);
    }

    #[test]
    fn what_was_changed_does_not_open() {
        let cipher = Cipher::new(&[7; 32]);
        let sealed = cipher.seal([1; NONCE_BYTES], b"row", b"text").unwrap();
        assert_eq!(cipher.open([1; NONCE_BYTES], b"other row", &sealed), None);
        assert_eq!(cipher.open([2; NONCE_BYTES], b"row", &sealed), None);
        assert_eq!(cipher.open([1; NONCE_BYTES], b"row", &sealed[..sealed.len() - 1]), None);
    }
}
