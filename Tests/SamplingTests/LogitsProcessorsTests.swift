import InferenceTypes
import Testing

@testable import Sampling

struct LogitsProcessorsTests {
    private static let masked = -Float.infinity

    /// Three of the prompt, then what was generated; 0 and 4 end the sequence.
    private static func context(_ generated: [TokenID]) -> DecodingContext {
        DecodingContext(tokens: [1, 2, 1] + generated, promptCount: 3, ends: [0, 4])
    }

    private static func changed(
        _ scores: [Float], _ context: DecodingContext, _ change: (inout LogitsProcessing) -> Void
    ) -> [Float] {
        var (scores, processing, processors) = (scores, LogitsProcessing(), LogitsProcessors())
        change(&processing)
        scores.withUnsafeMutableBufferPointer { processors.apply(processing, to: $0, context) }
        return scores
    }

    @Test("the penalty for repetition divides what is positive and multiplies what is not, once for each token")
    func repetition() {
        let scores = Self.changed([3, 3, -3, 0, Self.masked], Self.context([1, 4])) { $0.repetitionPenalty = 1.5 }
        #expect(scores == [3, 2, -4.5, 0, Self.masked])
    }

    @Test("presence and frequency look at generated tokens, not at the prompt")
    func presenceAndFrequency() {
        let context = Self.context([2, 2, 2, 3])
        #expect(Self.changed([1, 1, 1, 1], context) { $0.presencePenalty = 0.5 } == [1, 1, 0.5, 0.5])
        #expect(Self.changed([1, 1, 1, 1], context) { $0.frequencyPenalty = 0.25 } == [1, 1, 0.25, 0.75])
        #expect(Self.changed([1, 1, 1, 1], context) { $0.frequencyPenalty = -2 } == [1, 1, 7, 3])
        #expect(Self.changed([1, 1, 1, Self.masked], context) { $0.presencePenalty = -2 }[3] == Self.masked)
    }

    @Test(
        "no run of n tokens comes twice",
        arguments: [
            (1, [5, 6, 5], [5, 6]), (2, [5, 6, 7, 5], [6]), (2, [5, 6, 5, 7, 5], [6, 7]), (2, [5, 5], [5]),
            (3, [5, 6, 7, 5, 6], [7]), (3, [5, 6, 7, 5], []), (3, [5, 6], []), (2, [5], []), (1, [5], [5]),
            (3, [5, 5, 5, 5], [5]), (4, [5, 6, 5, 6, 7, 5, 6, 5, 6, 8, 5, 6, 5], [6]),
            (3, [5, 6, 5, 6, 5, 6], [5]), (40, [5, 5, 5], []),
        ] as [(Int, [TokenID], [TokenID])])
    func ngrams(size: Int, tokens: [TokenID], banned: [TokenID]) {
        let context = DecodingContext(tokens: tokens, promptCount: 1, ends: [])
        let scores = Self.changed(Array(repeating: 1, count: 10), context) { $0.noRepeatNgramSize = size }
        #expect(scores.indices.filter { scores[$0] == Self.masked }.map { TokenID($0) } == banned)
    }

    @Test("the search for repeated runs finds what comparing every window finds")
    func ngramsAgainstWindows() {
        for seed in 0..<400 as Range<UInt64> {
            let (size, alphabet) = (Int(seed % 7) + 1, Float(1 + seed % 3))
            let tokens = (0..<Int(seed % 60) + 1).map {
                TokenID(CounterRandom.uniform(seed: seed, choice: 7, position: $0) * alphabet)
            }
            var banned: Set<TokenID> = []
            for start in tokens.indices where start + size <= tokens.count {
                let window = tokens[start..<start + size]
                if window.dropLast().elementsEqual(tokens.suffix(size - 1)) { banned.insert(window.last ?? -1) }
            }
            let context = DecodingContext(tokens: tokens, promptCount: 0, ends: [])
            let scores = Self.changed([1, 1, 1, 1], context) { $0.noRepeatNgramSize = size }
            #expect(Set(scores.indices.filter { scores[$0] == Self.masked }.map { TokenID($0) }) == banned)
        }
    }

