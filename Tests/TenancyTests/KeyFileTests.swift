import Foundation
import Testing

@testable import Tenancy

@Suite("A file of keys")
struct KeyFileTests {
    private static let hash = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    private static let other = "E3B0C44298FC1C149AFBF4C8996FB92427AE41E4649B934CA495991B7852B855"

    private func keys(_ text: String) throws(KeyFileError) -> [APIKey] { try KeyFile.keys(in: Array(text.utf8)) }

    @Test("Hashes are SHA-256, as FIPS 180-4 has them, in either case of digits")
    func digests() throws {
        #expect(KeyDigest(of: Array("abc".utf8)).hex == Self.hash)
        #expect(KeyDigest(hex: Array(Self.other.utf8)) == KeyDigest(of: []))
        #expect(KeyDigest(of: []).matches(try #require(KeyDigest(hex: Array(Self.other.lowercased().utf8)))))
        #expect(!KeyDigest(of: []).matches(KeyDigest(of: [0])))
    }

    @Test("Names, hashes, settings, comments and blank lines are read")
    func good() throws {
        let found = try keys(
            """
            # who may ask

            alice sha256:\(Self.hash)\trequests-per-minute=60 tokens-per-minute=1000000000 # hers
            \t ops.2  sha256:\(Self.other) concurrent=4 max-tokens=100 priority=-5 role=admin\r
            """)
        #expect(found.map(\.name) == ["alice", "ops.2"])
        var limits = KeyLimits()
        (limits.requestsPerMinute, limits.tokensPerMinute) = (60, 1_000_000_000)
        #expect(found[0].limits == limits && !found[0].isAdmin && found[0].digest == KeyDigest(of: Array("abc".utf8)))
        limits = KeyLimits()
        (limits.concurrentRequests, limits.maxTokens, limits.priority) = (4, 100, -5)
        #expect(found[1].limits == limits && found[1].isAdmin)
    }

    @Test(
        "What is wrong is told with its line",
        arguments: [
            ("", "there is no key in it"), ("# a\n\n", "there is no key in it"),
            ("\nalice", "line 2: the name must be followed by sha256: and 64 hexadecimal digits"),
            ("alice sha256:abc", "line 1: the name must be followed"), ("alice md5:H", "line 1: the name must be"),
            ("alice sha256:HH", "line 1: the name must be"), ("alice sha256:Hx", "line 1: the name must be"),
            ("-a sha256:H", "line 1: a name is"), ("é sha256:H", "line 1: a name is"),
            ("a/b sha256:H", "line 1: a name"),
            ("a sha256:H\n\na sha256:G", "line 3: there is a key named a above"),
            ("a sha256:H\nb sha256:H", "line 2: b has the same key as one above"),
            ("a sha256:H concurrent", "line 1: a setting is spelled NAME=VALUE"),
            ("a sha256:H concurrency=1", "line 1: unknown setting; there are requests-per-minute"),
            ("a sha256:H concurrent=1 concurrent=1", "line 1: concurrent is set twice"),
            ("a sha256:H concurrent=0", "line 1: concurrent must be a whole number in 1…1000000000"),
            ("a sha256:H max-tokens=+5", "line 1: max-tokens must be"),
            ("a sha256:H max-tokens=", "line 1: max-tokens"),
            ("a sha256:H max-tokens=1e3", "line 1: max-tokens"),
            ("a sha256:H requests-per-minute=1000000001", "line 1: requests-per-minute must be"),
            ("a sha256:H tokens-per-minute=99999999999999999999", "line 1: tokens-per-minute must be"),
            ("a sha256:H priority=--1", "line 1: priority must be"),
            ("a sha256:H priority=", "line 1: priority must be"),
            ("a sha256:H role=root", "line 1: the one role is admin"),
        ])
    func bad(_ text: String, _ words: String) throws {
        let text = text.replacing("H", with: Self.hash).replacing("G", with: Self.other)
        let error = #expect(throws: KeyFileError.self) { try keys(text) }
        #expect(error?.description.hasPrefix(words) == true, "\(error?.description ?? "")")
        #expect(error?.description.contains("ba78") == false)
    }

    @Test("Files are regular ones, not too large; who may read them is known")
    func files() throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "keys-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let path = folder.appending(path: "keys").path
        for (rights, isReadable) in [(0o600, false), (0o640, false), (0o644, true)] {
            try Data("a sha256:\(Self.hash)\n".utf8).write(to: URL(filePath: path))
            try FileManager.default.setAttributes([.posixPermissions: rights], ofItemAtPath: path)
            let file = try KeyFile(path: path)
            #expect(file.keys.map(\.name) == ["a"] && file.isReadableByOthers == isReadable)
        }
        func refusal(_ path: String) -> String? {
            #expect(throws: KeyFileError.self) { try KeyFile(path: path) }?.description
        }
        #expect(refusal(folder.path) == "\(folder.path) is no regular file")
        #expect(refusal(path + "x") == "cannot read \(path)x: No such file or directory")
        try Data("a sha256:1".utf8).write(to: URL(filePath: path))
        #expect(refusal(path)?.hasPrefix("\(path): line 1: the name must be") == true)
        try Data(repeating: 10, count: 1 << 20 + 1).write(to: URL(filePath: path))
        #expect(refusal(path)?.contains("larger than 1048576 bytes") == true)
    }

    @Test("A new key is nt- and 256 bits in the base 64 of URLs, and no two are alike")
    func made() throws {
        let random = (0..<32).map { UInt8($0 * 37 % 256) }
        let expected = Data(random).base64EncodedString().replacing("+", with: "-").replacing("/", with: "_")
            .replacing("=", with: "")
        #expect(NewKey(random: random).text == "nt-" + expected)
        let keys = (0..<50).map { _ in NewKey() }
        #expect(Set(keys.map(\.text)).count == 50 && keys.allSatisfy { $0.text.utf8.count == 46 })
        #expect(keys.allSatisfy { $0.digest == KeyDigest(of: Array($0.text.utf8)) })
    }

    @Test("The search finds the first, the last and none, whatever is like them")
    func found() {
        let texts = (0..<9).map { "nt-key-\($0)" }
        let keys = texts.map { APIKey(name: $0, digest: KeyDigest(of: Array($0.utf8))) }
        for text in texts { #expect(APIKey.find(KeyDigest(of: Array(text.utf8)), in: keys)?.name == text) }
        for text in ["nt-key-", "nt-key-00", "NT-KEY-0", "", "nt-key-9"] {
            #expect(APIKey.find(KeyDigest(of: Array(text.utf8)), in: keys) == nil)
        }
    }
}
