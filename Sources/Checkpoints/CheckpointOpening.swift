import Glibc
import InferenceTypes

extension Checkpoint {
    /// Opens a `.gguf` file, a Hugging Face directory, or a directory that holds one `.gguf` file. A directory that
    /// is both is taken as a Hugging Face directory.
    ///
    /// - Throws: with the file, the section and what was expected there.
    package static func open(path: String) throws(CheckpointError) -> Checkpoint {
        guard isDirectory(path) else { return try Checkpoint(GGUFFile(path: path)) }
        let directory = try ModelDirectory(path: path)
        if let weights = try SafetensorsFiles(directory) { return try Checkpoint(directory, weights: weights) }
        let names = try directory.ggufNames()
        guard names.count == 1, let file = try directory.open(names[0]) else {
            throw CheckpointError(
                file: directory.name, section: "directory",
                expected: "\(SafetensorsFiles.fileName), \(SafetensorsFiles.indexName) or one .gguf file",
                found: "\(names.count) .gguf files")
        }
        return try Checkpoint(GGUFFile(file.map()))
    }

    /// Opens the bytes of a GGUF file that are linked into the program.
    ///
    /// - Requires: `embedded` lives as long as the program.
    package static func open(
        embedded: UnsafeRawBufferPointer, name: String
    ) throws(CheckpointError) -> Checkpoint {
        try Checkpoint(GGUFFile(FileMapping(embedded: embedded, name: name)))
    }
}

/// False too when nothing is there: opening then says so.
private func isDirectory(_ path: String) -> Bool {
    var status = stat()
    return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
}

extension ModelDirectory {
    func tokenizerFiles(modelConfiguration: JSONValue) throws(CheckpointError) -> TokenizerFiles {
        TokenizerFiles(
            tokenizerJSON: try bytes("tokenizer.json", limit: CheckpointLimits.tokenizerByteCount),
            sentencePieceModel: try bytes("tokenizer.model", limit: CheckpointLimits.tokenizerByteCount),
            configuration: try json("tokenizer_config.json"),
            generationConfiguration: try json("generation_config.json"), modelConfiguration: modelConfiguration,
            chatTemplate: try bytes("chat_template.jinja", limit: CheckpointLimits.chatTemplateByteCount))
    }
}
