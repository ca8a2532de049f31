import CKernels

/// A checksum of a few bytes, XXH64: for accidents, not against who wants to deceive.
package func digest(_ bytes: UnsafeRawBufferPointer) -> UInt64 {
    // The checksum of nothing looks at nothing.
    guard let base = bytes.baseAddress else { return withUnsafeBytes(of: UInt8(0)) { nt_digest($0.baseAddress, 0) } }
    return nt_digest(base, bytes.count)
}

/// A checksum of much memory that comes in runs: that of the checksums of its pieces, so that all threads share the work
/// and the result knows nothing of how many there are.
package struct PieceDigest {
    /// Bytes of a piece. Each run but the last is whole pieces.
    package static let pieceByteCount = 1 << 20

    private var digests: [UInt64] = []

    package init() {}

    /// Takes the next run in, all threads together.
    package mutating func add(_ bytes: UnsafeRawBufferPointer, _ workers: Workers) {
        guard let base = bytes.baseAddress, !bytes.isEmpty else { return }
        let start = digests.count
        digests += repeatElement(0, count: (bytes.count + Self.pieceByteCount - 1) / Self.pieceByteCount)
        digests.withUnsafeMutableBufferPointer { all in
            nt_digest_pieces(workers.handle, base, bytes.count, Self.pieceByteCount, all.baseAddress.map { $0 + start })
        }
    }

    package var value: UInt64 { digests.withUnsafeBytes { digest($0) } }
}
