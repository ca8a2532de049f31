import CompletionsAPI
import Engine
import Testing

@Suite("Fields that are not done yet, and fields that nobody knows")
struct KnownFieldTests {
    @Test(
        "A field passes with the value that changes nothing",
        arguments: [
            #""n":1"#, #""best_of":1"#, #""echo":false"#, #""logprobs":null"#, #""presence_penalty":0"#,
            #""frequency_penalty":0.0"#, #""logit_bias":{}"#, #""logit_bias":{"7":0}"#, #""suffix":"""#,
            #""typical_p":1"#, #""repetition_penalty":1.0"#, #""repeat_penalty":1"#, #""no_repeat_ngram_size":0"#,
            #""min_tokens":0"#, #""ignore_eos":false"#, #""stop_token_ids":[]"#, #""skip_special_tokens":true"#,
            #""bad_words":[]"#, #""response_format":{"type":"text"}"#, #""grammar":"""#, #""priority":0"#,
            #""num_beams":1"#, #""use_beam_search":false"#, #""length_penalty":1"#, #""early_stopping":false"#,
            #""truncate_prompt_tokens":null"#, #""structured_outputs":null"#, #""id_slot":-1"#,
            #""repeat_last_n":-1"#, #""repeat_last_n":0"#, #""truncation_side":"left""#, #""penalty_alpha":0"#,
            #""num_beam_groups":1,"diversity_penalty":0"#, #""num_beams":1,"use_beam_search":false,"beam_width":1"#,
            #""suppress_tokens":[]"#, #""add_special_tokens":true"#, #""epsilon_cutoff":0,"eta_cutoff":0"#,
            #""num_return_sequences":1,"n":1"#, #""repeat_penalty":1,"repetition_penalty":1.0,"repeat_last_n":0"#,
            #""cache_prompt":true"#, #""cache_salt":null"#, #""user":"""#, #""truncate_prompt_tokens":9"#,
            #""do_sample":true"#, #""use_beam_search":false,"num_beams":1"#,
        ])
    func neutral(_ member: String) async throws {
        let engine = saying("x")
        let answer = await service(engine).answer(#"{"prompt":"a","seed":1,\#(member)}"#)
        #expect(answer.status == 200, "\(answer.text)")
        #expect(answer.ignoredParameters == nil)
        let plain = saying("x")
        _ = await service(plain).answer(#"{"prompt":"a","seed":1}"#)
        #expect(await engine.firstRequest == plain.firstRequest)
    }

    @Test(
        "A field that would change something is refused by name",
        arguments: [
            (#""response_format":{"type":"json_object"}"#, "response_format"), (#""lora":[]"#, "lora"),
            (#""grammar":"root ::= x""#, "grammar"), (#""ebnf":"x""#, "ebnf"),
            (#""structured_outputs":{}"#, "structured_outputs"), (#""regex":"a""#, "regex"),
            (#""json_schema":{}"#, "json_schema"), (#""id_slot":0"#, "id_slot"),
            (#""prompt_embeds":"x""#, "prompt_embeds"), (#""return_tokens":true"#, "return_tokens"),
            (#""spaces_between_special_tokens":false"#, "spaces_between_special_tokens"),
            (#""t_max_predict_ms":5"#, "t_max_predict_ms"), (#""repeat_last_n":64"#, "repeat_last_n"),
        ])
    func refused(_ member: String, _ parameter: String) async {
        let answer = await service(saying("x")).answer(#"{"prompt":"a",\#(member)}"#)
        #expect(answer.status == 400)
        #expect(answer.parameter == parameter)
        #expect(answer.message?.contains("'\(parameter)' is not supported yet") == true, "\(answer.text)")
    }

    @Test(
        "Unknown fields are named in a header that they cannot break out of",
        arguments: [
            (#""foo":1"#, "foo"), (#""b":[],"a":{}"#, "b, a"), (#""a\r\nb: c":1"#, "a__b__c"), (#""é":1"#, "__"),
            (#""":1"#, "_"), (#""stream":true,"stream_options":{"x y":1}"#, "stream_options.x_y"),
        ])
    func ignored(_ members: String, _ field: String) async {
        let answer = await service(saying("x")).answer(#"{"prompt":"a",\#(members)}"#)
        #expect(answer.status == 200)
        #expect(answer.ignoredParameters == field)
    }

    @Test("The header stays short whatever is sent")
    func bounded() async throws {
        let members = (0..<900).map { #""\#(String(repeating: "k", count: 500))\#($0)":1"# }.joined(separator: ",")
        let answer = await service(saying("x")).answer(#"{"prompt":"a",\#(members)}"#)
        #expect(answer.status == 200)
        let field = try #require(answer.ignoredParameters)
        #expect(field.utf8.count == 16 * 66 + 3)
        #expect(field.hasSuffix("k, ..."))
    }

    @Test("Strict parameters refuse them")
    func strict() async {
        let answer = await service(saying("x"), unknownFields: .refuse).answer(#"{"prompt":"a","foo":1}"#)
        #expect(answer.status == 400)
        #expect(answer.parameter == "foo")
        #expect(answer.message == "Unrecognized request argument supplied: foo")
    }
}

extension ScriptedEngine {
    var firstRequest: GenerationRequest? {
        get async {
            for await admission in admitted { return admission.request }
            return nil
        }
    }
}
