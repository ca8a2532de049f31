/// Names that answers carry so that people can find them in logs.
enum Identifiers {
    /// `cmpl-` and the client's own name for the request, or else 96 random bits.
    static func completion(sent: [UInt8]?, _ random: () -> UInt64) -> String {
        "cmpl-" + (sent.map { String(decoding: $0, as: UTF8.self) } ?? hex(random()) + hex(random()).prefix(8))
    }

    /// For a request whose client did not name it.
    static func request(_ random: () -> UInt64) -> String { "req-" + hex(random()) + hex(random()) }

    /// - Source: a common bound of proxies.
    static let requestByteLimit = 128

    /// Whether a name may stand in a header and a log line as it is.
    static func isHarmless(_ name: some Collection<UInt8>) -> Bool {
        (1...requestByteLimit).contains(name.count) && name.allSatisfy(isSafe)
    }

    private static func isSafe(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "."),
            UInt8(ascii: ":"), UInt8(ascii: "/"), UInt8(ascii: "+"), UInt8(ascii: "="):
            true
        default: false
        }
    }

    /// `system_fingerprint`: the same for as long as the model and the build are the same.
    static func fingerprint(model: String, build: String) -> String {
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        // The zero keeps ("a", "bc") apart from ("ab", "c"). FNV-1a, 64 bits.
        for byte in Array(model.utf8) + [0] + Array(build.utf8) { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
        return "fp_" + hex(hash)
    }

    private static func hex(_ value: UInt64) -> String {
        String(decoding: stride(from: 60, through: 0, by: -4).map { hexDigit(UInt8(value >> $0 & 0xF)) }, as: UTF8.self)
    }
}
