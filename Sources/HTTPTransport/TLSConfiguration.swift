/// Which files make the server's side of TLS, all of them PEM.
package struct TLSConfiguration: Sendable, Equatable {
    /// What is asked of clients.
    package enum ClientVerification: String, Sendable, CaseIterable {
        /// A certificate is asked for; who has none is served, who shows a wrong one is not.
        case optional
        case required = "require"
    }

    /// The server's certificate, then those between it and its root.
    package var certificatePath: String
    /// The certificate's key, not encrypted. May be the same file.
    package var keyPath: String
    /// Who signs the certificates of clients; nil asks clients for none.
    package var clientAuthorityPath: String?
    package var clientVerification = ClientVerification.required

    package init(certificatePath: String, keyPath: String) {
        self.certificatePath = certificatePath
        self.keyPath = keyPath
    }
}

/// Why a certificate or its key cannot be used. Each is one line for the operator and quotes nothing of a file.
package enum TLSError: Error, Equatable, CustomStringConvertible {
    case unreadable(path: String, reason: String)
    case noRegularFile(path: String)
    case tooLarge(path: String, byteLimit: Int)
    case noCertificate(path: String)
    case damagedCertificate(path: String, reason: String)
    case noKey(path: String, reason: String)
    case encryptedKey(path: String)
    /// OpenSSL takes the certificate for none to serve with, such as one with a key that is too short.
    case unusable(path: String, reason: String)
    case keyMismatch(certificatePath: String, keyPath: String)
    case unavailable(reason: String)

    package var description: String {
        switch self {
        case .unreadable(let path, let reason):
            "cannot read \(path): \(reason)"
        case .noRegularFile(let path):
            "cannot read \(path): not a regular file"
        case .tooLarge(let path, let limit):
            "cannot read \(path): longer than \(limit) bytes, which no certificate or key is"
        case .noCertificate(let path):
            "\(path) holds no certificate in PEM format (-----BEGIN CERTIFICATE-----)"
        case .damagedCertificate(let path, let reason):
            "\(path) holds a damaged certificate: \(reason)"
        case .noKey(let path, let reason):
            "\(path) holds no usable private key in PEM format: \(reason)"
        case .encryptedKey(let path):
            "the private key in \(path) is encrypted: give one without a pass phrase (openssl pkey -in … -out …)"
        case .unusable(let path, let reason):
            "\(path) cannot be used for TLS: \(reason)"
        case .keyMismatch(let certificate, let key):
            "the private key in \(key) does not belong to the certificate in \(certificate)"
        case .unavailable(let reason):
            "TLS is not available: \(reason)"
        }
    }
}
