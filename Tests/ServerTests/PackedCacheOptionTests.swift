import ArgumentParser
import Foundation
import Logging
import Testing
import Transformer

@testable import needletail

@Suite("--packed-cache, and what is said of weights that load")
struct PackedCacheOptionTests {
    private let folder = FileManager.default.temporaryDirectory.path

    private func option(_ arguments: String...) throws -> PackedCacheOption {
        try ModelOptions.parse(arguments).packedCache
    }

    @Test("off, beside or a directory; off where nothing is said")
    func parsing() throws {
        #expect(try option() == .off)
        #expect(try option("--packed-cache", "off") == .off)
        #expect(try option("--packed-cache=beside") == .beside)
        #expect(try option("--packed-cache", "./off") == .directory("./off"))
        #expect(throws: (any Error).self) { try option("--packed-cache=") }
    }

    @Test("beside a file, under its name; inside a directory, under a name of its own")
    func beside() throws {
        let beside = PackedCacheOption.beside
        #expect(try beside.location(model: "/a/b/m.gguf") == .beside(folder: "/a/b/", name: "m.gguf"))
        #expect(try beside.location(model: "m.gguf") == .beside(folder: ".", name: "m.gguf"))
        #expect(try beside.location(model: folder) == .beside(folder: folder, name: "model"))
        #expect(throws: StartError.self) { try beside.location(model: nil) }
    }

    @Test("a folder has to be there; a model is known by its path without links")
    func directory() throws {
        #expect(try PackedCacheOption.off.location(model: nil) == nil)
        let directory = PackedCacheOption.directory(folder)
        #expect(try directory.location(model: nil) == .folder(folder, model: nil))
        let link = folder + "/" + UUID().uuidString
        try FileManager.default.createSymbolicLink(atPath: link, withDestinationPath: "/usr")
        defer { try? FileManager.default.removeItem(atPath: link) }
        #expect(try directory.location(model: link) == .folder(folder, model: "/usr"))
        for path in [folder + "/none", "/dev/null"] {
            let error = #expect(throws: StartError.self) {
                try PackedCacheOption.directory(path).location(model: nil)
            }
            let message = "--packed-cache has to be off, beside or a directory that exists, got \(path)"
            #expect(error?.description == message)
        }
    }

    /// Feeds events at times in seconds.
    private func line(_ events: [(Double, WeightLoading.Event)], end: Double) -> String? {
        final class Clock { var seconds = 0.0 }
        let (clock, started) = (Clock(), ContinuousClock.now)
        let line = WeightLoadingLine(Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }) {
            started + .milliseconds(Int((clock.seconds * 1000).rounded()))
        }
        for (seconds, event) in events {
            clock.seconds = seconds
            line.take(event)
        }
        clock.seconds = end
        return line.finish()
    }

    @Test("nothing for a moment, a line for more, and one of what the cache did")
    func lines() {
        func packing(_ seconds: Double) -> [(Double, WeightLoading.Event)] {
            [
                (seconds / 2, .progress(.packing, done: 1_000_000_000, total: 4_100_000_000)),
                (seconds, .progress(.packing, done: 4_100_000_000, total: 4_100_000_000)),
            ]
        }
        #expect(line(packing(0.4), end: 0.4) == nil)
        #expect(line(packing(2), end: 2.2) == "4.1 GB of weights packed in 2.0 s")
        #expect(
            line(
                packing(2) + [
                    (3, .progress(.writing, done: 4_100_000_000, total: 4_100_000_000)), (5, .written(file: "m")),
                ], end: 5) == "4.1 GB of weights packed in 2.0 s, written to m in 1.0 s")
        #expect(
            line(
                [(0.2, .progress(.checking, done: 5_000_000, total: 5_000_000)), (0.2, .mapped(file: "m"))], end: 0.2)
                == "5.0 MB of packed weights mapped from m in 0.2 s")
    }

    @Test("a bar with bytes done and in all")
    func bar() {
        #expect(
            WeightLoadingLine.text(.packing, 1_500_000_000, 3_000_000_000)
                == "packing weights [###############...............] 1.5 GB of 3.0 GB")
        #expect(WeightLoadingLine.text(.checking, 0, 0).hasPrefix("checking weights [......"))
    }
}
