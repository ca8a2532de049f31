import ArgumentParser
import Checkpoints
import Foundation
import InferenceTypes
import TestSupport
import Testing

@testable import needletail

@Suite("needletail quantize")
struct QuantizeCommandTests {
    private let folder: URL

    init() throws {
        folder = FileManager.default.temporaryDirectory.appending(path: "quantize-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    }

    private func run(_ input: URL, _ output: String, _ options: String...) throws {
        let command = try QuantizeCommand.parse([input.path, folder.appending(path: output).path] + options)
        try command.run()
    }

    private func failure(_ body: () throws -> Void) -> String? {
        do { try body() } catch let error as StartError { return error.description } catch { return "\(error)" }
        return nil
    }

    @Test("a directory becomes a file that opens; it is replaced only when that is wanted, and never while it is read")
    func wholeCommand() throws {
        defer { try? FileManager.default.removeItem(at: folder) }
        let input = SharedData.fixture("models/llama-gqa/hf")
        try run(input, "a.gguf", "--type", "Q8_0", "--threads", "1")
        let file = try GGUFFile(path: folder.appending(path: "a.gguf").path)
        #expect(file.metadata["general.file_type"] == .integer(7))
        #expect(file.tensor("output.weight")?.elementType == .q8_0)

        #expect(
            failure { try run(input, "a.gguf", "--type", "q4_0") } == "cannot quantise: a.gguf: file: exists already")
        let own = folder.appending(path: "a.gguf")
        #expect(
            failure { try run(own, "a.gguf", "--type", "q4_0", "--force") }?.hasSuffix("write to another file") == true)
        try run(input, "a.gguf", "--type", "q4_0", "--force", "--pure")
        #expect(try GGUFFile(path: own.path).tensor("output.weight")?.elementType == .q4_0)
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["a.gguf"])
    }

    @Test("what is wrong is one line")
    func refuses() throws {
        defer { try? FileManager.default.removeItem(at: folder) }
        let input = SharedData.fixture("models/llama-gqa/hf")
        #expect(throws: (any Error).self) { try QuantizeCommand.parse([input.path, "x.gguf", "--type", "q3_k"]) }
        #expect(throws: (any Error).self) { try QuantizeCommand.parse([input.path, "x.gguf"]) }
        #expect(throws: (any Error).self) {
            try QuantizeCommand.parse([input.path, "x.gguf", "--type", "q8_0", "--threads", "0"])
        }
        let lost = folder.appending(path: "none")
        #expect(failure { try run(lost, "x.gguf", "--type", "q8_0") }?.hasPrefix("cannot quantise: none:") == true)
        #expect(
            failure { try run(input, "none/x.gguf", "--type", "q8_0") }
                == "cannot quantise: x.gguf: file: cannot be created: No such file or directory")
    }
}
