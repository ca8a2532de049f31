import InferenceTypes

/// The weights of a Hugging Face directory: one safetensors file, or shards with an index.
package struct SafetensorsFiles: WeightSource {
    private var tensors = TensorTable([])
    private var unsupported: [[UInt8]: String] = [:]
    package private(set) var files: [SourceFile] = []
    package var fileCount: Int { files.count }

    package func tensor(_ name: String) -> TensorView? { tensors[name] }
    package func unsupportedElementType(_ name: String) -> String? { unsupported[Array(name.utf8)] }
    package var tensorNames: [String] { tensors.names }
    package var totalByteCount: Int { tensors.totalByteCount }

    static let fileName = "model.safetensors"
    static let indexName = "model.safetensors.index.json"

    /// One file.
    package init(_ mapping: FileMapping) throws(CheckpointError) {
        try add(SafetensorsFile(mapping), fileName: mapping.fileName)
    }

    /// The one file, else the shards of the index; nil when the directory has neither. The order is transformers'.
    init?(_ directory: ModelDirectory) throws(CheckpointError) {
        if let file = try directory.open(Self.fileName) {
            try self.init(file.map())
        } else if let index = try directory.json(Self.indexName) {
            try self.init(shardsOf: index, in: directory)
        } else {
            return nil
        }
    }

    private init(shardsOf index: JSONValue, in directory: ModelDirectory) throws(CheckpointError) {
        guard let members = index["weight_map"]?.asObject else {
            throw CheckpointError(file: Self.indexName, section: "index", expected: "a weight_map", found: "none")
        }
        var shards: [[UInt8]: [[UInt8]]] = [:]
        for member in members { shards[try Self.shardName(member), default: []].append(member.key) }
        guard shards.count <= CheckpointLimits.shardCount else {
            throw CheckpointError(
                file: Self.indexName, section: "index", expected: "at most \(CheckpointLimits.shardCount) shards",
                found: "\(shards.count)")
        }
        for (shard, names) in shards.sorted(by: { $0.key.lexicographicallyPrecedes($1.key) }) {
            try add(shard: String(decoding: shard, as: UTF8.self), names: names, in: directory)
        }
    }

    /// A shard's name out of the index: a path component, so that an index cannot reach out of its directory.
    private static func shardName(_ member: JSONMember) throws(CheckpointError) -> [UInt8] {
        guard let name = member.value.asBytes, name.count <= 255, name.ends(with: ".safetensors"),
            !name.contains(UInt8(ascii: "/")), !name.contains(0)
        else {
            throw CheckpointError(
                file: indexName, section: "index", expected: "the name of a .safetensors file beside the index",
                found: member.value.asBytes.map { quoted($0) } ?? "another value")
        }
        return name
    }

    private mutating func add(
        shard: String, names: [[UInt8]], in directory: ModelDirectory
    ) throws(CheckpointError) {
        guard let file = try directory.open(shard) else {
            throw CheckpointError(
                file: Self.indexName, section: "index", expected: "a shard \(quoted(shard)) beside it", found: "none")
        }
        let parsed = try SafetensorsFile(file.map())
        let held = Set(parsed.tensors.map { Array($0.name.utf8) }).union(parsed.unsupported.map(\.name))
        if let missing = names.first(where: { !held.contains($0) }) {
            throw CheckpointError(
                file: shard, section: "tensor table", expected: "\(quoted(missing)), which the index places here",
                found: "none")
        }
        try add(parsed, fileName: shard)
    }

    private mutating func add(_ file: SafetensorsFile, fileName: String) throws(CheckpointError) {
        for tensor in file.tensors where !tensors.insert(tensor) {
            throw CheckpointError(
                file: fileName, section: "tensor table", expected: "each tensor in one shard",
                found: "\(quoted(tensor.name)) again")
        }
        for entry in file.unsupported { unsupported[entry.name] = entry.elementType }
        files.append(file.source)
    }
}

extension [UInt8] {
    func ends(with suffix: String) -> Bool { self.suffix(suffix.utf8.count).elementsEqual(suffix.utf8) }
}
