package import Foundation

/// The reference material beside the checkout. Tests that need it are skipped, visibly, where it is absent.
package enum SharedData {
    private static let root: URL = {
        if let path = ProcessInfo.processInfo.environment["NEEDLETAIL_SHARED"] { return URL(filePath: path) }
        return repository.deletingLastPathComponent().appending(path: "shared")
    }()

    /// The checkout.
    package static let repository = URL(filePath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

    /// `shared/data`, nil when absent.
    package static let directory: URL? = {
        let data = root.appending(path: "data")
        return FileManager.default.fileExists(atPath: data.path) ? data : nil
    }()

    package static var isAvailable: Bool { directory != nil }

    /// A file of `shared/data`; only to be asked for by tests that `isAvailable` enables.
    package static func file(_ path: String) -> URL {
        (directory ?? root.appending(path: "data")).appending(path: path)
    }

    /// A file of `Tests/Fixtures`.
    package static func fixture(_ path: String) -> URL {
        repository.appending(path: "Tests/Fixtures").appending(path: path)
    }

    package static func bytes(_ url: URL) throws -> [UInt8] { [UInt8](try Data(contentsOf: url)) }
}
