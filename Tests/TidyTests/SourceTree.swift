import Foundation

/// The repository's source files, as text.
enum SourceTree {
    struct File: CustomStringConvertible {
        var path: String
        var lines: [String]
        var description: String { path }

        /// The first folder under `Sources`.
        var target: String { path.split(separator: "/").dropFirst().first.map(String.init) ?? "" }

        /// Lines without what follows `//`: what the compiler sees.
        var code: [String] { lines.map { $0.components(separatedBy: "//")[0] } }
    }

    static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()

    /// Files under `folder` with one of these extensions, hidden folders left out.
    static func files(in folder: String, extensions: Set<String>) -> [File] {
        let base = root.appending(path: folder).resolvingSymlinksInPath()
        guard let paths = FileManager.default.enumerator(atPath: base.path) else { return [] }
        return paths.compactMap { element -> File? in
            guard let path = element as? String, extensions.contains((path as NSString).pathExtension),
                !path.split(separator: "/").contains(where: { $0.hasPrefix(".") }),
                let text = try? String(contentsOf: base.appending(path: path), encoding: .utf8)
            else { return nil }
            return File(path: folder + "/" + path, lines: text.components(separatedBy: "\n"))
        }
    }

    static let swift = files(in: "Sources", extensions: ["swift"])
    static let c = files(in: "Sources", extensions: ["c", "h"])
    static let tests = files(in: "Tests", extensions: ["swift", "py"])
}
