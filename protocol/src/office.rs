//! The text of files: of those that are text, and of Word, PowerPoint and Excel documents (ECMA-376).
//!
//! What holds here: a document is somebody else's and is only read; nothing in it is executed, rendered or fetched. What
//! cannot be read as text is none. What was read is bounded, whatever the document claims.

use crate::html::visible_text;
use crate::inflate::entry;
use crate::limits::OFFICE_PART_BYTES_MAX;
use crate::text::unmarked;

/// Slides or sheets that are read.
const PARTS_MAX: usize = 200;

/// The text of a file, if it has one.
#[must_use]
pub fn text_of(name: &str, media_type: &str, bytes: &[u8]) -> Option<String> {
    let (name, kind) = (name.to_ascii_lowercase(), media_type.to_ascii_lowercase());
    let ends = |ends: &[&str]| ends.iter().any(|end| name.ends_with(end));
    if ends(&[".docx", ".docm"]) || kind.ends_with("wordprocessingml.document") {
        return word(bytes);
    }
    if ends(&[".pptx", ".pptm"]) || kind.ends_with("presentationml.presentation") {
        return slides(bytes);
    }
    if ends(&[".xlsx", ".xlsm"]) || kind.ends_with("spreadsheetml.sheet") {
        return sheets(bytes);
    }
    let is_html = kind.starts_with("text/html") || ends(&[".html", ".htm"]);
    let is_text = is_html
        || kind.starts_with("text/")
        || kind.starts_with("message/")
        || ["json", "xml", "yaml", "csv"].iter().any(|part| kind.contains(part))
        || ends(&[".txt", ".md", ".csv", ".tsv", ".json", ".xml", ".yaml", ".yml", ".log", ".ics", ".eml"]);
    if !is_text {
        return None;
    }
    let content = decoded(bytes);
    Some(if is_html { unmarked(&visible_text(&content)) } else { content })
}

/// Whether a file of this name and type may have a text, so that it is worth fetching.
#[must_use]
pub fn may_have_text(name: &str, media_type: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let is_document =
        [".docx", ".docm", ".pptx", ".pptm", ".xlsx", ".xlsm"].iter().any(|end| name.ends_with(end));
    is_document || media_type.contains("openxmlformats") || text_of(&name, media_type, b"").is_some()
}

/// UTF-8, or what a mark at the beginning names (Unicode 16, section 23.8).
fn decoded(bytes: &[u8]) -> String {
    let wide = |bytes: &[u8], join: fn([u8; 2]) -> u16| {
        let units: Vec<u16> =
            bytes.chunks_exact(2).filter_map(|pair| pair.try_into().ok()).map(join).collect();
        String::from_utf16_lossy(&units)
    };
    match bytes {
        [0xff, 0xfe, rest @ ..] => wide(rest, u16::from_le_bytes),
        [0xfe, 0xff, rest @ ..] => wide(rest, u16::from_be_bytes),
        [0xef, 0xbb, 0xbf, rest @ ..] => String::from_utf8_lossy(rest).into_owned(),
        _ => String::from_utf8_lossy(bytes).into_owned(),
    }
}

/// A part of a document, as text.
fn part(bytes: &[u8], name: &str) -> Option<String> {
    Some(String::from_utf8_lossy(&entry(bytes, name, OFFICE_PART_BYTES_MAX)?).into_owned())
}

/// A tag as it stands between its brackets, and the text that follows it.
fn pieces(xml: &str) -> impl Iterator<Item = (&str, &str)> {
    xml.split('<').skip(1).filter_map(|piece| piece.split_once('>'))
}

/// The name of a tag without its prefix; a closing tag keeps its slash.
fn local(tag: &str) -> (bool, &str) {
    let is_end = tag.starts_with('/');
    let name = tag.trim_start_matches('/').split([' ', '/', '\n', '\t', '\r']).next().unwrap_or_default();
    (is_end, name.rsplit(':').next().unwrap_or_default())
}

