import ArgumentParser

/// Which tokens of a text count towards its likelihood.
enum PerplexityScored: String, ExpressibleByArgument, CaseIterable, Sendable {
    /// Each token but the first, once, in the first window that holds it behind another.
    ///
    /// - Source: transformers' documentation, "Perplexity of fixed-length models": a sliding window.
    case all
    /// Of windows that do not overlap the second halves, behind a begin of sequence in place of the first token. What
    /// fills no window is left out.
    ///
    /// - Source: llama.cpp, tools/perplexity.
    case secondHalf = "second-half"
}

/// A run of a text that the model sees by itself.
struct PerplexityWindow: Equatable, Sendable {
    /// Places in the text.
    var tokens: Range<Int>
    /// Of these, those whose likelihood counts: never the first, which nothing predicts.
    var scored: Range<Int>
}

/// How a text is cut into windows.
struct PerplexityWindows: Equatable, Sendable {
    /// Tokens of a window at most.
    var contextCount: Int
    /// Tokens from the start of a window to that of the next one.
    var stride: Int
    var scored: PerplexityScored

    /// - Source: llama.cpp's tool, whose windows have 512 tokens unless it is told otherwise.
    static let standardContextCount = 512
    /// The shortest window whose second half holds a token.
    static let minContextCount = 4

    /// - Parameter stride: half a window when absent, a whole one for second halves, which know no other.
    /// - Throws: `StartError` that names the flag.
    init(contextCount: Int, stride: Int? = nil, scored: PerplexityScored) throws(StartError) {
        guard contextCount >= Self.minContextCount else {
            throw StartError("--context of at least \(Self.minContextCount) tokens, got \(contextCount)")
        }
        if let stride, !(1...contextCount).contains(stride) {
            throw StartError("--stride has to be in 1…\(contextCount), the tokens of a window, got \(stride)")
        }
        if scored == .secondHalf, let stride, stride != contextCount {
            throw StartError("--scored second-half has windows that do not overlap; leave --stride out")
        }
        self.contextCount = contextCount
        self.stride = stride ?? (scored == .all ? max(1, contextCount / 2) : contextCount)
        self.scored = scored
    }

    /// - Parameter limit: windows at most, from the start of the text.
    /// - Throws: `StartError` where nothing can be scored.
    func windows(tokenCount: Int, limit: Int = .max) throws(StartError) -> [PerplexityWindow] {
        let needed = scored == .all ? 2 : contextCount
        guard tokenCount >= needed else {
            throw StartError("the text is too short: \(tokenCount) tokens, and at least \(needed) are needed")
        }
        return scored == .all ? sliding(tokenCount, limit) : secondHalves(tokenCount, limit)
    }

    private func sliding(_ tokenCount: Int, _ limit: Int) -> [PerplexityWindow] {
        var windows: [PerplexityWindow] = []
        var (start, scoredCount) = (0, 0)
        while scoredCount < tokenCount && windows.count < limit {
            let end = min(start + contextCount, tokenCount)
            // Without overlap the last one may be a token alone.
            let scored = min(max(scoredCount, start + 1), end)..<end
            if !scored.isEmpty { windows.append(PerplexityWindow(tokens: start..<end, scored: scored)) }
            (start, scoredCount) = (start + stride, end)
        }
        return windows
    }

    private func secondHalves(_ tokenCount: Int, _ limit: Int) -> [PerplexityWindow] {
        (0..<min(limit, tokenCount / contextCount)).map { index in
            let start = index * contextCount
            let end = start + contextCount
            return PerplexityWindow(tokens: start..<end, scored: start + contextCount / 2 + 1..<end)
        }
    }

    /// In words, for the line above a table.
    var summary: String {
        switch scored {
        case .all where stride == contextCount:
            "of \(contextCount) tokens side by side, all scored but the first of each"
        case .all: "of \(contextCount) tokens, \(stride) apart, each token scored once"
        case .secondHalf: "of \(contextCount) tokens side by side, the second half of each scored"
        }
    }
}
