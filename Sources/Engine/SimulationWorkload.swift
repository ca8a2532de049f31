import InferenceTypes

/// What came to a server once: when, how long, and what began alike.
package struct SimulationWorkload: Sendable, Equatable {
    package struct Entry: Sendable, Equatable {
        /// - Units: nanoseconds since the first one.
        package var arrival: UInt64
        package var promptTokenCount: Int
        package var generatedTokenCount: Int
        /// What each 512 tokens of the prompt are, together with all before them; empty where the trace does not tell.
        package var prefixes: [Int64]

        package init(
            arrival: UInt64, promptTokenCount: Int, generatedTokenCount: Int, prefixes: [Int64] = []
        ) {
            self.arrival = arrival
            self.promptTokenCount = promptTokenCount
            self.generatedTokenCount = generatedTokenCount
            self.prefixes = prefixes
        }
    }

    /// In the order of arrival.
    package private(set) var entries: [Entry]
    /// Tokens that one of `prefixes` stands for.
    private var tokensPerPrefix = Self.tokensPerPrefix

    /// - Source: the traces of Mooncake.
    package static let tokensPerPrefix = 512

    package init(entries: [Entry]) { self.entries = entries.sorted { $0.arrival < $1.arrival } }

    /// Lengths so many times smaller, so that a small context holds what a large one held.
    ///
    /// - Requires: where the trace tells prefixes, the scale is one of `prefixScales`.
    package func scaled(by scale: Int, speed: Double) -> SimulationWorkload {
        var workload = self
        workload.tokensPerPrefix = tokensPerPrefix / scale
        for index in entries.indices {
            workload.entries[index].promptTokenCount = max(1, (entries[index].promptTokenCount + scale - 1) / scale)
            workload.entries[index].generatedTokenCount = max(1, entries[index].generatedTokenCount / scale)
            workload.entries[index].arrival =
                UInt64(exactly: (Double(entries[index].arrival) / speed).rounded()) ?? .max / 2
        }
        return workload
    }

    /// Those that leave a prefix enough tokens to be told from others.
    package static let prefixScales = [1, 2, 4, 8, 16, 32]

    package var tellsPrefixes: Bool { entries.contains { !$0.prefixes.isEmpty } }

    /// Tokens of a prompt: equal where the trace says so, else of its own.
    func prompt(_ index: Int) -> [TokenID] {
        let entry = entries[index]
        return (0..<entry.promptTokenCount).map { position in
            let (place, offset) = position.quotientAndRemainder(dividingBy: max(1, tokensPerPrefix))
            let isTold = place < entry.prefixes.count
            let name = isTold ? UInt64(bitPattern: entry.prefixes[place]) : ~UInt64(index)
            let mixed = SimulationRandom.mix(
                SimulationRandom.mix(name &+ 1) &+ UInt64(isTold ? offset : position) &* 0x9E37_79B9)
            return TokenID(mixed % UInt64(SimulationVocabulary.letterCount))
        }
    }

    /// Prompt tokens that a cache without bound would have, one request after the other, and all prompt tokens.
    ///
    /// - Parameter isIncluded: of these entries only.
    func unboundedHits(
        blockSize: Int, where isIncluded: (Int) -> Bool
    ) -> (cachedTokenCount: Int, promptTokenCount: Int) {
        var seen: Set<UInt64> = []
        var (cachedCount, count) = (0, 0)
        for index in entries.indices where isIncluded(index) {
            let prompt = prompt(index)
            var hash = SimulationModel.root
            var (prefixCount, isKnown) = (0, true)
            for (position, token) in prompt.enumerated() {
                hash = SimulationModel.hash(hash, then: token)
                guard (position + 1) % blockSize == 0 else { continue }
                isKnown = !seen.insert(hash).inserted && isKnown
                if isKnown { prefixCount = position + 1 }
            }
            // The last token is computed for its scores.
            cachedCount += min(prefixCount, prompt.count - 1)
            count += prompt.count
        }
        return (cachedCount, count)
    }
}
