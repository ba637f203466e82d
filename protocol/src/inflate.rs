//! DEFLATE (RFC 1951) and the entries of a ZIP archive, as far as documents need them.
//!
//! What holds here: the bytes are somebody else's. Every read is bounded by them, every result by the caller, and what is
//! malformed is nothing; nothing is ever written anywhere, so that a name inside means no path.

/// How many entries of an archive are looked at.
const ENTRIES_MAX: usize = 4_096;

/// The longest end of an archive: its record and a comment (APPNOTE 6.3.10, section 4.3.16).
const END_BYTES_MAX: usize = 22 + 65_535;

/// Lengths and distances that a symbol stands for, and how many more bits each has (RFC 1951, section 3.2.5).
const LENGTHS: [(u16, u8); 29] = [
    (3, 0),
    (4, 0),
    (5, 0),
    (6, 0),
    (7, 0),
    (8, 0),
    (9, 0),
    (10, 0),
    (11, 1),
    (13, 1),
    (15, 1),
    (17, 1),
    (19, 2),
    (23, 2),
    (27, 2),
    (31, 2),
    (35, 3),
    (43, 3),
    (51, 3),
    (59, 3),
    (67, 4),
    (83, 4),
    (99, 4),
    (115, 4),
    (131, 5),
    (163, 5),
    (195, 5),
    (227, 5),
    (258, 0),
];
const DISTANCES: [(u16, u8); 30] = [
    (1, 0),
    (2, 0),
    (3, 0),
    (4, 0),
    (5, 1),
    (7, 1),
    (9, 2),
    (13, 2),
    (17, 3),
    (25, 3),
    (33, 4),
    (49, 4),
    (65, 5),
    (97, 5),
    (129, 6),
    (193, 6),
    (257, 7),
    (385, 7),
    (513, 8),
    (769, 8),
    (1025, 9),
    (1537, 9),
    (2049, 10),
    (3073, 10),
    (4097, 11),
    (6145, 11),
    (8193, 12),
    (12289, 12),
    (16385, 13),
    (24577, 13),
];

/// The order in which lengths of code lengths are written (section 3.2.7).
const CODE_ORDER: [usize; 19] = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];

struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
    held: u32,
    count: u32,
}

impl Bits<'_> {
    /// The next bits, at most sixteen.
    fn take(&mut self, wanted: u8) -> Option<u16> {
        let wanted = u32::from(wanted);
        while self.count < wanted {
            self.held |= u32::from(*self.bytes.get(self.at)?) << self.count;
            self.at += 1;
            self.count += 8;
        }
        let value = self.held & ((1 << wanted) - 1);
        self.held >>= wanted;
        self.count -= wanted;
        u16::try_from(value).ok()
    }
}

/// A Huffman code: how many symbols have each length, and the symbols in order (section 3.2.2).
struct Code {
    counts: [u16; 16],
    symbols: Vec<u16>,
}

impl Code {
    fn new(lengths: &[u8]) -> Option<Self> {
        let mut counts = [0_u16; 16];
        let mut symbols = Vec::new();
        for length in 1..16_u8 {
            for (symbol, _) in lengths.iter().enumerate().filter(|(_, one)| **one == length) {
                symbols.push(u16::try_from(symbol).ok()?);
                *counts.get_mut(usize::from(length))? += 1;
            }
        }
        Some(Self { counts, symbols })
    }

    fn read(&self, bits: &mut Bits<'_>) -> Option<u16> {
        let (mut code, mut first, mut index) = (0_i32, 0_i32, 0_i32);
        for count in self.counts.iter().skip(1) {
            code |= i32::from(bits.take(1)?);
            let count = i32::from(*count);
            if code - count < first {
                return self.symbols.get(usize::try_from(index + code - first).ok()?).copied();
            }
            index += count;
            first = (first + count) << 1;
            code <<= 1;
        }
        None
    }
}

/// The bytes that a DEFLATE stream stands for; none if it is malformed or stands for more than `most`.
#[must_use]
pub fn inflate(bytes: &[u8], most: usize) -> Option<Vec<u8>> {
    let mut bits = Bits { bytes, at: 0, held: 0, count: 0 };
    let mut out = Vec::new();
    loop {
        let is_last = bits.take(1)? == 1;
        match bits.take(2)? {
            0 => stored(&mut bits, &mut out, most)?,
            1 => {
                let mut lengths = [8_u8; 288];
                lengths.get_mut(144..256)?.fill(9);
                lengths.get_mut(256..280)?.fill(7);
                compressed(&mut bits, &mut out, most, (&Code::new(&lengths)?, &Code::new(&[5; 30])?))?;
            }
            2 => {
                let (lengths, distances) = dynamic_codes(&mut bits)?;
                compressed(&mut bits, &mut out, most, (&lengths, &distances))?;
            }
            _ => return None,
        }
        if is_last {
            return Some(out);
        }
    }
}

