import Foundation
import HTTPCodec
import TestSupport
import Testing

/// One line of `shared/vectors/http.json`.
struct HTTPVector: Decodable, Sendable, CustomTestStringConvertible {
    struct Segment: Decodable, Sendable { var bytes: String }
    struct Expectation: Decodable, Sendable {
        var status: [Int]
        var close: Bool?
        var maxResponses: Int
        var next: [[Int]]?
        var allowsNone: Bool?

        enum CodingKeys: String, CodingKey {
            case status, close, next
            case maxResponses = "max_responses"
            case allowsNone = "none_ok"
        }
    }

    var id: String
    var bytes: String?
    var segments: [Segment]?
    var expect: Expectation
    var requires: String?
    var allowsTimeout: Bool?
    var allowsNoNext: Bool?
    var forbidsInterim: Bool?
    var bodyLacks: String?
    var fieldIf: [String: String]?

    enum CodingKeys: String, CodingKey {
        case id, bytes, segments, expect, requires
        case allowsTimeout = "timeout_ok"
        case allowsNoNext = "none_ok_next"
        case forbidsInterim = "no_1xx"
        case bodyLacks = "body_lacks"
        case fieldIf = "header_if"
    }

    var testDescription: String { id }

    /// The bytes to send: each character is one, placeholders filled in. No key: authentication is not the codec's.
    var input: [UInt8] {
        let text = segments.map { $0.map(\.bytes).joined() } ?? bytes ?? ""
        return Self.fill(text.unicodeScalars.map { UInt8(truncatingIfNeeded: $0.value) })
    }

    static let all: [HTTPVector] = {
        guard let url = SharedData.directory?.deletingLastPathComponent().appending(path: "vectors/http.json"),
            let data = try? Data(contentsOf: url),
            let vectors = try? JSONDecoder().decode([HTTPVector].self, from: data)
        else { return [] }
        return vectors.filter { $0.requires != "key" }
    }()

    private static let body = #"{"model": "m", "prompt": "a", "max_tokens": 1}"#.bytes

    private static func fill(_ bytes: [UInt8]) -> [UInt8] {
        let (open, close) = ("{{".bytes, "}}".bytes)
        var result: [UInt8] = []
        var rest = bytes[...]
        while let start = rest.firstRange(of: open) {
            result += rest[..<start.lowerBound]
            guard let end = rest[start.upperBound...].firstRange(of: close) else { break }
            result += value(of: rest[start.upperBound..<end.lowerBound])
            rest = rest[end.upperBound...]
        }
        return result + rest
    }

    private static func value(of placeholder: ArraySlice<UInt8>) -> [UInt8] {
        let parts = placeholder.split(separator: UInt8(ascii: ":"), maxSplits: 1)
        let name = String(decoding: parts[0], as: UTF8.self)
        let half = body.count / 2
        switch name {
        case "B": return body
        case "B1": return [UInt8](body[..<half])
        case "B2": return [UInt8](body[half...])
        case "BLEN": return "\(body.count)".bytes
        case "BHEX": return String(body.count, radix: 16).bytes
        case "B1HEX": return String(half, radix: 16).bytes
        case "B2HEX": return String(body.count - half, radix: 16).bytes
        case "GZIPZERO": return GzipSample.bomb
        case "GZLEN": return "\(GzipSample.bomb.count)".bytes
        case "REPEAT":
            let colon = parts[1].lastIndex(of: UInt8(ascii: ":")) ?? parts[1].endIndex
            let piece = [UInt8](parts[1][..<colon])
            let count = count(parts[1][(colon + 1)...])
            if piece.count == 1 { return [UInt8](repeating: piece[0], count: count) }
            return [[UInt8]](repeating: piece, count: count).flatMap { $0 }
        default: return []  // AUTH, KEY: there is none.
        }
    }

    private static func count(_ digits: ArraySlice<UInt8>) -> Int { Int(String(decoding: digits, as: UTF8.self)) ?? 0 }
}

@Suite("Acceptance vectors, in memory", .enabled(if: !HTTPVector.all.isEmpty, "needs ../shared/vectors"))
struct VectorTests {
    @Test("every vector, whole, byte by byte and in random pieces", arguments: HTTPVector.all)
    func vector(_ vector: HTTPVector) {
        let input = vector.input
        let whole = MachinePlayer.play(input)
        check(vector, whole)
        // The rest of a long one in one piece: it is past every limit.
        var count = 0
        let bytewise = MachinePlayer.play(input) {
            count += 1
            return count > 150_000 ? .max : 1
        }
        #expect(bytewise == whole, "byte by byte")
        let longest = input.count > 150_000 ? 4000 : 40
        for seed in 1...3 as ClosedRange<UInt64> {
            var generator = TestGenerator(seed: seed)
            let pieces = MachinePlayer.play(input) { Int.random(in: 1...longest, using: &generator) }
            #expect(pieces == whole, "random pieces, seed \(seed)")
        }
    }

    private func check(_ vector: HTTPVector, _ seen: Transcript) {
        let expected = [vector.expect.status] + (vector.expect.next ?? [])
        if seen.statuses.isEmpty {
            #expect(vector.allowsTimeout == true || (seen.isClosing && vector.expect.allowsNone == true), "no answer")
        }
        #expect(seen.statuses.count <= vector.expect.maxResponses)
        for (index, allowed) in expected.enumerated() {
            guard index < seen.statuses.count else {
                let isRefused = seen.isClosing && (seen.statuses.last ?? 0) >= 400
                #expect(seen.statuses.isEmpty || isRefused || vector.allowsNoNext == true, "answer \(index) is missing")
                break
            }
            #expect(allowed.contains(seen.statuses[index]), "answer \(index): \(seen.statuses[index])")
        }
        if let close = vector.expect.close, !seen.statuses.isEmpty { #expect(seen.isClosing == close) }
        if vector.forbidsInterim == true { #expect(seen.interimCount == 0) }
        if let secret = vector.bodyLacks { #expect(seen.output.firstRange(of: secret.bytes) == nil) }
        if let first = seen.statuses.first, let field = vector.fieldIf?["\(first)"] {
            let output = String(decoding: seen.output, as: UTF8.self).lowercased()
            #expect(output.contains("\r\n\(field):"))
        }
    }
}
