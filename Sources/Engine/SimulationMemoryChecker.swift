import InferenceTypes

/// The blocks: who holds them, what is in them, and who may find it.
struct SimulationMemoryChecker {
    private struct Tag: Equatable {
        var birth: Int
        var scope: Int
    }

    private let configuration: EngineConfiguration
    private var holders: [Int]
    /// For whom the content of a block was computed.
    private var tags: [Tag?]
    /// Registrations after the last step.
    private var registrations: [UInt64?]
    private var blocks: [UInt64: Int] = [:]
    /// Sequence, counted through, that named a block last.
    private var namers: [Int]
    private var sequenceCount = 0

    init(_ configuration: EngineConfiguration) {
        self.configuration = configuration
        holders = Array(repeating: 0, count: configuration.blockCount)
        tags = Array(repeating: nil, count: configuration.blockCount)
        registrations = Array(repeating: nil, count: configuration.blockCount)
        namers = Array(repeating: -1, count: configuration.blockCount)
    }

    private var blockSize: Int { configuration.blockSize }

    mutating func check(
        _ scheduler: Scheduler, _ model: SimulationModel, _ watches: [SimulationWatch?], step: Int,
        counts: inout SimulationCounts
    ) throws(SimulationViolation) {
        for block in holders.indices { holders[block] = 0 }
        for group in scheduler.running {
            let number = Int(clamping: group.id.number)
            for sequence in group.sequences { try check(sequence, of: number, model, watches[number - 1]?.scope ?? 0) }
        }
        for group in scheduler.waiting {
            try require(
                group.sequences.allSatisfy { $0.blockTable.isEmpty && $0.computedCount == 0 }, 3,
                "\(group.id.number) waits and holds blocks")
        }
        try checkHolders(scheduler.pool, &counts)
        try checkRegistrations(scheduler, model, watches, &counts)
        try checkSharing(scheduler, model, watches)
    }
}

// MARK: - Tables

extension SimulationMemoryChecker {
    private mutating func check(
        _ sequence: TokenSequence, of number: Int, _ model: SimulationModel, _ scope: Int
    ) throws(SimulationViolation) {
        sequenceCount += 1
        let table = sequence.blockTable
        try require(
            table.count == (sequence.computedCount + blockSize - 1) / blockSize, 2,
            "\(number) has \(table.count) blocks of \(blockSize) for \(sequence.computedCount) tokens")
        try require(sequence.computedCount < sequence.tokens.count, 2, "\(number) runs with nothing to compute")
        for name in table {
            let block = Int(name)
            try require(holders.indices.contains(block), 2, "\(number) holds block \(block), which is not there")
            try require(namers[block] != sequenceCount, 2, "\(number) holds block \(block) twice in one sequence")
            namers[block] = sequenceCount
            holders[block] += 1
            try claim(block, for: number, scope, model)
        }
    }

    /// What is in a block was computed for the scope of whoever holds it.
    private mutating func claim(
        _ block: Int, for number: Int, _ scope: Int, _ model: SimulationModel
    ) throws(SimulationViolation) {
        if let known = self.scope(of: block, model) {
            try require(known == scope, 9, "\(number) holds block \(block), which is another's under another salt")
        } else {
            tags[block] = Tag(birth: model.births[block], scope: scope)
        }
    }

    /// Nil where nobody held it after the step that filled it.
    private func scope(of block: Int, _ model: SimulationModel) -> Int? {
        tags[block].flatMap { $0.birth == model.births[block] ? $0.scope : nil }
    }

    private func checkHolders(_ pool: BlockPool, _ counts: inout SimulationCounts) throws(SimulationViolation) {
        var (freeCount, cachedCount) = (0, 0)
        for (block, count) in holders.enumerated() {
            let name = Int32(block)
            try require(
                pool.referenceCount(of: name) == count, 1,
                "block \(block) is in \(count) tables and counts \(pool.referenceCount(of: name)) holders")
            freeCount += count == 0 ? 1 : 0
            cachedCount += count == 0 && pool.registration(of: name) != nil ? 1 : 0
            counts[.sharedBlock] += count > 1 ? 1 : 0
        }
        try require(pool.freeCount == freeCount, 1, "\(freeCount) blocks have no holder, \(pool.freeCount) are free")
        try require(
            pool.cachedCount == cachedCount, 1,
            "\(cachedCount) blocks without a holder hold a prefix, \(pool.cachedCount) are said to")
    }
}

