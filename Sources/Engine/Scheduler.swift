import DequeModule
import InferenceTypes

/// Decides who runs next and with which memory: whole groups, in the order of their arrival. A value without clock,
/// log, I/O or float.
struct Scheduler {
    private let configuration: EngineConfiguration
    private(set) var pool: BlockPool
    private(set) var waiting: Deque<SequenceGroup> = []
    /// In the order of admission.
    private(set) var running: [SequenceGroup] = []
    /// Blocks that all running groups hold when each has grown as far as it may. Admission keeps it within the pool, so
    /// that a running group always finds its next block: while nothing can be preempted, nothing else rules out that
    /// two groups wait for each other's blocks. Preemption replaces it.
    private(set) var reservedBlockCount = 0
    /// The step being planned; kept for its memory.
    private var step = StepPlan()

    init(_ configuration: EngineConfiguration) {
        self.configuration = configuration
        pool = BlockPool(blockCount: configuration.blockCount)
    }

    var isIdle: Bool { waiting.isEmpty && running.isEmpty }

    /// - Requires: the group fits the pool when it is alone.
    mutating func submit(_ group: SequenceGroup) {
        precondition(worstCase(group) <= configuration.blockCount, "a group that can never fit would block the queue")
        waiting.append(group)
        assert(checkInvariants())
    }

    /// What the next step computes: one token for each sequence that runs, then prompts, in one budget of tokens.
    mutating func plan() -> StepPlan {
        step.removeAll()
        var budget = configuration.maxBatchTokens
        continueRunning(&budget)
        admitWaiting(&budget)
        assert(checkInvariants())
        return step
    }

    /// Takes in what a step decided: tokens are appended, blocks of what ended are free. Returns what clients hear.
    mutating func commit(_ plan: StepPlan, _ outcomes: [GroupOutcome]) -> [Publication] {
        precondition(outcomes.count == plan.parts.count)
        var publications: [Publication] = []
        for (part, outcome) in zip(plan.parts, outcomes) {
            for row in plan.rows[part.rows] {
                part.group.sequences[row.sequence].markComputed(upTo: row.range.upperBound)
            }
            switch outcome {
            case .grown(let growths): for growth in growths { grow(part.group, by: growth, &publications) }
            case .failed(let message): finishAll(part.group, .failed(message), &publications)
            }
        }
        removeFinished()
        assert(checkInvariants())
        return publications
    }

    /// Ends a request wherever it is, unless it has ended: then the request to cancel came late and means nothing.
    mutating func cancel(_ id: RequestID) -> [Publication] { end(.cancelled) { $0.id == id } }

    /// Ends every request.
    mutating func endAll(_ reason: FinishReason) -> [Publication] { end(reason) { _ in true } }
}

// MARK: - Planning

extension Scheduler {
    /// Next tokens before prompts: a long prompt does not delay who already hears an answer.
    private mutating func continueRunning(_ budget: inout Int) {
        for group in running where !group.isCatchingUp { schedule(group, &budget) }
        for group in running where group.isCatchingUp { schedule(group, &budget) }
    }

    /// Admits from the head of the queue while the head fits; who stands behind it does not overtake.
    private mutating func admitWaiting(_ budget: inout Int) {
        let maxWidth = min(configuration.maxRunningSequences, configuration.maxBatchTokens)
        var width = running.reduce(0) { $0 + $1.width }
        while budget > 0, let group = waiting.first {
            width += group.width
            guard width <= maxWidth, reservedBlockCount + worstCase(group) <= configuration.blockCount else { return }
            waiting.removeFirst()
            running.append(group)
            reservedBlockCount += worstCase(group)
            schedule(group, &budget)
        }
    }

