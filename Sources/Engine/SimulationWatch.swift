import InferenceTypes

/// What the checker remembers of a request from one step to the next.
struct SimulationWatch {
    enum State {
        /// In the mailbox.
        case submitted
        case waiting
        case running
        case ended
    }

    let client: SimulationClient
    var state = State.submitted
    /// Step that takes the command to cancel out of the mailbox; it is gone after it.
    var cancelStep: Int?
    var hasStarted = false
    var isProtected = false
    /// Before the last step.
    var wasProtected = false
    var preemptionCount = 0
    /// Preemptions since it last generated a token.
    var fruitlessCount = 0
    var generatedCount = 0
    var computedCount = 0
    /// Each of its sequences had one token to compute.
    var wasDue = false
    /// Steps without a row while it runs.
    var pauseCount = 0
    /// Starts of younger ones while it waits, since an older one had its turn; nil while it does not.
    var overtakenCount: Int?
    /// What happened to it in the last step.
    var startsInStep = 0
    var preemptionsInStep = 0
    var lastSeenStep = -1
    /// Among whose blocks it may begin: a number for each salt, for itself alone a negative one.
    let scope: Int
    /// Step that takes it out of the mailbox.
    let entryStep: Int

    init(_ client: SimulationClient, scope: Int, entryStep: Int) {
        self.client = client
        self.scope = scope
        self.entryStep = entryStep
    }

    var priority: Int { client.request.scheduling.priority }
    var account: [UInt8]? { client.request.scheduling.account }

    /// The place in the order of urgency that the request has by its own words.
    func isAhead(of other: SimulationWatch) -> Bool {
        (priority, client.number) < (other.priority, other.client.number)
    }
}