// MARK: - Prefixes

extension SimulationMemoryChecker {
    private mutating func checkRegistrations(
        _ scheduler: Scheduler, _ model: SimulationModel, _ watches: [SimulationWatch?],
        _ counts: inout SimulationCounts
    ) throws(SimulationViolation) {
        for block in model.writtenBlocks {
            let old = registrations[Int(block)]
            try require(
                old == nil || scheduler.pool.registration(of: block)?.number != old, 9,
                "block \(block) is written although others may read it")
        }
        var isNew = false
        for block in holders.indices {
            let registration = scheduler.pool.registration(of: Int32(block))
            let old = registrations[block]
            guard registration?.number != old else { continue }
            isNew = true
            if let old { blocks[old] = nil }
            if let number = registration?.number { blocks[number] = block }
            counts[.eviction] += old != nil && configuration.cachesPrefixes ? 1 : 0
            registrations[block] = registration?.number
        }
        guard isNew else { return }
        for block in holders.indices {
            guard let registration = scheduler.pool.registration(of: Int32(block)) else { continue }
            try check(registration, of: block, model)
            try checkKeeping(of: block, model, watches)
        }
    }

    /// A block holds the tokens that it is found under, after the context that it is found under.
    private func check(
        _ registration: PrefixIndex.Registration, of block: Int, _ model: SimulationModel
    ) throws(SimulationViolation) {
        let slots = block * blockSize..<(block + 1) * blockSize
        try require(
            registration.key.tokens.elementsEqual(model.tokens[slots]), 9,
            "block \(block) holds other tokens than it is found under")
        var hash = SimulationModel.root
        if case .registration(let number) = registration.key.parent {
            // Without the block before it, nobody finds it.
            guard let parent = blocks[number] else { return }
            let scopes = Set([scope(of: parent, model), scope(of: block, model)].compactMap { $0 })
            try require(scopes.count < 2, 9, "block \(block) continues another's under another salt")
            hash = model.hashes[(parent + 1) * blockSize - 1]
        }
        for slot in slots {
            hash = SimulationModel.hash(hash, then: model.tokens[slot])
            try require(
                model.hashes[slot] == hash, 9,
                "block \(block) holds its tokens after another context than it is found under")
        }
    }

    /// Nothing is kept of who shares with nobody.
    private func checkKeeping(
        of block: Int, _ model: SimulationModel, _ watches: [SimulationWatch?]
    ) throws(SimulationViolation) {
        guard let scope = scope(of: block, model), scope < 0, holders[block] == 0,
            // What it could have begun with again stays until it is needed; nobody else can find it.
            let watch = watches[-scope - 1], watch.preemptionCount == 0
        else { return }
        try require(watch.state != .ended, 9, "block \(block) of \(-scope) is kept after its end")
    }

    private struct Content: Hashable {
        var scope: Int
        var hash: UInt64
    }

    /// What is full is registered, and held once by all who have computed the same.
    private func checkSharing(
        _ scheduler: Scheduler, _ model: SimulationModel, _ watches: [SimulationWatch?]
    ) throws(SimulationViolation) {
        var known: [Content: Int32] = [:]
        for group in scheduler.running {
            let scope = watches[Int(clamping: group.id.number) - 1]?.scope ?? 0
            for sequence in group.sequences {
                for block in sequence.blockTable.prefix(sequence.computedCount / blockSize) {
                    try require(
                        scheduler.pool.registration(of: block) != nil, 9,
                        "\(group.id.number) filled block \(block), which nobody can find")
                    let content = Content(scope: scope, hash: model.hashes[(Int(block) + 1) * blockSize - 1])
                    let other = known.updateValue(block, forKey: content)
                    try require(
                        other == nil || other == block, 9,
                        "blocks \(other ?? -1) and \(block) hold the same, \(group.id.number) has the second one")
                }
            }
        }
    }
}
