import ArgumentParser
import Glibc
import Transformer

/// Where packed weights are kept for the next start.
enum PackedCacheOption: ExpressibleByArgument, Equatable {
    case off
    case beside
    case directory(String)

    init?(argument: String) {
        switch argument {
        case "": return nil
        case "off": self = .off
        case "beside": self = .beside
        default: self = .directory(argument)
        }
    }

    /// Nil where nothing is kept.
    ///
    /// - Parameter model: path of the model, nil for the story model.
    /// - Throws: where there can be no such place. Whether it can be written is not asked: it may be filled already.
    func location(model: String?) throws(StartError) -> PackedCacheLocation? {
        switch self {
        case .off: return nil
        case .beside:
            guard let model else {
                throw StartError("--packed-cache beside needs a --model: the story model lies in the program")
            }
            return Self.beside(model)
        case .directory(let path):
            // Not made: a folder that appears by a slip of the pen fills a disk that nobody looks at.
            guard Self.isDirectory(path) else {
                throw StartError("--packed-cache has to be off, beside or a directory that exists, got \(path)")
            }
            return .folder(path, model: model.map(Self.resolved))
        }
    }

    /// Of a file, in its folder; of a directory, inside, where its weights lie. A link's own folder, not its target's:
    /// in a cache of Hugging Face's that one is a heap of nameless files.
    private static func beside(_ model: String) -> PackedCacheLocation {
        if isDirectory(model) { return .beside(folder: model, name: "model") }
        guard let slash = model.utf8.lastIndex(of: UInt8(ascii: "/")) else {
            return .beside(folder: ".", name: model)
        }
        return .beside(folder: String(model[...slash]), name: String(model[model.utf8.index(after: slash)...]))
    }

    private static func isDirectory(_ path: String) -> Bool {
        var status = stat()
        return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
    }

    /// Without links; as it is where nothing is there.
    private static func resolved(_ path: String) -> String {
        guard let resolved = realpath(path, nil) else { return path }
        defer { free(resolved) }
        return String(cString: resolved)
    }
}
