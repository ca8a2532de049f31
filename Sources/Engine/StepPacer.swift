/// How many tokens of prompts a step may take beside somebody's next token, so that the time between two tokens of a
/// client stays near its target: learnt from the times of the steps so far. Only when tokens are computed depends on it,
/// never what comes out.
struct StepPacer {
    /// A step without prompts is measured anew after so many steps with some.
    ///
    /// - Source: one of 64 costs a prompt 1.6 % of its time.
    private static let stepsBetweenProbes = 64
    /// Tokens of prompts that a step takes however slow it is, so that every prompt is done one day.
    ///
    /// - Source: half a block: little beside what a step costs anyway, which is to read the weights.
    static let minPromptTokens = 8
    /// Weight of the last step in an estimate: about the last five count.
    private static let weight = 0.2

    private let pacing: StepPacing
    private let maxBatchTokens: Int
    /// Time of a step of next tokens alone, and for how many of them it was measured.
    ///
    /// - Units: nanoseconds.
    private var quietTime: Double?
    private var quietCount = 0
    /// What a token of a prompt adds.
    ///
    /// - Units: nanoseconds.
    private var tokenTime: Double?
    private var mixedStepCount = 0

    init(_ pacing: StepPacing, maxBatchTokens: Int) {
        self.pacing = pacing
        self.maxBatchTokens = maxBatchTokens
    }

    /// Tokens of prompts for a step that computes so many next tokens. 0 where the time without prompts is to be measured.
    func promptTokenLimit(beside nextTokenCount: Int) -> Int {
        guard pacing != .unlimited, nextTokenCount > 0 else { return maxBatchTokens }
        guard let quietTime, isFresh(nextTokenCount) else { return 0 }
        guard let tokenTime else { return Self.minPromptTokens }
        let spare: Double
        switch pacing {
        case .relative(let stretch): spare = quietTime * (stretch - 1)
        case .absolute(let target): spare = Double(target / .nanoseconds(1)) - quietTime
        case .unlimited: return maxBatchTokens
        }
        // Compared before it is converted: no float is too large for an `Int` here.
        let count = spare / max(tokenTime, 1)
        guard count < Double(maxBatchTokens) else { return maxBatchTokens }
        return max(Self.minPromptTokens, Int(max(count, 0)))
    }

    /// The time without prompts was measured lately, and for about as many next tokens.
    private func isFresh(_ nextTokenCount: Int) -> Bool {
        mixedStepCount < Self.stepsBetweenProbes && abs(nextTokenCount - quietCount) <= max(1, quietCount / 4)
    }

    /// - Parameter duration: nanoseconds of a step with so many tokens.
    mutating func record(promptTokenCount: Int, nextTokenCount: Int, duration: UInt64) {
        let time = Double(duration)
        if promptTokenCount == 0, nextTokenCount > 0 {
            let isComparable = quietCount > 0 && abs(nextTokenCount - quietCount) <= max(1, quietCount / 4)
            quietTime = isComparable ? quietTime.map { Self.blend($0, time) } ?? time : time
            quietCount = nextTokenCount
            mixedStepCount = 0
        } else if promptTokenCount > 0 {
            mixedStepCount += nextTokenCount > 0 ? 1 : 0
            let rest = nextTokenCount > 0 ? quietTime ?? 0 : 0
            let added = max(time - rest, 0) / Double(promptTokenCount)
            tokenTime = tokenTime.map { Self.blend($0, added) } ?? added
        }
    }

    private static func blend(_ old: Double, _ new: Double) -> Double { old + (new - old) * weight }
}
