import Foundation
import TestSupport
import Testing
import Transformer

/// Folders that refuse, files that are something else, and servers that start at once.
@Suite("Folders of packed weights")
struct PackedCacheFolderTests {
    @Test("many starts at once write one whole file and leave nothing else", arguments: 0..<3)
    func concurrent(round: Int) throws {
        let cached = try PackedCacheCase()
        let plain = try cached.plain()
        let (count, results) = (6, Results())
        DispatchQueue.concurrentPerform(iterations: count) { _ in
            if let start = try? cached.start() { results.add(start) }
        }
        #expect(results.starts.count == count)
        #expect(results.starts.contains { $0.isWritten })
        #expect(results.starts.allSatisfy { $0.logits == plain.logits && $0.unused == nil && $0.notWritten == nil })
        #expect(try cached.names() == [cached.model.lastPathComponent, cached.fileName])
        #expect(try cached.start().isMapped)
    }

    private final class Results: @unchecked Sendable {
        private let lock = NSLock()
        private var all: [PackedCacheCase.Start] = []
        var starts: [PackedCacheCase.Start] { lock.withLock { all } }
        func add(_ start: PackedCacheCase.Start) { lock.withLock { all.append(start) } }
    }

    @Test("who finds another writing lets it; what nobody writes any more is replaced")
    func partial() throws {
        let cached = try PackedCacheCase()
        let partial = cached.folder.appending(path: cached.fileName + ".partial")
        try Data("left behind".utf8).write(to: partial)
        let descriptor = open(partial.path, O_RDONLY)
        try #require(flock(descriptor, LOCK_EX | LOCK_NB) == 0)
        let beside = try cached.start()
        #expect(!beside.isWritten && beside.notWritten == nil)
        #expect(try SharedData.bytes(partial) == Array("left behind".utf8))
        close(descriptor)
        #expect(try cached.start().isWritten)
        #expect(!FileManager.default.fileExists(atPath: partial.path))
        #expect(try cached.start().isMapped)
    }

    @Test("no link is followed, neither to read nor to write")
    func links() throws {
        let cached = try PackedCacheCase()
        _ = try cached.start()
        let target = cached.folder.appending(path: "target")
        try FileManager.default.moveItem(at: cached.file, to: target)
        try FileManager.default.createSymbolicLink(at: cached.file, withDestinationURL: target)
        let before = try SharedData.bytes(target)
        let start = try cached.start()
        #expect(start.unused == "it is a link" && start.isWritten)
        #expect(try SharedData.bytes(target) == before)
        #expect(try cached.start().isMapped)
        // A link where a file is to be written.
        try FileManager.default.removeItem(at: cached.file)
        let partial = cached.folder.appending(path: cached.fileName + ".partial")
        try FileManager.default.createSymbolicLink(at: partial, withDestinationURL: target)
        #expect(try cached.start().notWritten != nil)
        #expect(try SharedData.bytes(target) == before)
    }

    @Test("a pipe does not hang a start, a folder in the file's place is told of")
    func otherKinds() throws {
        let cached = try PackedCacheCase()
        try #require(mkfifo(cached.file.path, 0o600) == 0)
        let start = try cached.start()
        #expect(start.unused == "it is no regular file" && start.isWritten)
        #expect(try cached.start().isMapped)
        try FileManager.default.removeItem(at: cached.file)
        try FileManager.default.createDirectory(at: cached.file, withIntermediateDirectories: false)
        let folder = try cached.start()
        #expect(folder.unused == "it is no regular file" && folder.notWritten != nil && !folder.isWritten)
        #expect(try cached.names() == [cached.model.lastPathComponent, cached.fileName])
    }

    @Test("a file that others may write is not used", arguments: [0o620, 0o602, 0o666] as [mode_t])
    func writable(mode: mode_t) throws {
        let cached = try PackedCacheCase()
        _ = try cached.start()
        try #require(chmod(cached.file.path, mode) == 0)
        let start = try cached.start()
        #expect(start.unused == "others may write it" && start.isWritten)
        #expect(try cached.start().isMapped)
    }

    @Test("a folder that takes nothing, or is not there, is told of, and the model starts")
    func refusing() throws {
        let cached = try PackedCacheCase()
        let plain = try cached.plain()
        // Nobody makes a file in /proc, not even the superuser.
        let readOnly = try cached.start(.beside(folder: "/proc", name: "model"))
        #expect(readOnly.notWritten != nil && readOnly.unused == nil && readOnly.logits == plain.logits)
        let missing = try cached.start(.beside(folder: cached.folder.path + "/none", name: "model"))
        #expect(missing.unused?.contains("its folder cannot be opened") == true)
        #expect(missing.notWritten?.contains("its folder cannot be opened") == true)
        #expect(missing.logits == plain.logits)
        let long = String(repeating: "n", count: 250)
        #expect(try cached.start(.beside(folder: cached.folder.path, name: long)).notWritten != nil)
    }

    @Test("a folder without the right to write", .enabled(if: geteuid() != 0, "the superuser has every right"))
    func withoutRight() throws {
        let cached = try PackedCacheCase()
        try #require(chmod(cached.folder.path, 0o500) == 0)
        let start = try cached.start()
        try #require(chmod(cached.folder.path, 0o700) == 0)
        #expect(start.notWritten == "Permission denied" && start.unused == nil)
    }
}
