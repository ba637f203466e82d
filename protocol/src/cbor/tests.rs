//! What the reader of CBOR reads, held against `ciborium`, which writes and has a reader of its own.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::*;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Kind {
    Plain,
    Wrapped(u8),
    Pair(u16, String),
    Fields { named: Option<i64>, other: bool },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
enum Either {
    Number(u32),
    Text(String),
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Inner {
    either: Vec<Either>,
    letter: char,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct All {
    kinds: Vec<Kind>,
    id: [u8; 4],
    #[serde(with = "serde_bytes")]
    bytes: Vec<u8>,
    numbers: Vec<i64>,
    large: u64,
    fraction: f64,
    nothing: (),
    absent: Option<String>,
    by_name: BTreeMap<String, u64>,
    by_number: BTreeMap<u64, Kind>,
    json: Value,
    #[serde(flatten)]
    inner: Inner,
}

fn all() -> All {
    All {
        kinds: vec![
            Kind::Plain,
            Kind::Wrapped(7),
            Kind::Pair(700, "x\u{1f600}".into()),
            Kind::Fields { named: Some(i64::MIN), other: true },
            Kind::Fields { named: None, other: false },
        ],
        id: [0, 23, 24, 255],
        bytes: (0..=255).collect(),
        numbers: vec![0, -1, 23, 24, -25, 255, 256, -257, 65_536, i64::MAX, i64::MIN],
        large: u64::MAX,
        fraction: 0.1,
        nothing: (),
        absent: None,
        by_name: BTreeMap::from([("a".into(), 1), ("b".into(), u64::from(u32::MAX))]),
        by_number: BTreeMap::from([(0, Kind::Plain), (4_294_967_296, Kind::Wrapped(0))]),
        json: json!({"a": [1, -2, 0.5, 1e300, true, null, "t"], "b": {}, "c": []}),
        inner: Inner { either: vec![Either::Number(3), Either::Text("three".into())], letter: 'ß' },
    }
}

#[test]
fn a_text_is_one_value_and_nothing_behind_it() {
    assert_eq!(decode::<u32>(&[0x07]), Some(7));
    for text in [&[][..], &[0x07, 0x00], &[0x18], &[0x61, 0x61], &[0xff]] {
        assert_eq!(decode::<u32>(text), None, "{text:?}");
    }
}

#[test]
fn whatever_is_written_is_read_again() {
    assert_eq!(decode::<All>(&encode(&all()).unwrap()), Some(all()));
    for value in
        [0.0, -0.0, 0.5, 1.5, 65_504.0, 6e-8, 1e-5, f64::MAX, f64::MIN_POSITIVE, f64::INFINITY, -1e38]
    {
        assert_eq!(
            decode::<f64>(&encode(&value).unwrap()).map(f64::to_bits),
            Some(value.to_bits()),
            "{value}"
        );
    }
    assert!(decode::<f64>(&encode(&f64::NAN).unwrap()).is_some_and(f64::is_nan));
}

#[test]
fn what_is_not_known_is_passed_over_whole() {
    #[derive(Debug, PartialEq, Deserialize)]
    struct Small {
        large: u64,
    }
    assert_eq!(decode::<Small>(&encode(&all()).unwrap()), Some(Small { large: u64::MAX }));
}

/// No text is read as something else than `ciborium` reads in it: cut anywhere, or with any bit turned.
#[test]
fn a_damaged_text_is_refused_or_means_what_ciborium_says_it_means() {
    let whole = encode(&all()).unwrap();
    let (mut agreed, mut refused) = (0, 0);
    let mut check = |text: &[u8]| match decode::<All>(text) {
        Some(value) => {
            let theirs: All = ciborium::from_reader(text).unwrap();
            // Compared as text, because a damaged fraction may be no number, which is not equal to itself.
            assert_eq!(format!("{value:?}"), format!("{theirs:?}"));
            agreed += 1;
        }
        None => refused += 1,
    };
    for length in 0..whole.len() {
        check(&whole[..length]);
    }
    for position in 0..whole.len() * 8 {
        let mut text = whole.clone();
        text[position / 8] ^= 1 << (position % 8);
        check(&text);
    }
    assert!(agreed > 500 && refused > whole.len(), "{agreed} {refused}");
}

#[test]
fn a_claimed_length_takes_no_memory_and_depth_has_an_end() {
    assert_eq!(decode::<Vec<u64>>(&[0x9b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]), None);
    assert_eq!(decode::<String>(&[0x7b, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]), None);
    for opening in [0x81, 0x9f] {
        assert_eq!(decode::<Value>(&vec![opening; 1_000_000]), None);
        assert_eq!(decode::<serde::de::IgnoredAny>(&vec![opening; 1_000_000]).map(drop), None);
    }
    let nested = |depth| (0..depth).fold(json!(1), |inner, _| json!([inner]));
    assert_eq!(decode::<Value>(&encode(&nested(128)).unwrap()), Some(nested(128)));
    assert_eq!(decode::<Value>(&encode(&nested(129)).unwrap()), None);
}

#[test]
fn tags_split_texts_and_undefined_are_not_read() {
    for text in [
        &[0xc1, 0x07][..],
        &[0xf7],
        &[0x7f, 0x61, 0x61, 0xff],
        &[0x5f, 0x41, 0x61, 0xff],
        &[0xe0],
        &[0xf8, 0x20],
    ] {
        assert_eq!(decode::<Value>(text), None, "{text:?}");
    }
}
