//! The certificate with which the application proves itself, from the text of its settings.
//!
//! What holds here: just enough of DER (X.690) is read to tell a usable key from a wrong one, and to see that it belongs to
//! its certificate, before Microsoft says so in front of a person. No reason repeats anything of a value.

use crate::digest::{from_base64, from_hex, sha256};
use crate::secret::Secret;

/// The object identifier 1.2.840.113549.1.1.1, `rsaEncryption` (RFC 8017, appendix A.1).
const RSA_ENCRYPTION: [u8; 9] = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];

const INTEGER: u8 = 0x02;
const OCTET_STRING: u8 = 0x04;
const OBJECT_IDENTIFIER: u8 = 0x06;
const SEQUENCE: u8 = 0x30;

/// The shortest modulus that Microsoft accepts, in bytes.
const MODULUS_BYTES_MIN: usize = 2_048 / 8;

/// A private key that can sign.
pub(super) struct PrivateKey {
    /// The key in PKCS#8 form.
    pub(super) der: Secret<Vec<u8>>,
    /// The modulus, which is public.
    modulus: Vec<u8>,
}

/// Reads an RSA key in PKCS#8 form.
pub(super) fn read_private_key(text: &str) -> Result<PrivateKey, &'static str> {
    if text.contains("ENCRYPTED") {
        return Err("is encrypted: set the key without a passphrase");
    }
    let der = pem_block(text, "PRIVATE KEY")
        .ok_or("must be a PKCS#8 key in PEM, between BEGIN PRIVATE KEY and END PRIVATE KEY")?;
    let modulus = modulus_of(&der).ok_or("must be an RSA key in PKCS#8 form")?.to_vec();
    if modulus.len() < MODULUS_BYTES_MIN {
        return Err("must have at least 2048 bits");
    }
    Ok(PrivateKey { der: Secret::new(der), modulus })
}

/// The thumbprint of a certificate in PEM, or one that is given in 64 hexadecimal digits.
pub(super) fn read_thumbprint(text: &str, key: Option<&PrivateKey>) -> Result<[u8; 32], &'static str> {
    let digits: String = text.chars().filter(|character| *character != ':').collect();
    if let Some(thumbprint) = from_hex(&digits).and_then(|bytes| <[u8; 32]>::try_from(bytes).ok()) {
        return Ok(thumbprint);
    }
    let der = pem_block(text, "CERTIFICATE")
        .ok_or("must be a certificate in PEM, or its SHA-256 thumbprint in 64 hexadecimal digits")?;
    if take(&der).is_none_or(|(tag, _, rest)| tag != SEQUENCE || !rest.is_empty()) {
        return Err("is not a certificate");
    }
    // A certificate holds the very bytes of its key's modulus, and nothing else of that length that could be equal.
    let belongs = |key: &PrivateKey| der.windows(key.modulus.len()).any(|window| window == key.modulus);
    if key.is_some_and(|key| !belongs(key)) {
        return Err("belongs to another key than MICROSOFT_CLIENT_PRIVATE_KEY");
    }
    Ok(sha256(&der))
}

/// The bytes of the first block with this label (RFC 7468). Line breaks may be spaces, so that a value fits in one line.
fn pem_block(text: &str, label: &str) -> Option<Vec<u8>> {
    let (_, rest) = text.split_once(&format!("-----BEGIN {label}-----"))?;
    let (body, _) = rest.split_once(&format!("-----END {label}-----"))?;
    from_base64(&body.split_whitespace().collect::<String>())
}

/// The modulus of an RSA key in PKCS#8 form (RFC 5208, section 5; RFC 8017, appendix A.1.2).
fn modulus_of(der: &[u8]) -> Option<&[u8]> {
    let (info, rest) = expect(der, SEQUENCE)?;
    let (_version, info) = expect(info, INTEGER)?;
    let (algorithm, info) = expect(info, SEQUENCE)?;
    let (identifier, _) = expect(algorithm, OBJECT_IDENTIFIER)?;
    let (key, _attributes) = expect(info, OCTET_STRING)?;
    let (numbers, _) = expect(key, SEQUENCE)?;
    let (_version, numbers) = expect(numbers, INTEGER)?;
    let (modulus, _) = expect(numbers, INTEGER)?;
    let is_rsa = identifier == RSA_ENCRYPTION && rest.is_empty();
    // A leading zero only says that the number is positive.
    is_rsa.then(|| modulus.strip_prefix(&[0]).unwrap_or(modulus))
}

