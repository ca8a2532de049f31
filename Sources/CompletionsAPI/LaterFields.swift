import InferenceTypes

/// Fields that we know and do not do yet. Each is read as strictly as it will be, passes when it carries the value that
/// means the same as leaving it out, and is refused by name otherwise.
extension RequestField {
    typealias NeutralCheck = @Sendable (RequestValue, ServedModel) throws(APIError) -> Bool

    /// - Source: api.md A.4: silence about an unsupported field costs users wrong results.
    static func later(_ name: String, isNeutral: @escaping NeutralCheck) -> RequestField {
        RequestField(name) { value, model, _ throws(APIError) in
            guard !value.isNull else { return }
            guard try isNeutral(value, model) else { throw .unsupported(name) }
        }
    }

    private static func bool(_ name: String, neutral: Bool) -> RequestField {
        later(name) { value, _ throws(APIError) in try value.bool() == neutral }
    }

    private static func integer(_ name: String, in range: ClosedRange<Int64>, neutral: Int64?) -> RequestField {
        later(name) { value, _ throws(APIError) in try value.integer(in: range) == neutral }
    }

    /// A field whose form is not settled here: only null passes.
    private static func anyForm(_ name: String) -> RequestField { later(name) { _, _ in false } }

    /// - Source: api.md A.2, in its order; ranges are those of the servers named there.
    static let later: [RequestField] = [
        bool("spaces_between_special_tokens", neutral: true),
        bool("return_tokens", neutral: false),
        later("response_format") { value, _ throws(APIError) in try value.isPlainTextFormat() },
        anyForm("structured_outputs"), anyForm("guided_json"), anyForm("guided_regex"), anyForm("guided_choice"),
        anyForm("guided_grammar"), anyForm("json_schema"), anyForm("regex"), anyForm("ebnf"),
        later("grammar") { value, _ throws(APIError) in try value.bytes().isEmpty },
        integer("id_slot", in: -1 ... .max, neutral: -1),
        anyForm("repetition_detection"), anyForm("thinking_token_budget"), anyForm("stream_interval"),
        anyForm("kv_transfer_params"), anyForm("prompt_embeds"), anyForm("vllm_xargs"),
        anyForm("t_max_predict_ms"),
        anyForm("lora"),
    ]
}

extension RequestValue {
    /// `{"type": "text"}`.
    fileprivate func isPlainTextFormat() throws(APIError) -> Bool {
        let members = try members()
        guard members.count == 1, let member = members.first, member.key.elementsEqual("type".utf8) else {
            return false
        }
        return member.value.value == .text("text")
    }
}
