import Foundation
import InferenceTypes
import TestSupport
import Testing

@testable import Checkpoints

@Suite("Writing GGUF")
struct GGUFWriterTests {
    private func entry(_ name: String, _ type: ElementType, _ shape: [Int]) throws -> GGUFTensorEntry {
        try #require(GGUFTensorEntry(name: name, elementType: type, shape: shape))
    }

    private func write(
        _ path: String, existing: GGUFWriter.Existing = .refused, _ tensors: [GGUFTensorEntry],
        entries: [GGUFEntry] = [], parts: [[UInt8]], check: (String) throws -> Void = { _ in }
    ) throws {
        let writer = try GGUFWriter(path: path, existing: existing, entries: entries, tensors: tensors)
        for part in parts { try part.withUnsafeBytes { try writer.append($0) } }
        try writer.finish(check: check)
    }

    @Test("keys, shapes and bytes come back from our reader; a tensor may come in parts")
    func roundTrip() throws {
        let folder = try TemporaryDirectory()
        let path = folder.url.appending(path: "model.gguf").path
        let values: [(String, GGUFTypedValue)] = [
            ("a.number", .uint32(7)), ("a.fraction", .float32(0.5)), ("a.flag", .bool(true)),
            ("a.text", .string(Array("é".utf8))), ("a.texts", .strings([[], [0x78]])),
            ("a.floats", .floats([1, -2])), ("a.integers", .int32s([-1, 5])), ("a.bytes", .uint8s([1, 2, 3])),
        ]
        let bytes = (0..<34).map { UInt8($0) }
        let tensors = [try entry("q", .q8_0, [1, 32]), try entry("v", .f32, [3]), try entry("h", .f16, [2, 5])]
        try write(
            path, tensors, entries: values.map { GGUFEntry($0.0, $0.1) },
            parts: [Array(bytes[..<10]), Array(bytes[10...]), floats([1, 2, 3]), [UInt8](repeating: 9, count: 20)])

        let file = try GGUFFile(path: path)
        #expect(file.metadata["a.number"] == .integer(7))
        #expect(file.metadata["a.fraction"] == .float(0.5))
        #expect(file.metadata["a.flag"] == .bool(true))
        #expect(file.metadata["a.text"] == .string(Array("é".utf8)))
        #expect(file.metadata["a.texts"] == .strings([[], [0x78]]))
        #expect(file.metadata["a.floats"] == .floats([1, -2]))
        #expect(file.metadata["a.integers"] == .integers([-1, 5]))
        #expect(file.metadata["a.bytes"] == .integers([1, 2, 3]))
        #expect(file.storedTensorNames == ["q", "v", "h"])
        #expect(file.tensor("h")?.shape == [2, 5])
        #expect(try #require(file.tensor("q")).withBytes { Array($0) } == bytes)
        #expect(try #require(file.tensor("v")).withBytes { Array($0) } == floats([1, 2, 3]))
        #expect(file.entries == values.map { GGUFEntry($0.0, $0.1) })
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.url.path) == ["model.gguf"])
    }

    @Test("a file that is there stays, unless it may be replaced")
    func keepsExisting() throws {
        let folder = try TemporaryDirectory()
        let path = folder.url.appending(path: "model.gguf").path
        try Data([1]).write(to: URL(filePath: path))
        let tensors = [try entry("v", .f32, [1])]
        #expect(throws: CheckpointError(file: "model.gguf", section: "file", message: "exists already")) {
            try write(path, tensors, parts: [floats([1])])
        }
        #expect(try Data(contentsOf: URL(filePath: path)) == Data([1]))
        try write(path, existing: .replaced, tensors, parts: [floats([1])])
        #expect(try GGUFFile(path: path).tensorNames == ["v"])
        #expect(throws: CheckpointError.self) { try write(folder.url.path, existing: .replaced, tensors, parts: []) }
    }

    @Test("what fails leaves nothing behind: a refused file, a dropped writer, a folder that is not there")
    func leavesNothing() throws {
        struct Refusal: Error {}
        let folder = try TemporaryDirectory()
        let path = folder.url.appending(path: "model.gguf").path
        let tensors = [try entry("v", .f32, [1])]
        #expect(throws: Refusal.self) {
            try write(path, tensors, parts: [floats([1])]) { _ in throw Refusal() }
        }
        do { _ = try GGUFWriter(path: path, existing: .refused, entries: [], tensors: tensors) }
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.url.path) == [])
        #expect(throws: CheckpointError.self) {
            try write(folder.url.appending(path: "none/model.gguf").path, tensors, parts: [])
        }
    }

    @Test("a device or a folder in the place of the file is refused, replaced or not", arguments: ["/dev/null", "/"])
    func refusesDevices(path: String) {
        #expect(throws: CheckpointError.self) { try GGUFWriter.requireFree(path, .replaced) }
    }

    @Test("shapes and names that the format does not take are no entry")
    func refusesEntries() {
        #expect(GGUFTensorEntry(name: "q", elementType: .q8_0, shape: [2, 33]) == nil)
        #expect(GGUFTensorEntry(name: "", elementType: .f32, shape: [2]) == nil)
        #expect(GGUFTensorEntry(name: "q", elementType: .f32, shape: []) == nil)
        #expect(GGUFTensorEntry(name: "q", elementType: .f32, shape: [1, 0]) == nil)
        #expect(GGUFTensorEntry(name: "q", elementType: .f32, shape: [1 << 40, 1 << 40]) == nil)
        #expect(GGUFTensorEntry(name: String(repeating: "n", count: 256), elementType: .f32, shape: [2]) == nil)
    }
}
