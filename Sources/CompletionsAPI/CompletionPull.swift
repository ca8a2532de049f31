import HTTPCodec

/// Pulls a streamed answer, one piece for each call. An actor, because the body of a response may be read from any task.
actor CompletionPull {
    private let merger: EventMerger
    private var stream: CompletionStream
    private let keeper: RecordKeeper
    private let live: LiveCompletions.Entry
    /// Nothing was said since the clock's last tick.
    private var isSilent = true

    init(
        _ merger: EventMerger, _ stream: CompletionStream, _ record: CompletionRecord, _ live: LiveCompletions.Entry,
        _ environment: ServiceEnvironment
    ) {
        self.merger = merger
        self.stream = stream
        self.live = live
        keeper = RecordKeeper(record, environment)
    }

    func next() async -> [UInt8]? {
        while !stream.isFinished, let item = await merger.next() {
            let bytes = bytes(for: item)
            keeper.take(stream.usage, isFinished: stream.isFinished)
            if stream.hasFailed { keeper.fail() }
            if stream.isFinished {
                merger.stop()
                await live.end()
            }
            if !bytes.isEmpty { return bytes }
        }
        return nil
    }

    /// A silence becomes a comment after one to two intervals: beams may have nothing to say for long, at any time.
    private func bytes(for item: EventMerger.Item) -> [UInt8] {
        let bytes: [UInt8]
        switch item {
        case .tick:
            defer { isSilent = true }
            return isSilent ? ServerSentEvents.ping : []
        case .event(let event, let run): bytes = stream.receive(event, run: run)
        case .ended(let run): bytes = stream.receiveEnd(run: run)
        }
        if !bytes.isEmpty { isSilent = false }
        return bytes
    }
}
