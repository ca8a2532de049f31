/// Lets well-formed UTF-8 through in whole scalars, holds an unfinished scalar back, and puts U+FFFD for what can
/// become no scalar.
struct UTF8Repairer: Sendable {
    /// How many U+FFFD ill-formed bytes make.
    enum Policy: Sendable {
        /// One for each maximal part of a scalar (Unicode's recommendation, Rust and Swift).
        case perPart
        /// One for each byte (SentencePiece).
        case perByte
    }

    let policy: Policy
    /// The beginning of a scalar: at most three bytes, all of which could still become one.
    private var held: [UInt8] = []

    init(policy: Policy) { self.policy = policy }

    static let replacement: [UInt8] = [0xEF, 0xBF, 0xBD]

    mutating func append(_ bytes: some Sequence<UInt8>, into output: inout [UInt8]) {
        for byte in bytes { append(byte, into: &output) }
    }

    /// What is held back can become nothing any more.
    mutating func finish(into output: inout [UInt8]) { replaceHeld(into: &output) }

    private mutating func append(_ byte: UInt8, into output: inout [UInt8]) {
        if held.isEmpty {
            if byte < 0x80 {
                output.append(byte)
            } else if utf8Length(byte) > 1 {
                held.append(byte)
            } else {
                output.append(contentsOf: Self.replacement)
            }
            return
        }
        guard isContinuation(byte) else {
            replaceHeld(into: &output)
            append(byte, into: &output)
            return
        }
        held.append(byte)
        if held.count == utf8Length(held[0]) {
            output.append(contentsOf: held)
            held.removeAll(keepingCapacity: true)
        }
    }

    /// Whether a byte may follow what is held.
    private func isContinuation(_ byte: UInt8) -> Bool {
        if held.count > 1 { return byte & 0xC0 == 0x80 }
        return switch held[0] {
        case 0xE0: (0xA0...0xBF).contains(byte)
        case 0xED: (0x80...0x9F).contains(byte)
        case 0xF0: (0x90...0xBF).contains(byte)
        case 0xF4: (0x80...0x8F).contains(byte)
        default: byte & 0xC0 == 0x80
        }
    }

    private mutating func replaceHeld(into output: inout [UInt8]) {
        let count = policy == .perByte ? held.count : min(held.count, 1)
        for _ in 0..<count { output.append(contentsOf: Self.replacement) }
        held.removeAll(keepingCapacity: true)
    }
}
