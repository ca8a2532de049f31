import CZlib
import HTTPTypes

/// How a request's body is compressed.
///
/// - Source: RFC 9110 8.4.1.
package enum ContentCoding: Sendable, Equatable {
    case identity
    case gzip
    case deflate

    /// A single coding; nil for one we do not speak, or for several.
    init?(_ value: ArraySlice<UInt8>) {
        if value.equalsIgnoringCase("gzip") || value.equalsIgnoringCase("x-gzip") {
            self = .gzip
        } else if value.equalsIgnoringCase("deflate") {
            self = .deflate
        } else if value.equalsIgnoringCase("identity") {
            self = .identity
        } else {
            return nil
        }
    }

    /// Inflates a whole body. Never makes more than the limit and one step (64 KiB), whatever the input promises.
    ///
    /// - Throws: 413 past `limits.bodyByteCount`, 400 when the data is damaged, cut off or followed by other bytes.
    /// - Source: RFC 1952 (members may follow one another), RFC 1950.
    package func decode(_ body: [UInt8], limits: HTTPLimits) throws(HTTPError) -> [UInt8] {
        guard self != .identity, !body.isEmpty else { return body }
        var stream = z_stream()
        // 15 is the window of the formats (32 KiB); 16 more asks zlib for the gzip wrapper.
        let windowBits: Int32 = self == .gzip ? 15 + 16 : 15
        guard inflateInit2_(&stream, windowBits, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size)) == Z_OK else {
            throw HTTPError(.internalServerError, "The request body could not be inflated.")
        }
        defer { inflateEnd(&stream) }
        var input = body
        var result: Result<[UInt8], HTTPError> = .success([])
        input.withUnsafeMutableBufferPointer { bytes in
            stream.next_in = bytes.baseAddress
            // A body is at most 8 MiB by its own limit; a larger one is cut here and then refused as cut off.
            stream.avail_in = UInt32(clamping: bytes.count)
            result = Self.inflateAll(&stream, limits: limits, allowsMembers: self == .gzip)
        }
        return try result.get()
    }

    private static func inflateAll(
        _ stream: inout z_stream, limits: HTTPLimits, allowsMembers: Bool
    ) -> Result<[UInt8], HTTPError> {
        let damaged = HTTPError.malformed("The compressed request body is damaged.")
        let stepByteCount = 64 << 10
        var output: [UInt8] = []
        var step = [UInt8](repeating: 0, count: stepByteCount)
        while true {
            let status = step.withUnsafeMutableBufferPointer { room in
                stream.next_out = room.baseAddress
                stream.avail_out = UInt32(stepByteCount)
                return inflate(&stream, Z_NO_FLUSH)
            }
            let madeCount = stepByteCount - Int(stream.avail_out)
            output += step.prefix(madeCount)
            if output.count > limits.bodyByteCount { return .failure(.bodyTooLarge(limits)) }
            switch status {
            case Z_STREAM_END where stream.avail_in == 0:
                return .success(output)
            case Z_STREAM_END where allowsMembers && inflateReset(&stream) == Z_OK:
                continue
            case Z_OK where madeCount > 0 || stream.avail_in > 0:
                continue
            default:
                return .failure(damaged)
            }
        }
    }
}
