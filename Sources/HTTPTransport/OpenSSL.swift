import COpenSSL
import Glibc

/// What OpenSSL says of its failures.
enum OpenSSL {
    /// The last reason in this thread's queue, in OpenSSL's words, which hold no data: what the outermost layer makes of
    /// those before. The queue is empty afterwards.
    static func takeReason() -> String {
        let code = ERR_peek_last_error()
        defer { ERR_clear_error() }
        guard code != 0 else { return "unknown error" }
        if let reason = ERR_reason_error_string(code) { return String(cString: reason) }
        return "error \(ERR_GET_REASON(code)) of library \(ERR_GET_LIB(code))"
    }
}

/// An X.509 certificate, counted by OpenSSL.
final class Certificate {
    let pointer: OpaquePointer

    /// Takes over the reference.
    init(_ pointer: OpaquePointer) { self.pointer = pointer }

    deinit { X509_free(pointer) }

    /// The day from which it does not hold any more, where that is past.
    var expiredOn: String? { Self.isPast(X509_get0_notAfter(pointer)) ? Self.day(X509_get0_notAfter(pointer)) : nil }

    /// The day from which it holds, where that is ahead.
    var holdsFrom: String? {
        let start = X509_get0_notBefore(pointer)
        return Self.isPast(start) ? nil : Self.day(start)
    }

    private static func isPast(_ time: UnsafePointer<ASN1_TIME>?) -> Bool { X509_cmp_current_time(time) < 0 }

    private static func day(_ time: UnsafePointer<ASN1_TIME>?) -> String {
        var parts = tm()
        guard ASN1_TIME_to_tm(time, &parts) == 1 else { return "an unreadable date" }
        let (month, day) = (parts.tm_mon + 1, parts.tm_mday)
        return "\(parts.tm_year + 1900)-\(month < 10 ? "0" : "")\(month)-\(day < 10 ? "0" : "")\(day)"
    }
}

/// A private key, counted by OpenSSL, which wipes it.
final class PrivateKey {
    let pointer: OpaquePointer

    /// Takes over the reference.
    init(_ pointer: OpaquePointer) { self.pointer = pointer }

    deinit { EVP_PKEY_free(pointer) }
}
