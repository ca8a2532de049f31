import Foundation
import Kernels
import TestSupport
import Testing
import Transformer

/// A file that is not exactly what packing would make is told of, not used, and replaced.
@Suite("Files of packed weights that are not used")
struct PackedCacheDamageTests {
    /// Starts with a file in the place of the right one; the next start has the right one again.
    private func check(
        _ cached: PackedCacheCase, _ content: [UInt8], _ reason: String, _ note: Comment = ""
    ) throws {
        let plain = try cached.plain()
        try Data(content).write(to: cached.file)
        #expect(chmod(cached.file.path, 0o600) == 0)
        let start = try cached.start()
        let found = try #require(start.unused, note)
        #expect(found.contains(reason), note)
        #expect(!start.isMapped && start.isWritten && start.logits == plain.logits, note)
        #expect(try cached.start().isMapped, note)
    }

    /// The header's checksum made right again.
    private func sealed(_ bytes: [UInt8]) -> [UInt8] {
        var bytes = bytes
        let checksum = bytes[..<56].withUnsafeBytes { digest($0) }
        withUnsafeBytes(of: checksum) { bytes.replaceSubrange(56..<64, with: $0) }
        return bytes
    }

    @Test("every field of the header", arguments: PackedHeaderField.allCases)
    func header(field: PackedHeaderField) throws {
        let cached = try PackedCacheCase()
        _ = try cached.start()
        let right = try cached.bytes()
        for place in field.range {
            var bytes = right
            bytes[place] ^= 0x01
            if field != .headerChecksum {
                try check(cached, sealed(bytes), field.reason, "\(field), byte \(place)")
            } else {
                try check(cached, bytes, field.reason)
            }
        }
        var bytes = right
        bytes[field.range.lowerBound] ^= 0x80
        let early: Set<PackedHeaderField> = [.magic, .byteOrder, .format]
        try check(cached, bytes, early.contains(field) ? field.reason : "its header is damaged")
    }

    @Test("every kind of length, and what is no file of ours")
    func lengths() throws {
        let cached = try PackedCacheCase()
        _ = try cached.start()
        let right = try cached.bytes()
        for length in [0, 1, 63, 64, 65, 4096, 2 << 20 - 1, 2 << 20, 2 << 20 + 1, right.count / 2, right.count - 1] {
            try check(cached, Array(right.prefix(length)), "it is cut short", "\(length) bytes")
        }
        try check(cached, right + [0], "it is cut short, or longer than it was")
        try check(cached, [UInt8](repeating: 0, count: right.count), "no file of packed weights")
        try check(cached, try SharedData.bytes(cached.model), "no file of packed weights")
        // A file whose panels the disk never got.
        try check(
            cached, Array(right.prefix(64)) + [UInt8](repeating: 0, count: right.count - 64), "it is damaged")
    }

    @Test("one bit of the panels, anywhere")
    func bits() throws {
        let cached = try PackedCacheCase()
        _ = try cached.start()
        let right = try cached.bytes()
        var generator = TestGenerator(seed: 3)
        let random = (0..<8).map { _ in Int.random(in: 2 << 20..<right.count, using: &generator) }
        for place in [2 << 20, right.count - 1] + random {
            var bytes = right
            bytes[place] ^= UInt8(1) << UInt8.random(in: 0..<8, using: &generator)
            try check(cached, bytes, "it is damaged", "byte \(place)")
        }
    }

    @Test("another model, another way to compute, an older file of the model")
    func foreign() throws {
        let cached = try PackedCacheCase()
        _ = try cached.start()
        let right = try cached.bytes()
        let exact = try PackedCacheCase("llama-gqa/model-q8_0.gguf", .exact)
        try check(exact, right, "another model file")
        // The copy has the time of its own making.
        let copy = try PackedCacheCase()
        try check(copy, right, "another model file")
        try setTime(copy.model, 1_700_000_000)
        try setTime(cached.model, 1_700_000_000)
        #expect(try cached.start().unused?.contains("another model file") == true)
        #expect(try copy.start().unused?.contains("another model file") == true)
        // Same name, size, time and content: the same file.
        try FileManager.default.removeItem(at: copy.file)
        try FileManager.default.copyItem(at: cached.file, to: copy.file)
        #expect(try copy.start().isMapped)
        try setTime(exact.model, 1_700_000_000)
        try check(exact, try cached.bytes(), "packed in another way")
    }

    @Test("a model that changed though its size and time did not")
    func changed() throws {
        let cached = try PackedCacheCase("llama-gqa/model-f32.gguf")
        try setTime(cached.model, 1)
        let before = try cached.start()
        #expect(try cached.start().isMapped)
        // All weights, as training changes them: the sign of every fourth byte of the second half is data's.
        var bytes = try SharedData.bytes(cached.model)
        for place in stride(from: bytes.count / 2 / 32 * 32 + 3, to: bytes.count, by: 4) { bytes[place] ^= 0x80 }
        try Data(bytes).write(to: cached.model)
        try setTime(cached.model, 1)
        let after = try cached.start()
        #expect(after.unused?.contains("another model file") == true && after.isWritten)
        #expect(after.logits != before.logits)
        #expect(try after.logits == cached.plain().logits)
    }

    private func setTime(_ file: URL, _ seconds: Int) throws {
        var times = [timespec(tv_sec: seconds, tv_nsec: 0), timespec(tv_sec: seconds, tv_nsec: 0)]
        try #require(utimensat(AT_FDCWD, file.path, &times, 0) == 0)
    }
}
