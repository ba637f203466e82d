//! `readFile`: what a file says, as text where it has one.
//!
//! What holds here: the bytes come from an address that Microsoft names in the file's own description, and only if the
//! policy lists its host; the token stays here. Otherwise the file is described, and the result says why that is all.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use super::{BY_OTHERS, FILES_READ, item, named};
use crate::limits::UPSTREAM_BODY_BYTES_MAX;
use crate::office::{may_have_text, text_of};
use crate::outbound::{Answer, GraphCall, Lane, StorageUrl};
use crate::policy::FileRules;
use crate::tools::arguments::Arguments;
use crate::tools::budget::{Budget, fitting, fitting_base64};
use crate::tools::catalogue::Tool;
use crate::tools::collection::{read, text};
use crate::tools::error::ToolError;
use crate::tools::plan::Reading;
use crate::tools::{Finished, Step, Surroundings};

const NOT_TEXT: &str = "It has no text that can be read here. With format=base64 its bytes come as they are.";
const TOO_LARGE: &str = "It is too large to be read here. Open it by webUrl.";
const NOT_ALLOWED: &str = "Its bytes cannot be fetched: the operators of this server have not listed its storage. Open it by webUrl.";
const NOT_THERE: &str = "Microsoft's storage did not give its bytes. Call again, or open it by webUrl.";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Text,
    Base64,
}

/// The tool at work.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct ReadFile {
    path: String,
    form: Form,
    rules: FileRules,
    budget: Budget,
    /// The file's description, once it is known, and its media type.
    file: Map<String, Value>,
    media_type: String,
    fetch: Option<StorageUrl>,
}

impl ReadFile {
    pub(super) fn new(values: &Map<String, Value>, around: Surroundings<'_>) -> Result<Self, ToolError> {
        let known = ["driveId", "id", "format", "maxTokens", "cursor"];
        let arguments = Arguments::of(Tool::ReadFile, values, &known)?;
        around.require(&FILES_READ)?;
        let path = named(&arguments)?;
        let form =
            arguments.choice("format", &[("text", Form::Text), ("base64", Form::Base64)], Form::Text)?;
        let budget = Budget::read(&arguments, around)?;
        let rules = around.policy.files.clone();
        Ok(Self { path, form, rules, budget, file: Map::new(), media_type: String::new(), fetch: None })
    }

    fn name(&self) -> &str {
        self.file.get("name").and_then(Value::as_str).unwrap_or_default()
    }

    fn described(&mut self, note: &str) -> Step {
        self.file.insert("note".to_owned(), note.into());
        let structured = json!({ "file": std::mem::take(&mut self.file) });
        Step::Done(Finished::from_outside(structured, BY_OTHERS))
    }

    /// Decides by the description whether the bytes are worth fetching, and from where.
    fn begin(&mut self, found: &Value) -> Result<Step, ToolError> {
        self.file = item(found).ok_or_else(|| {
            ToolError::not_found("Microsoft's answer describes no file. Search for it again.")
        })?;
        text(found, "/file/mimeType").unwrap_or_default().clone_into(&mut self.media_type);
        self.file.insert("mediaType".to_owned(), self.media_type.as_str().into());
        if found.get("folder").is_some_and(Value::is_object) {
            return Ok(self.described("It is a folder. List it with listFiles."));
        }
        if found.get("size").and_then(Value::as_u64).is_none_or(|size| size > UPSTREAM_BODY_BYTES_MAX as u64)
        {
            return Ok(self.described(TOO_LARGE));
        }
        if self.form == Form::Text && !may_have_text(self.name(), &self.media_type) {
            return Ok(self.described(NOT_TEXT));
        }
        let url = text(found, "/@microsoft.graph.downloadUrl");
        self.fetch = url.and_then(|url| self.rules.storage(url));
        if self.fetch.is_none() {
            return Ok(self.described(if url.is_some() { NOT_ALLOWED } else { NOT_THERE }));
        }
        Ok(Step::Call(self.call()))
    }

    /// As much of the content as fits, from where an earlier answer ended.
    fn take(&mut self, bytes: &[u8]) -> Step {
        let (member, content) = match self.form {
            Form::Base64 => ("base64", Some(STANDARD.encode(bytes))),
            Form::Text => ("text", text_of(self.name(), &self.media_type, bytes)),
        };
        let Some(content) = content else { return self.described(NOT_TEXT) };
        let mut file = std::mem::take(&mut self.file);
        let from = usize::try_from(self.budget.from.offset).unwrap_or(usize::MAX);
        let rest = content.get(from..).unwrap_or_default();
        self.budget.admits(&Value::Object(file.clone()), true);
        let part = match self.form {
            Form::Base64 => fitting_base64(rest, self.budget.left()),
            Form::Text => fitting(rest, self.budget.left()),
        };
        let goes_on = (part.len() < rest.len())
            .then(|| self.budget.goes_on("", u64::try_from(from + part.len()).unwrap_or_default()));
        file.insert(member.to_owned(), part.into());
        Step::Done(Finished::from_outside(json!({ "file": file }), BY_OTHERS).going_on(goes_on))
    }
}

impl Reading for ReadFile {
    fn call(&self) -> GraphCall {
        match &self.fetch {
            // Without a selection, which would leave out where the bytes are.
            None => GraphCall::get(Lane::Other, self.path.clone()),
            Some(url) => GraphCall::fetch(url.clone()),
        }
    }

    fn answered(&mut self, answer: &Answer) -> Result<Step, ToolError> {
        if self.fetch.is_some() {
            return Ok(self.take(&answer.body));
        }
        let found: Value = read(answer)?;
        self.begin(&found)
    }

