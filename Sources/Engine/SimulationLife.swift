import InferenceTypes
import Tokenization
import Transformer

/// One engine from its first request to its drain, among clients that come, go, and read as they like.
final class SimulationLife {
    private let scenario: SimulationScenario
    private let tokenizer: Tokenizer
    private let model: SimulationModel
    private let machine: SimulationMachine
    private var random: SimulationRandom
    private var oracle = SimulationOracle()
    private var checker: SimulationChecker
    private var clients: [SimulationClient] = []
    private var counts = SimulationCounts()
    private(set) var trace: SimulationTrace
    private(set) var stepCount = 0
    /// Steps with nothing to compute included: in some scenarios hardly anybody comes whose request fits.
    private static let maxStepCount = 2000
    private var isDraining = false
    private var isStopped = false
    private var hasFailed = false
    /// What was wrong outside of a step.
    private var violation: SimulationViolation?

    init(_ random: SimulationRandom, _ tokenizer: Tokenizer, follower: ((String) -> Void)?) {
        var random = random
        let scenario = SimulationScenario(&random)
        let model = SimulationModel(scenario.configuration)
        self.random = random
        self.scenario = scenario
        self.tokenizer = tokenizer
        self.model = model
        checker = SimulationChecker(scenario.configuration)
        trace = SimulationTrace(follower: follower)
        machine = SimulationMachine(
            scenario.configuration, tokenizer, cost: { 1_000_000 + UInt64($0.tokenCount) * 200_000 },
            compute: { model.forward($0) })
    }

    /// - Parameter stepLimit: steps before it has to end.
    func run(stepLimit: Int) async throws(SimulationViolation) -> SimulationCounts {
        trace.note(.life(scenario.configuration))
        machine.surroundings.meanwhile = { [unowned self] in interfere() }
        while checker.counts[.step] < min(stepLimit, scenario.stepCount), stepCount < Self.maxStepCount {
            act()
            try await step()
        }
        try await end()
        for client in clients where !client.isGone { try await listen(client) }
        try checkEmptiness()
        var sum = counts
        sum += checker.counts
        sum.log = SimulationRandom.mix(sum.log ^ model.log ^ UInt64(stepCount))
        sum[.life] += 1
        sum[.copy] += model.copyCount
        sum[.storedToken] += model.storedCount
        return sum
    }

    private func step() async throws(SimulationViolation) {
        let isFailing = random.chance(scenario.failurePermille)
        let start = machine.now
        model.beginStep()
        machine.step(failing: isFailing)
        stepCount += 1
        trace.step = stepCount
        let size = machine.surroundings.size
        if isFailing, size != nil {
            hasFailed = true
            counts[.stepFailure] += 1
            trace.note(.fail)
        }
        machine.surroundings.now += UInt64(random.below(300_000))
        if let violation = violation ?? model.violation { throw violation }
        let listening = checker.live
        note(size)
        try checker.check(machine.scheduler, model, size: size, start: start)
        for number in checker.preempted { trace.note(.preempt(number)) }
        try checkStatistics()
        try await listen(listening)
    }
}

// MARK: - What clients do

extension SimulationLife {
    private func act() {
        if random.chance(scenario.arrivalPermille) { submit(in: stepCount + 1) }
        if scenario.isFlood { submit(scenario.floodRequest(isUrgent: stepCount > 0, &random), in: stepCount + 1) }
        if random.chance(scenario.burstPermille) { for _ in 0..<random.within(2...20) { submit(in: stepCount + 1) } }
        if random.chance(scenario.cancelPermille) { cancel(during: stepCount + 1) }
        if random.chance(scenario.jumpPermille) {
            counts[.clockJump] += 1
            trace.note(.jump)
            machine.surroundings.now += UInt64(random.within(1...3_600_000)) * 1_000_000
        }
    }

    /// - Parameter step: the one that takes it out of the mailbox.
    private func submit(in step: Int) { submit(scenario.request(&random), in: step) }

    private func submit(_ request: GenerationRequest, in step: Int) {
        let habit: SimulationClient.Habit =
            random.chance(850) ? .eager : random.chance(700) ? .every(random.within(2...40)) : .atTheEnd
        let client = SimulationClient(
            machine.mailbox.makeID(), request, arrival: machine.now, habit: habit)
        let queue = queue
        let refusal = machine.refusal(of: request) ?? post(client)
        // While the model computes, who has just started still counts here as waiting.
        if step == stepCount + 1 {
            note { () throws(SimulationViolation) in try checkAdmission(request, refusal, queue: queue) }
        }
        clients.append(client)
        checker.enter(client, isAccepted: refusal == nil, in: step)
        if let refusal { return refuse(client, refusal) }
        counts[.accepted] += 1
        trace.note(.submit(client.number, request))
        let (id, mailbox) = (client.id, machine.mailbox)
        client.sink.onTermination = { if case .cancelled = $0 { mailbox.cancel(id) } }
    }

