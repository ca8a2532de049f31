import ArgumentParser
import HTTPTransport
import Logging
import ServiceLifecycle
import UnixSignals

/// TLS of the server: with which certificate, and which clients.
struct TLSOptions: ParsableArguments {
    @Option(
        name: .customLong("tls-certificate"),
        help: "Serve https with this certificate: PEM, the chain after it. SIGHUP reads it anew.")
    var certificate: String?

    @Option(name: .customLong("tls-key"), help: "Its private key: PEM, without pass phrase.")
    var key: String?

    @Option(
        name: .customLong("tls-client-ca"), help: "Ask clients for certificates that one of these signed: PEM.")
    var clientAuthority: String?

    @Option(
        name: .customLong("tls-client-verify"),
        help: "With --tls-client-ca: whether a client must have a certificate (require) or may (optional).")
    var clientVerification: TLSConfiguration.ClientVerification?

    func validate() throws {
        guard (certificate == nil) == (key == nil) else {
            throw ValidationError("--tls-certificate and --tls-key belong together; give both")
        }
        guard clientAuthority == nil || certificate != nil else {
            throw ValidationError("--tls-client-ca needs --tls-certificate and --tls-key")
        }
        guard clientVerification == nil || clientAuthority != nil else {
            throw ValidationError("--tls-client-verify needs --tls-client-ca")
        }
    }

    /// Nil without a certificate.
    func context() throws(StartError) -> TLSContext? {
        guard let certificate, let key else { return nil }
        var configuration = TLSConfiguration(certificatePath: certificate, keyPath: key)
        configuration.clientAuthorityPath = clientAuthority
        configuration.clientVerification = clientVerification ?? .required
        do throws(TLSError) {
            return try TLSContext(configuration)
        } catch {
            throw StartError("\(error)")
        }
    }

    /// Nobody is let in without a certificate.
    var needsClientCertificates: Bool { clientAuthority != nil && clientVerification != .optional }

    /// The scheme, behind what curl needs for it. Which authority signed the certificate is not known here.
    var curlPrefix: String {
        guard certificate != nil else { return "http://" }
        return (clientAuthority == nil ? "-k " : "-k --cert CERTIFICATE --key KEY ") + "https://"
    }
}

extension TLSConfiguration.ClientVerification: ExpressibleByArgument {}

/// Reads the files of keys and of TLS anew at each SIGHUP.
struct FileReloading: Service {
    let listener: Listener
    let keys: KeySource?
    let servesTLS: Bool
    let logger: Logger
    let signals: UnixSignalsSequence

    func run() async throws {
        for await _ in signals.cancelOnGracefulShutdown() {
            await keys?.reload(logger)
            if keys == nil || servesTLS { await listener.reloadCertificate() }
        }
    }
}
