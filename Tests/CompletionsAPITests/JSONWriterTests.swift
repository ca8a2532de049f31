import CompletionsAPI
import Foundation
import InferenceTypes
import Testing

@Suite("JSON writer")
struct JSONWriterTests {
    @Test(
        "Each kind of value is written as RFC 8259 says",
        arguments: [
            (JSONValue.null, "null"), (.bool(true), "true"), (.integer(.min), "-9223372036854775808"),
            (.double(0.1), "0.1"), (.double(-0.0), "-0.0"), (.double(1e300), "1e+300"),
            (.double(.leastNonzeroMagnitude), "5e-324"),
            (.double(.infinity), "null"), (.double(.nan), "null"),
            (
                .string(Array("a\"\\/\u{8}\t\n\u{c}\r\u{1}\u{1f}\u{7f}é😀\u{2028}".utf8)),
                #""a\"\\/\b\t\n\f\r\u0001\u001f"# + "\u{7f}é😀\u{2028}\""
            ),
            (.array([]), "[]"), (.object([]), "{}"),
            (.object([JSONMember(key: [0x61], value: .array([.integer(1), .null]))]), #"{"a":[1,null]}"#),
        ] as [(JSONValue, String)])
    func values(_ value: JSONValue, _ text: String) {
        #expect(String(decoding: JSONWriter.bytes(of: value), as: UTF8.self) == text)
    }

    @Test(
        "Bytes that are no UTF-8 become U+FFFD, so the output is always UTF-8",
        arguments: [
            ([0x61, 0xFF, 0x62], "\"a\u{FFFD}b\""),
            ([0xE2, 0x80], "\"\u{FFFD}\""),
            ([0xED, 0xA0, 0x80], "\"\u{FFFD}\u{FFFD}\u{FFFD}\""),
            ([0xC0, 0xAF, 0x22], "\"\u{FFFD}\u{FFFD}\\\"\""),
        ] as [([UInt8], String)])
    func illFormed(_ bytes: [UInt8], _ text: String) {
        #expect(String(validating: JSONWriter.bytes(of: .string(bytes)), as: UTF8.self) == text)
    }

    @Test("500 random documents read back equal, here and in Foundation")
    func roundTrip() throws {
        var random = SplitMix(state: 42)
        for _ in 0..<500 {
            let value = random.document(depth: 0)
            let bytes = JSONWriter.bytes(of: value)
            #expect(try JSONParser.parse(bytes, limits: .request) == value)
            let read = try JSONSerialization.jsonObject(with: Data(bytes), options: .fragmentsAllowed)
            #expect(isEqual(read, value))
        }
    }

    /// What Foundation read, compared with what was written; members by name, since it keeps no order.
    private func isEqual(_ read: Any, _ written: JSONValue) -> Bool {
        switch written {
        case .null: return read is NSNull
        case .bool(let value): return (read as? Bool) == value
        case .integer(let value): return (read as? NSNumber)?.int64Value == value
        case .double(let value):
            // Foundation goes through a decimal type and loses the last bits; our own parser is compared exactly.
            return (read as? NSNumber).map { abs($0.doubleValue - value) <= abs(value) * 1e-14 } == true
        case .string(let value): return (read as? String).map { Array($0.utf8) } == value
        case .array(let values):
            guard let items = read as? [Any], items.count == values.count else { return false }
            return zip(items, values).allSatisfy { isEqual($0, $1) }
        case .object(let members):
            guard let items = read as? [String: Any], items.count == members.count else { return false }
            return members.allSatisfy { member in
                items[String(decoding: member.key, as: UTF8.self)].map { isEqual($0, member.value) } ?? false
            }
        }
    }
}

/// Small seeded randomness for property tests.
struct SplitMix: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var value = state
        value = (value ^ (value >> 30)) &* 0xBF58_476D_1CE4_E5B9
        value = (value ^ (value >> 27)) &* 0x94D0_49BB_1331_11EB
        return value ^ (value >> 31)
    }

    mutating func text() -> [UInt8] {
        let alphabet = Array("ab\"\\/\u{0}\u{8}\n\u{1f}\u{7f}é世😀\u{2028}\u{FFFD}".unicodeScalars)
        let scalars = (0..<Int.random(in: 0...8, using: &self)).map { _ in
            alphabet[Int.random(in: 0..<alphabet.count, using: &self)]
        }
        return Array(String(String.UnicodeScalarView(scalars)).utf8)
    }

    mutating func document(depth: Int) -> JSONValue {
        switch Int.random(in: 0...(depth < 4 ? 7 : 5), using: &self) {
        case 0: return .null
        case 1: return .bool(Bool.random(using: &self))
        case 2: return .integer(Int64(bitPattern: next() >> UInt64.random(in: 0...63, using: &self)))
        case 3: return .string(text())
        case 4, 5:
            let value = Double(bitPattern: next())
            return value.isFinite ? .double(value) : .double(0.25)
        case 6: return .array((0..<Int.random(in: 0...4, using: &self)).map { _ in document(depth: depth + 1) })
        default:
            return .object(
                (0..<Int.random(in: 0...4, using: &self)).map { index in
                    JSONMember(key: Array("\(index)".utf8) + text(), value: document(depth: depth + 1))
                })
        }
    }
}
