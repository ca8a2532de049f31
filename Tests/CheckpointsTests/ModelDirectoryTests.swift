import Foundation
import InferenceTypes
import Testing

@testable import Checkpoints

@Suite("Directories")
struct ModelDirectoryTests {
    @Test("a directory that holds one .gguf is that file")
    func oneGGUF() throws {
        let directory = try TemporaryDirectory()
        try directory.write("tiny.gguf", GGUFBuilder.tinyLlama.build())
        try directory.write(".hidden.gguf", "x")
        let checkpoint = try directory.open()
        #expect(checkpoint.format == .gguf(version: 3))
        #expect(checkpoint.fileName == "tiny.gguf")
        #expect(checkpoint.configuration.name == "tiny.gguf")
    }

    @Test("two .gguf files are one too many")
    func twoGGUF() throws {
        let directory = try TemporaryDirectory()
        try directory.write("a.gguf", GGUFBuilder.tinyLlama.build())
        try directory.write("b.gguf", GGUFBuilder.tinyLlama.build())
        let error = checkpointError { _ = try directory.open() }
        #expect(error?.section == "directory")
        #expect(error?.message.hasSuffix("found 2 .gguf files") == true)
    }

    @Test("nothing at the path")
    func nothing() {
        let error = checkpointError { _ = try Checkpoint.open(path: "/nowhere/at/all.gguf") }
        #expect(error?.description == "all.gguf: file: cannot be opened: No such file or directory")
    }

    @Test("a Hugging Face directory brings the files of its tokeniser")
    func tokenizerFiles() throws {
        let directory = try TemporaryDirectory.tinyLlama()
        try directory.write("tokenizer.json", "{}")
        try directory.write("tokenizer_config.json", "{\"add_bos_token\":true}")
        guard case .files(let files) = try directory.open().tokenizer else {
            Issue.record("expected files")
            return
        }
        #expect(files.tokenizerJSON == Array("{}".utf8))
        #expect(files.sentencePieceModel == nil)
        #expect(files.configuration?["add_bos_token"] == .bool(true))
        #expect(files.generationConfiguration == nil)
        #expect(files.modelConfiguration?["hidden_size"] == .integer(8))
    }

    @Test("weights without a config.json are refused")
    func noConfiguration() throws {
        let directory = try TemporaryDirectory()
        try directory.write("model.safetensors", SafetensorsBuilder.tinyLlama.build())
        let error = checkpointError { _ = try directory.open() }
        #expect(error?.section == "config.json")
        #expect(error?.message == "expected a JSON object, found no such file")
    }

    /// The tiny Llama in two shards; `second` is what the index calls the second one.
    private func shards(second: String = "\"model-2.safetensors\"") throws -> TemporaryDirectory {
        let directory = try TemporaryDirectory()
        let all = SafetensorsBuilder.tinyLlama.tensors
        try directory.write("model-1.safetensors", SafetensorsBuilder(tensors: Array(all[..<4])).build())
        try directory.write("model-2.safetensors", SafetensorsBuilder(tensors: Array(all[4...])).build())
        try directory.write("config.json", TemporaryDirectory.configText([:]))
        let map = all.enumerated().map { "\"\($1.name)\":\($0 < 4 ? "\"model-1.safetensors\"" : second)" }
        try directory.write(
            "model.safetensors.index.json", "{\"metadata\":{},\"weight_map\":{\(map.joined(separator: ","))}}")
        return directory
    }

    @Test("shards are one model")
    func twoShards() throws {
        let checkpoint = try shards().open()
        #expect(checkpoint.format == .safetensors(fileCount: 2))
        #expect(checkpoint.weights.tensorNames.count == 11)
        #expect("\(checkpoint.format)" == "safetensors, 2 shards")
    }

    @Test(
        "an index cannot reach out of its directory",
        arguments: [
            "\"../model-2.safetensors\"", "\"/etc/passwd\"", "\"..\"", "\"model-2.safetensors\\u0000\"", "5",
            "\"model-3.safetensors\"",
        ])
    func reaching(name: String) throws {
        let directory = try shards(second: name)
        let error = checkpointError { _ = try directory.open() }
        #expect(error?.file == "model.safetensors.index.json")
        #expect(error?.section == "index")
    }

    @Test("a tensor that the index places in another shard is missed there")
    func misplaced() throws {
        let directory = try shards(second: "\"model-1.safetensors\"")
        let error = checkpointError { _ = try directory.open() }
        #expect(error?.file == "model-1.safetensors")
        #expect(error?.message.hasSuffix("which the index places here, found none") == true)
    }

    @Test("a link out of the directory is refused, one inside it is followed")
    func links() throws {
        let outside = try TemporaryDirectory()
        try outside.write("weights", SafetensorsBuilder.tinyLlama.build())
        let directory = try TemporaryDirectory()
        try directory.write("config.json", TemporaryDirectory.configText([:]))
        let link = directory.url.appending(path: "model.safetensors")
        try FileManager.default.createSymbolicLink(
            at: link, withDestinationURL: outside.url.appending(path: "weights"))
        let error = checkpointError { _ = try directory.open() }
        #expect(error?.message == "expected a file inside the model's directory, found a link out of it")
        try FileManager.default.removeItem(at: link)
        try directory.write("weights", SafetensorsBuilder.tinyLlama.build())
        try FileManager.default.createSymbolicLink(atPath: link.path, withDestinationPath: "weights")
        #expect(try directory.open().configuration.hiddenSize == 8)
    }

    @Test("a snapshot of a Hugging Face cache may link into its blobs, and is named after the model")
    func cache() throws {
        let cache = try TemporaryDirectory()
        let repository = cache.url.appending(path: "models--owner--tiny")
        let snapshot = repository.appending(path: "snapshots/0123")
        for folder in [snapshot, repository.appending(path: "blobs")] {
            try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        }
        try cache.write("models--owner--tiny/blobs/aa", SafetensorsBuilder.tinyLlama.build())
        try cache.write("models--owner--tiny/blobs/bb", TemporaryDirectory.configText([:]))
        for (name, blob) in [("model.safetensors", "aa"), ("config.json", "bb")] {
            try FileManager.default.createSymbolicLink(
                atPath: snapshot.appending(path: name).path, withDestinationPath: "../../blobs/\(blob)")
        }
        #expect(try Checkpoint.open(path: snapshot.path).configuration.name == "models--owner--tiny")
    }

    @Test("a pipe or a directory in the place of the weights is refused at once")
    func specialFiles() throws {
        for make in [
            { (path: String) in mkfifo(path, 0o600) }, { (path: String) in mkdir(path, 0o700) },
        ] {
            let directory = try TemporaryDirectory()
            try directory.write("config.json", TemporaryDirectory.configText([:]))
            #expect(make(directory.url.appending(path: "model.safetensors").path) == 0)
            let error = checkpointError { _ = try directory.open() }
            #expect(error?.message == "expected a regular file, found something else")
        }
    }
}
