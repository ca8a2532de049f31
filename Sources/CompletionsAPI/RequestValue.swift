import InferenceTypes

/// One field's value and the name to blame, with readers that convert nothing: a string is no number, `true` is no 1,
/// and 1.0 is no integer.
struct RequestValue {
    private let path: String
    private let index: Int?
    /// The field for `param`: the whole field, however deep the fault lies.
    let parameter: String
    let value: JSONValue

    init(_ name: String, _ value: JSONValue) {
        self.init(path: name, parameter: name, value)
    }

    private init(path: String, index: Int? = nil, parameter: String, _ value: JSONValue) {
        self.path = path
        self.index = index
        self.parameter = parameter
        self.value = value
    }

    /// The path for the message, like `stop[3]`. Put together only when there is a message: a prompt may have a million
    /// ids.
    var name: String { index.map { "\(path)[\($0)]" } ?? path }

    /// Every field is nullable, and null means the default.
    var isNull: Bool { value.isNull }

    func failure(_ expectation: String) -> APIError {
        .invalid("'\(name)' must be \(expectation), got \(Self.describe(value)).", parameter: parameter)
    }

    func bool() throws(APIError) -> Bool {
        guard let value = value.asBool else { throw failure("true or false") }
        return value
    }

    func bytes() throws(APIError) -> [UInt8] {
        guard let value = value.asBytes else { throw failure("a string") }
        return value
    }

    func integer(in range: ClosedRange<Int64>) throws(APIError) -> Int64 {
        guard let integer = value.asInteger, range.contains(integer) else { throw failure(Self.words(range)) }
        return integer
    }

    func count(in range: ClosedRange<Int>) throws(APIError) -> Int {
        Int(try integer(in: Int64(range.lowerBound)...Int64(range.upperBound)))
    }

    func number(in range: ClosedRange<Double>) throws(APIError) -> Double {
        guard let number = value.asDouble, range.contains(number) else {
            throw failure("a number from \(Self.digits(range.lowerBound)) to \(Self.digits(range.upperBound))")
        }
        return number
    }

    /// A number above 0 and at most `limit`.
    func positiveNumber(upTo limit: Double) throws(APIError) -> Double {
        guard let number = value.asDouble, number > 0, number <= limit else {
            let bound = limit.isFinite ? " and at most \(Self.digits(limit))" : ""
            throw failure("a number above 0\(bound)")
        }
        return number
    }

    func items() throws(APIError) -> some Collection<RequestValue> {
        guard let items = value.asArray else { throw failure("a list") }
        let (path, parameter) = (name, parameter)
        return items.indices.lazy.map { RequestValue(path: path, index: $0, parameter: parameter, items[$0]) }
    }

    func members() throws(APIError) -> [(key: [UInt8], value: RequestValue)] {
        guard let members = value.asObject else { throw failure("an object") }
        return members.map {
            ($0.key, RequestValue(path: "\(name).\(excerpt($0.key))", parameter: parameter, $0.value))
        }
    }

    /// Ids, perhaps none.
    func tokens(vocabularyCount: Int, atMost limit: Int? = nil) throws(APIError) -> [TokenID] {
        let items = try items()
        if let limit, items.count > limit {
            throw .invalid("'\(name)' must hold at most \(limit) ids, got \(items.count).", parameter: parameter)
        }
        var tokens: [TokenID] = []
        tokens.reserveCapacity(items.count)
        for item in items { tokens.append(try item.token(vocabularyCount: vocabularyCount)) }
        return tokens
    }

    /// Ids, at least one.
    func someTokens(vocabularyCount: Int) throws(APIError) -> [TokenID] {
        if try items().isEmpty { throw failure("a list of token ids that is not empty") }
        return try tokens(vocabularyCount: vocabularyCount)
    }

    /// Strings that are not empty, perhaps none.
    func texts(atMost limit: Int, byteLimit: Int) throws(APIError) -> [[UInt8]] {
        let items = try items()
        guard items.count <= limit else {
            throw .invalid(
                "'\(name)' must hold at most \(limit) strings, got \(items.count).", parameter: parameter)
        }
        var strings: [[UInt8]] = []
        for item in items { strings.append(try item.boundedText(byteLimit)) }
        return strings
    }

    /// A string that is not empty.
    func boundedText(_ byteLimit: Int) throws(APIError) -> [UInt8] {
        let text = try bytes()
        guard (1...byteLimit).contains(text.count) else {
            throw .invalid("'\(name)' must have 1 to \(byteLimit) bytes, got \(text.count).", parameter: parameter)
        }
        return text
    }

    /// An id of the model's vocabulary, checked before it is narrowed to 32 bits.
    func token(vocabularyCount: Int) throws(APIError) -> TokenID {
        guard let integer = value.asInteger, let id = TokenID(exactly: integer), (0..<vocabularyCount).contains(Int(id))
        else { throw failure("a token id from 0 to \(vocabularyCount - 1)") }
        return id
    }
}

// MARK: - Words for messages

extension RequestValue {
    /// Numbers as they are, everything else by its type: what a client sent is not echoed at length.
    static func describe(_ value: JSONValue) -> String {
        switch value {
        case .null: "null"
        case .bool(let value): value ? "true" : "false"
        case .integer(let value): "\(value)"
        case .double(let value): "\(value)"
        case .string(let text): text.isEmpty ? "an empty string" : "a string"
        case .array(let items): items.isEmpty ? "an empty list" : "a list"
        case .object: "an object"
        }
    }

    private static func words(_ range: ClosedRange<Int64>) -> String {
        switch (range.lowerBound, range.upperBound) {
        case (.min, .max): "a 64-bit integer"
        case (let lower, .max): "an integer of at least \(lower)"
        case (let lower, let upper): "an integer from \(lower) to \(upper)"
        }
    }

    /// `2` rather than `2.0`.
    private static func digits(_ number: Double) -> String {
        Int64(exactly: number).map { "\($0)" } ?? "\(number)"
    }
}
