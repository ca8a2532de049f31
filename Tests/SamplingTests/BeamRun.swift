import InferenceTypes
import Testing

@testable import Sampling

/// A whole search over a model that is a function: what the engine does around `BeamSearch`, with its bookkeeping
/// checked at every step.
struct BeamRun {
    /// Logits of the token after these.
    typealias Model = ([TokenID]) -> [Float]

    struct Settings {
        var parameters: BeamParameters
        var sampling: SamplingParameters?
        var processing = LogitsProcessing()
        var prompt: [TokenID] = [1]
        var maxTokens: Int
        var ends: [TokenID]
        /// Two tokens that end a text: a stop string.
        var stopPair: [TokenID]?

        func endsEarly(_ tokens: [TokenID]) -> Bool {
            guard let stopPair, tokens.count - prompt.count >= 2 else { return false }
            return Array(tokens.suffix(2)) == stopPair
        }
    }

    struct Text: Equatable {
        var tokens: [TokenID]
        var reason: BeamStep.Reason
    }

    struct Hypothesis: Equatable {
        var tokens: [TokenID]
        var score: Float
    }

    let settings: Settings
    let model: Model
    private(set) var search: BeamSearch
    /// Running sequences, prompt included.
    private(set) var beams: [[TokenID]]
    private(set) var finished: [Int: Text] = [:]
    /// What the client of a stream has after each step.
    private(set) var streamed: [[TokenID]] = []

    init(_ settings: Settings, _ model: @escaping Model) {
        self.settings = settings
        self.model = model
        search = BeamSearch(
            settings.parameters, sampling: settings.sampling, processing: settings.processing,
            promptCount: settings.prompt.count, maxTokens: settings.maxTokens, ends: settings.ends)
        beams = [settings.prompt]
    }

    /// Generated tokens and score of each hypothesis of the ranking.
    var ranking: [Hypothesis] {
        search.ranking.map { Hypothesis(tokens: finished[$0.id]?.tokens ?? [], score: $0.score) }
    }

    @discardableResult
    mutating func step(_ scratch: inout BeamScratch) -> BeamStep? {
        let rows = beams.map(model)
        guard let step = advance(rows, &scratch) else { return nil }
        for ended in step.finished {
            let tokens = beams[ended.parent] + [ended.token]
            finished[ended.id] = Text(tokens: Array(tokens.dropFirst(settings.prompt.count)), reason: ended.reason)
        }
        let kept = Set(search.ranking.map(\.id))
        finished = finished.filter { kept.contains($0.key) }
        #expect(finished.count == kept.count, "every ranked hypothesis was announced")
        if !step.successors.isEmpty { beams = step.successors.map { beams[$0.parent] + [$0.token] } }
        #expect(search.isOver == step.successors.isEmpty)
        if !search.isOver || !finished.isEmpty { streamed.append(agreement) }
        return step
    }

    /// For searches that cannot fail.
    mutating func required(_ scratch: inout BeamScratch) throws -> BeamStep {
        let step = step(&scratch)
        return try #require(step)
    }

    mutating func finish(_ scratch: inout BeamScratch) {
        while !search.isOver { if step(&scratch) == nil { return } }
    }

    private mutating func advance(_ rows: [[Float]], _ scratch: inout BeamScratch) -> BeamStep? {
        let (beams, settings) = (beams, settings)
        let buffers = rows.map { row in
            let buffer = UnsafeMutableBufferPointer<Float>.allocate(capacity: row.count)
            _ = buffer.initialize(from: row)
            return buffer
        }
        defer { for buffer in buffers { buffer.deallocate() } }
        let inputs = zip(buffers, beams).map { BeamSearch.Input(logits: ScoreRow(UnsafeBufferPointer($0)), tokens: $1) }
        return search.advance(inputs, scratch: &scratch) { settings.endsEarly(beams[$0] + [$1]) }
    }

    /// What all that can still win have in common.
    private var agreement: [TokenID] {
        var texts = search.contenders.map { Array(beams[$0].dropFirst(settings.prompt.count)) }
        if let leader = ranking.first { texts.append(leader.tokens) }
        guard var common = texts.first else { return [] }
        for text in texts {
            common = Array(zip(common, text).prefix { $0 == $1 }.map(\.0))
        }
        return common
    }
}