    /// Keeps what was wrong until the step in which it is thrown.
    private func note(_ check: () throws(SimulationViolation) -> Void) {
        do throws(SimulationViolation) { try check() } catch { violation = violation ?? error }
    }

    private func post(_ client: SimulationClient) -> AdmissionError? {
        do throws(AdmissionError) {
            try machine.mailbox.submit(
                Submission(id: client.id, request: client.request, sink: client.sink, arrival: client.arrival))
            return nil
        } catch { return error }
    }

    private func refuse(_ client: SimulationClient, _ refusal: AdmissionError) {
        switch refusal {
        case .tooLong: counts[.refusedLong] += 1
        case .tooWide: counts[.refusedWide] += 1
        case .queueFull: counts[.refusedFull] += 1
        case .draining: counts[.refusedDraining] += 1
        }
        client.hangUp()
        trace.note(.refuse(client.number, refusal))
    }

    /// What happens while the model computes.
    private func interfere() {
        if random.chance(scenario.cancelPermille / 2) { cancel(during: stepCount + 2) }
        if random.chance(scenario.arrivalPermille / 4) { submit(in: stepCount + 2) }
    }

    /// Somebody hangs up or takes its request back, perhaps too late.
    ///
    /// - Parameter step: the one that takes the command in.
    private func cancel(during step: Int) {
        let isRecent = random.chance(100)
        let candidates = isRecent ? Array(clients.suffix(8).indices) : checker.live
        guard !candidates.isEmpty, let watch = checker.watches[random.pick(candidates)], !watch.client.isGone else {
            return
        }
        let client = watch.client
        let isHangUp = random.chance(400)
        trace.note(.cancel(client.number, isHangUp: isHangUp))
        if isHangUp {
            counts[.hangUp] += 1
            client.hangUp()
        } else {
            client.isCancelled = true
            machine.mailbox.cancel(client.id)
        }
        count(watch)
        checker.watches[client.number - 1]?.cancelStep = min(watch.cancelStep ?? .max, step)
    }

    private func count(_ watch: SimulationWatch) {
        switch watch.state {
        case .submitted: counts[.cancelQueued] += 1
        case .waiting: counts[watch.hasStarted ? .cancelPreempted : .cancelQueued] += 1
        case .running: counts[watch.generatedCount == 0 ? .cancelPrefill : .cancelDecode] += 1
        case .ended: counts[.cancelLate] += 1
        }
    }
}

// MARK: - The end

extension SimulationLife {
    private func end() async throws(SimulationViolation) {
        isDraining = true
        if scenario.endsByStop {
            isStopped = true
            counts[.stop] += 1
            trace.note(.stop)
            machine.mailbox.close(.stop)
        } else {
            counts[.drain] += 1
            trace.note(.drain)
            machine.mailbox.close(.drain)
        }
        let limit = stepCount + drainLimit
        repeat {
            if random.chance(50) { submit(in: stepCount + 1) }
            if random.chance(scenario.cancelPermille) { cancel(during: stepCount + 1) }
            try await step()
            try require(stepCount < limit, 10, "not empty \(drainLimit) steps after the drain")
        } while !machine.isIdle
    }

    /// Each step computes a token of somebody; who is preempted has some to compute again.
    private var drainLimit: Int {
        let owed = checker.live.reduce(0) { sum, index in
            guard let request = checker.watches[index]?.client.request else { return sum }
            return sum + request.promptTokens.count + request.width * request.stop.maxTokens
        }
        return 100 + 20 * owed
    }

    private func checkEmptiness() throws(SimulationViolation) {
        let statistics = machine.mailbox.statistics
        try require(checker.live.isEmpty && statistics.isIdle, 10, "\(checker.live.map { $0 + 1 }) are left")
        try require(
            statistics.freeBlockCount == scenario.configuration.blockCount, 1,
            "\(statistics.freeBlockCount) of \(scenario.configuration.blockCount) blocks are free at the end")
    }

    private func checkStatistics() throws(SimulationViolation) {
        let (statistics, scheduler) = (machine.mailbox.statistics, machine.scheduler)
        let (waitingCount, waitingTokenCount) = queue
        let isTrue =
            statistics.runningCount == scheduler.running.count && statistics.waitingCount == waitingCount
            && statistics.waitingTokenCount == waitingTokenCount
            && statistics.freeBlockCount == scheduler.pool.freeCount
            && statistics.cachedBlockCount == scheduler.pool.cachedCount
        try require(
            isTrue, 3,
            "the statistics say \(statistics.runningCount) run, \(statistics.waitingCount) wait with "
                + "\(statistics.waitingTokenCount) tokens, \(statistics.freeBlockCount) blocks are free, "
                + "\(statistics.cachedBlockCount) of them cached")
    }

