import InferenceTypes

/// Looks at the engine after each step and compares it with what must hold. Independent of the engine's own checks: who
/// holds what is counted from the tables, what a block holds is read from the model's memory.
struct SimulationChecker {
    let configuration: EngineConfiguration
    /// By number − 1; nil for those that were refused.
    var watches: [SimulationWatch?] = []
    /// Numbers − 1 of those that have not ended.
    private(set) var live: [Int] = []
    private var memory: SimulationMemoryChecker
    private(set) var counts = SimulationCounts()
    private var step = 0
    private var salts: [[UInt8]: Int] = [:]
    /// Starts in the last step, by number − 1, in no order.
    private var started: [Int] = []
    /// Those that waited and ended in the last step, perhaps after they started in it.
    private var endedFromQueue: [Int] = []
    private var preemptionCount = 0
    /// Preemptions in the last step of requests that started again and ended in it.
    private var hiddenPreemptionCount = 0

    init(_ configuration: EngineConfiguration) {
        self.configuration = configuration
        memory = SimulationMemoryChecker(configuration)
    }

    /// - Parameter step: the one that takes it out of the mailbox.
    mutating func enter(_ client: SimulationClient, isAccepted: Bool, in step: Int) {
        precondition(client.number == watches.count + 1)
        guard isAccepted else { return watches.append(nil) }
        live.append(watches.count)
        watches.append(SimulationWatch(client, scope: scope(of: client), entryStep: step))
    }

    private mutating func scope(of client: SimulationClient) -> Int {
        guard configuration.cachesPrefixes, case .shared(let salt) = client.request.scheduling.prefixCaching else {
            return -client.number
        }
        if let known = salts[salt] { return known }
        salts[salt] = salts.count
        return salts.count - 1
    }

    /// - Parameters:
    ///   - size: what the model computed, nil where it was not called.
    ///   - start: when the step began.
    mutating func check(
        _ scheduler: Scheduler, _ model: SimulationModel, size: (tokenCount: Int, rowCount: Int, logitsCount: Int)?,
        start: UInt64
    ) throws(SimulationViolation) {
        step += 1
        started.removeAll(keepingCapacity: true)
        endedFromQueue.removeAll(keepingCapacity: true)
        try checkSize(size)
        try observe(scheduler)
        let seenCount = live.reduce(0) { $0 + (watches[$1]?.preemptionsInStep ?? 0) }
        hiddenPreemptionCount = scheduler.counts.preemptions - preemptionCount - seenCount
        counts[.preemption] += scheduler.counts.preemptions - preemptionCount
        preemptionCount = scheduler.counts.preemptions
        try require(hiddenPreemptionCount >= 0, 3, "a preemption is not counted")
        try checkEnded(start)
        try memory.check(scheduler, model, watches, step: step, counts: &counts)
        try checkOrder(scheduler)
        try checkProgress(scheduler, wasComputing: size != nil)
        live.removeAll { watches[$0]?.state == .ended }
    }

    /// Who lost its blocks in the last step.
    var preempted: [Int] {
        live.filter { (watches[$0]?.preemptionsInStep ?? 0) > 0 }.map { $0 + 1 }
    }
}

// MARK: - Budgets and states

extension SimulationChecker {
    private mutating func checkSize(
        _ size: (tokenCount: Int, rowCount: Int, logitsCount: Int)?
    ) throws(SimulationViolation) {
        guard let size else { return }
        counts[.step] += 1
        counts[.token] += size.tokenCount
        try require(size.tokenCount <= configuration.maxBatchTokens, 5, "\(size.tokenCount) tokens in a step")
        try require(size.rowCount <= configuration.maxRunningSequences, 5, "\(size.rowCount) sequences in a step")
        try require(size.logitsCount <= configuration.maxLogitsCount, 5, "\(size.logitsCount) rows of logits")
    }