fn attribute<'a>(tag: &'a str, name: &str) -> Option<&'a str> {
    tag.split_once(&format!(" {name}=\""))?.1.split('"').next()
}

/// The five entities of XML and numbered characters.
fn unescaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('&') {
        out.push_str(before);
        let known = after.split_once(';').filter(|(name, _)| name.len() <= 8).and_then(|(name, behind)| {
            let character = match name {
                "amp" => '&',
                "lt" => '<',
                "gt" => '>',
                "quot" => '"',
                "apos" => '\'',
                _ => {
                    let digits = name.strip_prefix('#')?;
                    let number = match digits.strip_prefix('x') {
                        Some(hex) => u32::from_str_radix(hex, 16).ok()?,
                        None => digits.parse().ok()?,
                    };
                    char::from_u32(number)?
                }
            };
            Some((character, behind))
        });
        match known {
            Some((character, behind)) => {
                out.push(character);
                rest = behind;
            }
            None => {
                out.push('&');
                rest = after;
            }
        }
    }
    out.push_str(rest);
    out
}

/// The paragraphs of a text or a slide.
fn paragraphs(xml: &str) -> String {
    let mut out = String::new();
    for (tag, behind) in pieces(xml) {
        match local(tag) {
            (false, "t") if !tag.ends_with('/') => out.push_str(&unescaped(behind)),
            (false, "tab") => out.push('\t'),
            (false, "br" | "cr") => out.push('\n'),
            (true, "p") => out.push('\n'),
            (true, "tc") => out.push('\t'),
            _ => {}
        }
    }
    out.trim().to_owned()
}

fn word(bytes: &[u8]) -> Option<String> {
    part(bytes, "word/document.xml").map(|xml| paragraphs(&xml))
}

fn slides(bytes: &[u8]) -> Option<String> {
    let mut out = Vec::new();
    let mut size = 0;
    for number in 1..=PARTS_MAX {
        let Some(xml) = part(bytes, &format!("ppt/slides/slide{number}.xml")) else { break };
        size += xml.len();
        if size > OFFICE_PART_BYTES_MAX {
            break;
        }
        out.push(format!("[Slide {number}]\n{}", paragraphs(&xml)));
    }
    (!out.is_empty()).then(|| out.join("\n\n"))
}

/// The texts that cells name by number.
fn shared_texts(xml: &str) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    for (tag, behind) in pieces(xml) {
        match (local(tag), out.last_mut()) {
            ((false, "si"), _) => out.push(String::new()),
            ((false, "t"), Some(last)) => last.push_str(&unescaped(behind)),
            _ => {}
        }
    }
    out
}

/// The rows of a sheet, cells separated by tabs. Cells without a value are left out.
fn rows(xml: &str, texts: &[String]) -> String {
    let mut out = String::new();
    let mut is_shared = false;
    for (tag, behind) in pieces(xml) {
        match local(tag) {
            (false, "c") => is_shared = attribute(tag, "t") == Some("s"),
            (false, "v") if is_shared => {
                let text = behind.parse::<usize>().ok().and_then(|number| texts.get(number));
                out.push_str(text.map_or("", String::as_str));
            }
            (false, "v" | "t") => out.push_str(&unescaped(behind)),
            (true, "c") => out.push('\t'),
            (true, "row") => {
                out.truncate(out.trim_end_matches('\t').len());
                out.push('\n');
            }
            _ => {}
        }
        if out.len() > OFFICE_PART_BYTES_MAX {
            break;
        }
    }
    out.trim_end().to_owned()
}

