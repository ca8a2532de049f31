/// Bytes that have come and are not used yet, with a cursor, and lines cut from them.
///
/// A line is looked for once: bytes that held no line end are not looked at again, so that input which comes byte by
/// byte costs linear time.
struct InputBuffer {
    private(set) var bytes: [UInt8] = []
    private var start = 0
    /// How many bytes after `start` are known to hold no line feed.
    private var scannedCount = 0

    var count: Int { bytes.count - start }
    var isEmpty: Bool { start == bytes.count }
    var first: UInt8? { isEmpty ? nil : bytes[start] }
    var unread: ArraySlice<UInt8> { bytes[start...] }

    mutating func append(_ new: [UInt8]) {
        if isEmpty {
            (bytes, start) = (new, 0)
        } else {
            if start > bytes.count / 2 {
                bytes.removeFirst(start)
                start = 0
            }
            bytes += new
        }
    }

    /// Drops bytes from the front.
    /// - Requires: at most `count`.
    mutating func consume(_ byteCount: Int) {
        start += byteCount
        scannedCount = 0
        if isEmpty { (bytes, start) = ([], 0) }
    }

    enum Line {
        /// Without its CRLF, already consumed.
        case line(ArraySlice<UInt8>)
        case incomplete
        case tooLong
        /// A line feed without a carriage return before it.
        case bareLineFeed
    }

    /// Cuts the next line. The answer depends on the bytes alone, not on the pieces they came in.
    mutating func nextLine(limit: Int) -> Line {
        let end = min(bytes.count, start + limit + 2)
        var index = start + scannedCount
        while index < end, bytes[index] != .lf { index += 1 }
        guard index < end else {
            scannedCount = index - start
            return count >= limit + 2 ? .tooLong : .incomplete
        }
        guard index > start, bytes[index - 1] == .cr else { return .bareLineFeed }
        let line = bytes[start..<(index - 1)]
        consume(index + 1 - start)
        return .line(line)
    }
}
