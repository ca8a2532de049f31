/// A text as scalars with their classes, and where each begins in the bytes.
struct ScalarText {
    let bytes: [UInt8]
    private(set) var scalars: [UInt32] = []
    private(set) var classes: [ScalarClass] = []
    /// Byte offset of each scalar, and the text's length at the end.
    private(set) var offsets: [Int32] = []

    var count: Int { scalars.count }

    /// - Requires: well-formed UTF-8.
    init(_ bytes: [UInt8]) {
        self.bytes = bytes
        reserve(bytes.count)
        bytes.withUnsafeBufferPointer { bytes in
            var index = 0
            while index < bytes.count {
                offsets.append(Int32(index))
                append(Self.scalar(bytes, &index))
            }
        }
        offsets.append(Int32(bytes.count))
    }

    /// Each byte as the scalar that the byte-level alphabet gives it: what pre-tokenisers that come after `ByteLevel`
    /// see.
    init(standInsFor bytes: [UInt8]) {
        self.bytes = bytes
        reserve(bytes.count)
        for (index, byte) in bytes.enumerated() {
            offsets.append(Int32(index))
            append(ByteLevelAlphabet.scalars[Int(byte)])
        }
        offsets.append(Int32(bytes.count))
    }

    private mutating func reserve(_ count: Int) {
        scalars.reserveCapacity(count)
        classes.reserveCapacity(count)
        offsets.reserveCapacity(count + 1)
    }

    private mutating func append(_ scalar: UInt32) {
        scalars.append(scalar)
        classes.append(ScalarClass.of(scalar))
    }

    @inline(__always)
    private static func scalar(_ bytes: UnsafeBufferPointer<UInt8>, _ index: inout Int) -> UInt32 {
        let lead = bytes[index]
        let length = min(utf8Length(lead), bytes.count - index)
        var value = length == 1 ? UInt32(lead) : UInt32(lead) & (0xFF >> UInt32(length + 1))
        for offset in 1..<max(length, 1) { value = value << 6 | UInt32(bytes[index + offset] & 0x3F) }
        index += length
        return value
    }

    /// The bytes of a range of scalars.
    func byteRange(_ range: Range<Int>) -> Range<Int> {
        Int(offsets[range.lowerBound])..<Int(offsets[range.upperBound])
    }
}
