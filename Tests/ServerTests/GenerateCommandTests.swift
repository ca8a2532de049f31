import ArgumentParser
import CompletionsAPI
import Engine
import InferenceTypes
import Sampling
import Testing
import Tokenization

@testable import needletail

/// Flags of `generate` are fields of a call, and explanations are lines for people.
struct GenerateCommandTests {
    private static let sampled = [
        "Once", "--temperature", "0.7", "--top-k", "20", "--top-p", "0.9", "--min-p", "0.01", "--typical-p", "0.9",
        "--top-h", "0.5", "--epsilon-cutoff", "0.001", "--eta-cutoff", "0.001", "--seed", "5", "--do-sample", "-n", "2",
        "--best-of", "3", "--repetition-penalty", "1.1", "--presence-penalty", "0.1", "--frequency-penalty", "0.2",
        "--no-repeat-ngram-size", "3", "--logit-bias", "15=-2.5", "--logit-bias", "16=1", "--bad-word", "bad",
        "--allowed-token-id", "15", "--allowed-token-id", "16", "--suppress-token", "17",
        "--exponential-decay-length-penalty", "4,1.1", "--max-tokens", "9", "--min-tokens", "2", "--stop", "x",
        "--stop-token-id", "3", "--include-stop-str-in-output", "--ignore-eos", "--max-time", "5",
        "--no-add-special-tokens", "--truncate-prompt-tokens", "4", "--truncation-side", "left",
        "--no-skip-special-tokens", "--json", "--echo", "--logprobs", "1", "--prompt-logprobs", "2",
        "--return-token-ids", "--return-tokens-as-token-ids",
    ]
    private static let beams = [
        "Once", "--num-beams", "4", "-n", "2", "--length-penalty", "0.5", "--early-stopping", "never",
        "--num-beam-groups", "2", "--diversity-penalty", "0.3", "--max-tokens", "4",
    ]

    private func call(_ arguments: [String]) throws -> CompletionCall {
        let command = try GenerateCommand.parse(arguments)
        let model = try LoadedModel(command.modelOptions)
        let served = ServedModel(
            name: model.name, created: 0, contextCount: model.contextCount,
            vocabularyCount: model.tokenizer.vocabularyCount, tokenizer: model.tokenizer,
            generate: { _ throws(AdmissionError) in throw .draining }, sequenceCapacity: { _ in 64 },
            readiness: { .ready }, statistics: { EngineStatistics() })
        return try CompletionCall(
            command.requestFields(for: model).members, model: served, unknownFields: .refuse, random: { 1 << 20 })
    }

