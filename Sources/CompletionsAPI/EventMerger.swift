import Engine

/// The engine streams of one request, and a clock while it is silent, as one stream in order of arrival.
///
/// Each source has a task that forwards it. Cancelling the task that reads, or letting go of the merger, cancels those
/// tasks, which ends every engine stream, which frees the blocks.
final class EventMerger: Sendable {
    enum Item: Sendable {
        case event(GenerationEvent, prompt: Int)
        /// The engine stream of this prompt ended.
        case ended(prompt: Int)
        /// Another interval passed before `silenceClock()`.
        case tick
    }

    private let items: AsyncStream<Item>
    private let continuation: AsyncStream<Item>.Continuation
    private let clock: Task<Void, Never>?

    /// - Requires: `clock`, when there is one, returns after one interval and throws when cancelled.
    init(_ streams: [AsyncStream<GenerationEvent>], clock pause: (@Sendable () async throws -> Void)? = nil) {
        let (items, continuation) = AsyncStream.makeStream(of: Item.self)
        let forwarders = streams.enumerated().map { index, events in
            Task {
                for await event in events { continuation.yield(.event(event, prompt: index)) }
                continuation.yield(.ended(prompt: index))
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
        self.clock = clock
    }

    deinit { continuation.finish() }

    /// The next item; nil once the reading task is cancelled. One reader at a time.
    func next() async -> Item? {
        var iterator = items.makeAsyncIterator()
        return await iterator.next()
    }

    func silenceClock() { clock?.cancel() }

    /// Ends every source.
    func stop() { continuation.finish() }
}
