//! Inputs for the readers of what comes from outside: valid samples, changed at random in the ways in which real input is
//! broken and hostile input is built.
//!
//! What holds here: an input follows from seed, target and number alone, so that a failure is repeated by its number; no
//! input exceeds [`INPUT_BYTES_MAX`]. It must never hold what it checks back: a reader that panics fails the test, and the
//! failure says which input it was.

#[path = "../simulation/random.rs"]
#[allow(dead_code, reason = "the simulation draws in more ways")]
mod random;

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use random::Random;

/// The longest input.
pub(crate) const INPUT_BYTES_MAX: usize = 64 * 1024;

/// Inputs for each target in an ordinary run.
const INPUTS: u64 = 2_000;

/// What means something to one of the readers, or nearly so.
const WORDS: [&str; 36] = [
    "null",
    "true",
    "-0",
    "1e999",
    "9223372036854775808",
    "-9223372036854775809",
    "18446744073709551616",
    "0.1e-400",
    "\"\"",
    "{}",
    "[]",
    "\\u0000",
    "\\ud800",
    "\\",
    "\"",
    "'",
    "''",
    "\u{0}",
    "\r\n",
    "\n\n",
    "\u{202e}",
    "\u{feff}",
    "é",
    "😀",
    "../",
    "%2e%2e",
    "&a=b",
    "?x",
    "#",
    "$filter",
    "=?base64?",
    "?=",
    "\"_meta\":",
    "\"id\":",
    "m.",
    "00",
];

/// A number of the environment, or another one.
fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

/// Gives a target its inputs: each sample as it is, and then as many changed ones as were asked for. `FUZZ_INPUTS` says
/// how many, `FUZZ_SEED` which, and `FUZZ_INPUT` picks a single one.
///
/// # Panics
/// When the target panics, after saying how to repeat it.
pub(crate) fn fuzz(target: &str, samples: &[Vec<u8>], mut read: impl FnMut(&[u8])) {
    let (seed, inputs) = (number("FUZZ_SEED", 1), number("FUZZ_INPUTS", INPUTS));
    let only = std::env::var("FUZZ_INPUT").ok().and_then(|text| text.parse::<u64>().ok());
    let own = target.bytes().fold(seed, |sum, byte| sum.wrapping_mul(31).wrapping_add(u64::from(byte)));
    let mut tried = 0_u64;
    for index in 0..samples.len() as u64 + inputs {
        if only.is_some_and(|only| only != index) {
            continue;
        }
        let input = match samples.get(usize::try_from(index).unwrap()) {
            Some(sample) => sample.clone(),
            None => changed(&mut Random::new(own.wrapping_add(index.wrapping_mul(0x9e37_79b9))), samples),
        };
        tried += 1;
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| read(&input))) {
            let shown = String::from_utf8_lossy(&input[..input.len().min(400)]).into_owned();
            eprintln!("{target}: repeat with FUZZ_SEED={seed} FUZZ_INPUT={index}; it begins with {shown:?}");
            resume_unwind(panic);
        }
    }
    println!("{target}: {tried} inputs");
}

/// One sample after one to eight changes.
fn changed(random: &mut Random, samples: &[Vec<u8>]) -> Vec<u8> {
    let mut input = pick(random, samples).clone();
    for _ in 0..random.between(1, 8) {
        change(random, samples, &mut input);
        input.truncate(INPUT_BYTES_MAX);
    }
    input
}

fn pick<'a, T>(random: &mut Random, items: &'a [T]) -> &'a T {
    &items[place(random, items.len() - 1)]
}

/// A place from zero to `last`, both included.
fn place(random: &mut Random, last: usize) -> usize {
    usize::try_from(random.between(0, last as u64)).unwrap()
}

fn part(random: &mut Random, bytes: &[u8]) -> std::ops::Range<usize> {
    let from = place(random, bytes.len());
    // Mostly short, because a short change leaves most of a sample readable.
    let longest = if random.chance(800) { (bytes.len() - from).min(16) } else { bytes.len() - from };
    from..from + place(random, longest)
}

fn change(random: &mut Random, samples: &[Vec<u8>], input: &mut Vec<u8>) {
    let at = place(random, input.len());
    match random.below(9) {
        0 if at < input.len() => input[at] ^= 1 << random.below(8),
        1 if at < input.len() => input[at] = random.word().to_le_bytes()[0],
        2 => input.truncate(at),
        3 => drop(input.drain(part(random, input))),
        4 => {
            let copy = input[part(random, input)].to_vec();
            let times = if random.chance(50) { 1_000 } else { random.between(1, 4) as usize };
            drop(input.splice(at..at, copy.repeat(times)));
        }
        5 => {
            let other = pick(random, samples);
            let piece = other[part(random, other)].to_vec();
            drop(input.splice(part(random, input), piece));
        }
        6 => nest(random, input),
        _ => {
            let word = pick(random, &WORDS).bytes();
            let over = if random.chance(500) { at..at } else { part(random, input) };
            drop(input.splice(over, word));
        }
    }
}

/// Puts a part, or nothing at all, into very many brackets.
fn nest(random: &mut Random, input: &mut Vec<u8>) {
    let within = part(random, input);
    let (open, close) = *pick(random, &[("[", "]"), ("{\"a\":", "}"), ("(", ")"), ("\u{9f}", "\u{ff}")]);
    let deepest = if random.chance(200) { 4_000 } else { 200 };
    let depth = place(random, deepest);
    let inner = input[within.clone()].to_vec();
    let nested = [open.repeat(depth).as_bytes(), &inner, close.repeat(depth).as_bytes()].concat();
    drop(input.splice(within, nested));
}
