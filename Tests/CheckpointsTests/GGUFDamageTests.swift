import InferenceTypes
import Testing

@testable import Checkpoints

/// One way to damage a file, and what must be said of it.
struct Damage: Sendable, CustomTestStringConvertible {
    var name: String
    var section: String
    /// A part of the message.
    var message: String
    var change: @Sendable (inout GGUFBuilder) -> Void

    init(
        _ name: String, _ section: String, _ message: String, _ change: @escaping @Sendable (inout GGUFBuilder) -> Void
    ) {
        self.name = name
        self.section = section
        self.message = message
        self.change = change
    }

    var testDescription: String { name }
}

private func array(_ type: UInt32, _ count: UInt64, _ bytes: [UInt8] = []) -> [UInt8] {
    little(type) + little(count) + bytes
}

private let damages: [Damage] = [
    Damage("another magic word", "header", "expected the magic word 'GGUF', found 'GGML'") {
        $0.magic = Array("GGML".utf8)
    },
    Damage("a big-endian file", "header", "found a big-endian file") { $0.version = 3 << 24 },
    Damage("version 1", "header", "expected version 2 or 3, found version 1") { $0.version = 1 },
    Damage("2^64 - 1 tensors", "header", "at most 65536 for the number of tensors") { $0.tensorCount = .max },
    Damage("more keys than bytes", "header", "60000 keys of at least 14 bytes") { $0.keyCount = 60_000 },
    Damage("a key of 65 536 bytes", "keys", "at most 65535 for a key's length") {
        $0.pairs[0].key = [UInt8](repeating: 0x61, count: 65_536)
    },
    Damage("a name of 256 bytes", "tensor table", "at most 255 for a tensor name's length") {
        $0.tensors[0].name = [UInt8](repeating: 0x61, count: 256)
    },
    Damage("an empty key", "keys", "found an empty one") { $0.set("", UInt32(1)) },
    Damage("a key twice", "keys", "'llama.block_count' again") {
        $0.pairs.append((Array("llama.block_count".utf8), 4, little(UInt32(1))))
    },
    Damage("an unknown value type", "keys", "a value type 0 to 12 for 'k', found 13") { $0.set("k", type: 13, [0]) },
    Damage("a bool of 2", "keys", "expected 0 or 1 for 'k', found 2") { $0.set("k", type: 7, [2]) },
    Damage("a number past 2^63", "keys", "below 2^63 for 'k', found 18446744073709551615") {
        $0.set("k", type: 10, little(UInt64.max))
    },
    Damage("a string longer than the file", "keys", "expected 1000000 bytes of a string") {
        $0.set("k", type: 8, little(UInt64(1_000_000)))
    },
    Damage("a string of 2^64 - 1 bytes", "keys", "at most 67108864 for the length of 'k'") {
        $0.set("k", type: 8, little(UInt64.max))
    },
    Damage("an array longer than the file", "keys", "1000000 elements of 'k' of at least 4 bytes") {
        $0.set("k", type: 9, array(4, 1_000_000))
    },
    Damage("an array of 2^62 + 1 numbers", "keys", "at most 67108864 for the number of elements of 'k'") {
        $0.set("k", type: 9, array(4, 1 << 62 + 1))
    },
    Damage("an array of arrays", "keys", "found an array of arrays") { $0.set("k", type: 9, array(9, 1, array(0, 0))) },
    Damage("an empty array of nothing known", "keys", "a value type 0 to 12") { $0.set("k", type: 9, array(99, 0)) },
    Damage("an alignment of 0", "keys", "general.alignment a power of two in 8...65536, found 0") {
        $0.set("general.alignment", UInt32(0))
    },
    Damage("an alignment of 48", "keys", "a power of two in 8...65536, found 48") {
        $0.set("general.alignment", UInt32(48))
    },
    Damage("an alignment in words", "keys", "found no integer") { $0.set("general.alignment", "32") },
    Damage("no dimensions", "tensor table", "1 to 4 dimensions of 'token_embd.weight', found 0") {
        $0.tensors[0].dimensions = []
    },
    Damage("five dimensions", "tensor table", "1 to 4 dimensions of 'token_embd.weight', found 5") {
        $0.tensors[0].dimensions = [2, 2, 2, 2, 2]
    },
    Damage("a dimension of 0", "tensor table", "above 0, found 0") { $0.tensors[0].dimensions = [8, 0] },
    Damage("2^32 by 2^32 elements", "tensor table", "a size below 2^63") {
        $0.tensors[0].dimensions = [1 << 32, 1 << 32]
    },
    Damage("2^62 floats", "tensor table", "a size below 2^63") { $0.tensors[0].dimensions = [1 << 62, 1] },
    Damage("a removed element type", "tensor table", "found type 4") { $0.tensors[0].type = 4 },
    Damage("an element type that we do not read", "tensor table", "found IQ4_XS") { $0.tensors[0].type = 23 },
    Damage("rows that are no whole blocks", "tensor table", "blocks of 256 (Q4_K)") { $0.tensors[0].type = 12 },
    Damage("an offset of 1", "tensor table", "a multiple of 32, found 1") { $0.tensors[10].offset = 1 },
    Damage("an offset of 2^64 - 32", "tensor table", "at most 9223372036854775807 for the offset") {
        $0.tensors[10].offset = UInt64.max - 31
    },
    Damage("an offset past the end", "tensor data", "384 bytes of 'blk.0.ffn_down.weight' at offset 1048576") {
        $0.tensors[10].offset = 1 << 20
    },
    Damage("two tensors on the same bytes", "tensor table", "found 'token_embd.weight' and 'output_norm.weight'") {
        $0.tensors[1].offset = 0
    },
    Damage("a name twice", "tensor table", "'token_embd.weight' again") { $0.tensors[1].name = $0.tensors[0].name },
    Damage("an empty name", "tensor table", "expected a tensor name in UTF-8") { $0.tensors[0].name = [] },
    Damage("a name that is not UTF-8", "tensor table", "found '??'") { $0.tensors[0].name = [0xFF, 0xFE] },
]

@Suite("Damaged GGUF files")
struct GGUFDamageTests {
    @Test("is refused with its section and what was expected", arguments: damages)
    func refused(damage: Damage) {
        var file = GGUFBuilder.tinyLlama
        damage.change(&file)
        let error = checkpointError { _ = try GGUFFile(mapping(file.build())) }
        #expect(error?.file == "model.gguf")
        #expect(error?.section == damage.section)
        #expect(error?.message.contains(damage.message) == true, "\(error?.message ?? "no error")")
    }

    @Test("a file cut anywhere is refused")
    func cut() {
        let whole = GGUFBuilder.tinyLlama.build()
        for count in 0..<whole.count {
            #expect(checkpointError { _ = try GGUFFile(mapping(Array(whole[..<count]))) } != nil, "\(count) bytes")
        }
    }

    @Test("a changed byte before the tensors never ends the process", arguments: [UInt8(0x01), 0x80, 0xFF])
    func changedByte(mask: UInt8) {
        let whole = GGUFBuilder.tinyLlama.build()
        var refusals = 0
        for index in 0..<1200 {
            var bytes = whole
            bytes[index] ^= mask
            if checkpointError({ _ = try Checkpoint(GGUFFile(mapping(bytes))) }) != nil { refusals += 1 }
        }
        // Most bytes carry meaning; the rest spell norms and bases.
        #expect(refusals > 900)
    }
}
