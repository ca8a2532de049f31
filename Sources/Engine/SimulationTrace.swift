/// Something that happened in a simulation.
enum SimulationAction {
    case life(EngineConfiguration)
    case submit(Int, GenerationRequest)
    case refuse(Int, AdmissionError)
    case cancel(Int, isHangUp: Bool)
    case jump
    case fail
    case drain
    case stop
    case step(tokenCount: Int, rowCount: Int, running: [Int], waiting: [Int], freeCount: Int, cachedCount: Int)
    case preempt(Int)
    case finish(Int, FinishedChoice)
}

extension SimulationAction: CustomStringConvertible {
    var description: String {
        switch self {
        case .life(let sizes):
            "\(sizes.blockCount) blocks of \(sizes.blockSize), context \(sizes.contextCount), "
                + "\(sizes.maxBatchTokens) tokens and \(sizes.maxRunningSequences) sequences in a step, "
                + "\(sizes.maxScoredTokens) scored, \(sizes.maxOvertakes) overtakes, caching \(sizes.cachesPrefixes)"
        case .submit(let number, let request):
            "submit \(number): prompt \(request.promptTokens.count), up to \(request.stop.maxTokens), "
                + "width \(request.width), priority \(request.scheduling.priority), "
                + "account \(request.scheduling.account ?? []), \(request.scheduling.prefixCaching)"
                + (request.report.promptLogprobCount == nil ? "" : ", prompt scored")
        case .refuse(let number, let error): "refuse \(number): \(error)"
        case .cancel(let number, let isHangUp): isHangUp ? "\(number) hangs up" : "cancel \(number)"
        case .jump: "the clock jumps"
        case .fail: "the step fails"
        case .drain: "drain"
        case .stop: "stop"
        case .step(let tokenCount, let rowCount, let running, let waiting, let freeCount, let cachedCount):
            "step: \(tokenCount) tokens in \(rowCount) rows; running \(running), waiting \(waiting), "
                + "\(freeCount) blocks free, \(cachedCount) of them cached"
        case .preempt(let number): "\(number) is preempted"
        case .finish(let number, let choice): "\(number) choice \(choice.choice) ends: \(choice.reason)"
        }
    }
}

/// The last actions, or all of them.
struct SimulationTrace {
    /// - Source: what one reads in one go.
    private static let capacity = 24

    /// Hears each action, where somebody wants to follow.
    let follower: ((String) -> Void)?
    private var actions: [(step: Int, action: SimulationAction)] = []
    private var next = 0
    var step = 0

    init(follower: ((String) -> Void)?) { self.follower = follower }

    mutating func note(_ action: SimulationAction) {
        follower?("\(step)  \(action)")
        if actions.count < Self.capacity {
            actions.append((step, action))
        } else {
            actions[next] = (step, action)
        }
        next = (next + 1) % Self.capacity
    }

    /// Oldest first.
    var lines: [String] {
        let start = actions.count < Self.capacity ? 0 : next
        return (actions[start...] + actions[..<start]).map { "\($0.step)  \($0.action)" }
    }
}
