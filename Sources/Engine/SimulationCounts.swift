/// What happened in simulations, so that one sees that everything did.
package struct SimulationCounts: Sendable, Equatable {
    package enum Event: String, CaseIterable, Sendable {
        case life = "lives of an engine"
        case step = "steps"
        case token = "tokens computed"
        case accepted = "requests accepted"
        case refusedLong = "refused: too long"
        case refusedWide = "refused: too wide"
        case refusedFull = "refused: queue full"
        case refusedDraining = "refused: draining"
        case start = "starts"
        case preemption = "preemptions"
        case repeatedPreemption = "preemptions without a token in between"
        case hit = "prompts that began in the prefix cache"
        case recompute = "restarts that began in the prefix cache"
        case eviction = "evictions from the prefix cache"
        case storedToken = "tokens computed again without a write"
        case copy = "blocks copied on write"
        case sharedBlock = "blocks with several holders"
        case protectedTurn = "turns by waiting"
        case overtaken = "starts ahead of an older request"
        case stepFailure = "steps that failed"
        case clockJump = "clock jumps"
        case cancelQueued = "cancelled while queued"
        case cancelPrefill = "cancelled before the first token"
        case cancelDecode = "cancelled while decoding"
        case cancelPreempted = "cancelled while preempted"
        case cancelFinishing = "cancelled in the step of the end"
        case cancelLate = "cancelled after the end"
        case hangUp = "clients that hung up"
        case slowRead = "late reads"
        case endOfSequence = "ended: end of sequence"
        case stopToken = "ended: stop token"
        case stopString = "ended: stop string"
        case length = "ended: length"
        case maxTime = "ended: time is over"
        case queueTimeout = "ended: queue timeout"
        case exhausted = "ended: everything masked"
        case cancelled = "ended: cancelled"
        case failedStep = "ended: step failed"
        case failedLogits = "ended: unusable logits"
        case failedStop = "ended: stopped"
        case sampledChecked = "sampled choices compared with the plain way"
        case beamsChecked = "beam answers compared with the request alone"
        case drain = "drains"
        case stop = "stops"
    }

    private var values = Array(repeating: 0, count: Event.allCases.count)
    /// Folds every action of every life, so that two runs can be compared.
    package var log: UInt64 = 0
    /// Steps that a running request went without a row at most.
    package var longestPause = 0
    /// Times that a request lost its blocks without a token in between at most.
    package var mostFruitlessPreemptions = 0

    package init() {}

    package subscript(event: Event) -> Int {
        get { values[Self.places[event] ?? 0] }
        set { values[Self.places[event] ?? 0] = newValue }
    }

    private static let places = Dictionary(uniqueKeysWithValues: Event.allCases.enumerated().map { ($1, $0) })

    package static func += (sum: inout SimulationCounts, other: SimulationCounts) {
        for place in sum.values.indices { sum.values[place] += other.values[place] }
        // In whatever order the seeds are done.
        sum.log &+= other.log
        sum.mostFruitlessPreemptions = max(sum.mostFruitlessPreemptions, other.mostFruitlessPreemptions)
        sum.longestPause = max(sum.longestPause, other.longestPause)
    }
}