    /// Plans the rows of a group. One sequence takes what the budget has left; several advance together or not at all,
    /// because their strategy compares them.
    private mutating func schedule(_ group: SequenceGroup, _ budget: inout Int) {
        let live = group.sequences.indices.filter { !group.sequences[$0].isFinished }
        guard budget > 0, live.count == 1 || group.pendingCount <= budget else { return }
        step.beginPart(group)
        for index in live {
            let start = group.sequences[index].computedCount
            let count = min(group.sequences[index].pendingCount, budget)
            extendBlockTable(of: &group.sequences[index], toCover: start + count)
            step.appendRow(sequence: index, range: start..<start + count, blockSize: configuration.blockSize)
            budget -= count
        }
    }

    private mutating func extendBlockTable(of sequence: inout TokenSequence, toCover count: Int) {
        while sequence.blockTable.count * configuration.blockSize < count {
            guard let block = pool.allocate() else { preconditionFailure("admission reserved this block") }
            sequence.blockTable.append(block)
        }
    }

    private func worstCase(_ group: SequenceGroup) -> Int {
        group.worstCaseBlockCount(blockSize: configuration.blockSize)
    }
}

// MARK: - Committing

extension Scheduler {
    private mutating func grow(_ group: SequenceGroup, by growth: Growth, _ publications: inout [Publication]) {
        let choice = group.sequences[growth.sequence].choice
        group.sequences[growth.sequence].append(growth.tokens)
        let delta = TextDelta(choice: choice, text: growth.text, tokens: growth.tokens)
        publications.append(Publication(group: group, event: .delta(delta), isLast: false))
        if let reason = growth.finishReason { finish(group, growth.sequence, reason, &publications) }
    }

    /// Ends a choice and gives its blocks back.
    private mutating func finish(
        _ group: SequenceGroup, _ index: Int, _ reason: FinishReason, _ publications: inout [Publication]
    ) {
        group.sequences[index].finish(reason)
        pool.release(group.sequences[index].blockTable)
        group.sequences[index].blockTable = []
        let event = GenerationEvent.finished(choice: group.sequences[index].choice, reason: reason)
        publications.append(Publication(group: group, event: event, isLast: group.isFinished))
    }

    private mutating func finishAll(
        _ group: SequenceGroup, _ reason: FinishReason, _ publications: inout [Publication]
    ) {
        for index in group.sequences.indices where !group.sequences[index].isFinished {
            finish(group, index, reason, &publications)
        }
    }

    private mutating func end(_ reason: FinishReason, where isMeant: (SequenceGroup) -> Bool) -> [Publication] {
        var publications: [Publication] = []
        for group in running where isMeant(group) { finishAll(group, reason, &publications) }
        for group in waiting where isMeant(group) { finishAll(group, reason, &publications) }
        removeFinished()
        waiting.removeAll { $0.isFinished }
        assert(checkInvariants())
        return publications
    }

    private mutating func removeFinished() {
        for group in running where group.isFinished { reservedBlockCount -= worstCase(group) }
        running.removeAll { $0.isFinished }
    }
}

// MARK: - Invariants

extension Scheduler {
    /// Every held block is in exactly as many tables as the pool counts, every table covers what is computed, waiting
    /// groups hold nothing, and nothing is promised twice. True, so that it stands in an `assert`.
    func checkInvariants() -> Bool {
        var holders = Array(repeating: 0, count: pool.blockCount)
        for sequence in running.flatMap(\.sequences) {
            for block in sequence.blockTable { holders[Int(block)] += 1 }
            precondition(sequence.computedCount <= sequence.blockTable.count * configuration.blockSize)
            precondition((sequence.blockTable.count - 1) * configuration.blockSize < sequence.tokens.count)
        }
        for block in holders.indices { precondition(holders[block] == pool.referenceCount(of: Int32(block))) }
        precondition(waiting.allSatisfy { $0.sequences.allSatisfy(\.blockTable.isEmpty) })
        precondition(reservedBlockCount == running.reduce(0) { $0 + worstCase($1) })
        precondition(reservedBlockCount <= pool.blockCount)
        precondition(Set((running + waiting).map(\.id)).count == running.count + waiting.count)
        return pool.checkInvariants()
    }
}
