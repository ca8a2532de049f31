import ArgumentParser
import Checkpoints
import Engine
import Foundation
import InferenceTypes
import Tokenization

/// `needletail bench simulate`: the real scheduler and block pool with a scripted model and a virtual clock. Random lives,
/// in which every invariant is checked after every step; or a trace, so that a deployment can be sized on paper.
struct BenchSimulateCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "simulate",
        abstract: "Checks the scheduler against random clients, or serves a trace in virtual time.")

    @Option(help: "Seeds to run, as '0..<1000' (quoted), 0...999, or a single one.")
    var seeds = SeedRange(bounds: 0..<100)

    @Option(help: "Steps of each seed.")
    var steps = 1000

    @Option(help: "Seeds that run at once.")
    var jobs = 1

    @Option(help: "One seed, each action printed.")
    var traceSeed: UInt64?

    @Flag(help: "End at the first seed that fails.")
    var stopAtFirst = false

    @Flag(help: "Print each seed before it runs.")
    var verbose = false

    @OptionGroup(title: "A trace instead of seeds") var replay: ReplayOptions
    @OptionGroup(title: "Sizes that the trace is served with") var modelOptions: ModelOptions

    func validate() throws {
        try check("--steps", steps, 1...10_000_000)
        try check("--jobs", jobs, 1...256)
        try replay.checkUse()
        guard replay.trace == nil || traceSeed == nil && !stopAtFirst && !verbose else {
            throw ValidationError("--trace-seed, --stop-at-first and --verbose are for seeds, not for --trace")
        }
        guard traceSeed == nil || !stopAtFirst && !verbose else {
            throw ValidationError("--trace-seed runs one seed; leave --stop-at-first and --verbose out")
        }
    }

    func run() async throws {
        let tokenizer = try Self.tokenizer()
        if let path = replay.trace { return try await replay.run(path, modelOptions, tokenizer) }
        let simulation = Simulation(tokenizer: tokenizer)
        guard let traceSeed else { return try await runSeeds(simulation) }
        do throws(SimulationFailure) {
            _ = try await simulation.run(seed: traceSeed, steps: steps) { Console.put(Array(($0 + "\n").utf8)) }
        } catch {
            Console.say(error.description)
            throw ExitCode(1)
        }
    }

    private static func tokenizer() throws -> Tokenizer {
        let ends = JSONMember(
            key: Array("eos_token_id".utf8), value: .array([.integer(Int64(SimulationVocabulary.endOfSequence))]))
        return try Tokenizer(
            .files(
                TokenizerFiles(
                    tokenizerJSON: SimulationVocabulary.tokenizerJSON, generationConfiguration: .object([ends]))))
    }
}

// MARK: - Seeds

extension BenchSimulateCommand {
    /// One seed in so many runs twice.
    private static let repeatedSeeds: UInt64 = 16

    private func runSeeds(_ simulation: Simulation) async throws {
        let started = ContinuousClock.now
        var counts = SimulationCounts()
        var failureCount = 0
        await withTaskGroup(of: Result<SimulationCounts, SimulationFailure>.self) { group in
            var next = seeds.bounds.lowerBound
            func launch() {
                guard next < seeds.bounds.upperBound, failureCount == 0 || !stopAtFirst else { return }
                if verbose { Console.say("seed \(next)") }
                group.addTask { [next, steps] in await Self.run(simulation, next, steps) }
                next += 1
            }
            for _ in 0..<jobs { launch() }
            for await result in group {
                switch result {
                case .success(let some): counts += some
                case .failure(let failure):
                    failureCount += 1
                    Console.say(failure.description)
                }
                launch()
            }
        }
        Console.put(Array(table(counts, ContinuousClock.now - started).utf8))
        guard failureCount == 0 else {
            Console.say("\(failureCount) seeds failed")
            throw ExitCode(1)
        }
    }

    private static func run(
        _ simulation: Simulation, _ seed: UInt64, _ steps: Int
    ) async -> Result<SimulationCounts, SimulationFailure> {
        do throws(SimulationFailure) {
            if seed % repeatedSeeds == 0 { try await simulation.checkRepetition(seed: seed, steps: steps) }
            return .success(try await simulation.run(seed: seed, steps: steps))
        } catch { return .failure(error) }
    }

    private func table(_ counts: SimulationCounts, _ duration: Duration) -> String {
        var lines = ["| what happened | times |", "| --- | ---: |"]
        for event in SimulationCounts.Event.allCases { lines.append("| \(event.rawValue) | \(counts[event]) |") }
        lines.append("| steps without a row of one that runs, at most | \(counts.longestPause) |")
        lines.append("| losses of blocks without a token in between, at most | \(counts.mostFruitlessPreemptions) |")
        let rate = Double(counts[.step]) / max(duration / .seconds(1), 0.001)
        lines.append("")
        lines.append(
            "\(Readable.count(Int(exactly: rate.rounded()) ?? 0)) steps a second, "
                + "\(Readable.seconds(duration)); log \(String(counts.log, radix: 16))")
        return lines.joined(separator: "\n") + "\n"
    }
}

/// `0..<1000`, `0...999`, or one seed.
struct SeedRange: ExpressibleByArgument, CustomStringConvertible {
    var bounds: Range<UInt64>

    init(bounds: Range<UInt64>) { self.bounds = bounds }

    init?(argument: String) {
        for (separator, extra) in [("..<", 0), ("...", 1), ("", 1)] as [(String, UInt64)] {
            let ends = separator.isEmpty ? [argument, argument] : argument.components(separatedBy: separator)
            guard ends.count == 2, let first = UInt64(ends[0]), let last = UInt64(ends[1]), last < .max else {
                continue
            }
            guard first < last + extra else { return nil }
            bounds = first..<last + extra
            return
        }
        return nil
    }

    var description: String { "\(bounds.lowerBound)..<\(bounds.upperBound)" }
    var defaultValueDescription: String { description }
}
