import InferenceTypes
import Sampling
import Tokenization

/// A step's explanation as lines for people: candidates with their probabilities, what each filter removed, and for beams
/// the level of the tree that the step added.
struct ExplanationText {
    private let tokenizer: Tokenizer
    /// Generated tokens of the running beams.
    private var beams: [[TokenID]] = [[]]
    private var level = 0

    init(_ tokenizer: Tokenizer) { self.tokenizer = tokenizer }

    mutating func lines(of step: StepExplanation) -> String {
        switch step {
        case .sampled(let trace): sampled(trace)
        case .beams(let trace): tree(trace)
        }
    }

    private func sampled(_ trace: SamplingTrace) -> String {
        var lines = ["position \(trace.position), choice \(trace.choice)"]
        lines.append("  model says      \(list(trace.model))")
        for stage in trace.stages {
            let name = stage.name.padding(to: 15)
            lines.append(
                stage.removedCount == 0
                    ? "  \(name) removes nothing"
                    : "  \(name) removes \(stage.removedCount): \(list(stage.removed))")
        }
        lines.append("  \(trace.candidateCount) left".padding(to: 18) + list(trace.candidates))
        lines.append("  → \(text(trace.chosen))")
        return lines.joined(separator: "\n") + "\n"
    }

    private mutating func tree(_ trace: BeamTrace) -> String {
        level += 1
        var lines = ["level \(level)"]
        var next: [Int: [TokenID]] = [:]
        for parent in beams.indices {
            let children = trace.candidates.filter { $0.parent == parent }
            guard !children.isEmpty else { continue }
            lines.append("  \(parent): …\(text(Array(beams[parent].suffix(Self.shownCount))))")
            for child in children {
                lines.append("    ├ \(text(child.token).padding(to: 14)) \(score(child.score)) \(fate(child.fate))")
                if case .continues(let index) = child.fate { next[index] = beams[parent] + [child.token] }
            }
        }
        beams = next.sorted { $0.key < $1.key }.map(\.value)
        return lines.joined(separator: "\n") + "\n"
    }

    /// Tokens of a beam that its line shows.
    private static let shownCount = 12

    private func fate(_ fate: BeamTrace.Fate) -> String {
        switch fate {
        case .continues(let index): "→ beam \(index)"
        case .finishes(let score): "■ finished, scores \(self.score(score))"
        case .dropped: "✕"
        }
    }

    private func score(_ value: Float) -> String { "\((value * 10_000).rounded() / 10_000)" }

    private func list(_ entries: [SamplingTrace.Entry]) -> String {
        entries.map { "\(text($0.token)) \(($0.probability * 10_000).rounded() / 100) %" }.joined(separator: ", ")
    }

    private func text(_ token: TokenID) -> String { text([token]) }

    /// Quoted, on one line.
    private func text(_ tokens: [TokenID]) -> String {
        let bytes = tokens.flatMap { tokenizer.isSpecial($0) ? tokenizer.spelling(of: $0) : tokenizer.bytes(of: $0) }
        return String(decoding: bytes, as: UTF8.self).debugDescription
    }
}

extension String {
    fileprivate func padding(to count: Int) -> String {
        self + String(repeating: " ", count: Swift.max(0, count - self.count))
    }
}