fn expect(bytes: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (found, content, rest) = take(bytes)?;
    (found == tag).then_some((content, rest))
}

/// Takes one element off the front: its tag, its content and what follows.
fn take(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (tag, rest) = bytes.split_first()?;
    let (first, rest) = rest.split_first()?;
    let (length, rest) = match usize::from(*first) {
        short @ 0..0x80 => (short, rest),
        long => {
            let (digits, rest) = rest.split_at_checked(long & 0x7f)?;
            // Four digits are more than any setting is long.
            let fits = (1..=4).contains(&digits.len());
            let length = digits.iter().fold(0_usize, |sum, digit| (sum << 8) | usize::from(*digit));
            (fits.then_some(length)?, rest)
        }
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((*tag, content, rest))
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;

    use super::*;

    fn element(tag: u8, content: &[u8]) -> Vec<u8> {
        let length = u16::try_from(content.len()).unwrap().to_be_bytes();
        [&[tag, 0x82][..], &length, content].concat()
    }

    fn pem(label: &str, der: &[u8], line_break: &str) -> String {
        let text = STANDARD.encode(der);
        let lines: Vec<&str> =
            text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
        format!(
            "-----BEGIN {label}-----{line_break}{}{line_break}-----END {label}-----",
            lines.join(line_break)
        )
    }

    /// The frame of a key, with a modulus of equal bytes; nothing that could sign.
    fn key_der(modulus_byte: u8, length: usize, algorithm: &[u8]) -> Vec<u8> {
        let modulus = [vec![0], vec![modulus_byte; length]].concat();
        let numbers = [element(INTEGER, &[0]), element(INTEGER, &modulus)].concat();
        let key = element(OCTET_STRING, &element(SEQUENCE, &numbers));
        let algorithm = element(SEQUENCE, &element(OBJECT_IDENTIFIER, algorithm));
        element(SEQUENCE, &[element(INTEGER, &[0]), algorithm, key].concat())
    }

    fn refused(text: &str) -> &'static str {
        read_private_key(text).err().unwrap()
    }

    #[test]
    fn a_key_is_read_in_one_line_or_in_many() {
        let der = key_der(0xc3, 256, &RSA_ENCRYPTION);
        for line_break in ["\n", "\r\n", " "] {
            let key = read_private_key(&pem("PRIVATE KEY", &der, line_break)).unwrap();
            assert_eq!((key.der.expose(), key.modulus.len()), (&der, 256));
        }
    }

    #[test]
    fn what_cannot_sign_is_refused_with_its_reason() {
        assert!(refused("").contains("PKCS#8"));
        assert!(refused(&pem("RSA PRIVATE KEY", &[1], "\n")).contains("PKCS#8"));
        assert!(refused(&pem("ENCRYPTED PRIVATE KEY", &[1], "\n")).contains("encrypted"));
        assert!(refused(&pem("PRIVATE KEY", &key_der(1, 256, &[0x2a, 0x03]), "\n")).contains("RSA"));
        assert!(refused(&pem("PRIVATE KEY", &key_der(1, 128, &RSA_ENCRYPTION), "\n")).contains("2048"));
        assert!(refused(&pem("PRIVATE KEY", &[0x30, 0x84, 0xff, 0xff, 0xff, 0xff], "\n")).contains("RSA"));
        assert!(refused(&pem("PRIVATE KEY", &[0x30, 0x8f, 1], "\n")).contains("RSA"));
    }

    #[test]
    fn a_certificate_must_belong_to_the_key() {
        let key =
            |byte| read_private_key(&pem("PRIVATE KEY", &key_der(byte, 256, &RSA_ENCRYPTION), "\n")).unwrap();
        let der = element(SEQUENCE, &[vec![9; 40], vec![0xc3; 256], vec![8; 10]].concat());
        let certificate = pem("CERTIFICATE", &der, "\n");
        assert_eq!(read_thumbprint(&certificate, Some(&key(0xc3))), Ok(sha256(&der)));
        assert!(read_thumbprint(&certificate, Some(&key(0xd4))).unwrap_err().contains("another key"));
        assert!(read_thumbprint(&pem("CERTIFICATE", b"x", "\n"), None).is_err());
        assert!(read_thumbprint("abcd", None).is_err());
        assert_eq!(read_thumbprint(&"aB".repeat(32), None), Ok([0xab; 32]));
        assert_eq!(read_thumbprint(&vec!["ab"; 32].join(":"), Some(&key(1))), Ok([0xab; 32]));
    }
}
