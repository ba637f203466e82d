// A Word document of some paragraphs, as small as one can be (ECMA-376, parts 1 and 2): a ZIP archive whose files are not
// compressed.
// Holds: what Word itself would open; the paragraphs are escaped.
// Must never: read a document, because that is what is being tested.
import { crc32 } from "node:zlib";

const wordprocessing = "http://schemas.openxmlformats.org/wordprocessingml/2006/main";
const types = "http://schemas.openxmlformats.org/package/2006/content-types";
const relations = "http://schemas.openxmlformats.org/package/2006/relationships";
const office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument";
const main = "application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml";
const escaped = (text) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");

/** Numbers of so many bytes each, little end first. */
function numbers(...pairs) {
  return Buffer.concat(pairs.map(([value, bytes]) => {
    const out = Buffer.alloc(bytes);
    out.writeUIntLE(value, 0, bytes);
    return out;
  }));
}

/** A ZIP archive (APPNOTE 6.3.10, sections 4.3.7, 4.3.12 and 4.3.16) of names and texts. */
function archive(files) {
  const written = [], directory = [];
  let at = 0;
  for (const [name, text] of files) {
    const content = Buffer.from(text);
    // Version 2.0, UTF-8 names, stored, at the first moment that there is.
    const about = numbers([20, 2], [0x800, 2], [0, 2], [0, 2], [0x21, 2], [crc32(content), 4], [content.length, 4],
      [content.length, 4], [Buffer.byteLength(name), 2], [0, 2]);
    written.push(numbers([0x04034b50, 4]), about, Buffer.from(name), content);
    directory.push(numbers([0x02014b50, 4], [20, 2]), about, numbers([0, 6], [0, 4], [at, 4]), Buffer.from(name));
    at = written.reduce((sum, { length }) => sum + length, 0);
  }
  const size = directory.reduce((sum, { length }) => sum + length, 0);
  const end = numbers([0x06054b50, 4], [0, 4], [files.length, 2], [files.length, 2], [size, 4], [at, 4], [0, 2]);
  return Buffer.concat([...written, ...directory, end]);
}

const parts = {
  "[Content_Types].xml": `<Types xmlns="${types}">`
    + `<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>`
    + `<Override PartName="/word/document.xml" ContentType="${main}"/></Types>`,
  "_rels/.rels": `<Relationships xmlns="${relations}">`
    + `<Relationship Id="rId1" Type="${office}" Target="word/document.xml"/></Relationships>`,
};

/** The bytes of a `.docx`. */
export function wordDocument(paragraphs) {
  const body = paragraphs.map((text) => `<w:p><w:r><w:t>${escaped(text)}</w:t></w:r></w:p>`).join("");
  const document = `<w:document xmlns:w="${wordprocessing}"><w:body>${body}</w:body></w:document>`;
  return archive(Object.entries({ ...parts, "word/document.xml": document }));
}
