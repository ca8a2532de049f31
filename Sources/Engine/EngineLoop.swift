import InferenceTypes
import Logging
import Tokenization
import Transformer

/// The engine thread's work: one step after the other.
struct EngineLoop {
    /// Heard by requests that a hard stop ends.
    static let stopMessage = "The server is shutting down."

    private let mailbox: Mailbox
    private let tokenizer: Tokenizer
    private let logger: Logger
    private let forwardPass: GenerationEngine.Forward
    private let clock: () -> UInt64
    private(set) var scheduler: Scheduler
    private var decoding = DecodingStep()
    private var statistics = EngineStatistics()
    private var pacer: StepPacer
    private var startRate = StartRate()
    private let maxQueueTime: Duration?
    private var isClosing = false

    init(
        configuration: EngineConfiguration, tokenizer: Tokenizer, logger: Logger, mailbox: Mailbox,
        clock: @escaping () -> UInt64 = EngineStatistics.monotonicNanoseconds,
        forward: @escaping GenerationEngine.Forward
    ) {
        self.mailbox = mailbox
        self.tokenizer = tokenizer
        self.logger = logger
        self.clock = clock
        forwardPass = forward
        scheduler = Scheduler(configuration)
        pacer = StepPacer(configuration.pacing, maxBatchTokens: configuration.maxBatchTokens)
        maxQueueTime = configuration.maxQueueTime
        record()
    }

    /// Steps until the mailbox is closed and everything accepted has ended.
    mutating func run() {
        while !(isClosing && scheduler.isIdle) { step() }
    }

    mutating func step() {
        apply(mailbox.drain())
        let start = clock()
        let expired = scheduler.expire(at: start)
        if !expired.isEmpty { publish(expired) }
        let plan = scheduler.plan(promptTokenLimit: pacer.promptTokenLimit(beside: scheduler.nextTokenCount))
        guard !plan.isEmpty else { return mailbox.wait() }
        for part in plan.parts { part.group.beginComputing(at: start) }
        let logits = forward(plan)
        let outcomes = decoding.decode(logits, plan, now: clock())
        publish(scheduler.commit(plan, outcomes))
        measure(plan, since: start)
    }

    /// What a step took tells how much the next ones may take on, and how long who is refused should stay away.
    private mutating func measure(_ plan: StepPlan, since start: UInt64) {
        let duration = clock() &- start
        pacer.record(
            promptTokenCount: plan.batch.tokenCount - plan.nextTokenCount, nextTokenCount: plan.nextTokenCount,
            duration: duration)
        startRate.record(
            startedCount: scheduler.counts.started, duration: duration, isQueueing: !scheduler.waiting.isEmpty)
    }

    private mutating func apply(_ commands: [EngineCommand]) {
        for command in commands {
            switch command {
            case .submit(let submission): submit(submission)
            case .cancel(let id): publish(scheduler.cancel(id))
            case .drain: isClosing = true
            case .stop:
                isClosing = true
                publish(scheduler.endAll(.failed(Self.stopMessage)))
            }
        }
    }

    /// A request for nothing is complete before it has cost anything.
    private mutating func submit(_ submission: Submission) {
        let group = SequenceGroup(submission, tokenizer: tokenizer, maxQueueTime: maxQueueTime)
        guard submission.request.isEmpty else { return scheduler.submit(group) }
        publish(Scheduler.publications(ending: group, .length))
    }

    /// The only long call. Nil where it threw: the step's groups end with it, the engine does not.
    private mutating func forward(_ plan: StepPlan) -> Logits? {
        statistics.stepCount += 1
        record()
        do {
            let logits = try forwardPass(plan.batch)
            statistics.computedTokenCount += plan.batch.tokenCount
            return logits
        } catch {
            logger.error(
                "forward pass failed",
                metadata: [
                    "error": "\(error)", "rows": "\(plan.batch.rowCount)", "tokens": "\(plan.batch.tokenCount)",
                    "longest_context": "\(plan.batch.contextCounts.max() ?? 0)", "requests": "\(plan.parts.count)",
                ])
            return nil
        }
    }

    /// Statistics first: who hears that a request has ended sees its blocks free.
    private mutating func publish(_ publications: [Publication]) {
        for publication in publications { account(publication) }
        record()
        for publication in publications {
            publication.group.sink.yield(publication.event)
            if publication.isLast { publication.group.sink.finish() }
        }
    }

    private mutating func account(_ publication: Publication) {
        switch publication.event {
        case .delta(let delta): statistics.generatedTokenCount += delta.tokens.count
        case .finished(let choice) where choice.reason == .failed(DecodingStep.logitsFailure):
            logger.error("logits not usable", metadata: ["generated": "\(choice.generatedTokenCount)"])
        case .started, .finished, .prompt, .explained: break
        }
    }

    private mutating func record() {
        statistics.runningCount = scheduler.running.count
        statistics.runningBeamCount = scheduler.running.count(where: \.request.isBeamSearch)
        statistics.waitingCount = scheduler.waiting.count
        statistics.freeBlockCount = scheduler.pool.freeCount
        statistics.totalBlockCount = scheduler.pool.blockCount
        statistics.cachedBlockCount = scheduler.pool.cachedCount
        statistics.waitingTokenCount = scheduler.waitingTokenCount
        statistics.startedCount = scheduler.counts.started
        statistics.preemptionCount = scheduler.counts.preemptions
        statistics.startedPromptTokenCount = scheduler.counts.startedPromptTokens
        statistics.cachedPromptTokenCount = scheduler.counts.cachedPromptTokens
        statistics.retryAfterSeconds = startRate.retryAfterSeconds(waitingCount: scheduler.waiting.count)
        statistics.lastProgressNanoseconds = EngineStatistics.monotonicNanoseconds()
        mailbox.record(statistics)
    }
}
