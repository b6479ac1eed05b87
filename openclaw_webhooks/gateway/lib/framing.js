// How HTTP/1.1 marks the end of a message's body: by its length, by chunks, or by the end of the connection.
//
// Pure: bytes in, pieces of a body out. Strict, because what two ends count differently is a smuggled request.
// Source: RFC 9112 sections 6 and 7.

/** What came is not HTTP/1.1 as this plugin reads it; the connection cannot be used any further. */
export class BadMessage extends Error {}

const CRLF = "\r\n";
const CHUNK_LINE_MAX_BYTES = 1024;
const CHUNK_LINE = /^([0-9a-f]{1,12})(?:[ \t]*;[^\0\r\n]*)?$/i;
const FIELD = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):([^\0\r\n]*)$/;

/**
 * Parse the lines of a head that follow its first.
 *
 * @returns {{raw: string[], fields: Map<string, string>}} Names and values in turn as they came, and by lower-case name,
 *   values of one name joined by commas.
 * @throws {BadMessage} A line is no field.
 */
export function parseFields(lines) {
  const raw = [];
  const fields = new Map();
  for (const line of lines) {
    const [, name, padded] = FIELD.exec(line) ?? fail("a header is none");
    const key = name.toLowerCase();
    const value = trimBlanks(padded);
    raw.push(name, value);
    fields.set(key, fields.has(key) ? `${fields.get(key)}, ${value}` : value);
  }
  return { raw, fields };
}

/** Remove blanks and tabs at both ends, in time that grows with the length alone: an expression with `[ \t]*$` does not. */
function trimBlanks(text) {
  let [start, end] = [0, text.length];
  while (start < end && isBlank(text[start])) start += 1;
  while (end > start && isBlank(text[end - 1])) end -= 1;
  return text.slice(start, end);
}

function isBlank(character) {
  return character === " " || character === "\t";
}

/**
 * Return the declared length of a body, undefined where none is.
 *
 * @throws {BadMessage} It is no number, or declared more than once.
 */
export function parseLength(fields) {
  const text = fields.get("content-length");
  if (text === undefined) return undefined;
  return /^\d{1,15}$/.test(text) ? Number(text) : fail("a length is no number");
}

export function fail(why) {
  throw new BadMessage(why);
}

/**
 * A body whose length is known. `take` gives the piece of it that the bytes hold and tells whether that was its end;
 * what follows the end of a body is nobody's, because nothing was asked yet.
 */
export class BodyByLength {
  constructor(length) {
    this.left = length;
  }

  take(bytes, give) {
    if (bytes.length > this.left) fail("a body is longer than it says");
    this.left -= bytes.length;
    if (bytes.length > 0) give(bytes);
    return this.left === 0;
  }
}

/** A body that ends with its connection. */
export class BodyToTheEnd {
  take(bytes, give) {
    if (bytes.length > 0) give(bytes);
    return false;
  }
}

/** A body in chunks. Trailers are read and forgotten. */
export class BodyInChunks {
  left = 0;
  line = "";
  state = "size";

  take(bytes, give) {
    let rest = bytes;
    while (rest.length > 0 && this.state !== "end") rest = this.state === "data" ? this.takeData(rest, give) : this.takeLine(rest);
    if (rest.length > 0) fail("a body goes on after its end");
    return this.state === "end";
  }

  takeData(bytes, give) {
    const piece = bytes.subarray(0, this.left);
    this.left -= piece.length;
    if (this.left === 0) this.state = "after data";
    give(piece);
    return bytes.subarray(piece.length);
  }

  takeLine(bytes) {
    const end = bytes.indexOf(10);
    this.line += bytes.latin1Slice(0, end < 0 ? bytes.length : end + 1);
    if (this.line.length > CHUNK_LINE_MAX_BYTES) fail("a chunk's line is too long");
    if (end >= 0) {
      if (!this.line.endsWith(CRLF)) fail("a line ends without CR");
      this.endLine(this.line.slice(0, -CRLF.length));
      this.line = "";
    }
    return end < 0 ? bytes.subarray(bytes.length) : bytes.subarray(end + 1);
  }

  endLine(line) {
    if (this.state === "trailers") {
      if (line === "") this.state = "end";
    } else if (this.state === "after data") {
      if (line !== "") fail("a chunk is longer than it says");
      this.state = "size";
    } else {
      this.left = Number.parseInt((CHUNK_LINE.exec(line) ?? fail("a chunk has no size"))[1], 16);
      this.state = this.left > 0 ? "data" : "trailers";
    }
  }
}