fn stored(bits: &mut Bits<'_>, out: &mut Vec<u8>, most: usize) -> Option<()> {
    // What is left of the current byte means nothing; whole bytes that are held already do not exist here.
    (bits.held, bits.count) = (0, 0);
    let length = number(bits.bytes, bits.at, 2)?;
    let check = number(bits.bytes, bits.at + 2, 2)?;
    let from = bits.at + 4;
    let part = bits.bytes.get(from..from.checked_add(length)?)?;
    if length != !check & 0xffff || out.len() + length > most {
        return None;
    }
    out.extend_from_slice(part);
    bits.at = from + length;
    Some(())
}

fn dynamic_codes(bits: &mut Bits<'_>) -> Option<(Code, Code)> {
    let literals = usize::from(bits.take(5)?) + 257;
    let distances = usize::from(bits.take(5)?) + 1;
    let given = usize::from(bits.take(4)?) + 4;
    let mut of_lengths = [0_u8; 19];
    for place in CODE_ORDER.iter().take(given) {
        *of_lengths.get_mut(*place)? = u8::try_from(bits.take(3)?).ok()?;
    }
    let code = Code::new(&of_lengths)?;
    let mut lengths: Vec<u8> = Vec::new();
    while lengths.len() < literals + distances {
        let (value, times) = match code.read(bits)? {
            16 => (*lengths.last()?, 3 + bits.take(2)?),
            17 => (0, 3 + bits.take(3)?),
            18 => (0, 11 + bits.take(7)?),
            length => (u8::try_from(length).ok()?, 1),
        };
        lengths.extend(std::iter::repeat_n(value, usize::from(times)));
    }
    if lengths.len() > literals + distances {
        return None;
    }
    Some((Code::new(lengths.get(..literals)?)?, Code::new(lengths.get(literals..)?)?))
}

fn compressed(bits: &mut Bits<'_>, out: &mut Vec<u8>, most: usize, codes: (&Code, &Code)) -> Option<()> {
    loop {
        let symbol = codes.0.read(bits)?;
        if symbol == 256 {
            return Some(());
        }
        if out.len() >= most {
            return None;
        }
        if let Ok(literal) = u8::try_from(symbol) {
            out.push(literal);
            continue;
        }
        let (length, more) = *LENGTHS.get(usize::from(symbol) - 257)?;
        let length = usize::from(length + bits.take(more)?);
        let (distance, more) = *DISTANCES.get(usize::from(codes.1.read(bits)?))?;
        let distance = usize::from(distance) + usize::from(bits.take(more)?);
        let from = out.len().checked_sub(distance)?;
        if out.len() + length > most {
            return None;
        }
        for at in from..from + length {
            out.push(*out.get(at)?);
        }
    }
}

/// A number of two or four bytes, the smallest first.
fn number(bytes: &[u8], at: usize, length: usize) -> Option<usize> {
    let part = bytes.get(at..at.checked_add(length)?)?;
    Some(part.iter().rev().fold(0, |number, byte| (number << 8) | usize::from(*byte)))
}

/// The entry of a name in a ZIP archive; none if it is not there, encrypted, malformed or longer than `most`.
#[must_use]
pub fn entry(archive: &[u8], name: &str, most: usize) -> Option<Vec<u8>> {
    let tail = archive.len().saturating_sub(END_BYTES_MAX);
    let end = archive.get(tail..)?.windows(4).rposition(|four| four == b"PK\x05\x06")? + tail;
    let count = number(archive, end + 10, 2)?;
    let mut at = number(archive, end + 16, 4)?;
    for _ in 0..count.min(ENTRIES_MAX) {
        if archive.get(at..at.checked_add(4)?)? != b"PK\x01\x02" {
            return None;
        }
        let [flags, method, name_length, extra, comment] =
            [8, 10, 28, 30, 32].map(|offset| number(archive, at + offset, 2));
        let (packed, offset) = (number(archive, at + 20, 4)?, number(archive, at + 42, 4)?);
        let named = archive.get(at + 46..at + 46 + name_length?)?;
        if named == name.as_bytes() {
            let is_encrypted = flags? & 1 == 1;
            // The record before the bytes has lengths of its own.
            let from = offset + 30 + number(archive, offset + 26, 2)? + number(archive, offset + 28, 2)?;
            let bytes = archive.get(from..from.checked_add(packed)?)?;
            return match method? {
                _ if is_encrypted => None,
                0 if bytes.len() <= most => Some(bytes.to_vec()),
                8 => inflate(bytes, most),
                _ => None,
            };
        }
        at += 46 + name_length? + extra? + comment?;
    }
    None
}

