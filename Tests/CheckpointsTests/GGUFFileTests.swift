import Foundation
import InferenceTypes
import Testing

@testable import Checkpoints

@Suite("GGUF files")
struct GGUFFileTests {
    @Test("keys of each type come out as they were written", arguments: [UInt32(2), 3])
    func keys(version: UInt32) throws {
        var file = GGUFBuilder(version: version)
        file.set("u8", type: 0, [200])
        file.set("i8", type: 1, [0xFF])
        file.set("u16", type: 2, little(UInt16(65_535)))
        file.set("i16", type: 3, little(Int16(-2)))
        file.set("u32", UInt32.max)
        file.set("i32", type: 5, little(Int32(-3)))
        file.set("f32", float: 1.5)
        file.set("bool", type: 7, [1])
        file.set("text", "é")
        file.set("u64", type: 10, little(UInt64(Int64.max)))
        file.set("i64", type: 11, little(Int64.min))
        file.set("f64", type: 12, little(Double(0.1).bitPattern))
        file.set(
            "words", type: 9, little(UInt32(8)) + little(UInt64(2)) + GGUFBuilder.string("a") + GGUFBuilder.string(""))
        file.set("scores", type: 9, little(UInt32(6)) + little(UInt64(2)) + floats([-1, 0.5]))
        file.set("types", type: 9, little(UInt32(5)) + little(UInt64(2)) + little(Int32(1)) + little(Int32(-1)))
        file.set("flags", type: 9, little(UInt32(7)) + little(UInt64(2)) + [0, 1])
        file.set("none", type: 9, little(UInt32(8)) + little(UInt64(0)))
        let parsed = try GGUFFile(mapping(file.build()))
        let expected: [(String, GGUFValue)] = [
            ("u8", .integer(200)), ("i8", .integer(-1)), ("u16", .integer(65_535)), ("i16", .integer(-2)),
            ("u32", .integer(4_294_967_295)), ("i32", .integer(-3)), ("f32", .float(1.5)), ("bool", .bool(true)),
            ("text", .string([0xC3, 0xA9])), ("u64", .integer(.max)), ("i64", .integer(.min)), ("f64", .float(0.1)),
            ("words", .strings([[0x61], []])), ("scores", .floats([-1, 0.5])), ("types", .integers([1, -1])),
            ("flags", .bools([false, true])), ("none", .strings([])),
        ]
        for (key, value) in expected { #expect(parsed.metadata[key] == value, "\(key)") }
        #expect(parsed.metadata.count == expected.count)
        #expect(parsed.version == Int(version))
        #expect(parsed.tensorNames.isEmpty)
    }

    @Test("keys that are canonically equivalent stay two")
    func equivalentKeys() throws {
        var file = GGUFBuilder()
        file.set("e\u{301}", UInt32(1))
        file.set("\u{e9}", UInt32(2))
        let parsed = try GGUFFile(mapping(file.build()))
        #expect(parsed.metadata["e\u{301}"] == .integer(1))
        #expect(parsed.metadata["\u{e9}"] == .integer(2))
    }

    @Test("a tensor's shape is outermost first and its bytes are its own")
    func tensors() throws {
        var file = GGUFBuilder(alignment: 64)
        file.set("general.alignment", UInt32(64))
        file.tensors = [
            .init("a", [3], bytes: floats([1, 2, 3])),
            .init("b", [2, 3], bytes: floats([1, 2, 3, 4, 5, 6])),
            .init("q", [32, 2], type: 8, bytes: Array(0..<68)),
        ]
        let parsed = try GGUFFile(mapping(file.build()))
        #expect(parsed.tensorNames == ["a", "b", "q"])
        #expect(parsed.totalByteCount == 12 + 24 + 68)
        let b = try #require(parsed.tensor("b"))
        #expect(b.shape == [3, 2])
        #expect((b.rowCount, b.columnCount, b.rowByteCount) == (3, 2, 8))
        #expect(b.withBytes { Array($0) } == floats([1, 2, 3, 4, 5, 6]))
        let q = try #require(parsed.tensor("q"))
        #expect(q.elementType == .q8_0)
        #expect((q.rowCount, q.rowByteCount) == (2, 34))
        #expect(q.withBytes { Array($0) } == Array(0..<68))
        #expect(parsed.tensor("c") == nil)
    }

    @Test("no byte of a tensor is touched: its page may not be read")
    func untouched() throws {
        let page = Int(sysconf(Int32(_SC_PAGESIZE)))
        var file = GGUFBuilder.tinyLlama
        // Fills the first page, so that tensors start on the second.
        file.set("general.alignment", UInt32(page))
        file.alignment = page
        let bytes = file.build()
        let count = (bytes.count + page - 1) / page * page
        let memory = try #require(mmap(nil, count, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0))
        defer { munmap(memory, count) }
        memory.copyMemory(from: bytes, byteCount: bytes.count)
        #expect(mprotect(memory + page, count - page, PROT_NONE) == 0)
        let checkpoint = try Checkpoint.open(
            embedded: UnsafeRawBufferPointer(start: memory, count: bytes.count), name: "story.gguf")
        #expect(checkpoint.configuration.layerCount == 1)
    }

    @Test("a vocabulary without a model is read, and refused as a model")
    func vocabularyOnly() throws {
        var file = GGUFBuilder.tinyLlama
        file.tensors = []
        let bytes = file.build()
        #expect(try GGUFFile(mapping(bytes)).metadata["llama.block_count"] == .integer(1))
        let error = checkpointError { _ = try Checkpoint(GGUFFile(mapping(bytes, name: "vocabulary.gguf"))) }
        #expect(
            error?.description
                == "vocabulary.gguf: tensor table: expected a model's tensors, found a vocabulary only")
    }

    @Test("bytes after the last tensor are let be")
    func tail() throws {
        let bytes = GGUFBuilder.tinyLlama.build() + [1, 2, 3]
        #expect(try Checkpoint(GGUFFile(mapping(bytes))).configuration.hiddenSize == 8)
    }
}
