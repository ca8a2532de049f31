import Foundation
import TestSupport
import Testing

@testable import HTTPTransport

/// A folder for files of one test.
struct TemporaryFolder: ~Copyable {
    let path = FileManager.default.temporaryDirectory.appending(path: "needletail-\(UUID().uuidString)").path

    init() throws { try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true) }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    /// Writes a file, readable by its owner, and gives its path.
    func write(_ name: String, _ bytes: [UInt8]) throws -> String {
        let file = "\(path)/\(name)"
        try Data(bytes).write(to: URL(filePath: file))
        chmod(file, 0o600)
        return file
    }

    /// Copies a fixture over what was there.
    func copy(_ fixture: String, as name: String? = nil) throws -> String {
        try write(name ?? fixture, SharedData.bytes(URL(filePath: TLSPeer.fixture(fixture))))
    }
}

@Suite("TLS files")
struct TLSContextTests {
    private func error(_ certificate: String, _ key: String, clients: String? = nil) -> TLSError? {
        var configuration = TLSConfiguration(certificatePath: certificate, keyPath: key)
        configuration.clientAuthorityPath = clients
        do throws(TLSError) {
            _ = try TLSContext(configuration)
            return nil
        } catch {
            return error
        }
    }

    @Test("a file that is not there, no file, or too long is told")
    func files() throws {
        let folder = try TemporaryFolder()
        let (good, key) = (TLSPeer.fixture("server.pem"), TLSPeer.fixture("server.key"))
        let missing = "\(folder.path)/missing.pem"
        #expect(error(missing, key)?.description == "cannot read \(missing): No such file or directory")
        #expect(error(good, missing) == .unreadable(path: missing, reason: "No such file or directory"))
        #expect(error(good, key, clients: missing) == .unreadable(path: missing, reason: "No such file or directory"))
        #expect(error(folder.path, key) == .noRegularFile(path: folder.path))
        let pipe = "\(folder.path)/pipe"
        mkfifo(pipe, 0o600)
        #expect(error(pipe, key) == .noRegularFile(path: pipe))
        let long = try folder.write("long.pem", [UInt8](repeating: 10, count: (1 << 20) + 1))
        #expect(error(long, key) == .tooLarge(path: long, byteLimit: 1 << 20))
    }

    @Test("a file without what is wanted in it is told")
    func contents() throws {
        let folder = try TemporaryFolder()
        let (good, key) = (TLSPeer.fixture("server.pem"), TLSPeer.fixture("server.key"))
        let empty = try folder.write("empty", [])
        #expect(error(empty, key) == .noCertificate(path: empty))
        #expect(error(key, key) == .noCertificate(path: key))
        #expect(error(good, key, clients: empty) == .noCertificate(path: empty))
        guard case .noKey(empty, _)? = error(good, empty) else { throw CocoaError(.featureUnsupported) }
        guard case .noKey(good, _)? = error(good, good) else { throw CocoaError(.featureUnsupported) }
        var bytes = try SharedData.bytes(URL(filePath: good))
        bytes[40] = UInt8(ascii: "!")
        let damaged = try folder.write("damaged", bytes)
        guard case .damagedCertificate(damaged, _)? = error(damaged, key) else {
            throw CocoaError(.featureUnsupported)
        }
    }

    @Test("a key that is encrypted, another's, or too short is told in one line")
    func keys() {
        let good = TLSPeer.fixture("server.pem")
        let encrypted = TLSPeer.fixture("encrypted.key")
        #expect(error(good, encrypted) == .encryptedKey(path: encrypted))
        let other = TLSPeer.fixture("renewed.key")
        #expect(error(good, other) == .keyMismatch(certificatePath: good, keyPath: other))
        #expect(
            error(good, TLSPeer.fixture("rsa.key"))
                == .keyMismatch(certificatePath: good, keyPath: TLSPeer.fixture("rsa.key")))
        let weak = TLSPeer.fixture("weak.pem")
        #expect(error(weak, TLSPeer.fixture("weak.key")) == .unusable(path: weak, reason: "ee key too small"))
        for error in [error(good, encrypted), error(good, other)] {
            #expect(error?.description.contains("\n") == false)
        }
    }

    @Test("certificate and key may share a file, in any order")
    func together() throws {
        let folder = try TemporaryFolder()
        let certificate = try SharedData.bytes(URL(filePath: TLSPeer.fixture("server.pem")))
        let key = try SharedData.bytes(URL(filePath: TLSPeer.fixture("server.key")))
        for (name, bytes) in [("one", certificate + key), ("two", key + certificate)] {
            let file = try folder.write(name, bytes)
            #expect(error(file, file) == nil)
        }
    }

    @Test("an expired certificate and a key that everybody can read are warned of")
    func warnings() throws {
        let folder = try TemporaryFolder()
        let key = try folder.copy("server.key")
        let certificate = try folder.copy("server.pem")
        #expect(try TLSContext(TLSConfiguration(certificatePath: certificate, keyPath: key)).warnings == [])
        let expired = try folder.copy("expired.pem")
        let warnings = try TLSContext(TLSConfiguration(certificatePath: expired, keyPath: key)).warnings
        #expect(warnings.count == 1)
        #expect(warnings.first?.hasPrefix("the certificate in \(expired) expired on 20") == true)
        chmod(key, 0o644)
        #expect(
            try TLSContext(TLSConfiguration(certificatePath: certificate, keyPath: key)).warnings
                == ["everybody can read the private key in \(key)"])
    }
}
