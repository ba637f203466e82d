//! Rules about documents: what mirrors code must follow it.

use protocol::digest::{sha256_of_parts, to_hex};

use super::{files, read, report};

/// The files that `docs/storage-schema.md` describes.
const SCHEMA_SOURCES: [&str; 16] = [
    "actors/src/store.rs",
    "actors/src/ledger.rs",
    "actors/src/ledger/attempts.rs",
    "actors/src/ledger/chain.rs",
    "actors/src/ledger/entry.rs",
    "actors/src/ledger/retention.rs",
    "actors/src/grants.rs",
    "actors/src/sessions.rs",
    "actors/src/refresher.rs",
    "actors/src/refresher/row.rs",
    "actors/src/user_session.rs",
    "actors/src/user_session/linking.rs",
    "actors/src/user_session/meta.rs",
    "actors/src/user_session/operate/pause.rs",
    "actors/src/user_session/reporting.rs",
    "actors/src/watches.rs",
];

/// The declarations of rows: every `struct` and `enum` that is stored, with its field names.
fn row_declarations() -> String {
    let mut declarations = String::new();
    for source in SCHEMA_SOURCES {
        for line in read(source).lines() {
            let line = line.trim();
            if line.starts_with("#[serde(rename")
                || line.contains("SCHEMA_VERSION: u32")
                || line.contains("=> \"")
            {
                declarations.push_str(line);
                declarations.push('\n');
            }
        }
    }
    declarations
}

#[test]
fn the_storage_schema_was_read_again_when_rows_changed() {
    let digest = to_hex(&sha256_of_parts(&[row_declarations().as_bytes()])[..8]);
    let document = read("docs/storage-schema.md");
    assert!(
        document.contains(&format!("rows: {digest}")),
        "A stored row changed. Bring docs/storage-schema.md up to date and write `rows: {digest}` into it."
    );
}

#[test]
fn every_setting_is_in_the_table_and_every_row_of_the_table_is_a_setting() {
    let source: String = ["config.rs", "config/access.rs", "config/condense.rs"]
        .map(|file| read(format!("protocol/src/{file}")))
        .concat();
    let mut settings: Vec<&str> = source
        .split('"')
        .filter(|text| text.len() > 3 && text.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_'))
        .collect();
    settings.sort_unstable();
    settings.dedup();
    let document = read("docs/settings.md");
    let rows: Vec<&str> =
        document.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next()).collect();
    let mut findings: Vec<String> = settings
        .iter()
        .filter(|name| !rows.contains(name))
        .map(|name| format!("{name} has no row"))
        .collect();
    findings.extend(
        rows.iter().filter(|name| !settings.contains(name)).map(|name| format!("{name} is no setting")),
    );
    report("docs/settings.md lists exactly the settings that the program reads.", &findings);
}

#[test]
fn the_readme_lists_the_scopes_in_the_words_of_the_consent_page() {
    let (consent, readme) = (read("src/consent.rs"), read("README.md"));
    let mut findings = Vec::new();
    let all = protocol::tools::catalogue::scopes(protocol::tools::Offer::default())
        .into_iter()
        .chain([protocol::tools::Tool::CallLinkedApp.scope()]);
    for scope in all {
        let arm = format!("\"{scope}\" => \"");
        let words = consent.split(&arm).nth(1).and_then(|rest| rest.split('"').next());
        let targets = protocol::tools::Tool::ALL.into_iter().filter(|tool| tool.scope() == scope);
        let tools: Vec<String> = targets.map(|tool| format!("`{}`", tool.name())).collect();
        let resources = protocol::tools::Resource::all().filter(|one| one.scope() == scope);
        let used: Vec<String> =
            tools.into_iter().chain(resources.map(|one| format!("`{}`", one.uri()))).collect();
        let row = format!("| `{scope}` | {} | {} |", words.unwrap_or("no words"), used.join(", "));
        if !readme.contains(&row) {
            findings.push(format!("README.md lacks the row {row}"));
        }
    }
    report("The README says what a person agrees to, as the consent page does.", &findings);
}

