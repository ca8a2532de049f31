import InferenceTypes
package import Tokenization
import Transformer

/// What a step takes, in nanoseconds.
package struct SimulationCost: Sendable, Equatable {
    /// However small it is.
    package var step: Double
    /// For each token of a prompt, and for each next token.
    package var promptToken: Double
    package var nextToken: Double
    /// For each token that is read from the context of another.
    package var contextToken: Double

    package init(step: Double, promptToken: Double, nextToken: Double, contextToken: Double) {
        self.step = step
        self.promptToken = promptToken
        self.nextToken = nextToken
        self.contextToken = contextToken
    }

    func callAsFunction(_ plan: BatchPlan) -> UInt64 {
        var sum = step
        for row in 0..<plan.rowCount {
            let tokenCount = Double(plan.rowStarts[row + 1] - plan.rowStarts[row])
            sum += tokenCount * (tokenCount > 1 ? promptToken : nextToken)
            // A token reads its own context: on average what comes before the row, and half of the row.
            sum += tokenCount * (Double(plan.contextCounts[row]) - tokenCount / 2) * contextToken
        }
        return UInt64(exactly: sum.rounded()) ?? 0
    }
}

/// A trace, served by the real loop, scheduler and pool with a model that computes nothing and a clock that it is told
/// from a cost.
package struct SimulationReplay {
    private let workload: SimulationWorkload
    private let configuration: EngineConfiguration
    private let machine: SimulationMachine
    private var report = SimulationReplayReport()
    private var tracks: [Int: Track] = [:]
    /// Requests in the engine, by number.
    private var live: [Int] = []
    private var step = 0

    /// What is known of one request.
    private struct Track {
        var entry: Int
        var client: SimulationClient
        var startTime: UInt64?
        var lastTokenTime: UInt64?
        var generatedCount = 0
        var lastSeenStep = 0
    }

    package init(
        _ workload: SimulationWorkload, _ configuration: EngineConfiguration, _ cost: SimulationCost,
        tokenizer: Tokenizer
    ) {
        self.workload = workload
        self.configuration = configuration
        let logits = Logits(vocabularyCount: SimulationVocabulary.count)
        machine = SimulationMachine(
            configuration, tokenizer, cost: { cost($0) },
            compute: { plan in
                // Zeroes: the first token of the vocabulary, again and again.
                logits.resize(rowCount: plan.logitsIndices.count)
                return logits
            })
    }

    /// Serves all of it.
    package mutating func run() async -> SimulationReplayReport {
        let start = machine.now
        var next = 0
        while next < workload.entries.count || !live.isEmpty {
            while next < workload.entries.count, start + workload.entries[next].arrival <= machine.now {
                submit(next, arrival: start + workload.entries[next].arrival)
                next += 1
            }
            if live.isEmpty {
                guard next < workload.entries.count else { break }
                machine.surroundings.now = start + workload.entries[next].arrival
            } else {
                await advance()
            }
        }
        return finish(after: machine.now - start)
    }

    private mutating func submit(_ index: Int, arrival: UInt64) {
        let entry = workload.entries[index]
        let request = GenerationRequest(
            promptTokens: workload.prompt(index), mode: .sampling(SamplingParameters(temperature: 0), choices: 0..<1),
            stop: StopConditions(maxTokens: entry.generatedTokenCount))
        report.requestCount += 1
        guard machine.refusal(of: request) == nil else {
            report.tooLongCount += 1
            return
        }
        let client = SimulationClient(machine.mailbox.makeID(), request, arrival: arrival, habit: .eager)
        do throws(AdmissionError) {
            try machine.mailbox.submit(
                Submission(id: client.id, request: request, sink: client.sink, arrival: arrival))
        } catch {
            report.refusedCount += 1
            return
        }
        tracks[client.number] = Track(entry: index, client: client)
        live.append(client.number)
    }

    private mutating func advance() async {
        step += 1
        let start = machine.now
        machine.step()
        let scheduler = machine.scheduler
        report.stepCount += machine.surroundings.size == nil ? 0 : 1
        report.computedTokenCount += machine.surroundings.size?.tokenCount ?? 0
        report.mostHeldBlocks = max(report.mostHeldBlocks, configuration.blockCount - scheduler.pool.freeCount)
        report.mostRunning = max(report.mostRunning, scheduler.running.count)
        for group in scheduler.running { note(group, isRunning: true, start) }
        for group in scheduler.waiting { note(group, isRunning: false, start) }
        for number in live where tracks[number]?.lastSeenStep != step { await end(number, start) }
        live.removeAll { tracks[$0] == nil }
    }

    private mutating func note(_ group: SequenceGroup, isRunning: Bool, _ start: UInt64) {
        let number = Int(clamping: group.id.number)
        tracks[number]?.lastSeenStep = step
        if isRunning { begin(number, start) }
        if group.generatedTokenCount > tracks[number]?.generatedCount ?? 0 { hear(number) }
    }

    private mutating func begin(_ number: Int, _ time: UInt64) {
        guard let track = tracks[number], track.startTime == nil else { return }
        tracks[number]?.startTime = time
        report.queueTimes.append(time - min(time, track.client.arrival))
    }

    /// A token came.
    private mutating func hear(_ number: Int) {
        guard let track = tracks[number] else { return }
        if let last = track.lastTokenTime {
            report.tokenGaps.append(machine.now - last)
        } else {
            report.firstTokenTimes.append(machine.now - track.client.arrival)
        }
        report.generatedTokenCount += 1
        tracks[number]?.lastTokenTime = machine.now
        tracks[number]?.generatedCount += 1
    }

    private mutating func end(_ number: Int, _ start: UInt64) async {
        defer { tracks[number] = nil }
        guard let track = tracks[number] else { return }
        for case .finished(let choice) in await track.client.events() {
            guard choice.reason == .length else {
                report.timeoutCount += 1
                continue
            }
            begin(number, start)
            hear(number)
            report.finishedEntries.append(track.entry)
        }
    }

    private mutating func finish(after duration: UInt64) -> SimulationReplayReport {
        let counts = machine.scheduler.counts
        report.duration = duration
        report.preemptionCount = counts.preemptions
        report.cachedPromptTokenCount = counts.cachedPromptTokens
        report.promptTokenCount = counts.startedPromptTokens
        let served = Set(report.finishedEntries)
        report.unbounded = workload.unboundedHits(blockSize: configuration.blockSize) { served.contains($0) }
        return report
    }
}
