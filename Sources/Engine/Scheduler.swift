import DequeModule
import InferenceTypes

/// Decides who runs next and with which memory: whole groups, in the order of their arrival. A value without clock,
/// log, I/O or float. It never learns how a group decodes: sequences fork, grow and end.
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
        var budget = Budget(tokens: configuration.maxBatchTokens, scored: configuration.maxScoredTokens)
        continueRunning(&budget)
        admitWaiting(&budget)
        assert(checkInvariants())
        return step
    }

    /// Takes in what a step decided: sequences are replaced by their successors, blocks that nobody holds any more are
    /// free. Returns what clients hear.
    mutating func commit(_ plan: StepPlan, _ outcomes: [GroupOutcome]) -> [Publication] {
        precondition(outcomes.count == plan.parts.count)
        var publications: [Publication] = []
        for (part, outcome) in zip(plan.parts, outcomes) {
            for row in plan.rows[part.rows] {
                part.group.sequences[row.sequence].markComputed(upTo: row.range.upperBound)
            }
            switch outcome {
            case .pending: break
            case .advanced(let successors, let events):
                replaceSequences(of: part.group, by: successors)
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

    /// Ends the requests whose time is over and who have heard nothing; the others end with their next token.
    mutating func expire(at now: UInt64) -> [Publication] {
        end(.maxTime) { $0.isLate(now) && $0.generatedTokenCount == 0 }
    }

    /// Ends every request.
    mutating func endAll(_ reason: FinishReason) -> [Publication] { end(reason) { _ in true } }
}

// MARK: - Planning

extension Scheduler {
    /// What a step may still take.
    private struct Budget {
        var tokens: Int
        /// Positions of prompts whose logits are wanted.
        var scored: Int
    }

    /// Next tokens before prompts: a long prompt does not delay who already hears an answer.
    private mutating func continueRunning(_ budget: inout Budget) {
        for group in running where !group.isCatchingUp { schedule(group, &budget) }
        for group in running where group.isCatchingUp { schedule(group, &budget) }
    }

    /// Admits from the head of the queue while the head fits; who stands behind it does not overtake.
    private mutating func admitWaiting(_ budget: inout Budget) {
        var width = running.reduce(0) { $0 + $1.width }
        while budget.tokens > 0, let group = waiting.first {
            width += group.width
            guard width <= configuration.maxWidth,
                reservedBlockCount + worstCase(group) <= configuration.blockCount
            else { return }
            waiting.removeFirst()
            running.append(group)
            reservedBlockCount += worstCase(group)
            schedule(group, &budget)
        }
    }

    /// Plans the rows of a group. One sequence takes what the budget has left; several advance together or not at all,
    /// because their strategy compares them.
    private mutating func schedule(_ group: SequenceGroup, _ budget: inout Budget) {
        guard budget.tokens > 0, group.sequences.count == 1 || group.pendingCount <= budget.tokens else { return }
        let counts = group.sequences.map { rowCount(of: $0, in: group, &budget) }
        guard !counts.contains(0) else { return }
        step.beginPart(group)
        for (index, count) in counts.enumerated() {
            let start = group.sequences[index].computedCount
            makeWritable(&group.sequences[index])
            extendBlockTable(of: &group.sequences[index], toCover: start + count)
            step.appendRow(sequence: index, range: start..<start + count, blockSize: configuration.blockSize)
        }
    }

    /// Tokens of a sequence that the budget still has room for, taken off it. A running sequence always has its one row
    /// of logits, so that only a prompt that is looked at whole asks for more.
    private func rowCount(of sequence: TokenSequence, in group: SequenceGroup, _ budget: inout Budget) -> Int {
        var count = min(sequence.pendingCount, budget.tokens)
        if group.request.looksAtWholePrompt, sequence.generatedCount == 0 {
            count = min(count, budget.scored)
            budget.scored -= count
        }
        budget.tokens -= count
        return count
    }

    /// Copy on write: the block that the next token goes to is this sequence's alone.
    private mutating func makeWritable(_ sequence: inout TokenSequence) {
        let (index, offset) = sequence.computedCount.quotientAndRemainder(dividingBy: configuration.blockSize)
        guard offset > 0, pool.referenceCount(of: sequence.blockTable[index]) > 1 else { return }
        let copy = reservedBlock()
        step.copyBlock(sequence.blockTable[index], to: copy)
        pool.release([sequence.blockTable[index]])
        sequence.blockTable[index] = copy
    }

    private mutating func extendBlockTable(of sequence: inout TokenSequence, toCover count: Int) {
        while sequence.blockTable.count * configuration.blockSize < count {
            sequence.blockTable.append(reservedBlock())
        }
    }

    private mutating func reservedBlock() -> Int32 {
        guard let block = pool.allocate() else { preconditionFailure("admission reserved this block") }
        return block
    }

    private func worstCase(_ group: SequenceGroup) -> Int {
        group.request.worstCaseBlockCount(blockSize: configuration.blockSize)
    }
}

// MARK: - Committing

extension Scheduler {
    /// The first successor of a sequence takes over its hold on the blocks, each further one adds a hold, and the blocks
    /// of a sequence without successor lose one.
    private mutating func replaceSequences(of group: SequenceGroup, by successors: [Successor]) {
        var isContinued = Array(repeating: false, count: group.sequences.count)
        let computedCounts = group.sequences.map(\.computedCount)
        var sequences: [TokenSequence] = []
        for var successor in successors {
            if isContinued[successor.parent] { pool.retain(successor.sequence.blockTable) }
            isContinued[successor.parent] = true
            successor.sequence.markComputed(upTo: computedCounts[successor.parent])
            sequences.append(successor.sequence)
        }
        for (index, sequence) in group.sequences.enumerated() where !isContinued[index] {
            pool.release(sequence.blockTable)
        }
        group.sequences = sequences
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
        replaceSequences(of: group, by: [])
        publications += Self.publications(ending: group, reason)
    }

    /// Ends what is open of a group.
    static func publications(ending group: SequenceGroup, _ reason: FinishReason) -> [Publication] {
        var publications: [Publication] = []
        for choice in group.openChoices { publish(group.finished(choice, reason), of: group, &publications) }
        return publications
    }

    private mutating func end(_ reason: FinishReason, where isMeant: (SequenceGroup) -> Bool) -> [Publication] {
        var publications: [Publication] = []
        for group in running where isMeant(group) { finishAll(group, reason, &publications) }
        for group in waiting where isMeant(group) { finishAll(group, reason, &publications) }
        guard !publications.isEmpty else { return [] }
        removeFinished()
        waiting.removeAll { $0.isFinished }
        assert(checkInvariants())
        return publications
    }

    private mutating func removeFinished() {
        for group in running where group.isFinished {
            // What a strategy still kept, such as beams that lost.
            replaceSequences(of: group, by: [])
            reservedBlockCount -= worstCase(group)
        }
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
        for group in running {
            precondition(!group.sequences.isEmpty && group.sequences.count <= group.width)
            precondition(Set(group.sequences.flatMap(\.blockTable)).count <= worstCase(group))
        }
        precondition(waiting.allSatisfy { $0.sequences.allSatisfy(\.blockTable.isEmpty) })
        precondition(reservedBlockCount == running.reduce(0) { $0 + worstCase($1) })
        precondition(reservedBlockCount <= pool.blockCount)
        precondition(Set((running + waiting).map(\.id)).count == running.count + waiting.count)
        return pool.checkInvariants()
    }
}
