/// Where a request goes.
enum Route: Equatable {
    case completions
    /// Of the completion with this id.
    case cancel([UInt8])
    case models
    case model([UInt8])
    case tokenize
    case detokenize
    case tokenizerInfo
    case version
    case load
    case metrics
    case live
    case ready

    /// Methods of the path, as `Allow` lists them.
    var methods: [String] {
        switch self {
        case .completions, .cancel, .tokenize, .detokenize: ["POST"]
        case .models, .model, .tokenizerInfo, .version, .load, .metrics, .live, .ready: ["GET", "HEAD"]
        }
    }
}

extension Route {
    /// The path with `{id}` for what a client chose: labels of metrics are few, and tell nothing of anybody.
    var pattern: String {
        switch self {
        case .completions: "/v1/completions"
        case .cancel: "/v1/completions/{id}/cancel"
        case .models: "/v1/models"
        case .model: "/v1/models/{id}"
        case .tokenize: "/tokenize"
        case .detokenize: "/detokenize"
        case .tokenizerInfo: "/tokenizer_info"
        case .version: "/version"
        case .load: "/load"
        case .metrics: "/metrics"
        case .live: "/health/live"
        case .ready: "/health/ready"
        }
    }
}

/// Who may ask for a route, where there are keys.
enum Access {
    case anybody
    case holderOfAKey
    case administrator
}

extension Route {
    /// Whatever is not listed as open needs a key, paths that are not there included.
    var access: Access {
        switch self {
        case .live, .ready: .anybody
        case .completions, .cancel, .models, .model, .tokenize, .detokenize, .tokenizerInfo, .version, .load:
            .holderOfAKey
        // It tells of everybody's requests.
        case .metrics: .administrator
        }
    }

    /// Counts as a request of its key, once; completions count themselves.
    var isCounted: Bool { self == .tokenize || self == .detokenize }
}

/// Paths and methods to routes, on bytes. Nothing is normalised: a path has one spelling, apart from percent escapes
/// of its characters, so no second spelling can slip past a check.
enum Router {
    /// - Throws: 404 for a path that is not there, 405 with the methods that it has.
    static func route(method: String, path: [UInt8]) throws(APIError) -> Route {
        guard let segments = segments(of: path), let route = route(to: segments) else {
            throw .pathNotFound(path)
        }
        // Methods are case-sensitive tokens: RFC 9110 section 9.1.
        guard route.methods.contains(where: { $0.utf8.elementsEqual(method.utf8) }) else {
            throw .methodNotAllowed(route.methods.joined(separator: ", "))
        }
        return route
    }

    /// Who may ask for what is at a path, by whatever method. What is not there needs a key, too.
    static func access(to path: [UInt8]) -> Access {
        guard let segments = segments(of: path), let route = route(to: segments) else { return .holderOfAKey }
        return route.access
    }

    private static let fixed: [(path: [String], route: Route)] = [
        (["v1", "completions"], .completions), (["v1", "models"], .models), (["tokenize"], .tokenize),
        (["detokenize"], .detokenize), (["tokenizer_info"], .tokenizerInfo), (["version"], .version),
        (["load"], .load), (["metrics"], .metrics), (["health"], .ready), (["health", "ready"], .ready),
        (["health", "live"], .live),
    ]

    private static func route(to segments: [[UInt8]]) -> Route? {
        if let found = fixed.first(where: { matches(segments, $0.path) }) { return found.route }
        if segments.count == 4, matches(segments.prefix(2), ["v1", "completions"]), !segments[2].isEmpty,
            matches(segments.suffix(1), ["cancel"])
        {
            return .cancel(segments[2])
        }
        guard segments.count > 2, matches(segments.prefix(2), ["v1", "models"]) else { return nil }
        // A model's name may hold slashes, and clients send them both raw and escaped.
        let name = Array(segments[2...].joined(separator: [UInt8(ascii: "/")]))
        return name.isEmpty ? nil : .model(name)
    }

    private static func matches(_ segments: some Sequence<[UInt8]>, _ names: [String]) -> Bool {
        segments.elementsEqual(names) { $0.elementsEqual($1.utf8) }
    }

    /// The decoded segments of an absolute path, split before decoding so that an escaped slash never separates.
    private static func segments(of path: [UInt8]) -> [[UInt8]]? {
        guard path.first == UInt8(ascii: "/") else { return nil }
        var segments: [[UInt8]] = []
        for part in path.dropFirst().split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false) {
            guard let segment = percentDecoded(part) else { return nil }
            segments.append(segment)
        }
        return segments
    }

    /// nil for an escape that is not two hexadecimal digits.
    private static func percentDecoded(_ bytes: ArraySlice<UInt8>) -> [UInt8]? {
        var decoded: [UInt8] = []
        var index = bytes.startIndex
        while index < bytes.endIndex {
            guard bytes[index] == UInt8(ascii: "%") else {
                decoded.append(bytes[index])
                index += 1
                continue
            }
            guard index + 2 < bytes.endIndex, let high = hexValue(bytes[index + 1]),
                let low = hexValue(bytes[index + 2])
            else { return nil }
            decoded.append(high << 4 | low)
            index += 3
        }
        return decoded
    }

    private static func hexValue(_ byte: UInt8) -> UInt8? {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): byte - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): byte - UInt8(ascii: "A") + 10
        default: nil
        }
    }
}
