import COpenSSL
import Glibc

/// A file of certificates or a key, read once into memory that OpenSSL wipes when it gives it back.
final class PEMFile {
    /// Longest file; the bundle of all public authorities has 220 KB.
    private static let byteLimit = 1 << 20
    private static let pieceByteCount = 16 << 10

    let path: String
    /// Everybody on the machine may read it.
    let isReadableByOthers: Bool
    private let buffer: OpaquePointer

    init(_ path: String) throws(TLSError) {
        self.path = path
        // Not blocking: a pipe without a writer must not hold up the start.
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else { throw .unreadable(path: path, reason: String(cString: strerror(errno))) }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
            throw .noRegularFile(path: path)
        }
        isReadableByOthers = status.st_mode & S_IROTH != 0
        guard let buffer = BIO_new(BIO_s_mem()) else { throw .unavailable(reason: OpenSSL.takeReason()) }
        self.buffer = buffer
        try Self.read(descriptor, path, into: buffer)
    }

    deinit { BIO_free(buffer) }

    private static func read(_ descriptor: Int32, _ path: String, into buffer: OpaquePointer) throws(TLSError) {
        var piece = [UInt8](repeating: 0, count: pieceByteCount)
        defer { piece.withUnsafeMutableBytes { OPENSSL_cleanse($0.baseAddress, $0.count) } }
        var byteCount = 0
        while true {
            let count = Glibc.read(descriptor, &piece, pieceByteCount)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw .unreadable(path: path, reason: String(cString: strerror(errno))) }
            guard count > 0 else { return }
            byteCount += count
            guard byteCount <= byteLimit else { throw .tooLarge(path: path, byteLimit: byteLimit) }
            guard BIO_write(buffer, piece, Int32(count)) == count else {
                throw .unavailable(reason: OpenSSL.takeReason())
            }
        }
    }

    /// All certificates of the file, in its order; at least one. Other blocks are passed over.
    func certificates() throws(TLSError) -> [Certificate] {
        var certificates: [Certificate] = []
        ERR_clear_error()
        while let pointer = PEM_read_bio_X509(buffer, nil, nil, nil) { certificates.append(Certificate(pointer)) }
        let code = ERR_peek_last_error()
        let isEnd = ERR_GET_LIB(code) == ERR_LIB_PEM && ERR_GET_REASON(code) == PEM_R_NO_START_LINE
        let reason = OpenSSL.takeReason()
        guard isEnd else { throw .damagedCertificate(path: path, reason: reason) }
        guard !certificates.isEmpty else { throw .noCertificate(path: path) }
        return certificates
    }

    func privateKey() throws(TLSError) -> PrivateKey {
        ERR_clear_error()
        var isEncrypted = false
        // Asked for a pass phrase, OpenSSL would otherwise ask at the terminal.
        let pointer = PEM_read_bio_PrivateKey(
            buffer, nil,
            { _, _, _, answer in
                answer?.assumingMemoryBound(to: Bool.self).pointee = true
                return -1
            }, &isEncrypted)
        guard let pointer else {
            let reason = OpenSSL.takeReason()
            throw isEncrypted ? .encryptedKey(path: path) : .noKey(path: path, reason: reason)
        }
        return PrivateKey(pointer)
    }
}
