import Glibc
import InferenceTypes

@testable import Sampling

/// Beam search as it is written down: every candidate of every beam in one list, sorted whole. A beam without a future
/// is marked dead where the original has a score of −1e9.
struct BeamReference {
    private struct Beam {
        var tokens: [TokenID]
        /// A candidate's own token; its others are shared with its rivals.
        var next: TokenID?
        var score: Float = 0
        var isDead = false

        var text: [TokenID] { next.map { tokens + [$0] } ?? tokens }
    }

    let settings: BeamRun.Settings
    let model: BeamRun.Model
    private var width: Int { settings.parameters.width }
    private var running: [Beam] = []
    private var done: [Beam] = []
    private var isDone: [Bool] = []

    init(_ settings: BeamRun.Settings, _ model: @escaping BeamRun.Model) {
        self.settings = settings
        self.model = model
        let prompt = Beam(tokens: settings.prompt)
        let dead = Beam(tokens: settings.prompt, isDead: true)
        running = [prompt] + Array(repeating: dead, count: width - 1)
        done = Array(repeating: dead, count: width)
        isDone = Array(repeating: false, count: width)
    }

    mutating func ranking() -> [BeamRun.Hypothesis] {
        let isAlways = settings.parameters.earlyStopping == .always
        var isOpen = settings.maxTokens > 0
        var length = 0
        while isOpen {
            let candidates = Array(sorted(candidates()).prefix(max(2, 1 + settings.ends.count) * width))
            let ends = candidates.map(isFinished)
            length += 1
            merge(candidates, ends, length: length)
            let survivors = zip(candidates, ends).map { candidate, ends in
                Beam(tokens: candidate.text, score: candidate.score, isDead: candidate.isDead || ends)
            }
            running = Array(sorted(survivors).prefix(width))
            guard let best = running.first, !best.isDead else { break }
            isOpen = canImprove(best.score, length: length) && !(isAlways && isDone.allSatisfy { $0 })
        }
        return zip(done, isDone).filter(\.1).map { beam, _ in
            BeamRun.Hypothesis(tokens: Array(beam.tokens.dropFirst(settings.prompt.count)), score: beam.score)
        }
    }

    /// Live ones first, then by score; equals keep their order.
    private func sorted(_ beams: [Beam]) -> [Beam] {
        beams.enumerated().sorted { left, right in
            if left.element.isDead != right.element.isDead { return right.element.isDead }
            if left.element.isDead || left.element.score == right.element.score { return left.offset < right.offset }
            return left.element.score > right.element.score
        }.map(\.element)
    }

    private func candidates() -> [Beam] {
        running.flatMap { beam -> [Beam] in
            guard !beam.isDead else { return [] }
            return logprobs(beam.tokens).enumerated().map { token, logprob in
                Beam(
                    tokens: beam.tokens, next: TokenID(token), score: logprob + beam.score,
                    isDead: logprob == -.infinity)
            }
        }
    }

    private func logprobs(_ tokens: [TokenID]) -> [Float] {
        let context = DecodingContext(
            tokens: tokens, promptCount: settings.prompt.count, ends: settings.ends)
        var processors = LogitsProcessors()
        var row = model(tokens)
        let normaliser = row.withUnsafeBufferPointer { BeamNormaliser(ScoreRow($0)) } ?? .identity
        row = row.map { ($0 - normaliser.maximum) - normaliser.logSum }
        row.withUnsafeMutableBufferPointer { processors.apply(settings.processing, to: $0, context) }
        return row
    }

    private func isFinished(_ beam: Beam) -> Bool {
        let text = beam.text
        return settings.ends.contains(text[text.count - 1])
            || text.count - settings.prompt.count >= settings.maxTokens || settings.endsEarly(text)
    }

    private func penalised(_ score: Float, _ length: Int) -> Float {
        score / Float(pow(Double(length), settings.parameters.lengthPenalty))
    }

    private mutating func merge(_ candidates: [Beam], _ ends: [Bool], length: Int) {
        var merged = done
        for (rank, (candidate, ends)) in zip(candidates, ends).enumerated() {
            merged.append(
                Beam(
                    tokens: candidate.text, score: penalised(candidate.score, length),
                    isDead: candidate.isDead || !ends || rank >= width))
        }
        done = Array(sorted(merged).prefix(width))
        isDone = done.map { !$0.isDead }
    }

    private func canImprove(_ score: Float, length: Int) -> Bool {
        guard isDone.allSatisfy({ $0 }), let worst = done.map(\.score).min() else { return true }
        let isFar = settings.parameters.earlyStopping == .never && settings.parameters.lengthPenalty > 0
        return penalised(score, isFar ? settings.maxTokens : length) > worst
    }
}
