//! The little DER that the emulator needs: reading an RSA public key's two numbers, and writing a
//! self-signed certificate, because Cloudflare Access publishes its keys as certificates too. It must
//! not grow into a general ASN.1 library.

use crate::clock::{DAY_MS, utc_time};
use crate::jwt::Key;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Takes one element off the front: its tag, its content and what follows.
fn take(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (tag, rest) = bytes.split_first()?;
    let (first, rest) = rest.split_first()?;
    let (length, rest) = if *first < 0x80 {
        (usize::from(*first), rest)
    } else {
        let (digits, rest) = rest.split_at_checked(usize::from(*first & 0x7f))?;
        (digits.iter().fold(0_usize, |n, d| (n << 8) | usize::from(*d)), rest)
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((*tag, content, rest))
}

fn unsigned(content: &[u8]) -> Vec<u8> {
    content.iter().copied().skip_while(|b| *b == 0).collect()
}

/// Modulus and exponent of a PKCS#1 public key, also when it is wrapped in SubjectPublicKeyInfo.
pub fn rsa_public_parts(key: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    let (_, content, _) = take(key)?;
    let (tag, first, rest) = take(content)?;
    if tag == 0x02 {
        let (_, second, _) = take(rest)?;
        return Some((unsigned(first), unsigned(second)));
    }
    let (_, bits, _) = take(rest)?;
    rsa_public_parts(bits.get(1..)?)
}

/// Writes one element.
fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut out = vec![tag];
    let length = content.len();
    if let Ok(short) = u8::try_from(length).map(|l| l.min(0x80))
        && short < 0x80
    {
        out.push(short);
    } else {
        let digits: Vec<u8> = length.to_be_bytes().iter().copied().skip_while(|b| *b == 0).collect();
        out.push(0x80 | u8::try_from(digits.len()).unwrap_or(1));
        out.extend(digits);
    }
    out.extend_from_slice(content);
    out
}

fn sequence(parts: &[Vec<u8>]) -> Vec<u8> {
    element(0x30, &parts.concat())
}

/// A self-signed certificate for a key, as PEM.
pub fn certificate_pem(key: &Key, common_name: &str, now_ms: u64) -> Option<String> {
    // 1.2.840.113549.1.1.11 is sha256WithRSAEncryption, 2.5.4.3 is commonName.
    let algorithm = sequence(&[
        element(0x06, &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0b]),
        element(0x05, &[]),
    ]);
    let attribute = sequence(&[element(0x06, &[0x55, 0x04, 0x03]), element(0x0c, common_name.as_bytes())]);
    let name = sequence(&[element(0x31, &attribute)]);
    let validity = sequence(&[
        element(0x17, utc_time(now_ms.saturating_sub(DAY_MS)).as_bytes()),
        element(0x17, utc_time(now_ms + 42 * DAY_MS).as_bytes()),
    ]);
    let to_be_signed = sequence(&[
        element(0xa0, &element(0x02, &[2])),
        element(0x02, &[1]),
        algorithm.clone(),
        name.clone(),
        validity,
        name,
        key.spki()?,
    ]);
    let mut signature = vec![0];
    signature.extend(key.sign(&to_be_signed)?);
    let certificate = sequence(&[to_be_signed, algorithm, element(0x03, &signature)]);
    Some(pem("CERTIFICATE", &certificate))
}

/// Bytes as a block of PEM.
pub fn pem(label: &str, bytes: &[u8]) -> String {
    let text = STANDARD.encode(bytes);
    let lines: Vec<&str> =
        text.as_bytes().chunks(64).filter_map(|chunk| std::str::from_utf8(chunk).ok()).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lengths_round_trip() {
        for length in [0_usize, 1, 127, 128, 255, 256, 70_000] {
            let bytes = element(0x04, &vec![7; length]);
            let (tag, content, rest) = take(&bytes).unwrap();
            assert_eq!((tag, content.len(), rest.len()), (0x04, length, 0));
        }
        assert!(take(&[0x30, 0x82, 0xff]).is_none());
    }

    #[test]
    fn a_certificate_is_pem_and_carries_the_key() {
        let keys = crate::jwt::Keys::default();
        let key = keys.access().unwrap();
        let pem = certificate_pem(key, "emulator", 1_763_000_000_000).unwrap();
        let body: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
        let bytes = STANDARD.decode(body).unwrap();
        let (tag, content, rest) = take(&bytes).unwrap();
        assert_eq!((tag, rest.len()), (0x30, 0));
        assert!(content.windows(key.spki().unwrap().len()).any(|w| w == key.spki().unwrap()));
    }
}
