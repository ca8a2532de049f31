import Engine
import HTTPCodec
import Tenancy

/// Pulls a streamed answer, one piece for each call. An actor, because the body of a response may be read from any task.
actor CompletionPull {
    private let merger: EventMerger
    private var stream: CompletionStream
    private let keeper: RecordKeeper
    private let live: LiveCompletions.Entry
    private let ticket: Ticket?
    /// Nothing was said since the clock's last tick.
    private var isSilent = true
    /// The status was said.
    private var isHeadSent = false
    /// Said before the body was asked for.
    private var opening: [UInt8] = []

    init(
        _ merger: EventMerger, _ stream: CompletionStream, _ start: RecordKeeper.Start, _ live: LiveCompletions.Entry
    ) {
        self.merger = merger
        self.stream = stream
        self.live = live
        ticket = start.ticket
        keeper = RecordKeeper(start)
    }

    /// Returns when the engine has said something of the answer, or the clock has ticked since the request started: from
    /// then on the answer is a stream, whose status is sent.
    ///
    /// - Parameter opensWaiting: a tick will do though the request waits, for its wait has no end that needs a status.
    /// - Throws: what is wrong when the first thing that the engine says is an error.
    func open(opensWaiting: Bool) async throws(APIError) {
        var ticks = opensWaiting
        while let item = await merger.next() {
            switch item {
            case .event(.started, _, _):
                keeper.hear(item)
                ticks = true
            case .tick where !ticks: continue
            default:
                opening = await take(item)
                if let failure = stream.failure { throw failure }
                return
            }
        }
        // Only a client that hung up ends the merger; nobody reads this.
        throw .endedEarly
    }

    func next() async -> [UInt8]? {
        isHeadSent = true
        guard opening.isEmpty else {
            defer { opening = [] }
            return opening
        }
        while !stream.isFinished, let item = await merger.next() {
            let bytes = await take(item)
            if !bytes.isEmpty { return bytes }
        }
        return nil
    }

    private func take(_ item: EventMerger.Item) async -> [UInt8] {
        keeper.hear(item)
        let bytes = bytes(for: item)
        keeper.take(stream.usage, isFinished: stream.isFinished)
        if let failure = stream.failure { keeper.fail(failure, isHeadSent: isHeadSent) }
        if stream.isFinished {
            merger.stop()
            await live.end()
            // A failure of ours costs nothing; a hang-up looks like one.
            let isFailure = stream.failure != nil && !Task.isCancelled
            await ticket?.end(used: isFailure ? 0 : stream.usage.tokenCount)
        }
        return bytes
    }

    /// A silence becomes a comment after one to two intervals: beams may have nothing to say for long, at any time.
    private func bytes(for item: EventMerger.Item) -> [UInt8] {
        let bytes: [UInt8]
        switch item {
        case .tick:
            defer { isSilent = true }
            return isSilent ? ServerSentEvents.ping : []
        case .event(let event, let run, _): bytes = stream.receive(event, run: run)
        case .ended(let run): bytes = stream.receiveEnd(run: run)
        }
        if !bytes.isEmpty { isSilent = false }
        return bytes
    }
}
