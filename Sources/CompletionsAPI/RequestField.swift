import InferenceTypes

/// One known field of the request: its name and what reading it means.
///
/// The tables in `…Fields.swift` are the whole list of what the server knows.
struct RequestField: Sendable {
    typealias Reader = @Sendable (RequestValue, ServedModel, inout CompletionRequest) throws(APIError) -> Void
    typealias Place<Value> = any WritableKeyPath<CompletionRequest, Value?> & Sendable

    let name: String
    /// Called with null where the field is absent.
    let read: Reader

    init(_ name: String, _ read: @escaping Reader) {
        self.name = name
        self.read = read
    }

    /// In the order in which a bad request is blamed: OpenAI's schema, then the extensions.
    static let all: [RequestField] =
        openAI + sampling + processing + stopping + prompt + output + beams + scheduling
        + later
}

// MARK: - Kinds of fields

extension RequestField {
    /// A field that the request keeps; null and absence leave it nil, which means the default.
    static func kept<Value>(
        _ name: String, _ place: Place<Value>,
        _ read: @escaping @Sendable (RequestValue, ServedModel) throws(APIError) -> Value
    ) -> RequestField {
        RequestField(name) { value, model, request throws(APIError) in
            if !value.isNull { request[keyPath: place] = try read(value, model) }
        }
    }

    static func flag(_ name: String, _ place: Place<Bool>) -> RequestField {
        kept(name, place) { value, _ throws(APIError) in try value.bool() }
    }

    static func count(_ name: String, _ place: Place<Int>, in range: ClosedRange<Int>) -> RequestField {
        kept(name, place) { value, _ throws(APIError) in try value.count(in: range) }
    }

    static func number(_ name: String, _ place: Place<Double>, in range: ClosedRange<Double>) -> RequestField {
        kept(name, place) { value, _ throws(APIError) in try value.number(in: range) }
    }

    static func positive(_ name: String, _ place: Place<Double>, upTo limit: Double) -> RequestField {
        kept(name, place) { value, _ throws(APIError) in try value.positiveNumber(upTo: limit) }
    }

    static func tokens(_ name: String, _ place: Place<[TokenID]>, atMost limit: Int? = nil) -> RequestField {
        kept(name, place) { value, model throws(APIError) in
            try value.tokens(vocabularyCount: model.vocabularyCount, atMost: limit)
        }
    }
}