    @Test(
        "a bad word is kept from its last token, an end of the sequence is not one",
        arguments: [
            ([[3]], [3]), ([[1, 3]], [3]), ([[2, 3]], []), ([[2, 1, 3]], [3]), ([[1, 2, 1, 3]], [3]),
            ([[0, 1, 2, 1, 3]], []), ([[0], [4], [2]], [2]), ([[1, 4]], [4]), ([], []),
        ] as [([[TokenID]], [TokenID])])
    func badWords(words: [[TokenID]], banned: [TokenID]) {
        let scores = Self.changed([1, 1, 1, 1, 1], Self.context([])) { $0.badWords = words }
        #expect(scores.indices.filter { scores[$0] == Self.masked }.map { TokenID($0) } == banned)
    }

    @Test("ends are masked until enough was generated", arguments: [(0, true), (1, true), (2, false), (3, false)])
    func minTokens(generated: Int, isMasked: Bool) {
        let context = Self.context(Array(repeating: 3, count: generated))
        let scores = Self.changed([1, 1, 1, 1, 1], context) { $0.minTokens = 2 }
        #expect(scores == (isMasked ? [Self.masked, 1, 1, 1, Self.masked] : [1, 1, 1, 1, 1]))
    }

    @Test("all but the allowed and then the suppressed are masked")
    func allowed() {
        let scores = Self.changed([1, 2, 3, 4, 5], Self.context([])) {
            $0.allowedTokens = [4, 1, 1, 2]
            $0.suppressedTokens = [2]
        }
        #expect(scores == [Self.masked, 2, Self.masked, Self.masked, 5])
    }

    @Test("ends gain from one token past the start on")
    func decay() {
        let change: (inout LogitsProcessing) -> Void = { $0.exponentialDecay = .init(start: 1, factor: 2) }
        #expect(Self.changed([-4, 1, 1, 1, 2], Self.context([3]), change) == [-4, 1, 1, 1, 2])
        // 2² − 1 = 3 times their size.
        #expect(Self.changed([-4, 1, 1, 1, 2], Self.context([3, 3, 3]), change) == [8, 1, 1, 1, 8])
        #expect(Self.changed([Self.masked, 1, 1, 1, 0], Self.context([3, 3]), change) == [Self.masked, 1, 1, 1, 0])
    }

    @Test("what grows too large for a float is the largest float, and zero times that is zero")
    func overflow() {
        let long = Self.context(Array(repeating: 3, count: 3000))
        let grown = Self.changed([0, 1, 1, 1, 2], long) { $0.exponentialDecay = .init(start: 1, factor: 8) }
        #expect(grown == [0, 1, 1, 1, .greatestFiniteMagnitude])
        let divided = Self.changed([1, 10, -10, 1], Self.context([])) { $0.repetitionPenalty = 0x1p-130 }
        #expect(divided[1] == .greatestFiniteMagnitude && divided[2] <= 0 && divided[0] == 1)
    }

    @Test("an id past the row is passed over")
    func idsPastRow() {
        let context = DecodingContext(tokens: [1, 70, 1, 70], promptCount: 1, ends: [90])
        let scores = Self.changed([1, 2, 3], context) {
            $0.bias = [.init(token: 80, value: 1), .init(token: 2, value: -100)]
            $0.repetitionPenalty = 2
            $0.noRepeatNgramSize = 1
            $0.badWords = [[81]]
            $0.minTokens = 9
            $0.exponentialDecay = .init(start: 0, factor: 2)
            $0.suppressedTokens = [82]
            $0.allowedTokens = [0, 83]
            $0.presencePenalty = 1
        }
        #expect(scores == [1, Self.masked, Self.masked])
    }

    @Test("a row does not depend on the rows before it, nor on their length")
    func noHistory() {
        var used = LogitsProcessors()
        for step in 0..<200 {
            var processing = LogitsProcessing()
            processing.repetitionPenalty = 1.3
            processing.frequencyPenalty = 0.5
            processing.noRepeatNgramSize = step % 4
            processing.allowedTokens = step % 5 == 0 ? [0, 2, 3] : nil
            let tokens = (0..<step % 30 + 1).map { TokenID($0 * 7 % (step % 6 + 1)) }
            let context = DecodingContext(tokens: tokens, promptCount: 1, ends: [])
            var (first, second) = (row(count: 4 + step % 13, seed: UInt64(step)), [] as [Float])
            second = first
            first.withUnsafeMutableBufferPointer { used.apply(processing, to: $0, context) }
            var fresh = LogitsProcessors()
            second.withUnsafeMutableBufferPointer { fresh.apply(processing, to: $0, context) }
            #expect(first == second)
        }
    }
}
