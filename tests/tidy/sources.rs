//! Rules about source files: openings, lengths, layering, unfinished work.

use std::path::Path;

use super::{files, read, report};

const LINES_MAX: usize = 500;
const FUNCTION_LINES_MAX: usize = 70;
const RUST: [&str; 4] = ["src", "actors", "protocol", "tests"];

fn rust_files() -> Vec<std::path::PathBuf> {
    files(&RUST, &[".rs"])
}

fn script_files() -> Vec<std::path::PathBuf> {
    files(&["src", "tests"], &[".mjs", ".js", ".py"])
}

#[test]
fn every_source_file_says_what_it_is_for() {
    let mut findings = Vec::new();
    for path in rust_files() {
        if !read(&path).starts_with("//!") {
            findings.push(format!("{}: begins without a `//!` comment", path.display()));
        }
    }
    for path in script_files() {
        let text = read(&path);
        let first = text.lines().find(|line| !line.starts_with("#!")).unwrap_or_default();
        if !(first.starts_with("//")
            || first.starts_with('#')
            || first.starts_with("/*")
            || first.starts_with("\"\"\""))
        {
            findings.push(format!("{}: begins without a comment", path.display()));
        }
    }
    report("A file opens by saying what it is for, what holds in it and what it must never do.", &findings);
}

#[test]
fn files_and_functions_are_short_enough_to_read() {
    let mut findings = Vec::new();
    for path in rust_files().into_iter().chain(script_files()) {
        let text = read(&path);
        let lines = text.lines().count();
        if lines > LINES_MAX {
            findings.push(format!("{}: {lines} lines, at most {LINES_MAX}", path.display()));
        }
        findings.extend(long_functions(&path, &text));
    }
    report(
        "A file has at most 500 lines and a function at most 70, so that each can be read at one sitting.",
        &findings,
    );
}

/// Functions end where a closing brace stands at the indentation of their first line; rustfmt and the scripts' style
/// guarantee that.
fn long_functions(path: &Path, text: &str) -> Vec<String> {
    let lines: Vec<&str> = text.lines().collect();
    let mut findings = Vec::new();
    for (start, line) in lines.iter().enumerate() {
        let code = line.trim_start();
        let begins = [
            "fn ",
            "pub fn ",
            "pub(super) fn ",
            "pub(crate) fn ",
            "async fn ",
            "pub async fn ",
            "const fn ",
            "pub const fn ",
            "pub(super) async fn ",
            "function ",
            "export function ",
            "async function ",
            "export async function ",
        ]
        .iter()
        .any(|opening| code.starts_with(opening));
        if !begins || code.ends_with(';') {
            continue;
        }
        let indentation = line.len() - code.len();
        let closing = format!("{}}}", " ".repeat(indentation));
        let length =
            lines[start..].iter().position(|line| line.starts_with(&closing)).map_or(0, |end| end + 1);
        if length > FUNCTION_LINES_MAX {
            findings.push(format!("{}:{}: a function of {length} lines", path.display(), start + 1));
        }
    }
    findings
}

#[test]
fn the_core_has_no_clock_no_chance_and_no_suspension() {
    let banned = [
        ("async fn", "a turn that can be suspended can be interleaved"),
        (".await", "a turn that can be suspended can be interleaved"),
        ("SystemTime", "time is an input"),
        ("Instant::now", "time is an input"),
        ("HashMap", "its order differs from process to process, and a seed must replay"),
        ("HashSet", "its order differs from process to process, and a seed must replay"),
        ("thread_rng", "entropy is an input"),
        ("getrandom", "entropy is an input"),
    ];
    let mut findings = Vec::new();
    for path in files(&["actors/src", "protocol/src"], &[".rs"]) {
        if path.starts_with("actors/src/shell") || path.ends_with("shell.rs") {
            continue;
        }
        for (number, line) in read(&path).lines().enumerate() {
            if line.trim_start().starts_with("//") {
                continue;
            }
            for (word, why) in banned {
                if line.contains(word) {
                    findings.push(format!("{}:{}: `{word}`: {why}", path.display(), number + 1));
                }
            }
        }
    }
    report("The core is sans-I/O.", &findings);
}

#[test]
fn sql_and_the_platform_stay_in_the_shell() {
    let mut findings = Vec::new();
    for path in rust_files() {
        let is_platform = path.starts_with("actors/src/shell") || path.starts_with("src/platform");
        let may = is_platform
            || path.ends_with("actors/src/shell.rs")
            || path.ends_with("src/platform.rs")
            || path.starts_with("tests");
        for (number, line) in read(&path).lines().enumerate() {
            let names_sql = ["\"SELECT ", "\"INSERT ", "\"DELETE FROM", "\"CREATE TABLE"]
                .iter()
                .any(|sql| line.contains(sql));
            if !may && (names_sql || line.contains("worker::") || line.contains("js_sys::")) {
                findings.push(format!("{}:{}: {}", path.display(), number + 1, line.trim()));
            }
        }
    }
    report("SQL and platform types stand in the shell and in the edge's entry alone.", &findings);
}

#[test]
fn the_layers_depend_in_one_direction() {
    let protocol = read("protocol/Cargo.toml");
    for name in ["worker", "js-sys", "wasm-bindgen", "web-sys", "actors"] {
        assert!(!protocol.lines().any(|line| line.starts_with(name)), "protocol must not depend on {name}");
    }
    let actors = read("actors/Cargo.toml");
    let (native, wasm) = actors.split_once("[target.'cfg(target_arch = \"wasm32\")'.dependencies]").unwrap();
    assert!(!native.contains("\nworker"), "actors may use `worker` on wasm32 only");
    assert!(wasm.contains("\nworker"));
}

#[test]
fn nothing_is_left_unfinished_or_switched_off() {
    // Written in pieces, so that this file does not find itself.
    let words = [
        concat!("TO", "DO"),
        concat!("FIX", "ME"),
        concat!("XX", "X"),
        concat!("todo", "!("),
        concat!("unimplemented", "!("),
        concat!("#[ign", "ore"),
        concat!(".on", "ly("),
        concat!("it.sk", "ip"),
        concat!("test.sk", "ip"),
    ];
    let mut findings = Vec::new();
    for path in rust_files().into_iter().chain(script_files()) {
        for (number, line) in read(&path).lines().enumerate() {
            if words.iter().any(|word| line.contains(word)) {
                findings.push(format!("{}:{}: {}", path.display(), number + 1, line.trim()));
            }
        }
    }
    report("Unfinished work is finished or written down as an issue.", &findings);
}
