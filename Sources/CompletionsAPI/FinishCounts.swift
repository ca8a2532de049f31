import InferenceTypes

/// Why choices ended, in the words of vLLM's metrics, and how many for each.
package struct FinishCounts: Sendable, Equatable {
    package enum Reason: String, Sendable, CaseIterable {
        /// The model, a stop token or a stop string ended it, or its rules left no token.
        case stop
        /// So many tokens were asked for, or the context or its time was over.
        case length
        /// Its client hung up or cancelled it.
        case abort
        /// It waited for too long.
        case timeout
        case error

        init(_ reason: FinishReason) {
            switch reason {
            case .endOfSequence, .stopToken, .stopString, .exhausted: self = .stop
            case .length, .maxTime: self = .length
            case .cancelled: self = .abort
            case .queueTimeout: self = .timeout
            case .failed: self = .error
            }
        }
    }

    private var counts: [Reason: Int] = [:]

    package subscript(reason: Reason) -> Int { counts[reason] ?? 0 }

    package var total: Int { counts.values.reduce(0, +) }

    /// For a log line: `stop:3,length:1`.
    package var text: String {
        Reason.allCases.filter { self[$0] > 0 }.map { "\($0.rawValue):\(self[$0])" }.joined(separator: ",")
    }

    mutating func add(_ reason: Reason, count: Int = 1) { counts[reason, default: 0] += count }
}
