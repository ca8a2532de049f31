import Checkpoints
import Foundation
import InferenceTypes
import Kernels
import TestSupport
import Testing
import Transformer

@Suite("What products read")
struct ProjectionInputTests {
    private static let sites: [String: TensorRole] = [
        "heads": .key, "attentionOutput": .attentionOutput, "widening": .up, "down": .down,
    ]

    @Test(
        "norms of each input feature are those that transformers' hooks see, whole and in chunks", arguments: [37, 5])
    func norms(chunk: Int) throws {
        let data = try Data(contentsOf: SharedData.fixture("input_norms.json"))
        let cases = try #require(try JSONSerialization.jsonObject(with: data) as? [[String: Any]])
        #expect(cases.count == 3)
        for reference in cases {
            let model = try #require(reference["model"] as? String)
            let checkpoint = try Checkpoint.open(path: SharedData.fixture("models/\(model)/hf").path)
            let driver = try SequenceDriver(checkpoint)
            let norms = InputNorms()
            driver.runner.observe { norms.add($0) }
            _ = driver.logits(tokenIDs(reference["ids"]), chunk: chunk)
            let expected = try #require(reference["norms"] as? [String: Any])
            #expect(expected.count == 4 * checkpoint.configuration.layerCount)
            for (place, values) in expected {
                let parts = place.split(separator: ".")
                let role = try #require(Self.sites[String(parts[1])])
                let found = try #require(norms.norms(of: role, layer: Int(parts[0])))
                let worst = zip(found, doubles(values)).map { abs(Double($0) / $1 - 1) }.max() ?? .infinity
                #expect(found.count == doubles(values).count && worst < 1e-4, "\(model) \(place): \(worst)")
            }
        }
    }

    @Test("who listens changes no bit, and hears the sites in their order", arguments: ["llama-gqa", "gpt2"])
    func bits(model: String) throws {
        let checkpoint = try Checkpoint.open(path: SharedData.fixture("models/\(model)/hf").path)
        let tokens: [TokenID] = (0..<29).map { TokenID($0 * 31 % 290 + 3) }
        let alone = try SequenceDriver(checkpoint).logits(tokens, everyPosition: true)
        let driver = try SequenceDriver(checkpoint)
        var heard: [[Int]] = []
        driver.runner.observe { input in
            let site = ProjectionSite.allCases.firstIndex(of: input.site) ?? -1
            heard.append([input.layer ?? -1, site, input.rows.rowCount])
        }
        #expect(driver.logits(tokens, everyPosition: true) == alone)
        let layers = (0..<checkpoint.configuration.layerCount).flatMap { layer in (0..<4).map { [layer, $0, 29] } }
        #expect(heard == layers + [[-1, 4, 29]])
        driver.runner.observe(nil)
        #expect(driver.logits(tokens, everyPosition: true) == alone && heard.count == layers.count + 1)
    }

    @Test("matrices of one pass share their input's norms; what is no matrix of a product has none")
    func roles() {
        #expect(ProjectionSite(.query) == ProjectionSite(.value) && ProjectionSite(.gate) == ProjectionSite(.up))
        #expect(ProjectionSite(.embedding) == nil && ProjectionSite(.downBias) == nil)
        #expect(InputNorms().norms(of: .up, layer: 0) == nil)
    }
}
