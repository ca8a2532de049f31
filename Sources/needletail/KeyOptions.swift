import ArgumentParser
import HTTPTransport
import Logging
import Tenancy

/// Who may ask the server.
struct KeyOptions: ParsableArguments {
    @Option(
        name: .customLong("api-keys"),
        help: "Serve only who has a key of this file; `needletail key new` makes keys. SIGHUP reads it anew.")
    var file: String?

    @Flag(
        name: .customLong("allow-remote-without-keys"),
        help: "Let everybody in who reaches the address, though it is no loopback one and there are no keys.")
    var allowsRemoteWithoutKeys = false

    /// - Throws: what the operator must say in so many words.
    /// - Source: reliability.md section 3, line 10.
    func checkReach(of listening: ListenerConfiguration, needsClientCertificates: Bool) throws {
        guard isOpen(listening, needsClientCertificates), !allowsRemoteWithoutKeys else { return }
        throw ValidationError(
            "--host \(listening.host) lets other machines in, and no key is asked for: give --api-keys or "
                + "--tls-client-ca, or --allow-remote-without-keys if that is meant")
    }

    private func isOpen(_ listening: ListenerConfiguration, _ needsClientCertificates: Bool) -> Bool {
        file == nil && !needsClientCertificates && !listening.isLoopback
    }

    /// What the operator should know of who may ask.
    func warnings(of listening: ListenerConfiguration, _ keys: KeySource?, _ tls: TLSOptions) -> [String] {
        var lines: [String] = []
        if isOpen(listening, tls.needsClientCertificates) {
            lines.append("everybody who reaches \(listening.host) may ask: there are no keys")
        }
        if keys != nil, tls.certificate == nil, !listening.isLoopback {
            lines.append("keys cross the network in clear text: there is no TLS")
        }
        if let warning = keys?.warning { lines.append(warning) }
        return lines
    }

    /// Nil without a file.
    func source() throws(StartError) -> KeySource? {
        guard let file else { return nil }
        do throws(KeyFileError) { return KeySource(path: file, try KeyFile(path: file)) } catch {
            throw StartError(error.description)
        }
    }

    /// For the line that shows how to ask.
    var curlHeader: String { file == nil ? "" : "-H 'authorization: Bearer KEY' " }
}

/// A file of keys, and who holds them now.
struct KeySource: Sendable {
    let path: String
    let tenants: Tenants
    /// What is unwise about the file.
    let warning: String?

    init(path: String, _ file: KeyFile) {
        self.path = path
        tenants = Tenants(file.keys)
        warning = Self.warning(path, file)
    }

    private static func warning(_ path: String, _ file: KeyFile) -> String? {
        file.isReadableByOthers ? "everybody on this machine may read \(path)" : nil
    }

    /// Reads the file anew. The old keys stay where it cannot be used.
    func reload(_ logger: Logger) async {
        do throws(KeyFileError) {
            let file = try KeyFile(path: path)
            await tenants.replace(with: file.keys)
            logger.info("keys read anew", metadata: ["file": "\(path)", "keys": "\(file.keys.count)"])
            if let line = Self.warning(path, file) { logger.warning("\(line)") }
        } catch {
            logger.error("keys not read anew, the old ones stay", metadata: ["reason": "\(error)"])
        }
    }
}
