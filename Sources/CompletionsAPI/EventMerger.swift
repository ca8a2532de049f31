import Engine

/// The engine's streams for one call, and a clock, as one stream in order of arrival.
///
/// Each source has a task that forwards it. Cancelling the task that reads, or letting go of the merger, cancels those
/// tasks, which ends every engine stream, which frees the blocks.
final class EventMerger: Sendable {
    enum Item: Sendable {
        /// - Parameter at: when the engine said it, by the merger's clock.
        case event(GenerationEvent, run: Int, at: Duration)
        /// The events of this run ended.
        case ended(run: Int)
        /// Another interval passed.
        case tick
    }

    private let items: AsyncStream<Item>
    private let continuation: AsyncStream<Item>.Continuation

    /// - Parameter uptime: tells when the engine said something, however late it is read.
    /// - Requires: `clock`, when there is one, returns after one interval and throws when cancelled.
    init(
        _ streams: [AsyncStream<GenerationEvent>], uptime: @escaping @Sendable () -> Duration,
        clock pause: (@Sendable () async throws -> Void)? = nil
    ) {
        let (items, continuation) = AsyncStream.makeStream(of: Item.self)
        let forwarders = streams.enumerated().map { index, events in
            Task {
                for await event in events { continuation.yield(.event(event, run: index, at: uptime())) }
                continuation.yield(.ended(run: index))
            }
        }
        let clock = pause.map { pause in
            Task {
                while !Task.isCancelled, (try? await pause()) != nil { continuation.yield(.tick) }
            }
        }
        continuation.onTermination = { _ in
            for forwarder in forwarders { forwarder.cancel() }
            clock?.cancel()
        }
        self.items = items
        self.continuation = continuation
    }

    deinit { continuation.finish() }

    /// The next item; nil once the reading task is cancelled. One reader at a time.
    func next() async -> Item? {
        var iterator = items.makeAsyncIterator()
        return await iterator.next()
    }

    /// Ends every source.
    func stop() { continuation.finish() }
}
