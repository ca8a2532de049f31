import Checkpoints
import Foundation
import InferenceTypes
import Kernels
import TestSupport
import Testing

@testable import Quantization

@Suite("Pruning")
struct PruningTests {
    private func pruned(
        _ weights: [Float], _ columnCount: Int, _ pattern: String, norms: [Float]? = nil
    ) throws -> [Float] {
        var weights = weights
        let pruner = Pruner(try PruningPattern(pattern))
        let count = weights.withUnsafeMutableBufferPointer {
            pruner.prune($0, columnCount: columnCount, inputNorms: norms)
        }
        #expect(count <= weights.filter { $0 == 0 }.count)
        return weights
    }

    @Test("masks worked out by hand: by magnitude within a row, the first of equals goes first")
    func byHand() throws {
        // Each row by itself: the second one is a hundred times smaller.
        #expect(
            try pruned([5, -1, 3, 0.5, 0.01, 0.05, -0.02, 0.03], 4, "0.5") == [5, 0, 3, 0, 0, 0.05, 0, 0.03])
        // A quarter of six is one, the fraction of a weight stays.
        #expect(try pruned([6, -5, 4, 3, 2, -1], 6, "0.25") == [6, -5, 4, 3, 2, 0])
        #expect(try pruned([1, 1, 1, 1], 4, "0.5") == [0, 0, 1, 1])
        #expect(try pruned([1, -2, 2, 1, 2], 5, "0.6") == [0, 0, 2, 0, 2])
        // Two of each four, and of the two that are left over both.
        #expect(try pruned([4, 3, 2, 1, 1, 2, -3, -4, 0.1, 0.2], 10, "2:4") == [4, 3, 0, 0, 0, 0, -3, -4, 0.1, 0.2])
        #expect(try pruned([9, 8, 7, 6, 5], 5, "1:3") == [9, 0, 0, 6, 0])
        #expect(try pruned([1, 1, 1, 1], 4, "2:4") == [0, 0, 1, 1])
    }

    @Test("a small weight of a loud input outlives a large one of a quiet input")
    func norms() throws {
        #expect(try pruned([4, 1, 3, 2], 4, "0.5", norms: [1, 10, 1, 10]) == [0, 1, 0, 2])
        #expect(try pruned([4, 1, 3, 2], 4, "0.5") == [4, 0, 3, 0])
        #expect(try pruned([4, 1, 3, 2], 4, "1:4", norms: [1, 10, 1, 10]) == [0, 0, 0, 2])
    }

    @Test("masks as NumPy's stable sort finds them, by magnitude and by Wanda's scores")
    func reference() throws {
        let data = try Data(contentsOf: SharedData.fixture("pruning.json"))
        let cases = try #require(try JSONSerialization.jsonObject(with: data) as? [[String: Any]])
        #expect(cases.count == 36)
        for reference in cases {
            func floats(_ name: String) -> [Float]? { (reference[name] as? [NSNumber])?.map(\.floatValue) }
            var expected = try #require(floats("weights"))
            let columnCount = try #require(reference["columns"] as? Int)
            let pattern = try #require(reference["pattern"] as? String)
            let found = try pruned(expected, columnCount, pattern, norms: floats("norms"))
            for index in try #require(reference["removed"] as? [Int]) { expected[index] = 0 }
            #expect(found == expected, "\(pattern) of \(columnCount)")
        }
    }

    @Test("what is no number stays, and zeros keep no sign")
    func odd() throws {
        let found = try pruned([.nan, 1, -.infinity, 2], 4, "0.5")
        #expect(found[0].isNaN && found[1...].elementsEqual([0, -.infinity, 0]))
        #expect(try pruned([-1, 2], 2, "0.5")[0].sign == .plus)
        // An infinite weight of an input that never came scores ∞ · 0.
        #expect(try pruned([.infinity, 1, 2, 3], 4, "0.5", norms: [0, 1, 1, 1]) == [.infinity, 0, 0, 3])
    }

    @Test("a rank among any bits is what sorting finds")
    func ranks() {
        var generator = TestGenerator(seed: 5)
        for bits in [UInt32(0x7), 0xFF00, 0xFFFF_FFFF] {
            let values = (0..<200).map { _ in UInt32.random(in: 0...(.max), using: &generator) & bits }
            let sorted = values.sorted()
            for rank in [0, 1, 77, 198, 199] { #expect(RankSearch.value(ofRank: rank, in: values) == sorted[rank]) }
        }
    }

    @Test("patterns and what is none")
    func patterns() throws {
        #expect(try PruningPattern("0.5") == .fraction(0.5) && PruningPattern(".25") == .fraction(0.25))
        #expect(try PruningPattern("2:4") == .blocks(keep: 2, of: 4))
        #expect(try PruningPattern("16:32").description == "16:32" && PruningPattern("0.50").description == "0.5")
        for text: String in [
            "", ":", "2:", ":4", "4:4", "0:4", "2:4:8", "4:2", "1:33", "0", "1", "1.0", "50%", "nan", "-0.5", "0x1p-1",
            "5e-1", "+0.5", "+2:4", "1:999", "0.5.5", ".", "٢:٤",
        ] {
            #expect(throws: PruningError.self, "\(text)") { try PruningPattern(text) }
        }
        #expect(
            PruningError.pattern("4:2", "N:M").description == "expected N:M, got \"4:2\"")
    }

    @Test("the matrices of layers, where they are fused, too; not embedding, head, norms and biases")
    func places() throws {
        let llama = try Checkpoint.open(path: SharedData.fixture("models/llama-gqa/model-f32.gguf").path)
        let pass = try PruningPass(llama, .blocks(keep: 2, of: 4))
        #expect(pass.tensorNames.count == 14 && pass.contains("blk.1.ffn_down.weight"))
        #expect(!pass.contains("token_embd.weight") && !pass.contains("output.weight"))
        var none: [Float] = [1]
        none.withUnsafeMutableBufferPointer { #expect(pass.prune($0, of: "output.weight") == nil) }
        let gpt2 = try Checkpoint.open(path: SharedData.fixture("models/gpt2/hf").path)
        #expect(try PruningPass(gpt2, .fraction(0.5)).tensorNames.count == 8)
    }

    @Test("each tensor is pruned by the norms of its own input; a norm that is missing is an error")
    func pass() throws {
        let checkpoint = try Checkpoint.open(path: SharedData.fixture("models/gpt2/hf").path)
        let name = try #require(checkpoint.weight(.query, layer: 0)?.tensor.name)
        var generator = TestGenerator(seed: 6)
        let norms = generator.floats(48, in: 0.1...9)
        var (found, expected) = (generator.floats(144 * 48), [Float]())
        expected = found
        let pass = try PruningPass(checkpoint, .fraction(0.5)) { role, _ in
            role == .down ? [Float](repeating: 1, count: 192) : norms
        }
        _ = expected.withUnsafeMutableBufferPointer {
            Pruner(.fraction(0.5)).prune($0, columnCount: 48, inputNorms: norms)
        }
        #expect(found.withUnsafeMutableBufferPointer { pass.prune($0, of: name) } == 144 * 24)
        #expect(found == expected)
        #expect(throws: PruningError.self) { try PruningPass(checkpoint, .fraction(0.5)) { _, _ in norms } }
        #expect(throws: PruningError.self) { try PruningPass(checkpoint, .fraction(0.5)) { _, _ in nil } }
    }

    @Test("types that keep a zero do, in a row of which half was removed", arguments: ElementType.allCases)
    func zeros(type: ElementType) throws {
        var generator = TestGenerator(seed: 7)
        var row = generator.floats(256).map { $0 + 0.1 }
        _ = row.withUnsafeMutableBufferPointer { Pruner(.blocks(keep: 2, of: 4)).prune($0, columnCount: 256) }
        var bytes = [UInt8](repeating: 0, count: try #require(type.byteCount(elementCount: 256)))
        var back = [Float](repeating: 0, count: 256)
        row.withUnsafeBufferPointer { row in
            bytes.withUnsafeMutableBytes { RowQuantizer(type).encode(row, into: $0) }
        }
        bytes.withUnsafeBytes { bytes in back.withUnsafeMutableBufferPointer { dequantize(type, bytes, into: $0) } }
        #expect(zip(row, back).allSatisfy { $0 != 0 || $1 == 0 } == type.keepsZeros)
    }
}
