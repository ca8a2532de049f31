import CompletionsAPI
import Engine
import Glibc
import InferenceTypes

/// All that `bench serve` is going to do: levels of load, one after the other.
struct BenchServePlan: Sendable {
    var target: BenchTarget
    var addresses: [BenchAddress]
    var workload: BenchWorkload
    var levels: [Level]
    /// But the connections, which each level has of its own.
    var limits: BenchLimits
    var work: String
    var showsPlots: Bool

    struct Level: Sendable, Equatable {
        var name: String
        var requestCount: Int
        var connectionCount: Int
        /// Nanoseconds after the start, for an open loop.
        var arrivals: [UInt64]?
    }

    /// - Throws: `StartError` where the server does not answer at all.
    func run() throws(StartError) -> BenchServeReport {
        let (address, listed) = try greet()
        var workload = workload
        workload.model = workload.model ?? listed
        var report = BenchServeReport(
            machine: .current(threadCount: nil), target: "http://\(target.authority)\(target.base)",
            model: workload.model, work: work, showsPlots: showsPlots)
        let line = ProgressLine()
        var firstIndex = 0
        for level in levels {
            report.results.append(run(level, address, workload, firstIndex, line))
            line.clear()
            // No prompt twice: what the first level left in a cache is not what the second asks. A trace is one level.
            firstIndex += level.requestCount
        }
        return report
    }

    private func run(
        _ level: Level, _ address: BenchAddress, _ workload: BenchWorkload, _ firstIndex: Int, _ line: ProgressLine
    ) -> BenchServeResult {
        var limits = limits
        limits.connectionCount = level.connectionCount
        let source = BenchRequestSource(count: level.requestCount) { index in
            workload.request(firstIndex + index, to: target, arrival: level.arrivals?[index])
        }
        var loop = BenchLoadLoop(address, source, limits) { line.show(level.name, $0) }
        let duration = loop.run()
        // Of a level that ends by time, only those that have come.
        let isTimed = limits.sending < limits.total && level.arrivals == nil
        return BenchServeResult(
            name: level.name, outcomes: loop.outcomes, duration: duration,
            unsentCount: isTimed ? 0 : level.requestCount - loop.outcomes.count)
    }

    /// - Source: a server that lists its models answers at once.
    private static let greetingTimeout: UInt64 = 10_000_000_000

    /// The first address that answers, and the first model that the server lists there.
    private func greet() throws(StartError) -> (BenchAddress, String?) {
        let head = "GET \(target.base)/models HTTP/1.1\r\nHost: \(target.authority)\r\nConnection: close\r\n\r\n"
        let request = BenchRequest(bytes: Array(head.utf8), isStream: false, arrival: nil)
        let limits = BenchLimits(
            connectionCount: 1, sending: Self.greetingTimeout, request: Self.greetingTimeout,
            total: Self.greetingTimeout)
        var failure = "no address"
        for address in addresses {
            var loop = BenchLoadLoop(address, BenchRequestSource(count: 1) { _ in request }, limits)
            _ = loop.run()
            switch loop.outcomes.first?.failure {
            case nil: return (address, Self.firstModel(loop.lastBody))
            // Some servers list no models.
            case .status: return (address, nil)
            case let other?: failure = "\(other)"
            }
        }
        throw StartError("http://\(target.authority) does not answer: \(failure)")
    }

    private static func firstModel(_ body: [UInt8]) -> String? {
        let document = try? JSONParser.parse(body, limits: .modelFile)
        let id = document?["data"]?.asArray?.first?["id"]?.asBytes
        return id.map { String(decoding: $0, as: UTF8.self) }
    }
}

/// Requests by their number, made when they are sent.
struct BenchRequestSource {
    let count: Int
    let make: (Int) -> BenchRequest

    init(count: Int, make: @escaping (Int) -> BenchRequest) {
        self.count = count
        self.make = make
    }
}
