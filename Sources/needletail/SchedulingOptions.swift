import ArgumentParser
import Engine

/// Who is served when, and who waits.
struct SchedulingOptions: ParsableArguments {
    @Option(help: "Tokens of the prompts that wait; a request that would make them more is refused with 429.")
    var maxWaitingTokens = EngineConfiguration.standard.maxWaitingTokens

    @Option(help: "Seconds that a request waits for its turn before it is answered 503; 0 waits for ever.")
    var maxQueueSeconds = 60

    @Option(help: "Requests that may start before an older one that waits, whatever their priority.")
    var maxOvertakes = EngineConfiguration.standard.maxOvertakes

    @Flag(inversion: .prefixedNo, help: "Keep computed beginnings of prompts for later requests.")
    var prefixCache = true

    @Option(help: "Milliseconds that a step may take while prompts arrive; 0 sets no target.")
    var stepTargetMs: Double?

    @Option(help: "The same as a multiple of what the step takes without prompts; 2 when neither is given.")
    var stepStretch: Double?

    func validate() throws {
        try check("--max-waiting-tokens", maxWaitingTokens, 1...1_073_741_824)
        try check("--max-queue-seconds", maxQueueSeconds, 0...86_400)
        try check("--max-overtakes", maxOvertakes, 0...65_536)
        try check("--step-target-ms", stepTargetMs, 0...60_000)
        try check("--step-stretch", stepStretch, 1...1000)
        guard stepTargetMs == nil || stepStretch == nil else {
            throw ValidationError("--step-target-ms and --step-stretch say the same thing; give one of them")
        }
    }

    func apply(to configuration: inout EngineConfiguration) {
        configuration.maxWaitingTokens = maxWaitingTokens
        configuration.maxQueueTime = maxQueueSeconds == 0 ? nil : .seconds(maxQueueSeconds)
        configuration.maxOvertakes = maxOvertakes
        configuration.cachesPrefixes = prefixCache
        if let stepTargetMs {
            configuration.pacing = stepTargetMs == 0 ? .unlimited : .absolute(.milliseconds(stepTargetMs))
        } else if let stepStretch {
            configuration.pacing = .relative(stepStretch)
        }
    }
}

extension EngineConfiguration {
    /// What the engine takes where nothing is said.
    static let standard = EngineConfiguration(blockCount: 0, contextCount: 0)
}

/// - Throws: `ValidationError` that names the flag and its range.
func check<Value: Comparable & CustomStringConvertible>(
    _ name: String, _ value: Value?, _ range: ClosedRange<Value>
) throws {
    guard let value, !range.contains(value) else { return }
    throw ValidationError("\(name) must be in \(range.lowerBound)…\(range.upperBound), got \(value)")
}
