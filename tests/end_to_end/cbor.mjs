// Writes CBOR (RFC 8949), as much of it as a question to the directory needs: what objects say there, tests can say too.
// Holds: nothing of the product's own codec is used, so that a mistake of it cannot hide.
// Must never: be used to read anything.

function head(major, number) {
  const size = number < 24 ? 0 : number < 256 ? 1 : number < 65536 ? 2 : number < 2 ** 32 ? 4 : 8;
  const bytes = Buffer.alloc(1 + size);
  bytes[0] = (major << 5) | (size === 0 ? number : { 1: 24, 2: 25, 4: 26, 8: 27 }[size]);
  if (size === 8) bytes.writeBigUInt64BE(BigInt(number), 1);
  else if (size > 0) bytes.writeUIntBE(number, 1, size);
  return bytes;
}

/** Whole numbers from 0 on, texts, byte strings (`Buffer`), lists, members of objects, true, false and null. */
export function cbor(value) {
  if (value === null) return Buffer.from([0xf6]);
  if (typeof value === "boolean") return Buffer.from([value ? 0xf5 : 0xf4]);
  if (typeof value === "number") return head(0, value);
  if (typeof value === "string") return Buffer.concat([head(3, Buffer.byteLength(value)), Buffer.from(value)]);
  if (Buffer.isBuffer(value)) return Buffer.concat([head(2, value.length), value]);
  if (Array.isArray(value)) return Buffer.concat([head(4, value.length), ...value.map(cbor)]);
  const members = Object.entries(value);
  return Buffer.concat([head(5, members.length), ...members.flatMap(([name, member]) => [cbor(name), cbor(member)])]);
}
