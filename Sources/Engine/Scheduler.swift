import InferenceTypes

/// Decides who runs next and with which memory: whole groups, the most urgent first. A value without clock, log, I/O or
/// float. It never learns how a group decodes: sequences fork, grow and end.
///
/// Blocks are given out when they are needed. When none is left, the group of the lowest rank gives back its own and is
/// computed anew later; the first in rank never does, and fits alone, so that there is always progress.
struct Scheduler {
    /// Times that a group may lose its blocks without having generated a token in between. From then on it comes first of
    /// all, and starts only where its worst case fits beside the others', so that it does not lose them again.
    ///
    /// - Source: twice is bad luck.
    static let maxFruitlessPreemptions = 3

    let configuration: EngineConfiguration
    var pool: BlockPool
    /// In the order of arrival. Who was preempted waits among them.
    var waiting: [SequenceGroup] = []
    /// The first in rank first.
    var running: [SequenceGroup] = []
    var shares = AccountShares()
    var counts = Counts()
    /// Starts in a row that overtook the oldest waiting group.
    var overtakeCount = 0
    /// The step being planned; kept for its memory.
    var step = StepPlan()
    private var arrivalCount = 0

    /// What happened since the start.
    struct Counts: Equatable {
        var started = 0
        var startedPromptTokens = 0
        var cachedPromptTokens = 0
        var preemptions = 0
    }

    init(_ configuration: EngineConfiguration) {
        self.configuration = configuration
        pool = BlockPool(blockCount: configuration.blockCount)
    }

    var isIdle: Bool { waiting.isEmpty && running.isEmpty }

    /// Next tokens that the groups which run are due.
    var nextTokenCount: Int { running.reduce(0) { $0 + $1.nextTokenCount } }

    var waitingTokenCount: Int { waiting.reduce(0) { $0 + $1.request.promptTokens.count } }

    /// - Requires: the group fits the pool when it is alone.
    mutating func submit(_ group: SequenceGroup) {
        precondition(worstCase(group) <= configuration.blockCount, "a group that can never fit would block the queue")
        arrivalCount += 1
        group.record.arrival = arrivalCount
        group.record.account = shares.enter(group.request.scheduling.account)
        waiting.append(group)
        assert(checkInvariants())
    }

    /// What the next step computes: one token for each sequence that runs, and of prompts what one budget of tokens leaves.
    ///
    /// - Parameter promptTokenLimit: tokens of prompts beside somebody's next token; without one the budget is theirs.
    mutating func plan(promptTokenLimit: Int = .max) -> StepPlan {
        step.removeAll()
        protectOvertaken()
        startWaiting(promptTokenLimit)
        scheduleRunning(promptTokenLimit)
        // Who was due its next token has lost its blocks: nobody is left whom prompts could delay.
        if step.isEmpty { scheduleRunning(.max) }
        assert(checkInvariants())
        return step
    }

    /// Takes in what a step decided: sequences are replaced by their successors, blocks that nobody holds any more are
    /// free. Returns what clients hear.
    mutating func commit(_ plan: StepPlan, _ outcomes: [GroupOutcome]) -> [Publication] {
        precondition(outcomes.count == plan.parts.count)
        var publications: [Publication] = []
        for (part, outcome) in zip(plan.parts, outcomes) {
            announceStart(of: part.group, &publications)
            switch outcome {
            case .pending: keepComputed(plan.rows[part.rows], of: part.group)
            case .advanced(let successors, let events):
                keepComputed(plan.rows[part.rows], of: part.group)
                replaceSequences(of: part.group, by: successors)
                charge(part.group)
                for event in events { Self.publish(event, of: part.group, &publications) }
            case .failed(let message): finishAll(part.group, .failed(message), &publications)
            }
        }
        removeFinished()
        assert(checkInvariants())
        return publications
    }

    /// Ends a request wherever it is, unless it has ended: then the request to cancel came late and means nothing.
    mutating func cancel(_ id: RequestID) -> [Publication] { end(.cancelled) { $0.id == id } }

    /// Ends the requests whose time is over: those that have heard nothing or wait, for the others end with their next
    /// token; and those that waited too long to start.
    mutating func expire(at now: UInt64) -> [Publication] {
        let late = end(.maxTime) { $0.isLate(now) && ($0.generatedTokenCount == 0 || $0.isComputedAnew) }
        return late + end(.queueTimeout) { $0.hasWaitedTooLong(now) }
    }

    /// Ends every request.
    mutating func endAll(_ reason: FinishReason) -> [Publication] { end(reason) { _ in true } }

    func worstCase(_ group: SequenceGroup) -> Int {
        group.request.worstCaseBlockCount(blockSize: configuration.blockSize)
    }
}

// MARK: - Committing

extension Scheduler {
    /// Counts rows as computed, and makes the blocks that they filled findable.
    private mutating func keepComputed(_ rows: ArraySlice<StepPlan.Row>, of group: SequenceGroup) {
        let size = configuration.blockSize
        for row in rows {
            group.sequences[row.sequence].markComputed(upTo: row.range.upperBound)
            for index in row.range.lowerBound / size..<row.range.upperBound / size {
                register(blockAt: index, of: &group.sequences[row.sequence], group)
            }
        }
    }

