/// Reads little-endian values from memory, each length checked against what remains before it is used.
struct ByteReader {
    let bytes: UnsafeRawBufferPointer
    private(set) var offset = 0
    let fileName: String
    /// Where we are, for messages.
    var section: String

    init(_ bytes: UnsafeRawBufferPointer, fileName: String, section: String) {
        self.bytes = bytes
        self.fileName = fileName
        self.section = section
    }

    var remaining: Int { bytes.count - offset }

    func failure(expected: String, found: String) -> CheckpointError {
        CheckpointError(file: fileName, section: section, expected: expected, found: found)
    }

    mutating func take(_ count: Int, _ what: @autoclosure () -> String) throws(CheckpointError)
        -> UnsafeRawBufferPointer
    {
        guard 0 <= count, count <= remaining else {
            throw failure(expected: "\(count) bytes of \(what()) at byte \(offset)", found: "\(remaining)")
        }
        defer { offset += count }
        return UnsafeRawBufferPointer(rebasing: bytes[offset..<offset + count])
    }

    mutating func integer<T: FixedWidthInteger & BitwiseCopyable>(
        _: T.Type, _ what: @autoclosure () -> String
    ) throws(CheckpointError) -> T {
        T(littleEndian: try take(MemoryLayout<T>.size, what()).loadUnaligned(as: T.self))
    }

    /// A 64-bit count that fits `limit`.
    mutating func count(limit: Int, _ what: @autoclosure () -> String) throws(CheckpointError) -> Int {
        let start = offset
        let value = try integer(UInt64.self, what())
        guard value <= UInt64(limit), let count = Int(exactly: value) else {
            throw failure(expected: "at most \(limit) for \(what()) at byte \(start)", found: "\(value)")
        }
        return count
    }
}
