import Checkpoints
import Foundation
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

    @Test("the matrices of layers, where they are fused and lie transposed, too; not embedding, head, norms and biases")
    func places() throws {
        let llama = PruningPlaces.byTensor(
            try Checkpoint.open(path: SharedData.fixture("models/llama-gqa/model-f32.gguf").path))
        #expect(llama.count == 14 && llama["token_embd.weight"] == nil && llama["output.weight"] == nil)
        #expect(
            llama["blk.1.ffn_down.weight"]
                == [PruningPlace(role: .down, layer: 1, outputs: 0..<64, layout: .rowsAreOutputs)])
        let gpt2 = PruningPlaces.byTensor(try Checkpoint.open(path: SharedData.fixture("models/gpt2/hf").path))
        #expect(gpt2.count == 8)
        let fused = try #require(gpt2.first { $0.key.hasSuffix("h.0.attn.c_attn.weight") }?.value)
        #expect(fused.map(\.role) == [.query, .key, .value])
        #expect(fused.map(\.outputs) == [0..<48, 48..<96, 96..<144] && fused.allSatisfy { $0.layout == .transposed })
    }
}