    private mutating func register(blockAt index: Int, of sequence: inout TokenSequence, _ group: SequenceGroup) {
        let size = configuration.blockSize
        let tokens = index * size..<(index + 1) * size
        sequence.blockTable[index] = pool.register(
            sequence.blockTable[index], after: index > 0 ? sequence.blockTable[index - 1] : nil,
            tokens: sequence.tokens[tokens], scope(of: group))
        if let scores = group.promptScores(of: tokens) { pool.note(scores, of: sequence.blockTable[index]) }
    }

    /// The first successor of a sequence takes over its hold on the blocks, each further one adds a hold, and the blocks
    /// of a sequence without successor lose one.
    private mutating func replaceSequences(of group: SequenceGroup, by successors: [Successor]) {
        var isContinued = Array(repeating: false, count: group.sequences.count)
        var sequences: [TokenSequence] = []
        for var successor in successors {
            let parent = group.sequences[successor.parent]
            if isContinued[successor.parent] { pool.retain(parent.blockTable) }
            isContinued[successor.parent] = true
            successor.sequence.succeed(parent)
            sequences.append(successor.sequence)
        }
        for (index, sequence) in group.sequences.enumerated() where !isContinued[index] {
            pool.release(sequence.blockTable, keepsPrefixes: keepsPrefixes(of: group))
        }
        group.sequences = sequences
    }

    /// Tokens that were generated are served, whether they are kept or not.
    private mutating func charge(_ group: SequenceGroup) {
        let count = group.generatedTokenCount - group.record.chargedTokenCount
        guard count > 0 else { return }
        group.record.chargedTokenCount += count
        group.record.fruitlessPreemptionCount = 0
        shares.charge(count * AccountShares.generatedWeight, to: group.record.account)
    }

    private func announceStart(of group: SequenceGroup, _ publications: inout [Publication]) {
        guard !group.record.isAnnounced else { return }
        group.record.isAnnounced = true
        Self.publish(.started(waited: group.waited), of: group, &publications)
    }

    private static func publish(
        _ event: GenerationEvent, of group: SequenceGroup, _ publications: inout [Publication]
    ) {
        if case .finished(let choice) = event { group.close(choice.choice) }
        publications.append(Publication(group: group, event: event, isLast: group.isFinished))
    }

    private mutating func finishAll(
        _ group: SequenceGroup, _ reason: FinishReason, _ publications: inout [Publication]
    ) {
        publications += Self.publications(ending: group, reason)
        replaceSequences(of: group, by: [])
    }

    /// Ends what is open of a group.
    static func publications(ending group: SequenceGroup, _ reason: FinishReason) -> [Publication] {
        var publications: [Publication] = []
        for choice in group.openChoices {
            for event in group.ending(choice, reason) { publish(event, of: group, &publications) }
        }
        return publications
    }

    private mutating func end(_ reason: FinishReason, where isMeant: (SequenceGroup) -> Bool) -> [Publication] {
        var publications: [Publication] = []
        for group in running where isMeant(group) { finishAll(group, reason, &publications) }
        for group in waiting where isMeant(group) { finishAll(group, reason, &publications) }
        guard !publications.isEmpty else { return [] }
        removeFinished()
        assert(checkInvariants())
        return publications
    }

    private mutating func removeFinished() {
        for group in running + waiting where group.isFinished {
            // What a strategy still kept, such as beams that lost.
            replaceSequences(of: group, by: [])
            shares.leave(group.record.account)
        }
        running.removeAll { $0.isFinished }
        waiting.removeAll { $0.isFinished }
    }
}

// MARK: - Invariants

extension Scheduler {
    /// Every held block is in exactly as many tables as the pool counts, every table covers what is computed, what is full
    /// is registered, and waiting groups hold nothing. True, so that it stands in an `assert`.
    func checkInvariants() -> Bool {
        var holders = Array(repeating: 0, count: pool.blockCount)
        for sequence in running.flatMap(\.sequences) {
            for block in sequence.blockTable { holders[Int(block)] += 1 }
            precondition(sequence.computedCount <= sequence.blockTable.count * configuration.blockSize)
            precondition((sequence.blockTable.count - 1) * configuration.blockSize < sequence.tokens.count)
            for block in sequence.blockTable.prefix(sequence.computedCount / configuration.blockSize) {
                precondition(pool.isRegistered(block))
            }
        }
        for block in holders.indices { precondition(holders[block] == pool.referenceCount(of: Int32(block))) }
        for group in running {
            precondition(!group.sequences.isEmpty && group.sequences.count <= group.width)
            precondition(Set(group.sequences.flatMap(\.blockTable)).count <= worstCase(group))
        }
        precondition(running.indices.dropFirst().allSatisfy { running[$0 - 1].rank < running[$0].rank })
        precondition(
            waiting.indices.dropFirst().allSatisfy { waiting[$0 - 1].record.arrival < waiting[$0].record.arrival })
        precondition(waiting.allSatisfy { $0.sequences.allSatisfy { $0.blockTable.isEmpty && $0.computedCount == 0 } })
        precondition(Set((running + waiting).map(\.id)).count == running.count + waiting.count)
        return pool.checkInvariants()
    }
}