fn sheets(bytes: &[u8]) -> Option<String> {
    let texts = part(bytes, "xl/sharedStrings.xml").map(|xml| shared_texts(&xml)).unwrap_or_default();
    let mut out = Vec::new();
    let mut size = 0;
    for number in 1..=PARTS_MAX {
        let Some(xml) = part(bytes, &format!("xl/worksheets/sheet{number}.xml")) else { break };
        let sheet = format!("[Sheet {number}]\n{}", rows(&xml, &texts));
        size += sheet.len();
        if size > OFFICE_PART_BYTES_MAX {
            break;
        }
        out.push(sheet);
    }
    (!out.is_empty()).then(|| out.join("\n\n"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inflate::testing::stored_archive;

    #[test]
    fn texts_are_read_in_their_encodings() {
        let read = |name: &str, bytes: &[u8]| text_of(name, "application/octet-stream", bytes);
        assert_eq!(read("a.TXT", "é".as_bytes()).as_deref(), Some("é"));
        assert_eq!(read("a.txt", b"\xef\xbb\xbfx").as_deref(), Some("x"));
        assert_eq!(read("a.txt", b"\xff\xfeh\0i\0").as_deref(), Some("hi"));
        assert_eq!(read("a.csv", b"\xfe\xff\0h\0i").as_deref(), Some("hi"));
        assert_eq!(read("a.html", b"<p>seen<script>no</script>").as_deref(), Some("seen"));
        assert_eq!(read("a.zip", b"PK"), None);
        assert_eq!(text_of("a", "application/json", b"{}").as_deref(), Some("{}"));
        assert!(
            may_have_text("a.docx", "") && may_have_text("a.md", "") && !may_have_text("a.png", "image/png")
        );
    }

    #[test]
    fn a_text_document_is_its_paragraphs() {
        let xml = b"<?xml version=\"1.0\"?><w:document><w:body><w:p><w:pPr/><w:r><w:t>One &amp; </w:t></w:r>\
            <w:r><w:t xml:space=\"preserve\">two&#33;</w:t><w:tab/><w:t>x</w:t></w:r></w:p><w:p><w:r><w:t/>\
            <w:instrText>HYPERLINK</w:instrText><w:t>three</w:t></w:r></w:p></w:body></w:document>";
        let file = stored_archive(&[("[Content_Types].xml", b"<Types/>"), ("word/document.xml", xml)]);
        assert_eq!(text_of("a.docx", "", &file).as_deref(), Some("One & two!\tx\nthree"));
        assert_eq!(text_of("a.docx", "", b"no archive"), None);
    }

    #[test]
    fn slides_and_sheets_come_in_their_order() {
        let slide = |text: &str| format!("<p:sld><a:p><a:r><a:t>{text}</a:t></a:r></a:p></p:sld>");
        let (one, two) = (slide("First"), slide("Second"));
        let file = stored_archive(&[
            ("ppt/slides/slide2.xml", two.as_bytes()),
            ("ppt/slides/slide1.xml", one.as_bytes()),
        ]);
        assert_eq!(text_of("a.pptx", "", &file).as_deref(), Some("[Slide 1]\nFirst\n\n[Slide 2]\nSecond"));
        let texts = b"<sst><si><t>Name</t></si><si><r><t>An</t></r><r><t>n</t></r></si></sst>";
        let sheet = b"<worksheet><sheetData><row r=\"1\"><c r=\"A1\" t=\"s\"><v>0</v></c><c r=\"B1\"><v>7.5</v></c></row>\
            <row r=\"2\"><c r=\"A2\" t=\"s\"><v>1</v></c><c r=\"B2\" t=\"inlineStr\"><is><t>&lt;x&gt;</t></is></c>\
            <c r=\"C2\" t=\"s\"><v>99</v></c></row></sheetData></worksheet>";
        let file = stored_archive(&[("xl/sharedStrings.xml", texts), ("xl/worksheets/sheet1.xml", sheet)]);
        assert_eq!(text_of("a.xlsx", "", &file).as_deref(), Some("[Sheet 1]\nName\t7.5\nAnn\t<x>"));
    }

    #[test]
    fn entities_that_mean_nothing_stay() {
        assert_eq!(unescaped("a&b &amp &#x110000; &nope; &#65;"), "a&b &amp &#x110000; &nope; A");
    }
}
