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
    private var scheduler: Scheduler
    private var decoding: DecodingStep
    private var statistics = EngineStatistics()
    private var isClosing = false

    init(
        configuration: EngineConfiguration, tokenizer: Tokenizer, logger: Logger, mailbox: Mailbox,
        forward: @escaping GenerationEngine.Forward
    ) {
        self.mailbox = mailbox
        self.tokenizer = tokenizer
        self.logger = logger
        forwardPass = forward
        scheduler = Scheduler(configuration)
        decoding = DecodingStep(endOfSequence: tokenizer.endOfSequence)
        record()
    }

    /// Steps until the mailbox is closed and everything accepted has ended.
    mutating func run() {
        while !(isClosing && scheduler.isIdle) { step() }
    }

    mutating func step() {
        apply(mailbox.drain())
        let plan = scheduler.plan()
        guard !plan.isEmpty else { return mailbox.wait() }
        let logits = forward(plan)
        let outcomes = decoding.decode(logits, plan)
        publish(scheduler.commit(plan, outcomes))
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

    /// A request for no tokens is complete before it has cost anything.
    private mutating func submit(_ submission: Submission) {
        let group = SequenceGroup(submission, tokenizer: tokenizer)
        guard submission.request.maxTokens == 0 else { return scheduler.submit(group) }
        publish([Publication(group: group, event: .finished(choice: 0, reason: .length), isLast: true)])
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
        case .finished(_, .failed(DecodingStep.logitsFailure)):
            let position = publication.group.sequences.map(\.tokens.count).max() ?? 0
            logger.error("logits not usable", metadata: ["position": "\(position)"])
        case .finished: break
        }
    }

    private mutating func record() {
        statistics.runningCount = scheduler.running.count
        statistics.waitingCount = scheduler.waiting.count
        statistics.freeBlockCount = scheduler.pool.freeCount
        statistics.totalBlockCount = scheduler.pool.blockCount
        statistics.lastProgressNanoseconds = EngineStatistics.monotonicNanoseconds()
        mailbox.record(statistics)
    }
}
