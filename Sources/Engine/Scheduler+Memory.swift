import InferenceTypes

/// Which blocks a sequence holds, and who gives them up.
extension Scheduler {
    func scope(of group: SequenceGroup) -> PrefixScope {
        guard configuration.cachesPrefixes, case .shared(let salt) = group.request.scheduling.prefixCaching else {
            return .request(group.id)
        }
        return .shared(salt: salt)
    }

    /// Whether somebody can find its prefixes once it has ended.
    func keepsPrefixes(of group: SequenceGroup) -> Bool {
        if case .shared = scope(of: group) { true } else { false }
    }

    private func blockCount(covering tokenCount: Int) -> Int {
        (tokenCount + configuration.blockSize - 1) / configuration.blockSize
    }
}

// MARK: - Prefixes

extension Scheduler {
    /// Lets a sequence that has no blocks begin with those that hold its first tokens. At least one token is left to
    /// compute, for its logits; of a prompt that is looked at whole, what was not looked at yet.
    mutating func beginWithPrefix(_ sequence: inout TokenSequence, of group: SequenceGroup) {
        guard sequence.blockTable.isEmpty else { return }
        var prefix = pool.prefix(of: sequence.tokens, scope(of: group), blockSize: configuration.blockSize)
        if group.request.looksAtWholePrompt, sequence.generatedCount == 0 { recall(prefix, for: group) }
        let limit = min(group.firstLogitsPosition(of: sequence), sequence.tokens.count - 1)
        prefix.removeLast(prefix.count - min(prefix.count, blockCount(covering: limit)))
        pool.take(prefix)
        sequence.begin(with: prefix, blockSize: configuration.blockSize, limit: limit)
    }

    /// Takes over what was noted beside the blocks of a prompt: logprobs, and so nothing where states are wanted.
    private func recall(_ prefix: [Int32], for group: SequenceGroup) {
        guard let topCount = group.request.report.promptLogprobCount, !group.request.looksAtStates else { return }
        for (index, block) in prefix.enumerated() {
            // Token 0 has no logprobs; a block's notes end with its last token.
            let end = (index + 1) * configuration.blockSize - 1
            guard group.promptLogprobs.count < end else { continue }
            guard let scores = pool.scores(of: block), scores.topCount >= topCount else { break }
            let known = end - group.promptLogprobs.count
            group.promptLogprobs += scores.logprobs.suffix(known).map { $0.limited(to: topCount) }
        }
        group.seenCount = max(group.seenCount, group.promptLogprobs.count)
    }
}

extension SequenceGroup {
    /// What is known of the tokens of a full block of the prompt.
    func promptScores(of tokens: Range<Int>) -> PromptScores? {
        guard let topCount = request.report.promptLogprobCount, tokens.upperBound - 1 <= promptLogprobs.count else {
            return nil
        }
        return PromptScores(
            topCount: topCount, logprobs: Array(promptLogprobs[max(0, tokens.lowerBound - 1)..<tokens.upperBound - 1]))
    }
}

extension TokenLogprobs {
    fileprivate func limited(to topCount: Int) -> TokenLogprobs {
        TokenLogprobs(chosen: chosen, rank: rank, top: Array(top.prefix(topCount)))
    }
}

// MARK: - Blocks

extension Scheduler {
    /// Gives a sequence the blocks that its next tokens go to; false where none can be had.
    ///
    /// - Parameter rank: place in `running`; who comes after it gives way.
    mutating func prepare(_ sequence: inout TokenSequence, toCompute count: Int, rank: Int) -> Bool {
        let start = sequence.computedCount
        guard makeWritable(&sequence, rank: rank) else { return false }
        while sequence.blockTable.count < blockCount(covering: start + count) {
            guard let block = obtainBlock(rank: rank) else { return false }
            sequence.blockTable.append(block)
        }
        return true
    }

    /// Copy on write: the block that the next token goes to is this sequence's alone. A full one is not written.
    private mutating func makeWritable(_ sequence: inout TokenSequence, rank: Int) -> Bool {
        let (index, offset) = sequence.computedCount.quotientAndRemainder(dividingBy: configuration.blockSize)
        guard offset > 0, sequence.computedCount >= sequence.cachedCount,
            pool.referenceCount(of: sequence.blockTable[index]) > 1
        else { return true }
        guard let copy = obtainBlock(rank: rank) else { return false }
        step.copyBlock(sequence.blockTable[index], to: copy)
        pool.release([sequence.blockTable[index]])
        sequence.blockTable[index] = copy
        return true
    }

    private mutating func obtainBlock(rank: Int) -> Int32? {
        while true {
            if let block = pool.allocate() { return block }
            guard rank < running.count - 1 else { return nil }
            preempt(at: running.count - 1)
        }
    }

    /// Takes all blocks of a running group; it waits, and is computed anew.
    mutating func preempt(at index: Int) {
        let group = running.remove(at: index)
        for sequence in group.sequences.indices {
            pool.release(group.sequences[sequence].blockTable)
            group.sequences[sequence].loseBlocks()
        }
        counts.preemptions += 1
        group.record.preemptionCount += 1
        group.record.overtakenStepCount = 0
        group.record.fruitlessPreemptionCount += 1
        if group.record.fruitlessPreemptionCount >= Self.maxFruitlessPreemptions {
            group.record.isProtected = true
            group.record.isSheltered = true
        }
        waiting.insert(group, at: waiting.firstIndex { group.record.arrival < $0.record.arrival } ?? waiting.count)
    }
}

// MARK: - Room

extension Scheduler {
    /// Whether a waiting group may start now. Makes room for it where those that yield to it can give enough.
    mutating func makeRoom(for group: SequenceGroup) -> Bool {
        if fits(group, beside: running.count) { return true }
        let stayingCount = running.count - running.reversed().prefix { $0.yields(to: group) }.count
        guard stayingCount < running.count, fits(group, beside: stayingCount) else { return false }
        while !fits(group, beside: running.count), running.count > stayingCount { preempt(at: running.count - 1) }
        return fits(group, beside: running.count)
    }

    /// Whether a group has room beside the first of the running ones. Each of these keeps a block to grow into, so that
    /// nobody starts to be stopped at once.
    private func fits(_ group: SequenceGroup, beside count: Int) -> Bool {
        let others = running.prefix(count)
        guard others.reduce(group.width, { $0 + $1.width }) <= configuration.maxWidth else { return false }
        guard !others.isEmpty else { return true }
        if group.record.isSheltered {
            return others.reduce(worstCase(group)) { $0 + worstCase($1) } <= configuration.blockCount
        }
        let sequences = others.flatMap(\.sequences)
        let room =
            freeCount(beside: others)
            - sequences.reduce(0) { $0 + max(1, blockCount(covering: $1.tokens.count) - $1.blockTable.count) }
        let needed = group.sequences.reduce(0) { $0 + blockCount(covering: $1.tokens.count) }
        return needed <= room || needed - heldPrefixCount(of: group) <= room
    }

    /// Blocks that are free when only these run.
    private func freeCount(beside others: ArraySlice<SequenceGroup>) -> Int {
        guard others.count < running.count else { return pool.freeCount }
        return pool.blockCount - Set(others.flatMap { $0.sequences.flatMap(\.blockTable) }).count
    }

    /// Blocks of its prefix that others hold, so that it needs none of the free ones for them.
    private func heldPrefixCount(of group: SequenceGroup) -> Int {
        pool.prefix(of: group.sequences[0].tokens, scope(of: group), blockSize: configuration.blockSize)
            .count { pool.referenceCount(of: $0) > 0 }
    }
}