    /// The address is over, or leads on to another one, which is not followed.
    fn took_refusal(&mut self, _refusal: &Answer) -> Option<Step> {
        self.fetch.is_some().then(|| self.described(NOT_THERE))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::Policy;
    use crate::tools::testing::{answer, around, assert_conforms};

    const HOSTS: &str = r#"{"fileHosts":["storage.example"]}"#;

    fn plan_under(policy: &str, arguments: Value) -> ReadFile {
        let (policy, granted) = (Policy::parse(policy).unwrap(), ["Files.ReadWrite.All".to_owned()]);
        let around = Surroundings { policy: &policy, ..around(&granted) };
        ReadFile::new(arguments.as_object().unwrap(), around).unwrap()
    }

    fn asked() -> Value {
        json!({"driveId": "b!D", "id": "F1"})
    }

    fn file(name: &str, kind: &str, size: u64) -> Value {
        json!({"id": "F1", "name": name, "size": size, "file": {"mimeType": kind}, "webUrl": "https://x.example/f",
               "parentReference": {"driveId": "b!D"},
               "@microsoft.graph.downloadUrl": "https://storage.example/f?tempauth=secret"})
    }

    fn bytes(content: &[u8]) -> Answer {
        Answer { status: 200, body: content.to_vec(), ..Answer::default() }
    }

    #[test]
    fn a_text_is_fetched_without_a_token_and_shown() {
        let mut plan = plan_under(HOSTS, asked());
        assert_eq!(plan.call().path, "/drives/b!D/items/F1");
        let Step::Call(call) = plan.answered(&answer(200, &file("a.md", "text/plain", 5))).unwrap() else {
            panic!()
        };
        let url = call.storage.as_ref().unwrap();
        assert_eq!(url.expose(), "https://storage.example/f?tempauth=secret");
        assert!(call.path.is_empty() && !format!("{call:?}").contains("secret"));
        let Step::Done(done) = plan.answered(&bytes(b"hello")).unwrap() else { panic!() };
        assert_eq!(done.structured["file"]["text"], "hello");
        assert!(!done.structured.to_string().contains("tempauth"));
        assert_conforms(Tool::ReadFile, &done);
    }

    #[test]
    fn what_cannot_be_read_is_described_with_a_reason() {
        let note = |policy: &str, found: Value| {
            let Step::Done(done) = plan_under(policy, asked()).answered(&answer(200, &found)).unwrap() else {
                panic!("it was fetched")
            };
            assert_conforms(Tool::ReadFile, &done);
            done.structured["file"]["note"].as_str().unwrap().to_owned()
        };
        assert_eq!(note("{}", file("a.txt", "text/plain", 5)), NOT_ALLOWED);
        assert_eq!(note(r#"{"fileHosts":["x.example"]}"#, file("a.txt", "text/plain", 5)), NOT_ALLOWED);
        assert_eq!(note(HOSTS, file("a.png", "image/png", 5)), NOT_TEXT);
        assert_eq!(note(HOSTS, file("a.txt", "text/plain", 9_000_000)), TOO_LARGE);
        let folder = json!({"id": "F1", "name": "F", "folder": {}, "size": 5});
        assert!(note(HOSTS, folder).contains("listFiles"));
    }

    #[test]
    fn an_address_that_is_over_or_leads_on_is_told() {
        let mut plan = plan_under(HOSTS, asked());
        assert_eq!(plan.took_refusal(&answer(404, &json!({}))), None);
        assert!(matches!(plan.answered(&answer(200, &file("a.txt", "text/plain", 5))), Ok(Step::Call(_))));
        let Some(Step::Done(done)) = plan.took_refusal(&Answer { status: 302, ..Answer::default() }) else {
            panic!()
        };
        assert_eq!(done.structured["file"]["note"], NOT_THERE);
        assert_conforms(Tool::ReadFile, &done);
    }

    #[test]
    fn a_text_full_of_marks_keeps_to_its_budget_as_it_is_written() {
        let content = "\"a\"\r\n".repeat(1_000);
        let mut arguments = asked();
        arguments["maxTokens"] = 500.into();
        let mut plan = plan_under(HOSTS, arguments);
        let _fetch = plan.answered(&answer(200, &file("a.csv", "text/csv", 5_000))).unwrap();
        let Step::Done(done) = plan.answered(&bytes(content.as_bytes())).unwrap() else { panic!() };
        let text = done.structured["file"]["text"].as_str().unwrap();
        assert!(content.starts_with(text) && !text.is_empty());
        assert!(done.structured.to_string().len() < 500 * 4, "{}", done.structured);
        assert_eq!(done.goes_on.unwrap().offset, u64::try_from(text.len()).unwrap());
    }

    #[test]
    fn a_long_file_comes_in_parts_that_join() {
        let content: Vec<u8> = (0..9_000_u32).map(|at| u8::try_from(at % 251).unwrap()).collect();
        let mut arguments = asked();
        arguments["format"] = "base64".into();
        arguments["maxTokens"] = 500.into();
        let (mut whole, mut from) = (String::new(), None);
        for _ in 0..50 {
            let mut plan = plan_under(HOSTS, arguments.clone());
            if let Some(from) = from.take() {
                plan.budget.from = from;
            }
            let _fetch = plan.answered(&answer(200, &file("a.bin", "application/x", 9_000))).unwrap();
            let Step::Done(done) = plan.answered(&bytes(&content)).unwrap() else { panic!() };
            whole.push_str(done.structured["file"]["base64"].as_str().unwrap());
            assert_conforms(Tool::ReadFile, &done);
            from = done.goes_on;
            if from.is_none() {
                break;
            }
        }
        assert_eq!(STANDARD.decode(whole).unwrap(), content);
    }
}
