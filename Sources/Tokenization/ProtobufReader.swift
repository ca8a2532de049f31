/// Reads the fields of one protocol-buffer message; every length is checked against what is left.
///
/// - Source: protobuf.dev, "Encoding".
struct ProtobufReader {
    /// The value of a field, as far as the wire tells.
    enum Value {
        case varint(UInt64)
        case fixed64
        case bytes(Range<Int>)
        case fixed32(UInt32)
    }

    private let message: [UInt8]
    private var position: Int
    private let end: Int

    init(_ message: [UInt8], _ range: Range<Int>? = nil) {
        self.message = message
        position = range?.lowerBound ?? 0
        end = range?.upperBound ?? message.count
    }

    /// The next field, nil at the end.
    mutating func next() throws(TokenizerError) -> (field: UInt64, value: Value)? {
        guard position < end else { return nil }
        let key = try varint()
        switch key & 7 {
        case 0: return (key >> 3, .varint(try varint()))
        case 1:
            _ = try skip(8)
            return (key >> 3, .fixed64)
        case 2:
            let count = try varint()
            return (key >> 3, .bytes(try skip(Int(clamping: count))))
        case 5:
            let range = try skip(4)
            let word = range.reversed().reduce(UInt32(0)) { $0 << 8 | UInt32(message[$1]) }
            return (key >> 3, .fixed32(word))
        default: throw failure("unknown wire type \(key & 7)")
        }
    }

    func bytes(_ range: Range<Int>) -> [UInt8] { Array(message[range]) }

    private mutating func skip(_ count: Int) throws(TokenizerError) -> Range<Int> {
        guard count <= end - position else {
            throw failure("a field of \(count) bytes where \(end - position) are left")
        }
        defer { position += count }
        return position..<position + count
    }

    private mutating func varint() throws(TokenizerError) -> UInt64 {
        var value: UInt64 = 0
        for shift in stride(from: UInt64(0), to: 70, by: 7) {
            guard position < end else { throw failure("a number that does not end") }
            let byte = message[position]
            position += 1
            if shift < 64 { value |= UInt64(byte & 0x7F) << shift }
            if byte < 0x80 { return value }
        }
        throw failure("a number of more than ten bytes")
    }

    private func failure(_ message: String) -> TokenizerError {
        TokenizerError("tokenizer.model: at byte \(position): \(message); expected a SentencePiece model")
    }
}