    @Test("every flag of sampling reaches the engine's request")
    func sampling() throws {
        let call = try call(Self.sampled)
        #expect(call.choiceCount == 2 && call.generatedChoiceCount == 3)
        let request = call.runs[0].request
        guard case .sampling(let parameters, choices: 0..<3) = request.mode else {
            Issue.record("\(request.mode)")
            return
        }
        let expected = SamplingParameters(
            temperature: 0.7, topH: 0.5, topK: 20, topP: 0.9, minP: 0.01, typicalP: 0.9, epsilonCutoff: 0.001,
            etaCutoff: 0.001, seed: 5)
        #expect(parameters == expected)
        var processing = LogitsProcessing()
        processing.bias = [.init(token: 15, value: -2.5), .init(token: 16, value: 1)]
        processing.repetitionPenalty = 1.1
        processing.presencePenalty = 0.1
        processing.frequencyPenalty = 0.2
        processing.noRepeatNgramSize = 3
        processing.badWords = request.processing.badWords
        processing.allowedTokens = [15, 16]
        processing.suppressedTokens = [17]
        processing.exponentialDecay = .init(start: 4, factor: 1.1)
        processing.minTokens = 2
        #expect(request.processing == processing && !request.processing.badWords.isEmpty)
        #expect(
            request.stop
                == StopConditions(
                    maxTokens: 9, endOfSequence: [], stopTokens: [3], strings: [Array("x".utf8)], keepsStop: true,
                    maxTime: .seconds(5)))
        #expect(
            request.report
                == GenerationReport(logprobCount: 1, promptLogprobCount: 2, showsSpecialTokens: true))
    }

    @Test("every flag of beams reaches the engine's request, and beams draw only when told to")
    func beams() throws {
        let request = try call(Self.beams).runs[0].request
        let parameters = BeamParameters(
            width: 4, returnCount: 2, lengthPenalty: 0.5, earlyStopping: .never, groupCount: 2, diversityPenalty: 0.3)
        #expect(request.mode == .beam(parameters, sampling: nil))
        let alias = try call(["Once", "--use-beam-search", "--best-of", "3"]).runs[0].request
        #expect(alias.mode == .beam(BeamParameters(width: 3), sampling: nil))
        let contrastive = try call(["Once", "--penalty-alpha", "0.6", "--top-k", "5"]).runs[0].request
        #expect(contrastive.mode == .contrastive(topK: 5, penaltyAlpha: 0.6))
    }

    @Test("a value may begin with a minus, and --do-sample keeps the temperature")
    func minus() throws {
        let request = try call([
            "Once", "--presence-penalty", "-2", "--frequency-penalty", "-1", "--seed", "-5", "--top-k", "-1", "--stop",
            "-x", "--bad-word", "-a", "--truncate-prompt-tokens", "-1", "--do-sample",
        ]).runs[0].request
        #expect(request.processing.presencePenalty == -2 && request.processing.frequencyPenalty == -1)
        #expect(request.stop.strings == [Array("-x".utf8)] && !request.processing.badWords.isEmpty)
        let parameters = SamplingParameters(temperature: 0.8, seed: UInt64(bitPattern: -5))
        #expect(request.mode == .sampling(parameters, choices: 0..<1))
        let beams = try call(["Once", "--num-beams", "2", "--length-penalty", "-1"]).runs[0].request
        #expect(beams.mode == .beam(BeamParameters(width: 2, lengthPenalty: -1), sampling: nil))
    }

    @Test(
        "what the server refuses is refused with its words",
        arguments: [
            (["Once", "--top-p", "3"], "top_p"), (["Once", "--num-beams", "2", "-n", "3"], "n"),
            (["Once", "--suffix", "x"], "suffix"), (["Once", "--early-stopping", "perhaps"], "early_stopping"),
        ])
    func refusals(arguments: [String], parameter: String) {
        let error = #expect(throws: APIError.self) { try call(arguments) }
        #expect(error?.parameter == parameter)
    }

    @Test("a step of sampling, line by line")
    func sampledLines() throws {
        let tokenizer = try LoadedModel(try ModelOptions.parse([])).tokenizer
        let token = try #require(tokenizer.encode(Array("a".utf8), addSpecialTokens: .omit).first)
        var text = ExplanationText(tokenizer)
        let trace = SamplingTrace(
            choice: 0, position: 7, model: [.init(token: token, probability: 0.5)],
            stages: [
                .init(name: "top_k", removedCount: 2, removed: [.init(token: token, probability: 0.25)]),
                .init(name: "top_p", removedCount: 0, removed: []),
            ], candidates: [.init(token: token, probability: 1)], candidateCount: 1, chosen: token)
        let spelling = String(decoding: tokenizer.bytes(of: token), as: UTF8.self).debugDescription
        #expect(
            text.lines(of: .sampled(trace)) == """
                position 7, choice 0
                  model says      \(spelling) 50.0 %
                  top_k           removes 2: \(spelling) 25.0 %
                  top_p           removes nothing
                  1 left          \(spelling) 100.0 %
                  → \(spelling)

                """)
    }

    @Test("the tree of beams, level by level")
    func treeLines() throws {
        let tokenizer = try LoadedModel(try ModelOptions.parse([])).tokenizer
        let end = try #require(tokenizer.endOfSequence.min())
        var text = ExplanationText(tokenizer)
        let first = BeamTrace(
            position: 1,
            candidates: [
                .init(parent: 0, token: end, score: -0.5, fate: .continues(1)),
                .init(parent: 0, token: end, score: -0.25, fate: .continues(0)),
                .init(parent: 0, token: end, score: -3, fate: .dropped),
            ])
        #expect(text.lines(of: .beams(first)).split(separator: "\n").count == 5)
        let second = BeamTrace(
            position: 2, candidates: [.init(parent: 1, token: end, score: -1, fate: .finishes(-0.5))])
        let spelling = String(decoding: tokenizer.spelling(of: end), as: UTF8.self).debugDescription
        let lines = text.lines(of: .beams(second)).split(separator: "\n").map(String.init)
        #expect(lines[0] == "level 2" && lines[1] == "  1: …\(spelling)")
        #expect(lines[2].hasPrefix("    ├ \(spelling)") && lines[2].hasSuffix(" -1.0 ■ finished, scores -0.5"))
    }
}
