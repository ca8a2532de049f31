import Foundation
import InferenceTypes
import Testing

@Suite("The strict JSON reader")
struct JSONParserTests {
    private func parse(_ text: String, limits: JSONParser.Limits = .request) throws -> JSONValue {
        try JSONParser.parse(Array(text.utf8), limits: limits)
    }

    @Test(
        "refuses what other readers let through",
        arguments: [
            "", " ", "{", "[1,]", #"{"a":1,}"#, "01", "1.", ".5", "+1", "1e", "-", "--1", "NaN", "Infinity", "tru",
            "nul",
            "'a'", #""\x""#, #""\u12""#, #""\ud83d""#, #""\ude00\ud83d""#, #""\ud83dx""#, "\"\n\"", "\"a", "[1 2]",
            #"{"a" 1}"#, "{1:2}", #"{"a":1,"a":2}"#, #"{"é":1,"\u00e9":2}"#, "1 1", "{}x", "\u{FEFF}1", "1e400",
            "-1e999999999",
        ])
    func refused(text: String) {
        #expect(throws: JSONParser.Failure.self) { try parse(text) }
    }

    @Test("keeps keys apart that are only canonically equivalent")
    func bytesNotCharacters() throws {
        let value = try parse("{\"e\u{301}\":1,\"\u{e9}\":2}")
        #expect(value.asObject?.count == 2)
    }

    @Test("numbers keep what they are: whole, with a fraction, too large for 64 bits")
    func numbers() throws {
        #expect(try parse("-0") == .integer(0))
        #expect(try parse("9223372036854775807") == .integer(.max))
        #expect(try parse("9223372036854775808") == .double(9_223_372_036_854_775_808))
        #expect(try parse("1.0") == .double(1))
        #expect(try parse("1e2") == .double(100))
        #expect(try parse("1e-400") == .double(0))
    }

    @Test("strings are the bytes they stand for")
    func strings() throws {
        #expect(try parse(#""a\u0041\n\ud83d\ude00\/""#).asBytes == Array("aA\n😀/".utf8))
        #expect(throws: JSONParser.Failure.self) { try JSONParser.parse([0x22, 0xC0, 0xAF, 0x22], limits: .request) }
        #expect(throws: JSONParser.Failure.self) {
            try JSONParser.parse([0x22, 0xED, 0xA0, 0x80, 0x22], limits: .request)
        }
    }

    @Test("depth and members are bounded, however deep the text is")
    func limits() throws {
        let deep = { (count: Int) in String(repeating: "[", count: count) + String(repeating: "]", count: count) }
        #expect(throws: Never.self) { try parse(deep(65)) }
        #expect(throws: JSONParser.Failure.self) { try parse(deep(66)) }
        #expect(throws: JSONParser.Failure.self) { try parse(String(repeating: "[", count: 1_000_000)) }
        let members = "{" + (0...1000).map { "\"k\($0)\":1" }.joined(separator: ",") + "}"
        #expect(throws: JSONParser.Failure.self) { try parse(members) }
        #expect(throws: Never.self) { try parse(members, limits: .modelFile) }
    }

    @Test("what it takes, Foundation takes too, with the same values")
    func againstFoundation() throws {
        var generator = SystemRandomNumberGenerator()
        for _ in 0..<500 {
            let value = randomDocument(depth: 3, using: &generator)
            let data = try JSONSerialization.data(withJSONObject: value, options: [.fragmentsAllowed])
            let parsed = try JSONParser.parse([UInt8](data), limits: .request)
            #expect(matches(parsed, value), "\(String(decoding: data, as: UTF8.self))")
        }
    }

    @Test("cutting or changing a byte never traps")
    func damaged() throws {
        let document = Array(#"{"a":[1,2.5e-3,"x\u00e9\ud83d\ude00",null,true],"b":{"c":"ü"}}"#.utf8)
        for cut in document.indices { _ = try? JSONParser.parse(Array(document[..<cut]), limits: .request) }
        var refused = 0
        for index in document.indices {
            for byte in stride(from: UInt8(0), through: 255, by: 5) {
                var changed = document
                changed[index] = byte
                if (try? JSONParser.parse(changed, limits: .request)) == nil { refused += 1 }
            }
        }
        #expect(refused > 1000)
    }

    private func randomDocument(depth: Int, using generator: inout SystemRandomNumberGenerator) -> Any {
        switch Int.random(in: 0...(depth > 0 ? 6 : 4), using: &generator) {
        case 0: return NSNull()
        case 1: return Bool.random(using: &generator)
        case 2: return Int.random(in: -1_000_000...1_000_000, using: &generator)
        case 3: return Double.random(in: -1e6...1e6, using: &generator)
        case 4:
            return String(
                String.UnicodeScalarView(
                    (0..<5).compactMap { _ in Unicode.Scalar(UInt32.random(in: 1...0x2FFF, using: &generator)) }))
        case 5: return (0..<3).map { _ in randomDocument(depth: depth - 1, using: &generator) }
        default:
            return Dictionary(
                (0..<3).map { ("k\($0)", randomDocument(depth: depth - 1, using: &generator)) },
                uniquingKeysWith: { $1 })
        }
    }

    private func matches(_ parsed: JSONValue, _ value: Any) -> Bool {
        switch (parsed, value) {
        case (.null, is NSNull): true
        case (.string(let bytes), let text as String): bytes == Array(text.utf8)
        case (.array(let items), let values as [Any]):
            items.count == values.count && zip(items, values).allSatisfy { matches($0, $1) }
        case (.object(let members), let values as [String: Any]):
            members.count == values.count
                && members.allSatisfy { member in
                    values[String(decoding: member.key, as: UTF8.self)].map { matches(member.value, $0) } ?? false
                }
        case (.bool(let flag), let other as Bool): flag == other
        case (.integer(let number), let other as Int): number == Int64(other)
        case (.double(let number), let other as Double): number == other
        case (.integer(let number), let other as Double): Double(number) == other
        default: false
        }
    }
}
