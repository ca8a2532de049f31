/// Gzip streams written by hand, so that the tests need no compressor.
enum GzipSample {
    /// Stored blocks: the bytes as they are.
    static func stored(_ bytes: [UInt8]) -> [UInt8] {
        var stream = header
        var rest = bytes[...]
        repeat {
            let block = rest.prefix(65535)
            rest = rest.dropFirst(block.count)
            let length = UInt16(block.count)
            stream += [rest.isEmpty ? 1 : 0] + littleEndian(length) + littleEndian(~length) + block
        } while !rest.isEmpty
        return stream + littleEndian(crc32(bytes)) + littleEndian(UInt32(bytes.count))
    }

    /// Zeros, a thousandth of their size: a literal, then runs of 258 at distance 1 in the fixed Huffman code.
    ///
    /// The checksum is wrong: only for what is refused before its end.
    static func zeros(atLeast count: Int) -> [UInt8] {
        var bits = BitWriter()
        bits.write([1, 1, 0])  // last block, fixed code
        bits.write([0, 0, 1, 1, 0, 0, 0, 0])  // literal 0
        for _ in 0..<(count / 258 + 1) { bits.write([1, 1, 0, 0, 0, 1, 0, 1, 0, 0, 0, 0, 0]) }
        bits.write([0, 0, 0, 0, 0, 0, 0])  // end of block
        return header + bits.finish() + [UInt8](repeating: 0, count: 8)
    }

    /// 100 MB in 0.6 MB.
    static let bomb = zeros(atLeast: 100_000_000)

    private static let header: [UInt8] = [0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 3]

    private static func littleEndian<Number: FixedWidthInteger>(_ number: Number) -> [UInt8] {
        withUnsafeBytes(of: number.littleEndian) { [UInt8]($0) }
    }

    private static func crc32(_ bytes: [UInt8]) -> UInt32 {
        var crc = UInt32.max
        for byte in bytes {
            crc ^= UInt32(byte)
            for _ in 0..<8 { crc = crc & 1 == 1 ? crc >> 1 ^ 0xEDB8_8320 : crc >> 1 }
        }
        return ~crc
    }

    private struct BitWriter {
        private var bytes: [UInt8] = []
        private var current: UInt8 = 0
        private var count: UInt8 = 0

        mutating func write(_ bits: [UInt8]) {
            for bit in bits {
                current |= bit << count
                count += 1
                if count == 8 {
                    bytes.append(current)
                    (current, count) = (0, 0)
                }
            }
        }

        func finish() -> [UInt8] { count == 0 ? bytes : bytes + [current] }
    }
}