#[test]
fn the_table_of_tools_names_each_with_what_it_needs() {
    let document = read("docs/tools.md");
    let mut findings = Vec::new();
    for tool in protocol::tools::Tool::ALL {
        let begin = format!("| `{}` |", tool.name());
        match document.lines().find(|line| line.starts_with(&begin)) {
            None => findings.push(format!("{} has no row", tool.name())),
            Some(row) => findings.extend(
                tool.permissions()
                    .iter()
                    .copied()
                    .chain([tool.scope()])
                    .filter(|needed| !row.contains(&format!("`{needed}`")))
                    .map(|needed| format!("the row of {} lacks {needed}", tool.name())),
            ),
        }
    }
    let names = document.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    let known = |name: &&str| protocol::tools::Tool::from_wire(name).is_none();
    findings.extend(names.filter(known).map(|name| format!("{name} is no tool")));
    report("docs/tools.md names every tool, its scope and its permissions.", &findings);
}

#[test]
fn documents_have_one_title_and_links_that_lead_somewhere() {
    let mut documents = files(&["docs"], &[".md"]);
    documents.extend(["README.md".into(), "CHANGELOG.md".into()]);
    let mut findings = Vec::new();
    for path in documents {
        let text = read(&path);
        let mut in_code = false;
        let titles = text
            .lines()
            .filter(|line| {
                in_code ^= line.starts_with("```");
                !in_code && line.starts_with("# ")
            })
            .count();
        if titles != 1 {
            findings.push(format!("{}: {titles} titles", path.display()));
        }
        for target in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let file = target.split('#').next().unwrap_or_default();
            let folder = path.parent().unwrap();
            if !file.is_empty() && !target.contains("://") && !super::root().join(folder).join(file).exists()
            {
                findings.push(format!("{}: the link to {target} leads nowhere", path.display()));
            }
        }
    }
    report("A document has one title, and its links work.", &findings);
}

/// The tests that a row of a table names: pairs of a file and a name, each in backticks, in the row's last cell.
fn named_tests(row: &str) -> Vec<(String, String)> {
    let cell = row.trim_end_matches('|').rsplit(" | ").next().unwrap_or_default();
    let quoted: Vec<&str> = cell.split('`').skip(1).step_by(2).collect();
    quoted.chunks(2).map(|pair| (pair[0].to_owned(), pair.get(1).unwrap_or(&"").to_string())).collect()
}

/// What is wrong with the tests that the rows of a document's tables name.
fn missing_tests(rows: &[&str]) -> Vec<String> {
    let mut findings = Vec::new();
    for row in rows {
        let tests = named_tests(row);
        if tests.is_empty() {
            findings.push(format!("no test stands in {row}"));
        }
        for (file, name) in tests {
            let is_script = file.ends_with(".mjs");
            let path = if is_script { format!("tests/end_to_end/{file}") } else { file };
            let wanted = if is_script { name.clone() } else { format!("fn {name}(") };
            if name.len() < 4 || !super::root().join(&path).is_file() || !read(&path).contains(&wanted) {
                findings.push(format!("{path} has no test `{name}`"));
            }
        }
    }
    findings
}

#[test]
fn every_rule_of_the_authorization_server_names_tests_that_exist() {
    let document = read("docs/oauth-conformance.md");
    let rows: Vec<&str> =
        document.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| Rule")).collect();
    assert!(rows.len() > 40, "only {} rules were found", rows.len());
    report("docs/oauth-conformance.md names a test for each rule.", &missing_tests(&rows));
}

#[test]
fn every_known_defect_is_answered_by_tests_that_exist() {
    let document = read("docs/operations/defects.md");
    let rows: Vec<&str> = document.lines().filter(|line| line.starts_with("| D")).collect();
    let numbers: Vec<&str> = rows.iter().filter_map(|row| row.split(' ').nth(1)).collect();
    let expected: Vec<String> = (1..=34).map(|number| format!("D{number}")).collect();
    assert_eq!(numbers, expected, "docs/operations/defects.md must have each number once, in order");
    report("docs/operations/defects.md names a test for each defect.", &missing_tests(&rows));
}