    private mutating func observe(_ scheduler: Scheduler) throws(SimulationViolation) {
        for group in scheduler.running { try observe(group, .running) }
        for group in scheduler.waiting { try observe(group, .waiting) }
        for index in live where watches[index]?.lastSeenStep != step {
            // Came while the model computed.
            if let entryStep = watches[index]?.entryStep, entryStep > step { continue }
            if watches[index]?.state != .running { endedFromQueue.append(index) }
            watches[index]?.state = .ended
            watches[index]?.startsInStep = 0
            watches[index]?.preemptionsInStep = 0
        }
        let width = scheduler.running.reduce(0) { $0 + $1.request.width }
        try require(width <= configuration.maxRunningSequences, 5, "\(width) sequences run")
    }

    private mutating func observe(
        _ group: SequenceGroup, _ state: SimulationWatch.State
    ) throws(SimulationViolation) {
        let index = Int(clamping: group.id.number) - 1
        guard var watch = watches[index] else { throw SimulationViolation(3, "\(index + 1) was refused and is here") }
        try require(watch.state != .ended, 3, "\(index + 1) is back after its end")
        try require(watch.lastSeenStep != step, 3, "\(index + 1) is in two places")
        watch.lastSeenStep = step
        watch.preemptionsInStep = group.record.preemptionCount - watch.preemptionCount
        watch.startsInStep =
            (state == .running ? 1 : 0) + watch.preemptionsInStep - (watch.state == .running ? 1 : 0)
        try require(watch.preemptionsInStep >= 0, 3, "\(index + 1) forgets its preemptions")
        try require(watch.startsInStep >= 0, 3, "\(index + 1) waits again without having been preempted")
        note(&watch, group, state)
        watches[index] = watch
    }

    private mutating func note(_ watch: inout SimulationWatch, _ group: SequenceGroup, _ state: SimulationWatch.State) {
        let computedCount = group.sequences.reduce(0) { $0 + $1.computedCount }
        let hasMoved = group.generatedTokenCount != watch.generatedCount || computedCount != watch.computedCount
        let isSteady = state == .running && watch.state == .running && watch.preemptionsInStep == 0
        watch.pauseCount = isSteady && !hasMoved ? watch.pauseCount + 1 : 0
        if !isSteady { watch.wasDue = false }
        for _ in 0..<watch.startsInStep { started.append(watch.client.number - 1) }
        counts[.start] += watch.startsInStep
        counts[.recompute] += watch.startsInStep > 0 && watch.hasStarted && group.sequences[0].cachedCount > 0 ? 1 : 0
        counts[.protectedTurn] += group.record.isProtected && !watch.isProtected ? 1 : 0
        // Who gets a token in a step gets it after all that the step takes.
        watch.fruitlessCount =
            group.generatedTokenCount > watch.generatedCount ? 0 : watch.fruitlessCount + watch.preemptionsInStep
        counts[.repeatedPreemption] += watch.preemptionsInStep > 0 && watch.fruitlessCount > 1 ? 1 : 0
        watch.hasStarted = watch.hasStarted || watch.startsInStep > 0
        watch.wasProtected = watch.isProtected
        watch.isProtected = group.record.isProtected
        watch.preemptionCount = group.record.preemptionCount
        watch.generatedCount = group.generatedTokenCount
        watch.computedCount = computedCount
        watch.state = state
    }

    /// Who was to go is gone.
    private func checkEnded(_ start: UInt64) throws(SimulationViolation) {
        for index in live {
            guard let watch = watches[index] else { continue }
            if let cancelStep = watch.cancelStep, cancelStep <= step {
                try require(watch.state == .ended, 8, "\(index + 1) is still here after it was cancelled")
            }
            guard watch.state == .waiting, watch.preemptionsInStep == 0 else { continue }
            if let deadline = watch.client.deadline {
                try require(start <= deadline, 3, "\(index + 1) waits although its time is over")
            }
            if let limit = configuration.maxQueueTime, !watch.hasStarted {
                let end = watch.client.arrival + limit.simulatedNanoseconds
                try require(start <= end, 3, "\(index + 1) waits for longer than a request may")
            }
        }
    }
}

// MARK: - Order

extension SimulationChecker {
    private mutating func checkOrder(_ scheduler: Scheduler) throws(SimulationViolation) {
        for index in started {
            guard let starter = watches[index], !starter.isProtected else { continue }
            for waiting in scheduler.waiting {
                try checkTurn(of: starter, before: watches[Int(clamping: waiting.id.number) - 1])
            }
        }
        try checkVictims()
        try checkOvertaking()
        for running in scheduler.running {
            watches[Int(clamping: running.id.number) - 1]?.wasDue =
                running.sequences.allSatisfy { $0.tokens.count - $0.computedCount == 1 }
        }
    }

