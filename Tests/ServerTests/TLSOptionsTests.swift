import ArgumentParser
import Foundation
import HTTPTransport
import TestSupport
import Testing

@testable import needletail

@Suite("TLS options")
struct TLSOptionsTests {
    private func parse(_ arguments: String) throws -> TLSOptions {
        try TLSOptions.parse(arguments.split(separator: " ").map(String.init))
    }

    @Test(
        "What belongs together is asked for together",
        arguments: [
            ("--tls-certificate a", "--tls-certificate and --tls-key belong together"),
            ("--tls-key a", "--tls-certificate and --tls-key belong together"),
            ("--tls-client-ca a", "--tls-client-ca needs --tls-certificate and --tls-key"),
            (
                "--tls-certificate a --tls-key b --tls-client-verify optional",
                "--tls-client-verify needs --tls-client-ca"
            ),
            ("--tls-certificate a --tls-key b --tls-client-ca c --tls-client-verify no", "'no' is invalid"),
        ])
    func refused(_ arguments: String, _ words: String) throws {
        let error = #expect(throws: (any Error).self) { try parse(arguments) }
        let message = TLSOptions.message(for: try #require(error))
        #expect(message.contains(words), "\(message)")
    }

    @Test("Files become a context, or one line that says why not; none is clear text")
    func contexts() throws {
        let (clear, folder) = (try parse(""), SharedData.fixture("tls").path)
        #expect(try clear.context()?.configuration == nil && clear.curlPrefix == "http://")
        let served = try parse("--tls-certificate \(folder)/server.pem --tls-key \(folder)/server.key")
        #expect(try served.context()?.configuration.clientAuthorityPath == nil)
        #expect(served.curlPrefix == "-k https://")
        let clients = try parse(
            "--tls-certificate \(folder)/server.pem --tls-key \(folder)/server.key --tls-client-ca \(folder)/authority.pem"
        )
        #expect(try clients.context()?.configuration.clientVerification == .required)
        let missing = try parse("--tls-certificate \(folder)/none --tls-key \(folder)/server.key")
        let error = #expect(throws: StartError.self) { try missing.context() }
        #expect(error?.description == "cannot read \(folder)/none: No such file or directory")
    }
}
