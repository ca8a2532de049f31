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

    private static func number(_ name: String, in range: ClosedRange<Double>, neutral: Double?) -> RequestField {
        later(name) { value, _ throws(APIError) in try value.number(in: range) == neutral }
    }

    private static func positive(_ name: String, upTo limit: Double, neutral: Double?) -> RequestField {
        later(name) { value, _ throws(APIError) in try value.positiveNumber(upTo: limit) == neutral }
    }

    private static func tokens(_ name: String) -> RequestField {
        later(name) { value, model throws(APIError) in
            let items = try value.items()
            for item in items { _ = try item.token(vocabularyCount: model.vocabularyCount) }
            return items.isEmpty
        }
    }

    /// A field whose form is not settled here: only null passes.
    private static func anyForm(_ name: String) -> RequestField { later(name) { _, _ in false } }

    /// - Source: api.md A.2 and A.3, in their order; ranges are those of the servers named there.
    static let later: [RequestField] = [
        positive("typical_p", upTo: 1, neutral: 1),
        positive("repetition_penalty", upTo: .greatestFiniteMagnitude, neutral: 1),
        positive("repeat_penalty", upTo: .greatestFiniteMagnitude, neutral: 1),
        integer("repeat_last_n", in: -1 ... .max, neutral: 0),
        number("epsilon_cutoff", in: 0...1, neutral: 0),
        number("eta_cutoff", in: 0...1, neutral: 0),
        positive("top_h", upTo: 1, neutral: nil),
        integer("no_repeat_ngram_size", in: 0 ... .max, neutral: 0),
        integer("min_tokens", in: 0 ... .max, neutral: 0),
        bool("ignore_eos", neutral: false),
        tokens("stop_token_ids"),
        bool("include_stop_str_in_output", neutral: false),
        bool("skip_special_tokens", neutral: true),
        bool("spaces_between_special_tokens", neutral: true),
        bool("add_special_tokens", neutral: true),
        integer("truncate_prompt_tokens", in: -1 ... .max, neutral: nil),
        anyForm("truncation_side"),
        integer("prompt_logprobs", in: -1 ... .max, neutral: nil),
        anyForm("allowed_token_ids"),
        later("bad_words") { value, _ throws(APIError) in
            let items = try value.items()
            for item in items { _ = try item.bytes() }
            return items.isEmpty
        },
        bool("return_tokens_as_token_ids", neutral: false),
        bool("return_tokens", neutral: false),
        later("response_format") { value, _ throws(APIError) in try value.isPlainTextFormat() },
        anyForm("structured_outputs"), anyForm("guided_json"), anyForm("guided_regex"), anyForm("guided_choice"),
        anyForm("guided_grammar"), anyForm("json_schema"), anyForm("regex"), anyForm("ebnf"),
        later("grammar") { value, _ throws(APIError) in try value.bytes().isEmpty },
        integer("priority", in: .min ... .max, neutral: 0),
        anyForm("request_id"),
        anyForm("cache_salt"),
        bool("cache_prompt", neutral: false),
        integer("id_slot", in: -1 ... .max, neutral: -1),
        anyForm("repetition_detection"), anyForm("thinking_token_budget"), anyForm("stream_interval"),
        anyForm("kv_transfer_params"), anyForm("prompt_embeds"), anyForm("vllm_xargs"),
        positive("max_time", upTo: .greatestFiniteMagnitude, neutral: nil),
        anyForm("t_max_predict_ms"),
        anyForm("lora"),
        integer("num_beams", in: RequestLimits.beamCount, neutral: 1),
        integer("num_return_sequences", in: RequestLimits.choiceCount, neutral: 1),
        bool("use_beam_search", neutral: false),
        integer("beam_width", in: RequestLimits.beamCount, neutral: 1),
        number(
            "length_penalty", in: -Double.greatestFiniteMagnitude ... .greatestFiniteMagnitude, neutral: 1),
        later("early_stopping") { value, _ throws(APIError) in try value.isEarlyStoppingOff() },
        bool("do_sample", neutral: true),
        integer("num_beam_groups", in: RequestLimits.beamCount, neutral: 1),
        number("diversity_penalty", in: 0 ... .greatestFiniteMagnitude, neutral: 0),
    ]
}

extension RequestValue {
    /// Checks every entry of a `logit_bias`; true when none of them changes a logit.
    func hasNoBias(vocabularyCount: Int) throws(APIError) -> Bool {
        let entries = try members()
        guard entries.count <= RequestLimits.biasCount else {
            throw .invalid(
                "'\(name)' must have at most \(RequestLimits.biasCount) entries, got \(entries.count).",
                parameter: parameter)
        }
        var isNeutral = true
        for (key, entry) in entries {
            guard let id = decimal(key), id < vocabularyCount else {
                throw .invalid(
                    "The keys of '\(name)' must be token ids from 0 to \(vocabularyCount - 1), got '\(excerpt(key))'.",
                    parameter: parameter)
            }
            if try entry.number(in: RequestLimits.bias) != 0 { isNeutral = false }
        }
        return isNeutral
    }

    /// Digits alone, without sign, space or leading zero, below 2^31; the standard library reads `+5` as 5.
    private func decimal(_ bytes: [UInt8]) -> Int? {
        guard (1...10).contains(bytes.count), bytes.first != UInt8(ascii: "0") || bytes.count == 1 else { return nil }
        var value = 0
        for byte in bytes {
            guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) else { return nil }
            value = value * 10 + Int(byte - UInt8(ascii: "0"))
        }
        return value <= Int(Int32.max) ? value : nil
    }

    /// `{"type": "text"}`.
    fileprivate func isPlainTextFormat() throws(APIError) -> Bool {
        let members = try members()
        guard members.count == 1, let member = members.first, member.key.elementsEqual("type".utf8) else {
            return false
        }
        return member.value.value == .text("text")
    }

    /// false, as against true or "never".
    fileprivate func isEarlyStoppingOff() throws(APIError) -> Bool {
        if value == .text("never") { return false }
        guard let flag = value.asBool else { throw failure("true, false or \"never\"") }
        return !flag
    }
}
