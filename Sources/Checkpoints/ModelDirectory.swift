import Glibc
import InferenceTypes

/// A directory of model files. What is opened in it lies in it, after all links are followed.
struct ModelDirectory {
    /// Without links.
    private let path: String
    /// Where files may lie.
    private let roots: [String]
    /// For people and messages: last component of the path as it was given, or the model's name in a cache.
    let name: String

    init(path: String) throws(CheckpointError) {
        let given = lastPathComponent(path)
        guard let resolved = resolve(path) else {
            throw CheckpointError(file: given, section: "directory", message: "cannot be opened: \(systemMessage())")
        }
        self.path = resolved
        let repository = Self.cacheRepository(resolved)
        roots = [resolved] + (repository.map { [$0 + "/blobs"] } ?? [])
        name = repository.map(lastPathComponent) ?? given
    }

    /// `…/models--owner--name` of `…/models--owner--name/snapshots/<revision>`: in a Hugging Face cache a snapshot is
    /// made of links into `blobs` of its repository. Nil for any other directory.
    private static func cacheRepository(_ path: String) -> String? {
        let parts = path.utf8.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
        guard parts.count > 3, parts[parts.count - 2].elementsEqual("snapshots".utf8),
            parts[parts.count - 3].starts(with: "models--".utf8)
        else { return nil }
        return parts.dropLast(2).map { String(decoding: $0, as: UTF8.self) }.joined(separator: "/")
    }

    /// A file of this directory, nil when there is none of this name.
    ///
    /// - Throws: when it is no regular file, or a link that leads out of the directory.
    func open(_ name: String) throws(CheckpointError) -> OpenFile? {
        guard let resolved = resolve(path + "/" + name) else {
            if errno == ENOENT { return nil }
            throw CheckpointError(file: name, section: "file", message: "cannot be opened: \(systemMessage())")
        }
        guard roots.contains(where: { resolved.utf8.starts(with: ($0 + "/").utf8) }) else {
            throw CheckpointError(
                file: name, section: "file", expected: "a file inside the model's directory", found: "a link out of it")
        }
        return try OpenFile(path: resolved, name: name, flags: O_NOFOLLOW)
    }

    func bytes(_ name: String, limit: Int) throws(CheckpointError) -> [UInt8]? {
        guard let file = try open(name) else { return nil }
        return try file.read(limit: limit)
    }

    /// A JSON file, nil when there is none of this name.
    func json(_ name: String) throws(CheckpointError) -> JSONValue? {
        guard let bytes = try bytes(name, limit: CheckpointLimits.configurationByteCount) else { return nil }
        return try parseJSON(bytes, file: name, section: "text")
    }

    /// Names that end in `.gguf`, hidden ones left out, ascending.
    func ggufNames() throws(CheckpointError) -> [String] {
        guard let stream = opendir(path) else {
            throw CheckpointError(file: name, section: "directory", message: "cannot be read: \(systemMessage())")
        }
        defer { closedir(stream) }
        var names: [[UInt8]] = []
        for _ in 0..<CheckpointLimits.directoryEntryCount {
            guard let entry = readdir(stream) else { break }
            let name = withUnsafeBytes(of: &entry.pointee.d_name) { Array($0.prefix { $0 != 0 }) }
            if name.first != UInt8(ascii: "."), name.ends(with: ".gguf") { names.append(name) }
        }
        return names.sorted { $0.lexicographicallyPrecedes($1) }.map { String(decoding: $0, as: UTF8.self) }
    }
}

/// The path without links and dots, nil (and `errno`) when nothing is there.
private func resolve(_ path: String) -> String? {
    guard let resolved = realpath(path, nil) else { return nil }
    defer { free(resolved) }
    return String(cString: resolved)
}

/// A document of a model's file; what is wrong with it, with the place.
func parseJSON(
    _ bytes: [UInt8], file: String, section: String, limits: JSONParser.Limits = .modelFile
) throws(CheckpointError) -> JSONValue {
    do throws(JSONParser.Failure) {
        return try JSONParser.parse(bytes, limits: limits)
    } catch {
        throw CheckpointError(
            file: file, section: section, message: "expected JSON; at byte \(error.offset): \(error.message)")
    }
}
