import ArgumentParser
import CompletionsAPI
import Engine
import Foundation
import HTTPCodec
import HTTPTypes
import Logging
import Telemetry
import TestSupport
import Tokenization

@testable import needletail

/// The program's own parts, put together as `serve` does, without a socket.
struct StoryServer {
    let model: LoadedModel
    let engine: GenerationEngine
    let service: CompletionsService

    init(_ arguments: [String] = [], metrics: MetricRegistry? = nil) async throws {
        model = try LoadedModel(try ModelOptions.parse(arguments))
        engine = try await model.startEngine(logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        var environment = ServiceEnvironment.system { _ in }
        environment.metrics = metrics
        service = CompletionsService(
            model: ServedModel(model, engine), configuration: ServiceConfiguration(build: "test"),
            environment: environment)
    }

    func respond(_ fields: [String: Any]) async throws -> ServerResponse {
        let head = HTTPRequest(
            method: .post, scheme: nil, authority: "localhost", path: "/v1/completions",
            headerFields: [.contentType: "application/json"])
        let body = [UInt8](try JSONSerialization.data(withJSONObject: fields))
        return await service.respond(
            to: ServerRequest(head: head, path: Array("/v1/completions".utf8), body: body))
    }

    /// One choice, as the client reads it.
    struct Answer: Equatable {
        var text = ""
        var tokens: [Int] = []
        var finishReason: String?
        var stopReason: String?

        mutating func append(_ choice: [String: Any]) {
            text += choice["text"] as? String ?? ""
            tokens += choice["token_ids"] as? [Int] ?? []
            finishReason = choice["finish_reason"] as? String ?? finishReason
            stopReason = choice["stop_reason"] as? String ?? stopReason
        }
    }

    func plain(_ fields: [String: Any]) async throws -> Answer {
        guard case .bytes(let bytes) = try await respond(fields).body else { throw CocoaError(.featureUnsupported) }
        var answer = Answer()
        answer.append(try firstChoice(bytes))
        return answer
    }

    /// The chunks put together, each of them read on its own.
    func streamed(_ fields: [String: Any]) async throws -> Answer {
        var fields = fields
        fields["stream"] = true
        guard case .stream(let pieces) = try await respond(fields).body else { throw CocoaError(.featureUnsupported) }
        var bytes: [UInt8] = []
        for await piece in pieces { bytes += piece }
        var answer = Answer()
        let events = String(decoding: bytes, as: UTF8.self).components(separatedBy: "\n\n").filter { !$0.isEmpty }
        guard events.last == "data: [DONE]" else { throw CocoaError(.fileReadCorruptFile) }
        for event in events.dropLast() where event.hasPrefix("data: ") {
            answer.append(try firstChoice(Array(event.dropFirst(6).utf8)))
        }
        return answer
    }

    private func firstChoice(_ bytes: [UInt8]) throws -> [String: Any] {
        let document = try JSONSerialization.jsonObject(with: Data(bytes)) as? [String: Any]
        guard let choice = (document?["choices"] as? [[String: Any]])?.first else {
            throw CocoaError(.fileReadCorruptFile, userInfo: ["document": String(decoding: bytes, as: UTF8.self)])
        }
        return choice
    }
}

/// Requests of every kind from a seed.
struct RequestMaker {
    private var generator: TestGenerator

    init(seed: UInt64) { generator = TestGenerator(seed: seed) }

    private static let openings = [
        "Once upon a time", "Lily had a red ball.", "Tom and his dog", "été 😀 und", "One day, a big", "\n", "「猫」は",
    ]
    private static let stops = [
        " the", "ly ", ". ", "\n", "\u{FFFD}", "ed a", "é", "e", "little girl", "\u{FFFD}\u{FFFD}", "Q", "a", "o",
    ]

    private mutating func pick<Element>(_ items: [Element]) -> Element {
        items[Int.random(in: 0..<items.count, using: &generator)]
    }

    mutating func next() -> [String: Any] {
        let openings = (0...Int.random(in: 0...5, using: &generator)).map { _ in pick(Self.openings) }
        var fields: [String: Any] = [
            "prompt": openings.joined(separator: " "), "return_token_ids": true,
            "max_tokens": Int.random(in: 1...60, using: &generator),
            "seed": Int.random(in: 0...1 << 40, using: &generator),
            "temperature": pick([0.0, 0.7, 1.0, 1.6, 2.0]),
        ]
        if Int.random(in: 0..<4, using: &generator) > 0 { fields["stop"] = [pick(Self.stops), pick(Self.stops)] }
        if Bool.random(using: &generator) { fields["top_k"] = Int.random(in: 1...80, using: &generator) }
        if Bool.random(using: &generator) { fields["top_p"] = pick([0.5, 0.9, 0.99]) }
        if Bool.random(using: &generator) { fields["min_p"] = pick([0.01, 0.1]) }
        return fields
    }
}
