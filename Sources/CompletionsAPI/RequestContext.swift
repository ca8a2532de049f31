import HTTPCodec
import HTTPTypes
import Telemetry
import Tenancy

/// What is known of a request before its body is read: for its answer's header fields, its log line and its metrics.
struct RequestContext: Sendable {
    /// When the handler got it, by the environment's `uptime`.
    let arrival: Duration
    let trace: TraceContext
    /// Its method, as a metric's label: what a client makes up is one word.
    let method: String
    /// Whose request it is; nil until that is known, and where there are no keys.
    var key: APIKey?
    private let sentID: String?
    private let freshID: String

    init(_ request: ServerRequest, _ environment: ServiceEnvironment) {
        arrival = environment.uptime()
        let fields = request.head.headerFields
        trace = TraceContext(sent: fields[.traceParent], random: environment.traceRandom)
        method = ["GET", "HEAD", "POST"].first { $0.utf8.elementsEqual(request.head.method.rawValue.utf8) } ?? "other"
        sentID = fields[.requestID].flatMap { Identifiers.isHarmless($0.utf8) ? $0 : nil }
        freshID = Identifiers.request(environment.traceRandom)
    }

    /// The request's own id from its header, or the one from its body, or a new one.
    func requestID(inBody name: String?) -> String {
        sentID ?? name.flatMap { Identifiers.isHarmless($0.utf8) ? $0 : nil } ?? freshID
    }
}

/// What is known of a request that did not become a completion, when it is answered.
package struct RequestRecord: Sendable, Equatable {
    package var requestID: String
    package var traceID: String
    /// GET, HEAD, POST or `other`.
    package var method: String
    /// The path with `{id}` for what a client chose, `other` where there is nothing, or not by this method.
    package var handler: String
    package var status: Int
    package var elapsed: Duration
}
