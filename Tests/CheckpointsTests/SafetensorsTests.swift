import Foundation
import InferenceTypes
import Testing

@testable import Checkpoints

/// A header over four bytes of data, and what must be said of it.
private let damagedHeaders: [(header: String, section: String, message: String)] = [
    ("", "header", "starts with '{', found ''"),
    ("[]", "header", "starts with '{', found '[]'"),
    (" {}", "header", "starts with '{', found ' {}'"),
    ("{\"a\":", "header", "expected JSON; at byte 5"),
    ("{}x", "header", "expected JSON; at byte 2"),
    ("{\"a\":" + String(repeating: "[", count: 100_000), "header", "nested deeper than 64 levels"),
    ("{\"__metadata__\":{\"a\":1}}", "header", "__metadata__ to be an object of strings"),
    (entry("\"a\"", dtype: "\"F33\""), "tensor table", "found 'F33'"),
    (entry("\"a\"", dtype: "1"), "tensor table", "expected a dtype of 'a'"),
    (entry("\"a\"", dtype: "\"F16\""), "tensor table", "expected 2 bytes of 'a', shape [1], found 4"),
    (entry("\"a\"", shape: "[-1]"), "tensor table", "whole numbers from 0"),
    (entry("\"a\"", shape: "[1.0]"), "tensor table", "whole numbers from 0"),
    (entry("\"a\"", shape: "4"), "tensor table", "expected a shape of 'a', found no array"),
    (entry("\"a\"", shape: "[4294967296, 4294967296]"), "tensor table", "a size of 'a' below 2^63"),
    (entry("\"a\"", shape: "[1,1,1,1,1,1,1,1,1]"), "tensor table", "at most 8 dimensions of 'a', found 9"),
    (entry("\"a\"", offsets: "[4,0]"), "tensor table", "in 0...4, found [4, 0]"),
    (entry("\"a\"", offsets: "[-4,0]"), "tensor table", "in 0...4, found [-4, 0]"),
    (entry("\"a\"", offsets: "[0,8]"), "tensor table", "in 0...4, found [0, 8]"),
    (entry("\"a\"", offsets: "[0]"), "tensor table", "data_offsets of 'a' to be two whole numbers"),
    ("{\"a\":{\"dtype\":\"F16\",\"shape\":[1],\"data_offsets\":[2,4]}}", "tensor table", "ends, 0, found 2"),
    ("{\"a\":{\"dtype\":\"F16\",\"shape\":[1],\"data_offsets\":[0,2]}}", "tensor data", "expected 2 bytes after"),
    ("{}", "tensor data", "expected 0 bytes after the header, found 4"),
]

private func entry(
    _ name: String, dtype: String = "\"F32\"", shape: String = "[1]", offsets: String = "[0,4]"
) -> String {
    "{\(name):{\"dtype\":\(dtype),\"shape\":\(shape),\"data_offsets\":\(offsets)}}"
}

@Suite("Safetensors files")
struct SafetensorsTests {
    @Test("tensors come out with name, type, shape and bytes")
    func tensors() throws {
        let file = SafetensorsBuilder(tensors: [
            .init("a", [2, 2], bytes: floats([1, 2, 3, 4])),
            .init("b", [3], type: "BF16", elementByteCount: 2, bytes: [1, 2, 3, 4, 5, 6]),
            .init("mask", [2], type: "BOOL", elementByteCount: 1, bytes: [0, 1]),
            .init("scalar", [], bytes: floats([9])),
        ])
        let weights = try SafetensorsFiles(mapping(file.build(), name: "model.safetensors"))
        #expect(weights.tensorNames == ["a", "b", "scalar"])
        let a = try #require(weights.tensor("a"))
        #expect(a.shape == [2, 2] && a.elementType == .f32)
        #expect(a.withBytes { Array($0) } == floats([1, 2, 3, 4]))
        let b = try #require(weights.tensor("b"))
        #expect(b.shape == [3] && b.elementType == .bf16)
        #expect(b.withBytes { Array($0) } == [1, 2, 3, 4, 5, 6])
        #expect(weights.tensor("scalar")?.elementCount == 1)
        #expect(weights.unsupportedElementType("mask") == "BOOL")
        #expect(weights.totalByteCount == 16 + 6 + 4)
    }

    @Test("spaces after the header are padding, even to an odd length")
    func padding() throws {
        let bytes = SafetensorsBuilder(header: entry("\"a\"") + "   ").build() + floats([7])
        let tensor = try SafetensorsFiles(mapping(bytes)).tensor("a")
        #expect(tensor?.withBytes { Array($0) } == floats([7]))
    }

    @Test("a damaged header is refused with its section and what was expected", arguments: damagedHeaders)
    func refused(damage: (header: String, section: String, message: String)) {
        let bytes = SafetensorsBuilder(header: damage.header).build() + [0, 0, 0, 0]
        let error = checkpointError { _ = try SafetensorsFiles(mapping(bytes, name: "model.safetensors")) }
        #expect(error?.file == "model.safetensors")
        #expect(error?.section == damage.section)
        #expect(error?.message.contains(damage.message) == true, "\(error?.message ?? "no error")")
    }

    @Test("a header length past the file or the format's bound is refused", arguments: [UInt64(5), 100_000_001, .max])
    func headerLength(length: UInt64) {
        let error = checkpointError { _ = try SafetensorsFiles(mapping(little(length) + Array("{}  ".utf8))) }
        #expect(error?.section == "header")
    }

    @Test("a file cut anywhere is refused")
    func cut() {
        let whole = SafetensorsBuilder.tinyLlama.build()
        for count in 0..<whole.count {
            let bytes = Array(whole[..<count])
            #expect(checkpointError { _ = try SafetensorsFiles(mapping(bytes)) } != nil, "\(count) bytes")
        }
    }
}
