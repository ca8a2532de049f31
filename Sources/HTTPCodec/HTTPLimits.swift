/// Every bound of the HTTP layer, in one value: what a peer can make us hold, and for how long.
///
/// The numbers come from `reliability.md` section 14, which lists what other servers take.
///
/// - Units: bytes (`…ByteCount`), things (`…Count`), `Duration` for times.
package struct HTTPLimits: Sendable {
    /// Longest request line; longer is 414. RFC 9112 3 asks for at least 8000; nginx has 8 KiB, hyper 64 KiB.
    package var requestLineByteCount = 16 << 10
    /// Longest method; longer is 501 (RFC 9112 3). The longest registered one, `UPDATEREDIRECTREF`, has 17 letters.
    package var methodByteCount = 32
    /// All field lines together; more is 431. nginx has 4 x 8 KiB, Node 16 KiB.
    package var headerSectionByteCount = 32 << 10
    /// Field lines; more is 431. hyper and cpp-httplib have 100.
    package var fieldCount = 100
    /// One chunk's size with its extensions. Twisted has 4 KiB.
    package var chunkLineByteCount = 4 << 10
    /// The extensions of all chunks of a body together (Go CVE-2023-39326). hyper and Node have 16 KiB.
    package var chunkExtensionsByteCount = 16 << 10
    /// The trailer section after the last chunk, thrown away unread. Node and hyper have 16 KiB.
    package var trailerSectionByteCount = 8 << 10
    /// A body, as decoded from chunks and from gzip; more is 413. TGI has 2 MB, nginx 1 MiB, Triton 64 MiB.
    package var bodyByteCount = 8 << 20
    /// What a client may send ahead while it waits for an answer; then it is no longer read from. One full socket read.
    package var pipelinedByteCount = 64 << 10

    /// From a connection's making to the end of its TLS handshake. nginx has 60 s, Go none.
    package var tlsHandshakeTimeout: Duration = .seconds(10)
    /// What a client may send until then: a greeting has 0.5 to 2 KB, a client's certificates some more. OpenSSL alone
    /// would hold 128 KiB of a greeting and 100 KiB of certificates.
    package var tlsHandshakeByteCount = 64 << 10

    /// From the first byte of a request to the end of its head. hyper has 30 s, nginx and Node 60 s.
    package var headerTimeout: Duration = .seconds(15)
    /// A connection without a request. Must exceed the 60 s of common load balancers; nginx has 75 s.
    package var idleTimeout: Duration = .seconds(75)
    /// From the end of the head to the end of the body. Node has 300 s.
    package var bodyTimeout: Duration = .seconds(60)
    /// Between two pieces of a body. nginx has 60 s.
    package var bodyGapTimeout: Duration = .seconds(10)
    /// No byte taken by the client although some wait. nginx has 60 s.
    package var writeStallTimeout: Duration = .seconds(30)
    /// Older connections are closed after their next answer, so that load balancers spread anew. nginx has 1 h.
    package var connectionAge: Duration = .seconds(3600)
    /// How long, and for how many bytes, a closing connection is still read from, so that the last answer is not lost to
    /// a reset (RFC 9112 9.6). Go has 0.5 s and 256 KB, nginx 5 s.
    package var lingerTimeout: Duration = .seconds(2)
    package var lingerByteCount = 256 << 10

    /// Bytes that wait for a slow client before the stream that makes them is no longer pulled.
    package var sendBufferByteCount = 256 << 10
    /// What the kernel holds for a slow client; without it Linux grows to 4 MiB before we hear of the slowness.
    package var socketSendBufferByteCount = 128 << 10
    /// Open connections. At the limit the one that is idle for longest goes first.
    package var connectionCount = 4096
    /// How long running requests may go on after the order to stop. kserve has 45 s.
    package var drainTimeout: Duration = .seconds(30)

    package init() {}
}
