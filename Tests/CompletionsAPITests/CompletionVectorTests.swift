import CompletionsAPI
import Engine
import Foundation
import HTTPTypes
import InferenceTypes
import TestSupport
import Testing

/// One case of `shared/vectors/completions.json`.
private struct Vector: Sendable, CustomTestStringConvertible {
    var id: String
    var body: [UInt8]
    var statuses: [Int]
    /// nil where the case leaves it open; an inner nil stands for null.
    var parameters: [String?]?
    var code: String?
    var choiceCount: Int?
    var errorByteLimit: Int
    var isGreedy: Bool

    var testDescription: String { id }

    static let all: [Vector] = {
        guard SharedData.isAvailable,
            let file = try? SharedData.bytes(SharedData.file("../vectors/completions.json")),
            let cases = try? JSONParser.parse(file, limits: .request).asArray
        else { return [] }
        return cases.compactMap(Vector.init)
    }()

    private init?(_ value: JSONValue) {
        guard let id = value["id"].flatMap(Self.string), let status = value["expect_status"] else { return nil }
        self.id = id
        if let encoded = value["body_b64"].flatMap(Self.string), let data = Data(base64Encoded: encoded) {
            body = Array(data)
        } else {
            body = Self.expanded(value["body"].flatMap(Self.string) ?? "")
        }
        statuses = (status.asArray ?? [status]).compactMap(\.asInteger).map(Int.init)
        parameters = value["expect_param"].map { ($0.asArray ?? [$0]).map(Self.string) }
        code = value["expect_code"].flatMap(Self.string)
        choiceCount = value["n_choices"]?.asInteger.map(Int.init)
        errorByteLimit = value["max_error_bytes"]?.asInteger.map(Int.init) ?? 4096
        isGreedy = value["same_text_as"] != nil
    }

    private static func string(_ value: JSONValue) -> String? {
        value.asBytes.map { String(decoding: $0, as: UTF8.self) }
    }

    /// `{{MODEL}}` and `{{REPEAT:text:count}}` as the runner fills them in.
    private static func expanded(_ template: String) -> [UInt8] {
        var rest = template.replacingOccurrences(of: "{{MODEL}}", with: "tiny")[...]
        var bytes: [UInt8] = []
        while let start = rest.range(of: "{{REPEAT:"), let end = rest[start.upperBound...].range(of: "}}") {
            let inside = rest[start.upperBound..<end.lowerBound]
            guard let colon = inside.lastIndex(of: ":"), let count = Int(inside[inside.index(after: colon)...]) else {
                break
            }
            bytes += Array(rest[..<start.lowerBound].utf8)
            let unit = Array(inside[..<colon].utf8)
            for _ in 0..<count { bytes += unit }
            rest = rest[end.upperBound...]
        }
        return bytes + Array(rest.utf8)
    }
}

@Suite("Acceptance vectors of the completions API", .enabled(if: SharedData.isAvailable, "needs ../shared/vectors"))
struct CompletionVectorTests {
    /// Greedy requests say one thing, others another, as a model would.
    private let service = CompletionsAPITests.service(
        ScriptedEngine { request, _ in
            let text = request.sampling?.isGreedy == true ? "greedy" : "drawn"
            let tokens = Array(repeating: TokenID(1), count: request.stop.maxTokens)
            return [delta(text, tokens), finished(.length)]
        })

    @Test("The file is read whole") func count() {
        #expect(Vector.all.count >= 190)
    }

    @Test("A vector is answered as it says", arguments: Vector.all)
    private func vector(_ vector: Vector) async throws {
        let answer = await Answer(service.respond(to: post(vector.body)))
        #expect(vector.statuses.contains(answer.status), "\(answer.status): \(answer.text.prefix(300))")
        let json = try #require(answer.json)
        #expect(answer.fields[.contentType] == "application/json")
        if answer.status >= 400 {
            let error = try #require(json["error"]?.asObject)
            #expect(error.map { String(decoding: $0.key, as: UTF8.self) } == ["message", "type", "param", "code"])
            #expect(answer.message?.isEmpty == false)
            if let parameters = vector.parameters { #expect(parameters.contains(answer.parameter)) }
            if let code = vector.code { #expect(answer.code == code) }
            #expect(answer.bytes.count <= vector.errorByteLimit)
        } else {
            let choices = try #require(json["choices"]?.asArray)
            if let count = vector.choiceCount { #expect(choices.count == count) }
            if vector.isGreedy { #expect(choices.first?["text"] == .string(Array("greedy".utf8))) }
            let generated = try #require(json["usage"]?["completion_tokens"]?.asInteger)
            #expect(generated <= 16)
        }
    }
}
