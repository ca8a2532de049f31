import Glibc
package import HTTPCodec
package import Telemetry

/// Settings of the API.
package struct ServiceConfiguration: Sendable {
    package enum UnknownFields: Sendable {
        /// Answered, and named in the response header `x-ignored-params`.
        case ignore
        /// 400.
        case refuse
    }

    /// What was built, part of `system_fingerprint`: another build may answer the same seed with other text.
    package var build: String
    package var unknownFields: UnknownFields
    /// - Source: reliability.md section 9: proxies give up on a stream that is silent for longer.
    package var pingInterval: Duration
    /// `/metrics` is answered here, where there are metrics; else only by `respondToScrape`.
    package var servesMetrics = true
    /// Bounds of the HTTP layer; here, of what a compressed body may grow to.
    package var limits: HTTPLimits

    package init(
        build: String, unknownFields: UnknownFields = .ignore, pingInterval: Duration = .seconds(15),
        limits: HTTPLimits = HTTPLimits()
    ) {
        self.build = build
        self.unknownFields = unknownFields
        self.pingInterval = pingInterval
        self.limits = limits
    }
}

/// Clock, randomness and waiting, handed in so that tests decide them.
package struct ServiceEnvironment: Sendable {
    /// - Units: seconds since 1970.
    package var now: @Sendable () -> Int64
    package var random: @Sendable () -> UInt64
    /// Returns after the duration, or throws when its task is cancelled.
    package var pause: @Sendable (Duration) async throws -> Void
    /// A clock that nobody sets, from any start.
    package var uptime: @Sendable () -> Duration
    /// Hears of each admitted completion once, when it is over.
    package var report: @Sendable (CompletionRecord) -> Void
    /// Hears of each other request once, when it is answered.
    package var reportOther: @Sendable (RequestRecord) -> Void = { _ in }
    /// Where everything is counted; nil counts nothing.
    package var metrics: MetricRegistry?
    /// For the ids of traces and requests. Apart from `random`, so that answers do not depend on it.
    package var traceRandom: @Sendable () -> UInt64 = { UInt64.random(in: .min ... .max) }

    package init(
        now: @escaping @Sendable () -> Int64, random: @escaping @Sendable () -> UInt64,
        pause: @escaping @Sendable (Duration) async throws -> Void,
        uptime: @escaping @Sendable () -> Duration = { .zero },
        report: @escaping @Sendable (CompletionRecord) -> Void = { _ in }
    ) {
        self.now = now
        self.random = random
        self.pause = pause
        self.uptime = uptime
        self.report = report
    }

    /// The machine's.
    package static func system(report: @escaping @Sendable (CompletionRecord) -> Void) -> ServiceEnvironment {
        let start = ContinuousClock.now
        return ServiceEnvironment(
            now: { Int64(time(nil)) },
            random: { UInt64.random(in: .min ... .max) },
            pause: { try await Task.sleep(for: $0) },
            uptime: { ContinuousClock.now - start },
            report: report)
    }
}
