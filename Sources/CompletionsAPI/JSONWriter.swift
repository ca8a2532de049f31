package import InferenceTypes

/// Writes a `JSONValue` as JSON text on one line: RFC 8259, UTF-8, shortest numbers that read back as the same value.
///
/// Total: whatever it is given, well-formed JSON comes out. Bytes that are no UTF-8 become U+FFFD, and a number that JSON
/// cannot say becomes `null`, the rule of ECMAScript's `JSON.stringify`.
///
/// - Source: RFC 8259 sections 7 and 8; Unicode 16 section 3.9 (one U+FFFD per maximal ill-formed part).
package struct JSONWriter {
    private var bytes: [UInt8] = []

    package static func bytes(of value: JSONValue) -> [UInt8] {
        var writer = JSONWriter()
        writer.write(value)
        return writer.bytes
    }

    private mutating func write(_ value: JSONValue) {
        switch value {
        case .null: append("null")
        case .bool(let value): append(value ? "true" : "false")
        case .integer(let value): bytes.append(contentsOf: String(value).utf8)
        case .double(let value): write(value)
        case .string(let text): write(text)
        case .array(let items): write(items)
        case .object(let members): write(members)
        }
    }

    private mutating func append(_ text: StaticString) {
        text.withUTF8Buffer { bytes.append(contentsOf: $0) }
    }

    /// Swift's description of a `Double` is the shortest text that reads back equal, in JSON's grammar.
    private mutating func write(_ value: Double) {
        guard value.isFinite else { return append("null") }
        bytes.append(contentsOf: value.description.utf8)
    }

    private mutating func write(_ items: [JSONValue]) {
        bytes.append(UInt8(ascii: "["))
        for (index, item) in items.enumerated() {
            if index > 0 { bytes.append(UInt8(ascii: ",")) }
            write(item)
        }
        bytes.append(UInt8(ascii: "]"))
    }

    private mutating func write(_ members: [JSONMember]) {
        bytes.append(UInt8(ascii: "{"))
        for (index, member) in members.enumerated() {
            if index > 0 { bytes.append(UInt8(ascii: ",")) }
            write(member.key)
            bytes.append(UInt8(ascii: ":"))
            write(member.value)
        }
        bytes.append(UInt8(ascii: "}"))
    }
}

// MARK: - Strings

extension JSONWriter {
    private mutating func write(_ text: [UInt8]) {
        bytes.append(UInt8(ascii: "\""))
        if text.isValidUTF8 {
            escape(text)
        } else {
            escape(Array(String(decoding: text, as: UTF8.self).utf8))
        }
        bytes.append(UInt8(ascii: "\""))
    }

    private mutating func escape(_ text: [UInt8]) {
        for byte in text {
            switch byte {
            case UInt8(ascii: "\""): append("\\\"")
            case UInt8(ascii: "\\"): append("\\\\")
            case 0x08: append("\\b")
            case 0x09: append("\\t")
            case 0x0A: append("\\n")
            case 0x0C: append("\\f")
            case 0x0D: append("\\r")
            case 0..<0x20: escapeControl(byte)
            default: bytes.append(byte)
            }
        }
    }

    private mutating func escapeControl(_ byte: UInt8) {
        append("\\u00")
        bytes.append(hexDigit(byte >> 4))
        bytes.append(hexDigit(byte & 0xF))
    }
}

/// The lower-case hexadecimal digit of the low four bits.
func hexDigit(_ value: UInt8) -> UInt8 {
    let nibble = value & 0xF
    return nibble < 10 ? UInt8(ascii: "0") + nibble : UInt8(ascii: "a") + nibble - 10
}

// MARK: - Building documents

extension JSONValue {
    /// An object whose members keep the order in which they are written here.
    static func members(_ members: KeyValuePairs<String, JSONValue>) -> JSONValue {
        .object(members.map { JSONMember(key: Array($0.key.utf8), value: $0.value) })
    }

    static func text(_ text: String) -> JSONValue { .string(Array(text.utf8)) }

    static func count(_ count: Int) -> JSONValue { .integer(Int64(count)) }
}
