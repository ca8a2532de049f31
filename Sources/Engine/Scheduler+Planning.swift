import InferenceTypes

/// Who starts, what each running group computes, and who gives way.
extension Scheduler {
    /// What a step may still take of prompts, and of what is computed anew.
    private struct Budget {
        var tokens: Int
        /// Positions of prompts whose logits are wanted.
        var scored: Int
        /// Of who took from it.
        var youngestArrival = 0
    }

    /// Next tokens come before prompts: a long prompt does not delay who already hears an answer.
    private func promptBudget(_ limit: Int) -> Int {
        let nextTokenCount = nextTokenCount
        let room = configuration.maxBatchTokens - nextTokenCount
        return nextTokenCount == 0 ? room : min(limit, room)
    }
}

// MARK: - Starting

extension Scheduler {
    /// Starts waiting groups while the next one has a token to compute in this step and fits. Who comes behind it does not
    /// overtake it for being smaller.
    mutating func startWaiting(_ promptTokenLimit: Int) {
        while let turn = nextTurn() {
            let group = waiting[turn]
            let work = running.reduce(0) { $0 + ($1.rank < group.rank && $1.isCatchingUp ? $1.pendingCount : 0) }
            guard work < max(promptBudget(promptTokenLimit), 1), makeRoom(for: group) else { return }
            // Who gave way waits among the others now.
            guard let place = waiting.firstIndex(where: { $0 === group }) else { return }
            waiting.remove(at: place)
            countStart(of: group, place: place)
            start(group)
        }
    }

    /// The place of the group that is to start next: who was protected before; the oldest, once enough have overtaken it;
    /// else the most urgent by priority, then the least served account, then arrival.
    private mutating func nextTurn() -> Int? {
        guard !waiting.isEmpty else { return nil }
        if let place = waiting.firstIndex(where: \.record.isProtected) { return place }
        if overtakeCount >= configuration.maxOvertakes {
            waiting[0].record.isProtected = true
            return 0
        }
        func urgency(_ group: SequenceGroup) -> (Int, Int, Int) {
            let record = group.record
            return (group.request.scheduling.priority, shares.servedCount(record.account), record.arrival)
        }
        return waiting.indices.min { urgency(waiting[$0]) < urgency(waiting[$1]) }
    }

    /// Who lost its blocks and comes back before all others leaves the count to the next one, whom it overtook again.
    private mutating func countStart(of group: SequenceGroup, place: Int) {
        if place > 0 {
            overtakeCount += 1
        } else if group.record.isProtected || !group.record.hasStarted {
            overtakeCount = 0
        }
    }

    private mutating func start(_ group: SequenceGroup) {
        beginWithPrefix(&group.sequences[0], of: group)
        if !group.record.hasStarted {
            let (promptCount, cachedCount) = (group.request.promptTokens.count, group.sequences[0].computedCount)
            group.record.hasStarted = true
            group.record.cachedTokenCount = cachedCount
            counts.started += 1
            counts.startedPromptTokens += promptCount
            counts.cachedPromptTokens += cachedCount
            shares.charge(promptCount - cachedCount, to: group.record.account)
        }
        running.insert(group, at: running.firstIndex { group.rank < $0.rank } ?? running.count)
    }
}

// MARK: - Rows

extension Scheduler {
    /// A prompt to which younger ones leave nothing of the budget has its turn after as many steps as starts may overtake.
    mutating func protectOvertaken() {
        let isDue = { [configuration] (group: SequenceGroup) in
            group.record.overtakenStepCount > configuration.maxOvertakes && !group.record.isProtected
        }
        guard running.contains(where: isDue) else { return }
        for group in running where isDue(group) { group.record.isProtected = true }
        running.sort { $0.rank < $1.rank }
    }

    /// Plans rows in the order of rank, so that who runs out of blocks takes them from who has no row yet.
    mutating func scheduleRunning(_ promptTokenLimit: Int) {
        var budget = Budget(tokens: promptBudget(promptTokenLimit), scored: configuration.maxScoredTokens)
        var index = 0
        while index < running.count {
            if schedule(at: index, &budget) {
                index += 1
            } else {
                precondition(index > 0, "the first in rank fits when it is alone")
                preempt(at: index)
            }
        }
    }

    /// False where the group found no blocks: then it is the last in rank.
    private mutating func schedule(at index: Int, _ budget: inout Budget) -> Bool {
        let group = running[index]
        let counts = rowCounts(of: group, &budget)
        guard !counts.isEmpty else {
            if budget.youngestArrival > group.record.arrival { group.record.overtakenStepCount += 1 }
            return true
        }
        group.record.overtakenStepCount = 0
        if group.isCatchingUp { budget.youngestArrival = max(budget.youngestArrival, group.record.arrival) }
        for (sequence, count) in counts {
            let isPrepared = prepare(&group.sequences[sequence], toCompute: count, rank: index)
            guard isPrepared else { return false }
        }
        step.beginPart(group)
        for (sequence, count) in counts {
            let start = group.sequences[sequence].computedCount
            step.appendRow(sequence: sequence, range: start..<start + count, blockSize: configuration.blockSize)
        }
        return true
    }

    /// Tokens that each sequence of a group computes in this step.
    ///
    /// The next tokens of a group are computed together, because its strategy compares them; what is computed anew before
    /// that comes as the budget has it. There the first sequence leads: the others find in its blocks what they share.
    private mutating func rowCounts(
        of group: SequenceGroup, _ budget: inout Budget
    ) -> [(sequence: Int, count: Int)] {
        guard group.isCatchingUp else { return group.sequences.indices.map { ($0, 1) } }
        if group.sequences.count == 1 {
            let count = take(group.sequences[0].pendingCount, of: group.sequences[0], group, &budget)
            return count > 0 ? [(0, count)] : []
        }
        let isLeading = group.sequences[0].pendingCount > 1
        var counts: [(Int, Int)] = []
        for index in isLeading ? 0..<1 : group.sequences.indices {
            beginWithPrefix(&group.sequences[index], of: group)
            let count = take(group.sequences[index].pendingCount - 1, of: group.sequences[index], group, &budget)
            if count > 0 { counts.append((index, count)) }
        }
        if group.isCatchingUp || group.sequences.count > budget.tokens { return counts }
        // The cache had all of it.
        budget.tokens -= group.sequences.count
        return group.sequences.indices.map { ($0, 1) }
    }

    /// Takes so many tokens off the budget as it has.
    private func take(
        _ wanted: Int, of sequence: TokenSequence, _ group: SequenceGroup, _ budget: inout Budget
    ) -> Int {
        var count = min(wanted, budget.tokens)
        // The last token's logits have their own room: each running sequence has one row.
        let unscoredCount = max(0, group.firstLogitsPosition(of: sequence) - sequence.computedCount)
        if group.request.looksAtWholePrompt, sequence.generatedCount == 0 {
            count = min(count, unscoredCount + budget.scored)
            budget.scored -= max(0, count - unscoredCount)
        }
        budget.tokens -= count
        return count
    }
}
