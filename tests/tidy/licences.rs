//! The licences of everything that is built in, against an explicit list.

use std::process::Command;

use serde_json::Value;

use super::{report, root};

/// Licences under which others may use, change and pass on the program.
const ALLOWED: [&str; 10] = [
    "MIT",
    "Apache-2.0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "ISC",
    "Unicode-3.0",
    "Zlib",
    "BSL-1.0",
    "MIT-0",
    "Unlicense",
];

/// Whether an SPDX expression can be met with allowed licences alone. `/` is the old way to write `OR`.
fn is_allowed(expression: &str) -> bool {
    let text = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let words: Vec<&str> = text.split_whitespace().collect();
    let (allowed, rest) = any_of(&words);
    allowed && rest.is_empty()
}

fn any_of<'a>(words: &'a [&'a str]) -> (bool, &'a [&'a str]) {
    let (mut allowed, mut rest) = all_of(words);
    while let Some((&"OR", after)) = rest.split_first() {
        let (next, remaining) = all_of(after);
        allowed |= next;
        rest = remaining;
    }
    (allowed, rest)
}

fn all_of<'a>(words: &'a [&'a str]) -> (bool, &'a [&'a str]) {
    let (mut allowed, mut rest) = one(words);
    while let Some((&"AND", after)) = rest.split_first() {
        let (next, remaining) = one(after);
        allowed &= next;
        rest = remaining;
    }
    (allowed, rest)
}

fn one<'a>(words: &'a [&'a str]) -> (bool, &'a [&'a str]) {
    match words.split_first() {
        Some((&"(", after)) => {
            let (allowed, rest) = any_of(after);
            (allowed, rest.strip_prefix(&[")"]).unwrap_or(rest))
        }
        Some((word, rest)) => (ALLOWED.contains(word), rest),
        None => (false, words),
    }
}

#[test]
fn every_dependency_has_an_allowed_licence() {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--offline", "--locked", "--format-version", "1"])
        .args(["--filter-platform", &host(), "--filter-platform", "wasm32-unknown-unknown"])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    assert!(packages.len() > 50, "only {} packages were listed", packages.len());
    let findings: Vec<String> = packages
        .iter()
        .filter(|package| !is_allowed(package["license"].as_str().unwrap_or("none")))
        .map(|package| format!("{} {}: {}", package["name"], package["version"], package["license"]))
        .collect();
    report("Every dependency can be used under an allowed licence.", &findings);
}

#[test]
fn licence_expressions_are_understood() {
    assert!(
        is_allowed("MIT OR Apache-2.0")
            && is_allowed("MIT/GPL-3.0")
            && is_allowed("(MIT OR GPL-3.0) AND ISC")
    );
    assert!(!is_allowed("GPL-3.0") && !is_allowed("MIT AND GPL-3.0") && !is_allowed(""));
}

/// The platform that this test was built for. Crates of other platforms need not be on this machine.
fn host() -> String {
    let output = Command::new("rustc").arg("-vV").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().find_map(|line| line.strip_prefix("host: ")).unwrap().to_owned()
}
