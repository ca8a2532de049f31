/// Bytes on their way to a client, and since when it has taken none.
struct SendBuffer {
    /// Appended to by the connection machine.
    var bytes: [UInt8] = []
    private var sentCount = 0
    /// Since when bytes wait that the client could have taken: its last progress, or the first refusal after that.
    private(set) var waitingSince: Duration?

    var isEmpty: Bool { sentCount == bytes.count }
    var count: Int { bytes.count - sentCount }

    /// Calls `send` with the bytes that wait.
    func withPending<Result>(_ send: (UnsafeRawBufferPointer) -> Result) -> Result {
        bytes.withUnsafeBytes { send(UnsafeRawBufferPointer(rebasing: $0[sentCount...])) }
    }

    mutating func didSend(_ byteCount: Int, now: Duration) {
        sentCount += byteCount
        waitingSince = isEmpty ? nil : now
        if isEmpty {
            (bytes, sentCount) = ([], 0)
        } else if sentCount > bytes.count / 2 {
            bytes.removeFirst(sentCount)
            sentCount = 0
        }
    }

    /// The socket takes no more for now.
    mutating func didStall(now: Duration) {
        if waitingSince == nil { waitingSince = now }
    }
}
