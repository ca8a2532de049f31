import ArgumentParser
import Foundation
import HTTPTransport
import Logging
import Tenancy
import Testing

@testable import needletail

@Suite("Key options")
struct KeyOptionsTests {
    @Test(
        "An address that others reach needs keys, certificates of clients, or the flag",
        arguments: [
            ("127.0.0.1", true), ("127.9.9.9", true), ("localhost", true), ("::1", true), ("[::1]", true),
            ("::ffff:127.0.0.1", true), ("0.0.0.0", false), ("::", false), ("10.0.0.1", false),
            ("::ffff:10.0.0.1", false), ("fe80::1", false), ("128.0.0.1", false),
        ])
    func reach(_ host: String, _ isLoopback: Bool) throws {
        func serve(_ more: String...) throws { _ = try ServeCommand.parse(["--host", host] + more) }
        if isLoopback {
            try serve()
        } else {
            let error = #expect(throws: (any Error).self) { try serve() }
            #expect(ServeCommand.message(for: try #require(error)).contains("--allow-remote-without-keys"))
        }
        try serve("--allow-remote-without-keys")
        try serve("--api-keys", "keys")
        let tls = ["--tls-certificate", "a", "--tls-key", "b", "--tls-client-ca", "c"]
        _ = try ServeCommand.parse(["--host", host] + tls)
        let optional = ["--host", host] + tls + ["--tls-client-verify", "optional"]
        #expect((try? ServeCommand.parse(optional)) == nil || isLoopback)
    }

    @Test("A new key's line is what the server reads, and settings are checked")
    func made() throws {
        let command = try KeyCommand.New.parse(["alice", "concurrent=2", "priority=-1"])
        let (line, key) = try command.made()
        let found = try KeyFile.keys(in: Array(line.utf8))
        #expect(found.map(\.name) == ["alice"] && found[0].limits.concurrentRequests == 2)
        #expect(found[0].digest == key.digest && !line.contains(key.text))
        for words in [["a b"], ["#a"], [""], ["a", "concurrent=0"], ["a", "x\nb"], ["a", "x=1"]] {
            #expect(throws: StartError.self) { try KeyCommand.New.parse(words).made() }
        }
    }

    @Test("A file that cannot be used keeps the keys that there were")
    func reload() async throws {
        let path = FileManager.default.temporaryDirectory.appending(path: "keys-\(UUID().uuidString)").path
        defer { try? FileManager.default.removeItem(atPath: path) }
        let (first, second) = (NewKey(), NewKey())
        func write(_ text: String) throws { try Data(text.utf8).write(to: URL(filePath: path)) }
        try write("a sha256:\(first.digest.hex)")
        let source = try #require(try KeyOptions.parse(["--api-keys", path]).source())
        let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        for (text, holders) in [
            ("a sha256:\(second.digest.hex)", [nil, "a"]), ("broken", [nil, "a"]), ("", [nil, "a"]),
            ("b sha256:\(first.digest.hex)", ["b", nil]),
        ] {
            try write(text)
            await source.reload(logger)
            #expect(await source.tenants.holder(of: Array(first.text.utf8))?.name == holders[0])
            #expect(await source.tenants.holder(of: Array(second.text.utf8))?.name == holders[1])
        }
        try write("broken")
        let error = #expect(throws: StartError.self) { try KeyOptions.parse(["--api-keys", path]).source() }
        #expect(error?.description.hasPrefix("\(path): line 1: ") == true)
    }
}
