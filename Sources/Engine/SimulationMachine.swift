import Logging
import Tokenization
import Transformer

/// The real loop, mailbox, scheduler and pool, around a scripted model and a virtual clock, stepped by hand.
final class SimulationMachine {
    /// The model threw.
    struct ForwardError: Error {}

    /// What is around the loop, and is called from inside it.
    final class Surroundings {
        let mailbox: Mailbox
        let compute: (BatchPlan) -> Logits
        let cost: (BatchPlan) -> UInt64
        var now: UInt64 = 1_000_000_000
        var isAwake = false
        var willFail = false
        /// Runs while the model computes, as what other threads do.
        var meanwhile: (() -> Void)?
        /// Of the last step; nil where nothing was to be computed.
        var size: (tokenCount: Int, rowCount: Int, logitsCount: Int)?

        init(mailbox: Mailbox, compute: @escaping (BatchPlan) -> Logits, cost: @escaping (BatchPlan) -> UInt64) {
            self.mailbox = mailbox
            self.compute = compute
            self.cost = cost
        }

        /// The loop sleeps when there is nothing to do. Here nobody would wake it, so that each step finds a command
        /// that means nothing.
        func clock() -> UInt64 {
            if !isAwake { mailbox.cancel(RequestID(number: 0)) }
            isAwake = true
            return now
        }

        func forward(_ plan: BatchPlan) throws -> Logits {
            size = (plan.tokenCount, plan.rowCount, plan.logitsIndices.count)
            now += cost(plan)
            meanwhile?()
            let logits = compute(plan)
            guard !willFail else { throw ForwardError() }
            return logits
        }
    }

    let configuration: EngineConfiguration
    let mailbox: Mailbox
    let surroundings: Surroundings
    private var loop: EngineLoop

    /// - Parameter cost: nanoseconds that a step takes.
    init(
        _ configuration: EngineConfiguration, _ tokenizer: Tokenizer, cost: @escaping (BatchPlan) -> UInt64,
        compute: @escaping (BatchPlan) -> Logits
    ) {
        self.configuration = configuration
        mailbox = Mailbox(
            maxWaitingRequests: configuration.maxWaitingRequests, maxWaitingTokens: configuration.maxWaitingTokens)
        let surroundings = Surroundings(mailbox: mailbox, compute: compute, cost: cost)
        self.surroundings = surroundings
        loop = EngineLoop(
            configuration: configuration, tokenizer: tokenizer,
            logger: Logger(label: "simulation") { _ in SwiftLogNoOpLogHandler() }, mailbox: mailbox,
            clock: { surroundings.clock() }, forward: { try surroundings.forward($0) })
    }

    var scheduler: Scheduler { loop.scheduler }
    var now: UInt64 { surroundings.now }

    func step(failing: Bool = false) {
        surroundings.isAwake = false
        surroundings.size = nil
        surroundings.willFail = failing
        loop.step()
    }

    /// Whether somebody is running or waits, here or in the mailbox.
    var isIdle: Bool { loop.scheduler.isIdle && mailbox.statistics.waitingCount == 0 }

    /// As the engine's front does it.
    func refusal(of request: GenerationRequest) -> AdmissionError? {
        let limit = configuration.maxSequenceTokens
        guard request.promptTokens.count <= limit, request.stop.maxTokens <= limit - request.promptTokens.count else {
            return .tooLong(limit: limit)
        }
        let capacity = configuration.sequenceCapacity(request)
        return request.width <= capacity ? nil : .tooWide(limit: capacity)
    }
}
