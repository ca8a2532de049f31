import CompletionsAPI
import Engine
import InferenceTypes
import Testing

@Suite("What a call asks of the engine")
struct DecodingTests {
    private func call(_ members: String, capacity: Int = 64) throws -> CompletionCall {
        let body = try JSONParser.parse(Array(#"{"prompt":"ab","seed":9,\#(members)}"#.utf8), limits: .request)
        return try CompletionCall(
            body.asObject ?? [], model: model(saying("x"), capacity: capacity), unknownFields: .refuse, random: { 0 })
    }

    private static let greedy = DecodingMode.sampling(SamplingParameters(temperature: 0, seed: 9), choices: 0..<1)

    private static func beam(_ parameters: BeamParameters, _ temperature: Float? = nil) -> DecodingMode {
        .beam(parameters, sampling: temperature.map { SamplingParameters(temperature: $0, seed: 9) })
    }

    @Test(
        "Fields to modes",
        arguments: [
            (#""n":1"#, .sampling(SamplingParameters(seed: 9), choices: 0..<1)),
            (#""n":3"#, .sampling(SamplingParameters(seed: 9), choices: 0..<3)),
            (#""num_return_sequences":3"#, .sampling(SamplingParameters(seed: 9), choices: 0..<3)),
            (#""n":2,"best_of":5"#, .sampling(SamplingParameters(seed: 9), choices: 0..<5)),
            (#""temperature":0"#, greedy), (#""do_sample":false"#, greedy),
            (#""do_sample":false,"temperature":0.7"#, greedy), (#""temperature":0,"n":4,"best_of":9"#, greedy),
            (#""do_sample":true"#, .sampling(SamplingParameters(seed: 9), choices: 0..<1)),
            (
                #""typical_p":0.5,"top_h":0.25,"epsilon_cutoff":0.125,"eta_cutoff":0.5,"min_p":0.25,"top_k":7,"top_p":0.5"#,
                .sampling(
                    SamplingParameters(
                        topH: 0.25, topK: 7, topP: 0.5, minP: 0.25, typicalP: 0.5, epsilonCutoff: 0.125, etaCutoff: 0.5,
                        seed: 9), choices: 0..<1)
            ),
            (#""num_beams":4"#, beam(BeamParameters(width: 4))),
            (#""beam_width":4,"n":2"#, beam(BeamParameters(width: 4, returnCount: 2))),
            (#""num_beams":4,"beam_width":4,"best_of":4,"use_beam_search":true"#, beam(BeamParameters(width: 4))),
            (#""num_beams":4,"best_of":1"#, beam(BeamParameters(width: 4))),
            (#""use_beam_search":true"#, beam(BeamParameters(width: 1))),
            (#""use_beam_search":true,"n":3"#, beam(BeamParameters(width: 3, returnCount: 3))),
            (#""use_beam_search":true,"n":2,"best_of":5"#, beam(BeamParameters(width: 5, returnCount: 2))),
            (
                #""num_beams":4,"length_penalty":-0.5,"early_stopping":"never""#,
                beam(BeamParameters(width: 4, lengthPenalty: -0.5, earlyStopping: .never))
            ),
            (#""num_beams":2,"early_stopping":true"#, beam(BeamParameters(width: 2, earlyStopping: .always))),
            (
                #""num_beams":6,"num_beam_groups":3,"diversity_penalty":0.5"#,
                beam(BeamParameters(width: 6, groupCount: 3, diversityPenalty: 0.5))
            ),
            (#""num_beams":2,"temperature":0.5"#, beam(BeamParameters(width: 2), 0.5)),
            (#""num_beams":2,"do_sample":true"#, beam(BeamParameters(width: 2), 1)),
            (#""num_beams":2,"temperature":0"#, beam(BeamParameters(width: 2))),
            (#""num_beams":2,"temperature":0.5,"do_sample":false"#, beam(BeamParameters(width: 2))),
            (#""num_beams":2,"temperature":0,"top_k":5"#, beam(BeamParameters(width: 2))),
            (#""num_beams":2,"do_sample":false,"top_p":0.5"#, beam(BeamParameters(width: 2))),
            (#""penalty_alpha":0.5,"top_k":4"#, .contrastive(topK: 4, penaltyAlpha: 0.5)),
            (#""penalty_alpha":0.5,"top_k":4,"temperature":0,"n":3"#, .contrastive(topK: 4, penaltyAlpha: 0.5)),
            (#""penalty_alpha":0,"top_k":4,"temperature":0"#, greedyTopK),
        ] as [(String, DecodingMode)])
    func modes(_ members: String, _ mode: DecodingMode) throws {
        let runs = try call(members).runs
        #expect(runs.map(\.request.mode) == [mode])
        #expect(runs.map(\.request.promptTokens) == [[97, 98]])
    }

    private static let greedyTopK = DecodingMode.sampling(
        SamplingParameters(temperature: 0, topK: 4, seed: 9), choices: 0..<1)

    @Test("Beam-sample has the warpers, too")
    func beamSample() throws {
        let mode = try #require(
            try call(#""num_beams":2,"do_sample":true,"top_k":5,"top_p":0.5"#).runs.first?.request.mode)
        #expect(
            mode == .beam(BeamParameters(width: 2), sampling: SamplingParameters(topK: 5, topP: 0.5, seed: 9)))
    }

    @Test("More choices than can run together are several requests over consecutive choices")
    func split() throws {
        let call = try call(#""n":7"#, capacity: 3)
        let ranges = call.runs.map { run -> Range<Int>? in
            if case .sampling(_, let choices) = run.request.mode { choices } else { nil }
        }
        #expect(ranges == [0..<3, 3..<6, 6..<7])
        #expect(call.runs.map(\.choices) == [0..<3, 3..<6, 6..<7])
        #expect(try self.call(#""n":2,"best_of":4"#, capacity: 0).runs.count == 4)
    }

    @Test(
        "Choices that cannot differ are one, heard by all",
        arguments: ["\"temperature\":0", "\"penalty_alpha\":0.5,\"top_k\":3"])
    func copies(_ mode: String) throws {
        let run = try #require(try call(#""n":5,\#(mode)"#, capacity: 3).runs.first)
        #expect(run.choices == 0..<5)
        #expect(run.choices(hearing: 0) == 0..<5)
    }

    @Test(
        "More beams than can run together are refused under the name that asked for them",
        arguments: [
            (#""num_beams":4"#, "num_beams"), (#""beam_width":4"#, "beam_width"),
            (#""use_beam_search":true,"best_of":4"#, "best_of"), (#""use_beam_search":true,"n":4"#, "n"),
            (#""use_beam_search":true,"num_return_sequences":4"#, "num_return_sequences"),
            (#""penalty_alpha":0.5,"top_k":4"#, "top_k"),
        ])
    func tooWide(_ members: String, _ parameter: String) async {
        let answer = await service(saying("x"), capacity: 3).answer(#"{"prompt":"a",\#(members)}"#)
        #expect(answer.status == 400)
        #expect(answer.parameter == parameter)
        #expect(answer.message?.contains("must be at most 3") == true)
    }

    @Test("Processing arrives as sent, ids once and in order")
    func processing() throws {
        var expected = LogitsProcessing()
        expected.bias = [.init(token: 3, value: -100), .init(token: 7, value: 0.5)]
        expected.repetitionPenalty = 1.25
        expected.noRepeatNgramSize = 3
        expected.badWords = [[97, 98], [32, 97, 98], [32]]
        expected.minTokens = 2
        expected.allowedTokens = [1, 2, 97]
        expected.exponentialDecay = .init(start: 5, factor: 1.5)
        expected.suppressedTokens = [4, 6]
        expected.presencePenalty = 0.5
        expected.frequencyPenalty = -0.5
        let call = try call(
            #"""
            "logit_bias":{"7":0.5,"3":-100,"9":0},"repeat_penalty":1.25,"repeat_last_n":-1,"no_repeat_ngram_size":3,
            "bad_words":["ab"," ab"," "],"min_tokens":2,"allowed_token_ids":[97,1,2,1],
            "exponential_decay_length_penalty":[5,1.5],"suppress_tokens":[6,4,6],"presence_penalty":0.5,
            "frequency_penalty":-0.5
            """#)
        #expect(call.runs.first?.request.processing == expected)
    }

    @Test("What ends a choice arrives as sent")
    func stop() throws {
        let plain = try call(#""n":1"#).runs.first?.request.stop
        #expect(plain == StopConditions(maxTokens: 16, endOfSequence: [TestTokenizer.end]))
        let full = try call(
            #"""
            "max_tokens":5,"stop":"é","stop_token_ids":[5,6,5],"include_stop_str_in_output":true,"ignore_eos":true,
            "max_time":1.5
            """#
        ).runs.first?.request.stop
        #expect(
            full
                == StopConditions(
                    maxTokens: 5, stopTokens: [5, 6], strings: [[0xC3, 0xA9]], keepsStop: true,
                    maxTime: .milliseconds(1500)))
    }

    @Test(
        "What is to be told is asked for, and no more",
        arguments: [
            (#""n":1"#, GenerationReport()), (#""logprobs":3"#, GenerationReport(logprobCount: 3)),
            (#""logprobs":3,"echo":true"#, GenerationReport(logprobCount: 3, promptLogprobCount: 3)),
            (#""echo":true"#, GenerationReport()), (#""prompt_logprobs":0"#, GenerationReport(promptLogprobCount: 0)),
            (
                #""logprobs":1,"echo":true,"prompt_logprobs":4"#,
                GenerationReport(logprobCount: 1, promptLogprobCount: 4)
            ),
            (#""n":1,"best_of":2"#, GenerationReport(logprobCount: 0)),
            (#""best_of":2,"temperature":0"#, GenerationReport()),
            (#""skip_special_tokens":false"#, GenerationReport(showsSpecialTokens: true)),
        ])
    func report(_ members: String, _ report: GenerationReport) throws {
        #expect(try call(members).runs.first?.request.report == report)
    }

    @Test("The command line hears what a client hears")
    func refusal() throws {
        let error = #expect(throws: APIError.self) { try call(#""num_beams":0"#) }
        #expect(error?.parameter == "num_beams")
        #expect(error?.message == "'num_beams' must be an integer from 1 to 16, got 0.")
        #expect(throws: APIError.self) { try call(#""zebra":0"#) }
    }
}
