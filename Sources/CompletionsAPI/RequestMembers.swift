import InferenceTypes

/// The members of a request's body, taken out one by one; what is left is unknown.
struct RequestMembers {
    private var values: [[UInt8]: JSONValue]
    private let order: [[UInt8]]

    init(_ members: [JSONMember]) {
        values = Dictionary(members.map { ($0.key, $0.value) }, uniquingKeysWith: { first, _ in first })
        order = members.map(\.key)
    }

    /// The value under a name; null where it is absent, which means the same.
    mutating func take(_ name: String) -> RequestValue {
        RequestValue(name, values.removeValue(forKey: Array(name.utf8)) ?? .null)
    }

    /// Names that nobody took, in the order of the document.
    ///
    /// - Throws: 400 where unknown fields are refused.
    func rest(_ rule: ServiceConfiguration.UnknownFields) throws(APIError) -> [[UInt8]] {
        let names = order.filter { values[$0] != nil }
        if rule == .refuse, let name = names.first {
            throw .invalid("Unrecognized request argument supplied: \(excerpt(name))", parameter: excerpt(name))
        }
        return names
    }
}