    /// Nobody starts before who has waited longer at the same place, or is more urgent.
    private func checkTurn(
        of starter: SimulationWatch, before other: SimulationWatch?
    ) throws(SimulationViolation) {
        guard let other, other.preemptionsInStep == 0, starter.client.number != other.client.number else { return }
        let pair = "\(starter.client.number) starts before \(other.client.number)"
        try require(!other.wasProtected, 7, "\(pair), whose turn it is")
        try require(starter.priority <= other.priority, 7, "\(pair), which is more urgent")
        guard starter.priority == other.priority, starter.account == other.account else { return }
        try require(starter.client.number < other.client.number, 7, "\(pair), which came earlier")
    }

    /// Who loses its blocks comes after everyone who keeps them.
    private func checkVictims() throws(SimulationViolation) {
        for index in live {
            guard let victim = watches[index], victim.preemptionsInStep > 0, victim.state == .waiting else { continue }
            for other in live {
                guard let keeper = watches[other], keeper.state == .running, keeper.preemptionsInStep == 0 else {
                    continue
                }
                let isSame = keeper.priority == victim.priority && keeper.account == victim.account
                guard !keeper.isProtected, !victim.isProtected, keeper.startsInStep == 0 || isSame else { continue }
                try require(
                    keeper.isAhead(of: victim), 7,
                    "\(victim.client.number) loses its blocks, \(keeper.client.number) keeps its own")
            }
        }
    }

    /// Whoever waits is overtaken only so often until an older one has its turn.
    private mutating func checkOvertaking() throws(SimulationViolation) {
        for index in live {
            guard var watch = watches[index] else { continue }
            if watch.state == .waiting, watch.startsInStep == 0 {
                // Who was displaced too often has a turn of its own.
                let overtakers = started.count { $0 > index && watches[$0]?.isProtected == false }
                counts[.overtaken] += overtakers
                let isAnew =
                    watch.overtakenCount == nil || hiddenPreemptionCount > 0
                    || started.contains { $0 < index && takesTurn($0) } || endedFromQueue.contains { $0 < index }
                watch.overtakenCount = isAnew ? 0 : (watch.overtakenCount ?? 0) + overtakers
                try require(
                    (watch.overtakenCount ?? 0) <= configuration.maxOvertakes, 7,
                    "\(watch.overtakenCount ?? 0) started before \(index + 1), which was there first")
            } else {
                watch.overtakenCount = nil
            }
            watches[index] = watch
        }
    }

    /// It started for the first time, or because it had waited. Who only comes back has no turn.
    private func takesTurn(_ index: Int) -> Bool {
        guard let watch = watches[index] else { return false }
        return watch.isProtected || watch.preemptionCount == watch.preemptionsInStep
    }
}

// MARK: - Progress

extension SimulationChecker {
    private mutating func checkProgress(_ scheduler: Scheduler, wasComputing: Bool) throws(SimulationViolation) {
        try require(scheduler.isIdle || wasComputing, 6, "nothing is computed although somebody is here")
        for group in scheduler.running {
            guard let watch = watches[Int(clamping: group.id.number) - 1] else { continue }
            counts.longestPause = max(counts.longestPause, watch.pauseCount)
            try require(
                watch.pauseCount == 0 || !watch.wasDue, 5, "\(watch.client.number) was due a token and got none")
            try require(
                watch.pauseCount <= SimulationScenario.pauseLimit(configuration), 5,
                "\(watch.client.number) runs \(watch.pauseCount) steps without a row")
        }
        for index in live {
            guard let watch = watches[index] else { continue }
            counts.mostFruitlessPreemptions = max(counts.mostFruitlessPreemptions, watch.fruitlessCount)
            try require(
                watch.fruitlessCount <= Scheduler.maxFruitlessPreemptions, 6,
                "\(index + 1) lost its blocks \(watch.fruitlessCount) times without a token")
        }
    }
}