#[cfg(test)]
pub(crate) mod testing {
    /// A ZIP archive of entries that are stored as they are.
    pub(crate) fn stored_archive(entries: &[(&str, &[u8])]) -> Vec<u8> {
        let short = |number: usize| u16::try_from(number).unwrap().to_le_bytes();
        let long = |number: usize| u32::try_from(number).unwrap().to_le_bytes();
        let (mut out, mut directory) = (Vec::new(), Vec::new());
        for (name, content) in entries {
            let offset = out.len();
            out.extend(b"PK\x03\x04\x14\0\0\0\0\0\0\0\0\0\0\0\0\0");
            out.extend([long(content.len()), long(content.len())].concat());
            out.extend([short(name.len()), short(0)].concat());
            out.extend([name.as_bytes(), content].concat());
            directory.extend(b"PK\x01\x02\x14\0\x14\0\0\0\0\0\0\0\0\0\0\0\0\0");
            directory.extend([long(content.len()), long(content.len())].concat());
            directory.extend([short(name.len()), short(0), short(0), short(0), short(0)].concat());
            directory.extend([long(0), long(offset)].concat());
            directory.extend(name.as_bytes());
        }
        let start = out.len();
        out.extend(&directory);
        out.extend(b"PK\x05\x06\0\0\0\0");
        out.extend([short(entries.len()), short(entries.len())].concat());
        out.extend([long(directory.len()), long(start)].concat());
        out.extend(short(0));
        out
    }
}

#[cfg(test)]
mod tests {
    use super::testing::stored_archive;
    use super::*;

    fn bytes(hex: &str) -> Vec<u8> {
        (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
    }

    #[test]
    fn streams_of_another_program_are_read() {
        // Made by zlib: fixed codes, dynamic codes, stored bytes.
        for (stream, text) in STREAMS {
            let text = text.repeat(if text.len() > 40 { 1 } else { 40 });
            assert_eq!(String::from_utf8(inflate(&bytes(stream), 100_000).unwrap()).unwrap(), text);
            assert_eq!(inflate(&bytes(stream), text.len() - 1), None, "more than allowed");
        }
    }

    #[test]
    fn what_is_cut_or_changed_is_nothing_or_something_else_but_never_a_panic() {
        for (stream, _) in STREAMS {
            let whole = bytes(stream);
            for at in 0..whole.len() {
                let _ = inflate(&whole[..at], 100_000);
                for bit in 0..8 {
                    let mut changed = whole.clone();
                    changed[at] ^= 1 << bit;
                    assert!(inflate(&changed, 5_000).is_none_or(|out| out.len() <= 5_000));
                }
            }
        }
    }

    #[test]
    fn entries_of_an_archive_are_found_by_name() {
        let archive = stored_archive(&[("a.xml", b"first"), ("b/c.xml", b"second")]);
        assert_eq!(entry(&archive, "b/c.xml", 100).as_deref(), Some(b"second".as_slice()));
        assert_eq!(entry(&archive, "c.xml", 100), None);
        assert_eq!(entry(&archive, "a.xml", 4), None);
        for at in 0..archive.len() {
            let _ = entry(&archive[..at], "b/c.xml", 100);
            let mut changed = archive.clone();
            changed[at] = !changed[at];
            let _ = entry(&changed, "b/c.xml", 100);
        }
        assert_eq!(entry(b"", "a", 1), None);
    }

    const STREAMS: [(&str, &str); 3] = [
        ("4b4c4ad651481cfa0400", "abc, "),
        (
            "5550418ec33008fc0a4f88c180f9cadedcc64a574ab65194febf49c0adf684ec99616698eab25445b8b5bd920f21b8bd\
             c6a9ed32c0d6d6e7b6a3388050e7f551b3c5bfaa7f140b056518dbbc57e54b9007c74357087e5edbeffd91425fd4e99c\
             9d20f136ed09ba020dd6b9fe1de33f8122017762f10e48f05cda54135f3ac3800fa7e0b16fa2e2c433b15be65e8e2354\
             0a4f0ee0f09aceab65e9bb3c5c4ab1a27493144c9190e69edb2896c785c8000794c3f31c3cb80ed3b7fe45b3e259c4be\
             806f162faa740d8e569f24aa6f",
            "gamma72 beta32 beta63 budget60 report26 beta62 alpha49 report77 alpha89 budget34 delta75 \
             beta40 alpha2 alpha83 Zurich1 report87 delta54 alpha67 delta97 budget63 Zurich29 plan29 \
             delta97 budget37 alpha53 Zurich82 beta23 omega15 plan92 Zurich54 Zurich85 delta38 omega75 \
             budget64 report75 alpha61 delta95 report53 gamma46 Zurich89 plan11 budget84 Zurich13 \
             gamma66 report47 budget93 alpha60 alpha39 202675 202650 gamma21 Zurich29 alpha98 delta69 \
             Zurich29 report65 plan73 plan58 omega84 Zurich77",
        ),
        (
            "015c00a3ff54686520717569636b2062726f776e20666f78206a756d7073206f76657220746865206c617a7920646f67\
             207768696c6520736576656e2077697a617264732071756965746c7920657870656374206a6f7669616c206b696e6773\
             2e",
            "The quick brown fox jumps over the lazy dog while seven wizards quietly expect jovial \
             kings.",
        ),
    ];
}