    /// Requests that are accepted and do not run, and the tokens of their prompts.
    private var queue: (count: Int, tokenCount: Int) {
        checker.live.reduce((0, 0)) { sum, index in
            guard let watch = checker.watches[index], watch.state == .waiting || watch.state == .submitted else {
                return sum
            }
            return (sum.0 + 1, sum.1 + watch.client.request.promptTokens.count)
        }
    }

    /// Who is refused finds a full queue, and nobody else is.
    private func checkAdmission(
        _ request: GenerationRequest, _ refusal: AdmissionError?, queue: (count: Int, tokenCount: Int)
    ) throws(SimulationViolation) {
        let sizes = scenario.configuration
        let hasRoom =
            queue.count == 0
            || queue.count < sizes.maxWaitingRequests
                && queue.tokenCount + request.promptTokens.count <= sizes.maxWaitingTokens
        switch refusal {
        case nil: try require(hasRoom && !isDraining, 10, "a request is accepted although there is no place")
        case .queueFull: try require(!hasRoom && !isDraining, 5, "a request is refused although there is a place")
        case .draining: try require(isDraining, 10, "a request hears of a drain before it begins")
        case .tooLong, .tooWide: break
        }
    }
}

// MARK: - Listening

extension SimulationLife {
    private func listen(_ indices: [Int]) async throws(SimulationViolation) {
        for index in indices {
            guard let watch = checker.watches[index], !watch.client.isGone else { continue }
            switch watch.client.habit {
            case .eager where watch.state == .running || watch.state == .ended: try await listen(watch.client)
            case .every(let count) where stepCount % count == 0:
                counts[.slowRead] += 1
                try await listen(watch.client)
            case .eager, .every, .atTheEnd: break
            }
        }
    }

    private func listen(_ client: SimulationClient) async throws(SimulationViolation) {
        guard !client.isOver else { return }
        let circumstances = SimulationClient.Circumstances(
            now: machine.now, isStopped: isStopped, hasFailed: hasFailed)
        for event in await client.events() {
            try client.take(event, &oracle, circumstances)
            if case .finished(let choice) = event { note(choice, of: client) }
        }
        guard let watch = checker.watches[client.number - 1] else { return }
        try require(
            client.isOver == (watch.state == .ended), 3,
            client.isOver
                ? "\(client.number) hears its end and is still here" : "\(client.number) is gone without an end")
        if client.isOver { try await finish(client) }
    }

    private func note(_ choice: FinishedChoice, of client: SimulationClient) {
        trace.note(.finish(client.number, choice))
        counts[SimulationCounts.Event(choice.reason)] += 1
        counts.log = SimulationRandom.mix(
            counts.log ^ UInt64(client.number * 4096 + choice.generatedTokenCount * 16 + choice.choice))
    }

    private func finish(_ client: SimulationClient) async throws(SimulationViolation) {
        try client.checkEnd()
        counts[.hit] += client.cachedTokenCount > 0 ? 1 : 0
        counts[.sampledChecked] += client.isBeamSearch ? 0 : client.answers.count
        if client.isCancelled, client.answers.values.contains(where: { $0.reason != .cancelled }) {
            counts[.cancelFinishing] += 1
        }
        // One in four, because each is an engine of its own.
        guard client.isBeamSearch, client.number % 4 == 0, client.deadline == nil else { return }
        counts[.beamsChecked] += 1
        try await SimulationAlone(client.request, tokenizer).check(client)
    }

    private func note(_ size: (tokenCount: Int, rowCount: Int, logitsCount: Int)?) {
        let scheduler = machine.scheduler
        guard size != nil || !scheduler.isIdle else { return }
        trace.note(
            .step(
                tokenCount: size?.tokenCount ?? 0, rowCount: size?.rowCount ?? 0,
                running: scheduler.running.map { Int(clamping: $0.id.number) },
                waiting: scheduler.waiting.map { Int(clamping: $0.id.number) },
                freeCount: scheduler.pool.freeCount, cachedCount: scheduler.pool.cachedCount))
    }
}

extension SimulationCounts.Event {
    init(_ reason: FinishReason) {
        self =
            switch reason {
            case .endOfSequence: .endOfSequence
            case .stopToken: .stopToken
            case .stopString: .stopString
            case .length: .length
            case .maxTime: .maxTime
            case .queueTimeout: .queueTimeout
            case .exhausted: .exhausted
            case .cancelled: .cancelled
            case .failed(DecodingStep.forwardFailure): .failedStep
            case .failed(DecodingStep.logitsFailure): .failedLogits
            case .failed: .failedStop
            }
    }
}
